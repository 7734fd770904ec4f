"""Time to make and join a thread, as the ratio to bare in runs that take turns."""

import subprocess

from subjects import BARE, PROCESS, PROGRAMS, SOCKETS, compiled, in_turns, spread, table

ROUNDS = 100
THREADS = 500


def run():
    program = compiled(PROGRAMS / "threads.c")
    subjects = [BARE, BARE.again(), PROCESS, SOCKETS]

    def microseconds(subject):
        return float(subprocess.check_output([program, str(THREADS)], env=subject.environment())) / 1000

    results = in_turns(subjects, ROUNDS, microseconds)
    print(f"Time to make and join a thread: median (middle half) of {ROUNDS} runs of {THREADS} in turns.\n")
    rows = []
    for subject in subjects:
        ratios = [with_it / bare for bare, with_it in results[subject.name]]
        times = [with_it for _, with_it in results[subject.name]]
        rows.append([subject.name, spread(times, "{:.1f}"), spread(ratios)])
    print(table(["preload", "microseconds", "ratio to bare"], rows))
