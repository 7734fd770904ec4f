"""Time to make and join a thread, as the ratio to bare in runs that take turns."""

import subprocess

from subjects import BARE, PROCESS, PROGRAMS, SOCKETS, compiled, in_turns, spread, table

ROUNDS = 100
THREADS = 500


def run():
    program = compiled(PROGRAMS / "threads.c")
    subjects = [BARE, BARE.again(), PROCESS, SOCKETS]

    def microseconds(subject):
        output = subprocess.check_output([program, str(THREADS)], env=subject.environment())
        return [float(word) / 1000 for word in output.split()]

    results = in_turns(subjects, ROUNDS, microseconds)
    print(
        f"Time to make and join a thread, {ROUNDS} runs of {THREADS} in turns: the fastest run, which other work on the "
        "machine disturbs\nleast; and as ratios to bare, median (middle half).\n"
    )
    rows = []
    for subject in subjects:
        least = [min(with_it[which] for _, with_it in results[subject.name]) for which in (0, 1)]
        ratio = lambda which: spread([with_it[which] / bare[which] for bare, with_it in results[subject.name]])
        rows.append([subject.name, f"{least[0]:.1f}", f"{least[1]:.1f}", ratio(0), ratio(1)])
    print(table(["preload", "fastest, us", "least processor time, us", "ratio of times", "of processor times"], rows))
