"""What `nosigpipe stack` costs a process, beside gdb in batch mode and elfutils' eu-stack on the same program.

The program has 21 threads that wait and one that measures for how long it did not run.
"""

import re
import shutil
import statistics
import subprocess
import tempfile
import time

from subjects import BARE, ROOT, TARGET, cargo, table

ROUNDS = 5
# A frame with a name, as each of them shows it.
NAMED = re.compile(r" *#\d+ +(0x[0-9a-f]+ in |0x[0-9a-f]+ +)?[A-Za-z_]")


def run():
    cargo("--bin", "nosigpipe", cwd=ROOT)
    with tempfile.TemporaryDirectory() as directory:
        program = f"{directory}/uninterrupted"
        source = ROOT / "tests" / "programs" / "uninterrupted.c"
        subprocess.run(["gcc", "-g", "-O1", "-w", "-D_GNU_SOURCE", "-pthread", "-o", program, source], check=True)
        rows = [measured(program, name, command) for name, command in ways()]
    print(f"The stacks of a process with 22 threads; medians of {ROUNDS}.\n")
    print(table(["", "stopped at most, ms", "whole time, s", "frames with a name", "calls that returned EINTR"], rows))


def ways():
    yield "nothing", ["true"]
    yield "nosigpipe stack", [TARGET / "release" / "nosigpipe", "stack", "PID"]
    yield "gdb, all threads", ["gdb", "-nx", "-batch", "-p", "PID", "-ex", "thread apply all bt"]
    if shutil.which("eu-stack"):
        yield "eu-stack, with lines", ["eu-stack", "-s", "-p", "PID"]


def measured(program, name, command):
    stopped, whole, names, interrupted = [], [], [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryFile(mode="w+") as log:
            process = subprocess.Popen([program], env=BARE.environment(), stdout=log)
            wait_for(log, "ready")
            time.sleep(0.3)
            arguments = [str(process.pid) if argument == "PID" else argument for argument in command]
            start = time.monotonic()
            found = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
            whole.append(time.monotonic() - start)
            process.terminate()
            stopped.append(int(re.search(r"longest (\d+)", wait_for(log, "longest"))[1]) / 1000)
            process.kill()
            process.wait()
            names.append(len([line for line in found.splitlines() if NAMED.match(line)]))
            interrupted.append(content(log).count("returned -1 (4)"))
    median = statistics.median
    return [name, f"{median(stopped):.1f}", f"{median(whole):.2f}", f"{median(names):.0f}", f"{median(interrupted):.0f}"]


def wait_for(log, text):
    for _ in range(600):
        if text in content(log):
            return content(log)
        time.sleep(0.05)
    raise SystemExit(f"bench: no {text!r}")


def content(log):
    log.flush()
    with open(f"/proc/self/fd/{log.fileno()}") as file:
        return file.read()
