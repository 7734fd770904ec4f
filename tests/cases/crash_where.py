"""A crash where something that a report needs can't be had, or where somebody stands in its way: limits, full and forbidden directories, readers
who do not read, a debugger, listeners of the kernel. The process ends by its signal in time, and what can be told is told."""
import ctypes
import fcntl
import os
import resource
import subprocess
import sys
import threading
import time

LIBRARY = os.environ["LIBRARY"]
HASTE = float(os.environ["HASTE"])
WHAT = sys.argv[1]
SOURCE = """#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <unistd.h>
#include <fcntl.h>
#include <stdio.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/ioctl.h>
#include <linux/userfaultfd.h>
__attribute__((noinline)) static int query(int *volatile row) { return *row; }
static void *waits(void *unused) { for (;;) pause(); return 0; }
int main(int count, char **arguments) {
    pthread_t thread;
    if (count > 1 && !strcmp(arguments[1], "threads")) for (int i = 0; i < 3; i++) pthread_create(&thread, 0, waits, 0);
    if (count > 1 && !strcmp(arguments[1], "watched")) {
        /* Whoever forks this process waits until somebody has read of it. Nobody does. */
        int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
        struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_EVENT_FORK};
        if (fd < 0 || ioctl(fd, UFFDIO_API, &api)) return 77;
        char *memory = aligned_alloc(4096, 8192);
        struct uffdio_register all = {.range = {.start = (unsigned long)memory, .len = 4096}, .mode = UFFDIO_REGISTER_MODE_MISSING};
        if (ioctl(fd, UFFDIO_REGISTER, &all)) return 77;
    }
    if (count > 1 && !strcmp(arguments[1], "chroot") && (chroot(arguments[2]) || chdir("/"))) return 77;
    if (count > 1 && !strcmp(arguments[1], "urgent")) {
        struct sched_param first = {.sched_priority = 5};
        if (sched_setscheduler(0, SCHED_FIFO, &first)) return 77;
    }
    if (count > 1 && !strcmp(arguments[1], "descriptors")) {
        struct rlimit none = {3, 3};
        setrlimit(RLIMIT_NOFILE, &none);
    }
    return query(0);
}"""
subprocess.run(["gcc", "-O0", "-g", "-w", "-pthread", "-x", "c", "-o", "server", "-"], input=SOURCE.encode(), check=True)
ENV = dict(os.environ, **({"LD_PRELOAD": LIBRARY} if LIBRARY else {}))


def run(arguments=(), prepare=None, stderr=subprocess.PIPE, within=8, environment=ENV, **more):
    """Wait status and standard error of the program, or the end of all this when it hangs."""
    server = subprocess.Popen(["./server", *arguments], env=environment, stderr=stderr, preexec_fn=prepare, **more)
    try:
        told = server.communicate(timeout=within * HASTE)[1]
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
        print("hangs")
        sys.exit(0)
    if server.returncode == 77:
        print("the kernel does not allow this here", file=sys.stderr)
        sys.exit(77)
    return server.returncode, (told or b"").decode(errors="replace")


def limit(kind, value):
    return lambda: resource.setrlimit(kind, (value, value))


def verdict(ended, told, *wanted, lacks=()):
    """Prints how it ended; with the library, what is missing from the report is a complaint."""
    missing = [word for word in wanted if word not in told] if LIBRARY else []
    there = [word for word in lacks if word in told]
    if missing or there:
        print(f"lacks {missing}, has {there}: {told[-1500:]}", file=sys.stderr)
    print(f"ended with signal {-ended}" if not missing and not there else f"ended with signal {-ended}, and the report is not right")
    sys.exit(0)


WHOLE = ("crashed: SIGSEGV", "#0  query", "in short:", "registers:")

if WHAT == "processes":
    # root has no limit.
    def prepare():
        os.chmod(".", 0o755)
        os.setgid(65534)
        os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    ended, told = run(prepare=prepare)
    verdict(ended, told, *WHOLE)
elif WHAT == "memory":
    # What is there at the start of a process with the library, and two pages more.
    ended, told = run(prepare=limit(resource.RLIMIT_AS, 16 << 20))
    verdict(ended, told, "crashed: SIGSEGV", "in short:")
elif WHAT == "file-size":
    os.mkdir("there")
    ended, told = run(prepare=limit(resource.RLIMIT_FSIZE, 512), environment=dict(ENV, NOSIGPIPE_REPORT=os.path.abspath("there")))
    verdict(ended, told, *WHOLE, "no report could be written to")
