#!/usr/bin/env python3
"""universal.py OUT THIN...: joins thin Mach-O files into a universal one, as lipo does on a Mac."""

import os
import struct
import sys

MH_MAGIC_64, FAT_MAGIC = 0xFEEDFACF, 0xCAFEBABE
CPU_TYPE_ARM64 = 0x0100000C


def main():
    out, thin = sys.argv[1], sys.argv[2:]
    slices = []
    end = 8 + 20 * len(thin)
    for path in thin:
        with open(path, "rb") as file:
            content = file.read()
        magic, cpu, subtype = struct.unpack_from("<III", content)
        if magic != MH_MAGIC_64:
            sys.exit(f"universal.py: {path}: not a 64-bit Mach-O file")
        # A slice is mapped as it lies in the file: it must start on a page of its processor.
        align = 14 if cpu == CPU_TYPE_ARM64 else 12
        offset = -(-end >> align) << align
        slices.append((cpu, subtype, offset, len(content), align, content))
        end = offset + len(content)
    if len({entry[0] for entry in slices}) != len(slices):
        sys.exit("universal.py: two files for one processor")

    # A new file with a new inode: macOS's kernel keeps the signature of a file that it has mapped, and kills programs if the file then has another one.
    with open(out + ".new", "wb") as file:
        file.write(struct.pack(">II", FAT_MAGIC, len(slices)))
        for entry in slices:
            file.write(struct.pack(">IIIII", *entry[:5]))
        for entry in slices:
            file.write(b"\0" * (entry[2] - file.tell()))
            file.write(entry[5])
    os.chmod(out + ".new", 0o755)
    os.replace(out + ".new", out)


main()
