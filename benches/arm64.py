"""The library for arm64, in instructions: per call, and at start-up, as the emulator for programs counts them.

qemu-aarch64 executes one instruction at a time and writes a line for each; lines of a run are instructions of the program, of its
loader and of the library, and none of a kernel. As in instructions.py, what a call takes is the difference of two run lengths.
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from instructions import CALLS, COUNT
from subjects import PROGRAMS, ROOT, TARGET, table

# Where Debian's cross compilers have arm64's libc.
SYSTEM = "/usr/aarch64-linux-gnu"
# As scripts/build-linux-arm64 leaves it.
LIBRARY = TARGET / "linux-arm64" / "out" / "libnosigpipe.so"
SUBJECTS = {"bare": [], "process": [f"LD_PRELOAD={LIBRARY}"], "sockets": [f"LD_PRELOAD={LIBRARY}", "NOSIGPIPE_SCOPE=sockets"]}


def collected(settings, *command):
    """Instructions of a whole run."""
    with tempfile.NamedTemporaryFile() as log:
        set_ = [word for setting in settings for word in ("-E", setting)]
        emulator = ["qemu-aarch64", "-singlestep", "-d", "exec,nochain", "-D", log.name, "-L", SYSTEM, *set_]
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        run = subprocess.run([*emulator, *map(str, command)], env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=600)
        if run.returncode:
            sys.exit(f"bench: {command}: {run.returncode} {run.stderr.decode(errors='replace')}")
        with open(log.name, "rb") as lines:
            return sum(line.startswith(b"Trace") for line in lines)


def compiled(name, text=None):
    """benches/programs/NAME.c, or a text, as a program for arm64."""
    directory = TARGET / "bench-programs"
    directory.mkdir(parents=True, exist_ok=True)
    output = directory / f"{name}.arm64"
    source = ["-xc", "-"] if text else [str(PROGRAMS / f"{name}.c")]
    subprocess.run(["aarch64-linux-gnu-gcc", "-O2", "-Wall", "-o", str(output), *source], input=text, text=True, check=True)
    return output


def run():
    subprocess.run([ROOT / "scripts/build-linux-arm64", "--library"], check=True, stdout=subprocess.DEVNULL)
    calls, nothing = compiled("calls"), compiled("nothing", "int main(void) { return 0; }")

    def per_call(call, subject):
        once, twice = (collected(SUBJECTS[subject], calls, call, count) for count in (COUNT, 2 * COUNT))
        return (twice - once) / COUNT

    with ThreadPoolExecutor(2) as pool:
        cells = {(call, name): pool.submit(per_call, call, name) for call in CALLS for name in SUBJECTS}
        start = {name: pool.submit(collected, settings, nothing) for name, settings in SUBJECTS.items()}
    bare = lambda call: cells[call, "bare"].result()
    print("arm64: instructions per call in user space, bare, and how many more with the preload.\n")
    rows = [[call, f"{bare(call):.0f}", *[f"{round(cells[call, name].result() - bare(call)):+}" for name in ("process", "sockets")]] for call in CALLS]
    first = start["bare"].result()
    rows.append(["start to end of a program that does nothing", f"{first:,}", *[f"{start[name].result() - first:+,}" for name in ("process", "sockets")]])
    print(table(["call", *SUBJECTS], rows))
