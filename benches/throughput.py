"""Requests that real servers answer under the library, as the ratio to bare.

All servers run at once and are loaded in turns, in bursts of some hundredths of a second, so that whatever else the
machine does hits all of them. A second bare server tells what a ratio means nothing. Client and server share the machine:
beside the throughput stands the server's own processor time per request, which the client disturbs less.
"""

import contextlib
import pathlib
import subprocess

from subjects import BARE, PROCESS, PROGRAMS, ROOT, SOCKETS, compiled, in_turns, spread, table

ROUNDS = 100
CONNECTIONS = 4
SERVERS = ROOT / "tests" / "servers"
# Server, path, way, number of requests in a burst.
LOADS = [
    ("evhttp", "/small", "kept", 1000),
    ("evhttp", "/small", "new", 400),
    ("evhttp", "/big", "kept", 8),
    ("evhtp", "/small", "kept", 1000),
    ("evhtp", "/small", "new", 400),
]


@contextlib.contextmanager
def serving(program, subject):
    """A server that has said on which port it listens: its process and the port."""
    server = subprocess.Popen([program], env=subject.environment(), stdout=subprocess.PIPE, text=True)
    try:
        yield server.pid, server.stdout.readline().split()[-1]
    finally:
        server.terminate()
        server.wait(30)
        server.stdout.close()


def processor_time(pid):
    """Nanoseconds that the process's only thread has run."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def run():
    client = compiled(PROGRAMS / "load.c")
    subjects = [BARE, BARE.again(), PROCESS, SOCKETS]
    rows = []
    for name, path, way, requests in LOADS:
        program = compiled(SERVERS / f"{name}.c")
        with contextlib.ExitStack() as stack:
            servers = {subject.name: stack.enter_context(serving(program, subject)) for subject in subjects}

            def burst(subject):
                pid, port = servers[subject.name]
                before = processor_time(pid)
                command = [client, port, path, str(CONNECTIONS), str(requests), way]
                per_second = float(subprocess.check_output(command, env=BARE.environment(), timeout=120))
                return per_second, (processor_time(pid) - before) / requests

            results = in_turns(subjects, ROUNDS, burst)
        for subject in subjects[1:]:
            ratio = lambda which: spread([with_it[which] / bare[which] for bare, with_it in results[subject.name]])
            connections = "kept" if way == "kept" else "one per request"
            rows.append([f"{name} {path}", connections, subject.name, ratio(0), ratio(1)])
    print(
        f"Requests, as ratios to bare: median (middle half) of {ROUNDS} bursts in turns, {CONNECTIONS} connections at "
        "once.\n"
    )
    print(table(["server", "connections", "preload", "requests per second", "processor time per request"], rows))