elif WHAT == "file-size-of-stderr":
    with open("log", "wb") as log:
        ended, told = run(prepare=limit(resource.RLIMIT_FSIZE, 512), stderr=log)
    with open("log") as log:
        verdict(ended, log.read(), "crashed: SIGSEGV")
elif WHAT == "stack":
    ended, told = run(prepare=limit(resource.RLIMIT_STACK, 64 << 10))
    verdict(ended, told, *WHOLE)
elif WHAT == "processor-time":
    ended, told = run(prepare=limit(resource.RLIMIT_CPU, 1))
    verdict(ended, told, *WHOLE)
elif WHAT == "descriptors":
    ended, told = run(["descriptors"])
    verdict(ended, told, "crashed: SIGSEGV", "in short:")
elif WHAT == "disk-full":
    os.mkdir("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", "disk"]).returncode:
        sys.exit(77)
    try:
        full = os.open("disk/full", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(full, bytes(4096))
        except OSError:
            os.close(full)
        ended, told = run(environment=dict(ENV, NOSIGPIPE_REPORT=os.path.abspath("disk")))
        rest = os.listdir("disk")
    finally:
        subprocess.run(["umount", "disk"])
    if rest != ["full"]:
        print(f"half a report is left: {rest}")
        sys.exit(0)
    verdict(ended, told, *WHOLE, "no report could be written to")
elif WHAT == "read-only":
    os.mkdir("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", "disk"]).returncode:
        sys.exit(77)
    try:
        ended, told = run(environment=dict(ENV, NOSIGPIPE_REPORT=os.path.abspath("disk")))
    finally:
        subprocess.run(["umount", "disk"])
    verdict(ended, told, *WHOLE, "no reports can be written to")
elif WHAT == "chroot":
    os.makedirs("jail")
    os.mkdir("there")
    ended, told = run(["chroot", os.path.abspath("jail")], environment=dict(ENV, NOSIGPIPE_REPORT=os.path.abspath("there")))
    for name in os.listdir("there"):
        with open("there/" + name) as file:
            told += file.read()
    verdict(ended, told, "crashed: SIGSEGV", "the report is in", "registers:", "in short:")
elif WHAT == "pipe-full":
    # It never takes a byte: not even the first line may keep the process.
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        pass
    ended, told = run(stderr=writer)
    verdict(ended, told)
elif WHAT == "reader-slow":
    # A pipe of one page that is read ten times a second.
    reader, writer = os.pipe()
    fcntl.fcntl(writer, 1031, 4096)
    told = bytearray()

    def read():
        while chunk := os.read(reader, 1024):
            told.extend(chunk)
            time.sleep(0.1)

    thread = threading.Thread(target=read)
    thread.start()
    server = subprocess.Popen(["./server", "threads"], env=ENV, stderr=writer)
    os.close(writer)
    ended = server.wait(14 * HASTE)
    thread.join()
    verdict(ended, told.decode(), *WHOLE)
elif WHAT == "reader-shared":
    # Somebody else fills the pipe whenever there is room, and the reader has stopped: poll(2) is no promise.
    reader, writer = os.pipe()
    full, stop = threading.Event(), threading.Event()

    def fill():
        other = os.open(f"/proc/self/fd/{writer}", os.O_WRONLY | os.O_NONBLOCK)
        while not stop.is_set():
            try:
                os.write(other, bytes(1))
            except BlockingIOError:
                full.set()
                stop.wait(0.001)

    def drip():
        # Just enough room that poll(2) tells of it now and then.
        while not stop.is_set():
            os.read(reader, 4096)
            stop.wait(0.2)

    threads = [threading.Thread(target=fill), threading.Thread(target=drip)]
    for thread in threads:
        thread.start()
    full.wait()
    start = time.monotonic()
    ended, told = run(stderr=writer, within=13, environment=dict(ENV, NOSIGPIPE_CRASH_TIMEOUT="3"))
    took = time.monotonic() - start
    stop.set()
    for thread in threads:
        thread.join()
    if took > 6 * HASTE:
        print(f"took {took:.1f} s")
    verdict(ended, told)
elif WHAT == "watched":
    ended, told = run(["watched"], within=10, environment=dict(ENV, NOSIGPIPE_CRASH_TIMEOUT="2"))
    verdict(ended, told, "crashed: SIGSEGV")
