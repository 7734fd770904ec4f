"""A program whose table of symbols takes longer to search than a report may take. The report names the functions that there was time
for and says that time ran out for the others: in the text and in the JSON."""
import json
import os
import re
import struct
import subprocess
import sys

LIBRARY = os.environ["LIBRARY"]
FUNCTIONS = 64
SYMBOLS = 32 << 20  # undefined ones, which a search passes over: 30 ms for each of 64 frames, where memory is not much faster than here
SYMBOL = 24

SOURCE = "int volatile *volatile row; int f0(void) { return *row; }\n" + "".join(
    f"__attribute__((noinline)) int f{n}(void) {{ return f{n - 1}() + {n}; }}\n" for n in range(1, FUNCTIONS)
) + f"int main(void) {{ return f{FUNCTIONS - 1}(); }}\n"


def build(program, symbols):
    subprocess.run(["gcc", "-O0", "-w", "-x", "c", "-o", program, "-"], input=SOURCE.encode(), check=True)
    enlarge(program, symbols)
    os.chmod(program, 0o755)


def enlarge(program, total):
    """Makes the table of symbols longer, by undefined ones behind it that take no room on the disk."""
    image = bytearray(open(program, "rb").read())
    table, = struct.unpack_from("<Q", image, 40)
    entry, count = struct.unpack_from("<HH", image, 58)
    for at in range(table, table + count * entry, entry):
        kind, = struct.unpack_from("<I", image, at + 4)
        if kind == 2:  # SHT_SYMTAB
            start, size = struct.unpack_from("<QQ", image, at + 24)
            moved = -(-len(image) // 4096) * 4096
            struct.pack_into("<QQ", image, at + 24, moved, total * SYMBOL)
            symbols = image[start:start + size]
    with open(program, "wb") as file:
        file.write(image)
        file.seek(moved)
        file.write(symbols)
        file.truncate(moved + total * SYMBOL)
    with open(program, "rb") as file:  # into memory, so that the first search is no slower than the others
        while file.read(1 << 24):
            pass


def judge(what, frames, named, told):
    is_right = 0 < len(named) < FUNCTIONS <= len(frames) and told == [len(frames) - len(named)]
    print(f"{what}: told" if is_right else f"{what}: {len(named)} of {len(frames)} frames have names, and {told} are told to have none")


def main():
    env = dict(os.environ, NOSIGPIPE_CRASH_TIMEOUT="1")
    if LIBRARY:
        env["LD_PRELOAD"] = LIBRARY
    symbols = SYMBOLS
    while True:
        build("server", symbols)
        text = subprocess.run(["./server"], env=env, capture_output=True).stderr.decode()
        frames = re.findall(r"^  #[0-9]+ +(\S+)", text, re.M)
        named = [name for name in frames if re.fullmatch("f[0-9]+|main", name)]
        # There was time for all: on a faster machine the table is longer.
        if len(named) < FUNCTIONS or symbols >= SYMBOLS << 2:
            break
        symbols *= 2
    report = json.loads(subprocess.run(["./server"], env=dict(env, NOSIGPIPE_FORMAT="json"), capture_output=True).stderr)
    note = re.compile("the names of ([0-9]+) frames are missing: there was no time left to look for them")
    told = [int(number) for number in note.findall(text)]
    judge("text", frames, named, told)
    thread = report["crashed_thread"]
    names = [frame.get("function", "") for frame in thread["frames"]]
    told = [int(number) for number in note.findall(thread.get("names_note", ""))]
    judge("JSON", names, [name for name in names if name], told)
    return 0


sys.exit(main())
