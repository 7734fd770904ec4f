"""A stripped program has kept its functions' names in .gnu_debugdata, as Fedora's and Red Hat's programs have: an ELF file that xz has
compressed. The report has the names, by whatever xz made it; where the section is damaged, or would become gigabytes, only they are
missing."""
import lzma
import os
import re
import resource
import struct
import subprocess
import sys
import zlib

LIBRARY = os.environ["LIBRARY"]
MOST = 400 << 20  # bytes that a process of the report may have in memory
SOURCE = """__attribute__((noinline)) static int query(int *volatile row) { return *row; }
__attribute__((noinline)) static int handle(int *volatile row) { return query(row) + 1; }
int main(void) { return handle(0); }"""
FAST = [{"id": lzma.FILTER_LZMA2, "preset": 0}]


def kept_symbols():
    """The program, and an ELF file with its symbols, as rpm's find-debuginfo makes it."""
    subprocess.run(["gcc", "-O1", "-fno-optimize-sibling-calls", "-w", "-x", "c", "-o", "whole", "-"], input=SOURCE.encode(), check=True)
    subprocess.run(["objcopy", "--only-keep-debug", "whole", "debug"], check=True)
    names = [line.split()[0] for line in subprocess.check_output(["nm", "--format=posix", "--defined-only", "whole"], text=True).splitlines()
             if line.split()[1] in "tTD"]
    with open("names", "w") as file:
        file.write("\n".join(names) + "\n")
    subprocess.run(["objcopy", "-S", "--remove-section", ".gdb_index", "--remove-section", ".comment", "--keep-symbols=names", "debug", "mini"], check=True)
    subprocess.run(["strip", "-o", "stripped", "whole"], check=True)
    with open("mini", "rb") as file:
        return file.read()


def with_dictionary(stream, code):
    """The same stream, whose first block asks for a dictionary of another size."""
    size = (stream[12] + 1) * 4
    header = bytearray(stream[12:12 + size - 4])
    at = header.index(b"\x21\x01") + 2
    header[at] = code
    return stream[:12] + bytes(header) + struct.pack("<I", zlib.crc32(header)) + stream[12 + size:]


def damaged(stream, at):
    return stream[:at] + bytes([stream[at] ^ 0x55]) + stream[at + 1:]


def crash(section):
    with open("section", "wb") as file:
        file.write(section)
    subprocess.run(["objcopy", "--add-section", ".gnu_debugdata=section", "stripped", "server"], check=True)
    env = dict(os.environ, NOSIGPIPE_CRASH_TIMEOUT="8")
    if LIBRARY:
        env["LD_PRELOAD"] = LIBRARY
    server = subprocess.run(["./server"], env=env, stderr=subprocess.PIPE, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)))
    text = server.stderr.decode(errors="replace")
    stack = re.findall(r"^  #\d+ +(\S+) ", text, re.M)
    named = stack[:3] == ["query", "handle", "main"]
    where = "named" if named else "no names" if len(stack) >= 3 and "query" not in text else f"what? {text}"
    told = " told" if "could not be read" in text else ""
    return f"signal {-server.returncode}, {where}{told}"


def main():
    good = kept_symbols()
    plain = lzma.compress(good)
    zeros = lzma.compress(bytes(16 << 20), filters=FAST)
    sections = {
        "as xz makes it": plain,
        "crc32": lzma.compress(good, check=lzma.CHECK_CRC32),
        "no check": lzma.compress(good, check=lzma.CHECK_NONE, preset=9),
        "several streams": lzma.compress(good[:1000]) + bytes(8) + lzma.compress(good[1000:]) + bytes(4),
        "damaged content": damaged(plain, len(plain) // 2),
        "damaged header": damaged(plain, 8),
        "cut off": plain[:len(plain) // 3],
        "no xz": b"\xfd7zXZ\0" + os.urandom(2000),
        "empty": b"\0",
        "no ELF": lzma.compress(b"nothing of the kind" * 100),
        "dictionary of 4 GiB": with_dictionary(plain, 40),
        "4 GiB of zeros": zeros * 256,
    }
    for name, section in sections.items():
        print(f"{name}: {crash(section)}")
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print("modest" if most < MOST else f"{most >> 20} MiB in memory")
    return 0


sys.exit(main())
