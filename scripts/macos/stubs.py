#!/usr/bin/env python3
"""stubs.py NAMES DIR: writes into DIR what the linker needs of a macOS SDK.

Apple's SDK may not be passed on, and a linker needs nothing of it but the names that each system library exports.
NAMES holds libSystem's, one a line.
"""

import pathlib
import sys

TARGETS = "[ x86_64-macos, arm64-macos ]"

# libc and libm are links to libSystem on a Mac.
LIBRARIES = {"libSystem": "libSystem.B", "libc": "libSystem.B", "libm": "libSystem.B", "libiconv": "libiconv.2"}


def stub(install_name, symbols):
    lines = ["--- !tapi-tbd", "tbd-version: 4", f"targets: {TARGETS}", f"install-name: '{install_name}'"]
    if symbols:
        lines += ["exports:", f"  - targets: {TARGETS}", "    symbols:"]
        lines += [f"      - '{symbol}'" for symbol in symbols]
    return "\n".join(lines + ["...", ""])


def main():
    names, directory = map(pathlib.Path, sys.argv[1:])
    symbols = sorted({line.strip() for line in names.read_text().splitlines() if line[:1] == "_" or line[:4] == "dyld"})
    libraries = directory / "usr/lib"
    libraries.mkdir(parents=True, exist_ok=True)
    for file, install in LIBRARIES.items():
        text = stub(f"/usr/lib/{install}.dylib", symbols if "System" in install else [])
        path = libraries / f"{file}.tbd"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


main()
