"""Mach-O files made here, with no more in them than a test needs."""

import struct

CPUS = {"arm64": (0x100000C, 0, 0x4000), "x86_64": (0x1000007, 3, 0x1000)}
DYLIB, DSYM = 6, 10
CODE = 0x80000400
"""Of a section: only instructions are in it."""


def name16(name):
    return name.encode().ljust(16, b"\0")


def macho(arch, filetype, segments, symbols=(), uuid=bytes(16), starts=()):
    """segments: {name: (address, rights, {section: (bytes, flags)})}; symbols: (name, address), all of section 1; starts of
    functions by their distance from the first segment."""
    cpu, subtype, page = CPUS[arch]
    align = lambda n: -(-n // page) * page
    strings, table = b"\0", b""
    for name, address in symbols:
        table += struct.pack("<IBBHQ", len(strings), 0x0F, 1, 0, address)
        strings += name.encode() + b"\0"
    size = sum(72 + 80 * len(sections) for _, _, sections in segments.values()) + 72 + 24 + 24 + 16
    content, commands = bytearray(page), b""
    end = 0
    for name, (address, rights, sections) in segments.items():
        # The first one has the header in its first page.
        offset = 0 if not commands else len(content)
        body, headers = bytearray(page if not commands else 0), b""
        for section, (data, flags) in sections.items():
            headers += name16(section) + name16(name) + struct.pack(
                "<QQIIIIIIII", address + len(body), len(data), offset + len(body), 3, 0, 0, flags, 0, 0, 0)
            body += data.ljust(-(-len(data) // 16) * 16, b"\0")
        body = bytes(body).ljust(align(len(body)), b"\0")
        content[offset:] = body
        commands += struct.pack("<II", 0x19, 72 + len(headers)) + name16(name) + struct.pack(
            "<QQQQIIII", address, len(body), offset, len(body), rights, rights, len(sections), 0) + headers
        end = max(end, address + len(body))
    steps = b"".join(leb(at - before) for before, at in zip((0, *starts), starts)).ljust(-(-(len(starts) * 5 + 1) // 8) * 8, b"\0")
    linkedit = table + strings.ljust(-(-len(strings) // 8) * 8, b"\0") + steps
    steps_at = len(content) + len(linkedit) - len(steps)
    linkedit = linkedit.ljust(align(len(linkedit)), b"\0")
    commands += struct.pack("<II", 0x19, 72) + name16("__LINKEDIT") + struct.pack(
        "<QQQQIIII", end, len(linkedit), len(content), len(linkedit), 1, 1, 0, 0)
    commands += struct.pack("<IIIIII", 2, 24, len(content), len(symbols), len(content) + len(table), len(strings))
    commands += struct.pack("<II", 0x1B, 24) + uuid
    commands += struct.pack("<IIII", 0x26, 16, steps_at, len(steps))
    assert len(commands) == size and size + 32 <= page
    header = struct.pack("<IIIIIIII", 0xFEEDFACF, cpu, subtype, filetype, len(segments) + 4, size, 0, 0)
    content[:len(header + commands)] = header + commands
    return bytes(content) + linkedit


def leb(number):
    out = bytearray()
    while number >> 7:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def dwarf(file, function, start, size, line, inlined, inlined_line):
    """Debug information (DWARF 4) of one function, into all of which another one was inlined."""
    text = lambda s: s.encode() + b"\0"
    abbreviations = (
        leb(1) + leb(0x11) + b"\1" + b"\x03\x08\x10\x17\x11\x01\x12\x07\0\0" +     # unit: name, lines, low, size
        leb(2) + leb(0x2E) + b"\0" + b"\x03\x08\x20\x0B\0\0" +                      # inlined one: name, inline
        leb(3) + leb(0x2E) + b"\1" + b"\x03\x08\x11\x01\x12\x07\0\0" +              # function: name, low, size
        # where it is inlined: origin, low, size, file and line of the call
        leb(4) + leb(0x1D) + b"\0" + b"\x31\x13\x11\x01\x12\x07\x58\x0B\x59\x0F\0\0" + b"\0")
    unit = leb(1) + text(file) + struct.pack("<IQQ", 0, start, size)
    origin = 11 + len(unit)
    unit += leb(2) + text(inlined) + b"\1"
    unit += leb(3) + text(function) + struct.pack("<QQ", start, size)
    unit += leb(4) + struct.pack("<IQQB", origin, start, size, 1) + leb(line)
    unit += b"\0\0"
    info = struct.pack("<HIB", 4, 0, 8) + unit
    info = struct.pack("<I", len(info)) + info
    lengths = bytes([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1])
    files = b"\0" + text(file) + b"\0\0\0" + b"\0"
    head = bytes([1, 1, 1, 0xFB, 14, 13]) + lengths + files
    program = b"\0\x09\x02" + struct.pack("<Q", start) + b"\x03" + leb(inlined_line - 1) + b"\x01"
    program += b"\x02" + leb(size) + b"\0\x01\x01"
    lines = struct.pack("<HI", 4, len(head)) + head + program
    return {"__debug_abbrev": (abbreviations, 0), "__debug_info": (info, 0),
            "__debug_line": (struct.pack("<I", len(lines)) + lines, 0)}


def dsym(arch, uuid, sections):
    return macho(arch, DSYM, {"__DWARF": (1 << 32, 3, sections)}, uuid=uuid)


def framed(start, end):
    """Compact unwinding information of arm64: all functions from start to end, distances from the image's, have a frame."""
    index = struct.pack("<III", start, 52, 52) + struct.pack("<III", end, 0, 52)
    page = struct.pack("<IHHII", 2, 8, 1, start, 0x04000000)
    return struct.pack("<7I", 1, 28, 0, 28, 0, 28, 2) + index + page
