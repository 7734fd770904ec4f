"""What it costs to be loaded: instructions of /bin/true, private memory of a program at rest, size of the file."""

import pathlib
import subprocess

from instructions import collected
from subjects import BARE, PROCESS, SOCKETS, peers, table


def private_memory(subject):
    """What a process that waits for input has to itself, in kB, and how much of that has been written to.

    The rest are pages of files that nobody else has mapped now; they are shared with the next process that does.
    """
    with subprocess.Popen(["/bin/cat"], env=subject.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        # Once it has answered, all of its start is behind it.
        cat.stdin.write(b"\n")
        cat.stdin.flush()
        cat.stdout.read(1)
        smaps = pathlib.Path(f"/proc/{cat.pid}/smaps_rollup").read_text()
        cat.stdin.close()
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in smaps.splitlines()[1:]}
    return kilobytes["Private_Clean"] + kilobytes["Private_Dirty"], kilobytes["Anonymous"]


def run():
    print("Start-up of /bin/true in instructions, private memory of a waiting /bin/cat, size of the library.\n")
    bare, memory = collected(BARE, "/bin/true"), private_memory(BARE)
    rows = [["bare", f"{bare:,}", f"{memory[0]} kB", f"{memory[1]} kB", ""]]
    for subject in (PROCESS, SOCKETS, *peers()):
        private, written = private_memory(subject)
        size = subject.preload.resolve().stat().st_size
        rows.append(
            [
                subject.name,
                f"{collected(subject, '/bin/true') - bare:+,}",
                f"{private - memory[0]:+} kB",
                f"{written - memory[1]:+} kB",
                f"{size / 1024:,.0f} kB",
            ]
        )
    print(table(["preload", "instructions", "private memory", "of it written", "file"], rows))
