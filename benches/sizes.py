"""Time from the signal to the end of processes of all sizes: threads, depth, DWARF, dynamic symbols, resident memory. Beside gdb and
eu-stack, where they are there, on the same process. `scripts/bench sizes`; with NOSIGPIPE_BENCH_SIZES=small without the largest."""

import os
import shutil
import signal
import statistics
import subprocess
import time

from subjects import PROCESS, PROGRAMS, TARGET, table

SMALL = os.environ.get("NOSIGPIPE_BENCH_SIZES") == "small"
FOLDER = TARGET / "bench-sizes"
ROUNDS = 3
# Seconds after which a debugger is ended.
LIMIT = 120
# What a report says that was not done in the time that it may take.
OUT_OF_TIME = "(NOSIGPIPE_CRASH_TIMEOUT)"


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    plain = program("plain", [])
    rows = []

    def row(name, path, threads=0, depth=10, megabytes=0):
        rounds = [measure(path, threads, depth, megabytes) for _ in range(ROUNDS)]
        rows.append([name, *(median(times) for times in zip(*rounds))])
        print(f"bench: {rows[-1]}", flush=True)

    for threads in sizes(0, 100, 1000, 4000):
        row(f"{threads} threads", plain, threads=threads)
    for depth in sizes(10, 1000, 10_000, 100_000):
        row(f"{depth} frames", plain, depth=depth)
    for megabytes in sizes(10, 60, 500):
        for flag, how in ("", "plain"), ("-gz=zlib", "zlib"):
            row(f"{megabytes} MB of DWARF, {how}", with_debug_information(megabytes, flag))
    for count in sizes(10_000, 100_000, 1_000_000):
        row(f"{count} dynamic symbols", with_symbols(count))
    for megabytes in sizes(100, 1000, 4000):
        row(f"{megabytes} MB resident", plain, megabytes=megabytes)
    print("\nFrom the signal to the end of the process, and a debugger's stacks of all threads with files and lines: seconds,")
    print(f"medians of {ROUNDS}.\n")
    print(table(["", "report", "gdb", "eu-stack"], rows))


def sizes(*all):
    return all[:2] if SMALL else all


def measure(path, threads, depth, megabytes):
    arguments = [path, str(threads), str(depth), str(megabytes)]
    process = subprocess.Popen(arguments, env=PROCESS.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if process.stdout.readline() != b"ready\n":
        raise SystemExit(f"bench: {arguments} does not start: {process.stderr.read().decode()}")
    pid = str(process.pid)
    gdb = timed(["gdb", "-nx", "-batch", "-p", pid, "-ex", "thread apply all bt"])
    # All frames, and not its first 256.
    elfutils = timed(["eu-stack", "-n", "0", "-s", "-p", pid])
    start = time.monotonic()
    process.send_signal(signal.SIGSEGV)
    report = process.communicate()[1].decode(errors="replace")
    taken = time.monotonic() - start
    if process.returncode != -signal.SIGSEGV or "in short:" not in report and OUT_OF_TIME not in report:
        raise SystemExit(f"bench: no whole report of {arguments}: {process.returncode}\n{report[-2000:]}")
    return (taken, ", out of time" if OUT_OF_TIME in report else ""), gdb, elfutils


def median(times):
    """Of times, each with a remark or without."""
    if None in times:
        return "-"
    taken, remark = statistics.median_low(times)
    return f"{taken:.2f}{remark}"


def timed(command):
    if not shutil.which(command[0]):
        return None
    start = time.monotonic()
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return LIMIT, ", ended then"
    return time.monotonic() - start, ""


def program(name, more):
    path = FOLDER / name
    compiler = ["gcc", "-O1", "-fno-optimize-sibling-calls", "-pthread", "-o", path, PROGRAMS / "sized.c"]
    subprocess.run([*compiler, *more], check=True)
    return path


def with_debug_information(megabytes, flag):
    """A program of so many objects, each of which has about 1 MB of DWARF."""
    source, unit = FOLDER / "unit.c", FOLDER / "unit.o"
    if not unit.exists():
        with open(source, "w") as file:
            for i in range(2600):
                file.write(
                    f"struct s{i} {{ int first_member_{i}; long second_member_{i}; struct s{i} *next_{i}; }};\n"
                    f"__attribute__((used)) static long f{i}(struct s{i} *p, int n) "
                    f"{{ long sum = 0; for (int i = 0; i < n; i++) sum += p->second_member_{i} * i; return sum; }}\n"
                )
        subprocess.run(["gcc", "-c", "-g", "-O1", "-o", unit, source], check=True)
    objects = []
    for i in range(megabytes):
        objects.append(FOLDER / f"unit{i}.o")
        if not objects[-1].exists():
            os.link(unit, objects[-1])
    return program(f"dwarf{megabytes}{flag}", [*objects, "-g", *([flag] if flag else [])])


def with_symbols(count):
    """A program that exports so many functions."""
    source = FOLDER / "symbols.s"
    with open(source, "w") as file:
        file.write(".text\n")
        for i in range(count):
            file.write(f".globl exported_function_{i}\n.type exported_function_{i}, @function\nexported_function_{i}: ret\n")
        file.write('.section .note.GNU-stack,"",@progbits\n')
    return program(f"symbols{count}", [source, "-rdynamic"])
