"""What writes the report comes to a stop on the way, as on a machine that has no time for it. What there is by then is in the directory
when the process has ended, whole by itself, and says what is missing."""
import json
import os
import signal
import subprocess
import sys
import time

LIBRARY = os.environ["LIBRARY"]
SOURCE = r"""
#include <pthread.h>
#include <unistd.h>
__attribute__((noinline)) static int query(int *volatile row) { return *row; }
static pthread_barrier_t ready;
__attribute__((noinline)) static long deep(long depth) {
    if (depth == 0) { pthread_barrier_wait(&ready); for (;;) pause(); }
    return deep(depth - 1) + 1;
}
static void *work(void *depth) { return (void *)deep((long)depth); }
int main(void) {
    pthread_barrier_init(&ready, 0, 201);
    for (long i = 0; i < 200; i++) { pthread_t thread; pthread_create(&thread, 0, work, (void *)(500 + i)); }
    pthread_barrier_wait(&ready);
    return query(0);
}
"""


def copies(pid):
    """The processes that a process has made."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != pid:
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:
                    if int(stat.read().rsplit(b")", 1)[1].split()[1]) == pid:
                        yield int(entry)
            except OSError:
                pass


def crash(form):
    """A crash whose copy is stopped as soon as there is a draft: what the directory has in the end, and standard error. None where it was
    done before."""
    directory = os.path.abspath(f"{form}-{time.monotonic_ns()}")
    os.mkdir(directory)
    env = dict(os.environ, LD_PRELOAD=LIBRARY, NOSIGPIPE_REPORT=directory, NOSIGPIPE_CRASH_TIMEOUT="3", NOSIGPIPE_FORMAT=form)
    server = subprocess.Popen(["./server"], env=env, stderr=subprocess.PIPE)
    while server.poll() is None:
        if any(name.endswith(".part") for name in os.listdir(directory)):
            for copy in copies(server.pid):
                try:
                    os.kill(copy, signal.SIGSTOP)
                except ProcessLookupError:
                    pass  # it was done before
            break
    stderr = server.communicate()[1].decode(errors="replace")
    names = os.listdir(directory)
    if f"is in {directory}/" in stderr and "what there is" not in stderr:
        return None
    content = open(os.path.join(directory, names[0])).read() if names else ""
    return server.returncode, names, content, stderr


def main():
    subprocess.run(["gcc", "-O0", "-g", "-w", "-x", "c", "-o", "server", "-", "-lpthread"], input=SOURCE.encode(), check=True)
    for form in ("text", "json"):
        found = next(filter(None, (crash(form) for _ in range(5))), None)
        if found is None:
            print(f"{form}: no draft was seen in time")
            continue
        code, names, content, stderr = found
        named = len(names) == 1 and names[0].startswith("server.") and names[0].endswith({"text": ".txt", "json": ".json"}[form])
        print(f"{form}: signal {-code}, {'a report' if named else names}")
        if form == "json":
            report = json.loads(content)
            print(f"json: {report['signal']['name']}, {len(report['crashed_thread']['frames']) > 1}, {'TIMEOUT' in report['other_threads_note']}")
        else:
            print(f"text: {'crashed: SIGSEGV' in content}, {'#0 ' in content and '[server+0x' in content}, {'NOSIGPIPE_CRASH_TIMEOUT' in content}, "
                  f"{content.rstrip().splitlines()[-1].startswith('nosigpipe: in short: ')}")
        print(f"{form}: {'said' if 'what there is of the report is in' in stderr else stderr}")
    return 0


sys.exit(main())
