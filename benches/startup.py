"""What it costs to be loaded: instructions of /bin/true, private memory of a program at rest, size of the file."""

import pathlib
import subprocess

from instructions import collected
from subjects import BARE, PROCESS, SOCKETS, peers, table


def private_memory(subject):
    """Private bytes of a process that waits for input."""
    with subprocess.Popen(["/bin/cat"], env=subject.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        # Once it has answered, all of its start is behind it.
        cat.stdin.write(b"\n")
        cat.stdin.flush()
        cat.stdout.read(1)
        smaps = pathlib.Path(f"/proc/{cat.pid}/smaps_rollup").read_text()
        cat.stdin.close()
    return sum(int(line.split()[1]) for line in smaps.splitlines() if line.startswith("Private_")) * 1024


def run():
    print("Start-up of /bin/true in instructions, private memory of a waiting /bin/cat, size of the library.\n")
    bare, memory = collected(BARE, "/bin/true"), private_memory(BARE)
    rows = [["bare", f"{bare:,}", f"{memory / 1024:,.0f} kB", ""]]
    for subject in (PROCESS, SOCKETS, *peers()):
        size = subject.preload.resolve().stat().st_size
        rows.append(
            [
                subject.name,
                f"{collected(subject, '/bin/true') - bare:+,}",
                f"{(private_memory(subject) - memory) / 1024:+,.0f} kB",
                f"{size / 1024:,.0f} kB",
            ]
        )
    print(table(["preload", "instructions", "private memory", "file"], rows))
