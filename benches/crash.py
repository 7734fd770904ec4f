"""Time from the signal to the finished report, for Triton with its 60 threads, beside gdb in batch mode on the same process."""

import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

from subjects import PROCESS, ROOT, table

ROUNDS = 3


def run():
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    venv = pathlib.Path(os.environ.get("NOSIGPIPE_TEST_DEPS") or pathlib.Path(cache) / "nosigpipe-tests") / "venv"
    (triton,) = venv.glob("lib/python3.*/site-packages/pytriton/tritonserver")
    rows = {"report": [], "report of the crashed thread alone": [], "gdb, all threads": []}
    threads = 0
    for _ in range(ROUNDS):
        server, log = start(venv, triton, {})
        threads = len(os.listdir(f"/proc/{server.pid}/task"))
        rows["gdb, all threads"].append(timed(lambda server=server: gdb(server.pid)))
        rows["report"].append(timed(lambda server=server: end(server)))
        check(log, " threads: ")
        server, log = start(venv, triton, {"NOSIGPIPE_THREADS": "crashed"})
        rows["report of the crashed thread alone"].append(timed(lambda server=server: end(server)))
        check(log, "which crashed:")
    print(f"From the signal to the end of Triton with its {threads} threads: median of {ROUNDS}, and all, in seconds.\n")
    print(table(["", "median", "all"], [[name, f"{statistics.median(times):.2f}", ", ".join(f"{time:.2f}" for time in times)] for name, times in rows.items()]))


def start(venv, triton, settings):
    log = tempfile.TemporaryFile(mode="w+")
    environment = PROCESS.environment() | settings
    environment["PATH"] = f"{venv / 'bin'}:{environment['PATH']}"
    server = subprocess.Popen(
        [
            triton / "bin" / "tritonserver",
            f"--model-repository={ROOT / 'tests' / 'servers' / 'triton-models'}",
            f"--backend-directory={triton / 'backends'}",
            "--http-address=127.0.0.1",
            "--grpc-address=127.0.0.1",
            "--allow-metrics=false",
        ],
        env=environment,
        stdout=log,
        stderr=log,
    )
    for _ in range(600):
        if "Started HTTPService" in content(log):
            return server, log
        time.sleep(0.1)
    raise SystemExit(f"bench: Triton does not start:\n{content(log)}")


def content(log):
    return os.pread(log.fileno(), 1 << 24, 0).decode(errors="replace")


def check(log, text):
    if text not in content(log):
        raise SystemExit(f"bench: no {text!r} in the report:\n{content(log)}")


def gdb(pid):
    subprocess.run(
        ["gdb", "-nx", "-batch", "-p", str(pid), "-ex", "thread apply all bt"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )


def end(server):
    server.send_signal(signal.SIGSEGV)
    if server.wait() != -signal.SIGSEGV:
        raise SystemExit(f"bench: Triton ended with {server.returncode}")


def timed(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start