elif WHAT == "urgent":
    # The copy must be neither: it is looked at while it waits for a reader of standard error.
    reader, writer = os.pipe()
    fcntl.fcntl(writer, 1031, 4096)
    server = subprocess.Popen(["./server", "urgent"], env=ENV, stderr=writer)
    os.close(writer)
    told = os.read(reader, 4096) if LIBRARY else b""
    seen = []
    end = time.monotonic() + 5 * HASTE
    while LIBRARY and not seen and time.monotonic() < end and server.poll() is None:
        with open(f"/proc/{server.pid}/task/{server.pid}/children") as file:
            children = file.read().split()
        for child in children:
            try:
                with open(f"/proc/{child}/oom_score_adj") as score:
                    state = int(score.read()), os.sched_getscheduler(int(child))
            except (OSError, ProcessLookupError):
                continue
            if state[0] == 1000:
                seen.append(state)
        time.sleep(0.005)
    while chunk := os.read(reader, 4096):
        told += chunk
    server.wait(10 * HASTE)
    if server.returncode == 77:
        sys.exit(77)
    if LIBRARY and (not seen or seen[0][1] != os.SCHED_OTHER):
        print(f"the copy is as urgent as the process: {seen}")
    verdict(server.returncode, told.decode(), *WHOLE)
elif WHAT == "permission":
    # fanotify(7): whoever opens the program's file waits for an answer that nobody gives.
    libc = ctypes.CDLL(None, use_errno=True)
    listener = libc.fanotify_init(0x4, os.O_RDONLY)  # FAN_CLASS_CONTENT
    if listener < 0:
        print("no fanotify here", file=sys.stderr)
        sys.exit(77)
    os.mkdir("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "none", "disk"]).returncode:
        sys.exit(77)
    try:
        # It is started, and waits for a byte; then its file is watched.
        with open("waits.c", "w") as file:
            file.write(SOURCE.replace("    pthread_t thread;", "    char byte; pthread_t thread; write(1, &byte, 1); read(0, &byte, 1);", 1))
        subprocess.run(["gcc", "-O0", "-g", "-w", "-pthread", "-o", "disk/server", "waits.c"], check=True)
        process = subprocess.Popen(["disk/server"], env=dict(ENV, NOSIGPIPE_CRASH_TIMEOUT="1"), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.read(1)
        FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD = 1, 0x10000, -100
        marked = libc.fanotify_mark(listener, FAN_MARK_ADD, ctypes.c_uint64(FAN_OPEN_PERM), AT_FDCWD, b"disk/server")
        if marked:
            print("no permission events here", file=sys.stderr)
            process.kill()
            sys.exit(77)
        process.stdin.write(b"x")
        process.stdin.flush()
        try:
            ended = process.wait(7 * HASTE)
        except subprocess.TimeoutExpired:
            ended = None
        os.close(listener)
        told = process.stderr.read().decode()
        if ended is None:
            process.wait()
            print("hangs")
            sys.exit(0)
    finally:
        for _ in range(100):
            if not subprocess.run(["umount", "disk"], stderr=subprocess.DEVNULL).returncode:
                break
            time.sleep(0.05)
    verdict(ended, told, "crashed: SIGSEGV")
elif WHAT == "pids":
    # A control group in which there may be no process more.
    place = "/sys/fs/cgroup/pids" if os.path.isdir("/sys/fs/cgroup/pids") else "/sys/fs/cgroup"
    group = f"{place}/nosigpipe-case-{os.getpid()}"
    try:
        os.mkdir(group)
        with open(group + "/pids.max", "w") as file:
            file.write("1")
    except OSError:
        print("no control group can be made here", file=sys.stderr)
        sys.exit(77)

    def enter():
        with open(group + "/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))
    try:
        ended, told = run(prepare=enter)
    finally:
        os.rmdir(group)
    verdict(ended, told, *WHOLE)
elif WHAT == "debugger":
    # A debugger that is told to go on behind the crash sees the process die of it, and nothing is left.
    script = ["-batch", "-nx", "-ex", "set confirm off", "-ex", "set debuginfod enabled off"]
    script += ["-ex", f"set environment LD_PRELOAD {LIBRARY}"] if LIBRARY else []
    script += ["-ex", "run", "-ex", "continue", "-ex", "continue", "-ex", "info inferiors"]
    answer = subprocess.run(["gdb", *script, "./server"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=14 * HASTE)
    told = answer.stdout.decode(errors="replace")
    wanted = ("Program received signal SIGSEGV", "Program terminated with signal SIGSEGV", "<null>")
    missing = [word for word in wanted + (WHOLE if LIBRARY else ()) if word not in told]
    if missing:
        print(f"lacks {missing}: {told[-3000:]}", file=sys.stderr)
    print("the debugger has seen the end" if not missing else "the debugger has lost the process")
