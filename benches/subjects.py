"""What is measured: nothing preloaded, the library in its scopes, and what others preload."""

import os
import pathlib
import statistics
import subprocess
import sys
from dataclasses import dataclass, field, replace

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
PROGRAMS = ROOT / "benches" / "programs"
LIBRARY = TARGET / "release" / "libnosigpipe.so"
DEBIAN = pathlib.Path("/usr/lib/x86_64-linux-gnu")


@dataclass
class Subject:
    name: str
    preload: pathlib.Path | None = None
    settings: dict = field(default_factory=dict)
    # The calls that it hooks, where that is not what is to be found out.
    hooks: tuple | None = None

    def again(self):
        """The same under another name: how far apart two equals are."""
        return replace(self, name=f"{self.name}, again")

    def environment(self):
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | self.settings | ({"LD_PRELOAD": str(self.preload)} if self.preload else {})


BARE = Subject("bare")
PROCESS = Subject("process", LIBRARY)
SOCKETS = Subject("sockets", LIBRARY, {"NOSIGPIPE_SCOPE": "sockets"})


def build():
    """The library as it is released."""
    cargo("--lib", cwd=ROOT)


def cargo(*arguments, cwd):
    run = subprocess.run(
        ["cargo", "build", "--release", "--quiet", *arguments], cwd=cwd, stderr=subprocess.PIPE, text=True
    )
    if run.returncode:
        sys.exit(run.stderr)


def peers():
    """What else can be preloaded: an empty library, a hook by redhook alone, and what Debian has."""
    cargo("--target-dir", TARGET / "bench-redhook", cwd=ROOT / "benches" / "redhook")
    sockets = TARGET / "bench-sockets"
    sockets.mkdir(exist_ok=True)
    wrapper = Subject("socket_wrapper", DEBIAN / "libsocket_wrapper.so", {"SOCKET_WRAPPER_DIR": str(sockets)})
    torsocks = Subject("torsocks", DEBIAN / "torsocks" / "libtorsocks.so", {"TORSOCKS_ALLOW_INBOUND": "1"})
    found = [peer for peer in (wrapper, torsocks) if peer.preload.exists()]
    return [
        Subject("empty preload", compiled(PROGRAMS / "empty.c", "-shared", "-fPIC", "-nostdlib")),
        Subject("bare redhook", TARGET / "bench-redhook" / "release" / "libbare_redhook.so", hooks=("send", "socket")),
        *found,
    ]


def compiled(source, *flags):
    """The program, or library, that a C file makes."""
    directory = TARGET / "bench-programs"
    directory.mkdir(parents=True, exist_ok=True)
    output = directory / source.stem
    words = next((line.split()[2:] for line in source.read_text().splitlines() if line.startswith("// flags:")), [])
    subprocess.run(["gcc", "-O2", "-Wall", *flags, str(source), "-o", str(output), *words], check=True)
    return output


def table(head, rows):
    """A table that reads as text and as Markdown."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    align = [str.ljust, *[str.rjust] * (len(head) - 1)]
    line = lambda row: "| " + " | ".join(to(cell, width) for to, cell, width in zip(align, row, widths)) + " |"
    dashes = ["-" * widths[0], *["-" * (width - 1) + ":" for width in widths[1:]]]
    return "\n".join([line(head), "| " + " | ".join(dashes) + " |", *map(line, rows)])


def in_turns(subjects, rounds, measure):
    """What each subject measures beside what bare measured in the same round, by name.

    From round to round another one comes first.
    """
    results = {subject.name: [] for subject in subjects}
    for number in range(rounds):
        first = number % len(subjects)
        values = {subject.name: measure(subject) for subject in subjects[first:] + subjects[:first]}
        for name, value in values.items():
            results[name].append((values[BARE.name], value))
    return results


def spread(values, form="{:.2f}"):
    """Median, and from where to where the middle half goes."""
    least, median, most = statistics.quantiles(values, n=4)
    return f"{form} ({form}..{form})".format(median, least, most)
