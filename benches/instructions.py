"""User-space instructions that each call costs more than bare, by callgrind, as the difference of two run lengths.

What one run has beside the calls, start-up included, is in both lengths and falls out; so numbers are exact, and the
same on a busy machine.
"""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from subjects import BARE, PROCESS, PROGRAMS, SOCKETS, compiled, peers, table

COUNT = 200
CALLS = (
    "send sendto sendmsg sendmmsg accept accept4 socket socketpair write writev sendfile read close sigaction signal "
    "pthread_create"
).split()


def collected(subject, *command):
    """Instructions of a whole run, or none when the command fails under the subject."""
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *map(str, command)],
        env=subject.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=300,
    )
    found = re.search(r"Collected : (\d+)", run.stderr)
    return int(found[1]) if found and run.returncode == 0 else None


def per_call(subject, program, call):
    once, twice = (collected(subject, program, call, count) for count in (COUNT, 2 * COUNT))
    return None if once is None or twice is None else (twice - once) / COUNT


def run():
    program = compiled(PROGRAMS / "calls.c")
    others = [peer for peer in peers() if peer.name != "empty preload"]
    subjects = [BARE, PROCESS, SOCKETS, *others]
    with ThreadPoolExecutor(2) as pool:
        cells = {
            (call, subject.name): pool.submit(per_call, subject, program, call)
            for call in CALLS
            for subject in subjects
            if subject.hooks is None or call in subject.hooks
        }
    value = lambda call, subject: cells[call, subject.name].result()

    def added(call, subject):
        if (call, subject.name) not in cells:
            return ""
        bare, with_it = value(call, BARE), value(call, subject)
        return "refused" if with_it is None else f"{round(with_it - bare):+}"

    print("Instructions per call in user space: bare, and how many more with a preload.\n")
    rows = [[call, f"{value(call, BARE):.0f}", *[added(call, subject) for subject in subjects[1:]]] for call in CALLS]
    print(table(["call", *[subject.name for subject in subjects]], rows))
