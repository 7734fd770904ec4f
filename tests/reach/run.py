#!/usr/bin/env python3
"""The library and the launcher under other C libraries: what they are for, done there and looked at.

    run.py --library FILE --launcher FILE --programs DIR [--root NAME=DIR]... [--musl] [--patience SECONDS] [--only WORD]...

Each root is a tree with another glibc in it, to which this changes by chroot(2); DIR has the programs of this folder, made by
scripts/test-reach, which also sees to it that what is mounted here is gone afterwards. With --musl the programs that end in .musl run on this machine.
A program that has not ended after --patience hangs. Ends with 1 where something is wrong.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CLIENTS = 10_000
SCOPES = ["process", "sockets"]
# What the log calls these calls.
NAMES = {"syscall": "write", "dprintf": "write"}
# musl's writes of streams keep the number away from the call.
NAMES_ON_MUSL = NAMES | {"dprintf": "other"}

# Who may trace whom (Documentation/admin-guide/LSM/Yama.rst). With 1 only a parent may, and whom the process names (PR_SET_PTRACER). Not for
# root, who may trace everybody.
YAMA = "/proc/sys/kernel/yama/ptrace_scope"
NOBODY = 65534

# A machine that has it runs 32-bit programs.
LOADER_OF_32_BIT = "/lib/ld-linux.so.2"


class Wrong(Exception):
    pass


def expect(condition, *what):
    if not condition:
        raise Wrong(" ".join(str(part) for part in what))


class Place:
    """Where programs run, and which of them are made for it."""

    # Seconds after which a program hangs.
    patience = 60

    def __init__(self, name, root, folder, suffix=""):
        self.name, self.root, self.folder, self.suffix = name, root, folder, suffix
        self.launcher = f"{folder}/nosigpipe"

    def program(self, name):
        return f"{self.folder}/{name}{self.suffix}"

    def start(self, command, preload=True, uid=0, **settings):
        env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
        # 10 by default: a report has less time than the program.
        env |= {"NOSIGPIPE_CRASH_TIMEOUT": str(self.patience // 6)}
        env |= {f"NOSIGPIPE_{key.upper()}": value for key, value in settings.items()}
        if preload:
            env["LD_PRELOAD"] = f"{self.folder}/libnosigpipe.so"
        return subprocess.Popen(command, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, preexec_fn=lambda: self.enter(uid))

    def enter(self, uid=0):
        if self.root:
            os.chroot(self.root)
            os.chdir("/")
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if uid:
            os.setgid(uid)
            os.setuid(uid)

    def run(self, *command, preload=True, uid=0, **settings):
        """How it ended, what it wrote."""
        child = self.start(command, preload, uid, **settings)
        try:
            out, err = child.communicate(timeout=self.patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise Wrong(f"{command}: did not end") from None
        return child.returncode, out, err


def storm(place):
    """A naive server, which dies bare, survives clients that vanish, and their number is right."""
    end, _, _ = place.run(place.program("server"), "1", preload=False)
    expect(end == -signal.SIGPIPE, "bare it ended with", end)
    for scope in SCOPES:
        seen = place.run(place.program("server"), str(CLIENTS), scope=scope, log="summary")
        expect(seen[:2] == (0, f"{CLIENTS}\n"), scope, seen)
        expect(f" {CLIENTS} broken pipes survived" in seen[2], scope, seen)


def calls(place):
    """Each call is named, with threads and without, and a pipe breaks as ever in scope sockets."""
    names = NAMES_ON_MUSL if place.suffix else NAMES
    sockets = ["write", "writev", "dprintf", "syscall", "sendfile", "splice", "sendto", "sendmsg"]
    for threads in ([], ["threads"]):
        for scope in SCOPES:
            # Several times: the addresses of stacks and libraries are others in each.
            for _ in range(4):
                end, out, err = place.run(place.program("calls"), "socket", "all", *threads, scope=scope, log="broken-pipes")
                expect(end == 0 and out.count(" -1 32\n") == len(sockets), scope, threads, end, out, err)
                found = re.findall(r"survived in (\w+), descriptor 3,", err)
                expect(found == [names.get(name, name) for name in sockets], scope, threads, found, err)
        for call in ["write", "writev", "dprintf", "syscall", "sendfile", "splice", "splice-socket"]:
            # Kernel 4.4 has two answers to a splice from a socket, one time the one and then the other: EFAULT is the other.
            other = [(0, "splice-socket -1 14\n", "")] if call == "splice-socket" and os.uname().release.startswith("4.4.") else []
            for _ in range(4):
                for preload in (False, True):
                    seen = place.run(place.program("calls"), "pipe", call, *threads, preload=preload, scope="sockets")
                    expect(seen in [(-signal.SIGPIPE, "", ""), *other], call, threads, "with the library" if preload else "bare", seen)
            seen = place.run(place.program("calls"), "pipe", call, *threads, scope="process")
            expect(seen in [(0, f"{call} -1 32\n", ""), *other], call, threads, seen)


def children(place):
    """What a server starts has the SIGPIPE that it was started with, however it is started."""
    for scope in SCOPES:
        # A shell may put itself in the place of its one command, or not.
        end, out, err = place.run(place.program("starts"), place.program("disposition"), scope=scope)
        expect((end, err) == (0, ""), scope, end, out, err)
        found = set(out.split())
        expect(found <= {"default", "caught"} and out.count("\n") == 6, scope, out)
    end, out, err = place.run(place.program("starts"), place.program("disposition"), scope="off")
    expect((end, out, err) == (0, "default\n" * 6, ""), "scope off", end, out, err)


def newer_functions(place):
    """A function that only newer libcs have is there where it is without the library, and nowhere else; and what it starts."""
    bare = place.run(place.program("newer"), place.program("disposition"), preload=False)
    expect(bare in [(0, "absent\n", ""), (0, "default\n", "")], "bare", bare)
    # Who asks for it so gets libc's, past the hook: what it starts in scope process has our SIG_IGN, as README.md says.
    for scope, found in [("off", "default"), ("sockets", "caught"), ("process", "ignored")]:
        seen = place.run(place.program("newer"), place.program("disposition"), scope=scope)
        expect(seen == (0, bare[1].replace("default", found), ""), scope, seen)


def versioned_functions(place):
    """Who was linked with the version of such a function has the hook, where there is the function; elsewhere it is refused as without the library."""
    if place.suffix:
        return
    bare = place.run(place.program("versioned"), place.program("disposition"), preload=False)
    if bare[0] == 0:
        # What the error leaves in errno is libc's affair, and the same with the library.
        expect(re.fullmatch(r"(default\n){2}(0 2 \d+\n){2}", bare[1]), "bare", bare)
    else:
        expect("GLIBC_2.39' not found" in bare[2], "bare", bare)
    for scope, found in [("off", "default"), ("sockets", "caught"), ("process", "caught")]:
        seen = place.run(place.program("versioned"), place.program("disposition"), scope=scope)
        expect(seen == (bare[0], bare[1].replace("default", found), bare[2]), scope, seen, bare)


def threads_late(place):
    """A library that is loaded later may bring threads."""
    seen = place.run(place.program("late_thread"), place.program("late_library.so"))
    expect(seen == (0, "", ""), seen)


def crashes(place, uid=0):
    """A crash has names, lines and threads, and the end that it has bare."""
    for how, wanted in [
        ("read", ["in reads_a_price at ", "SIGSEGV", "crash.c:"]),
        ("abort", ["SIGABRT", " main at ", "crash.c:"]),
        ("assert", ["SIGABRT", " main at ", "crash.c:"]),
        ("overflow", ["SIGSEGV", "stack overflow", "overflows at "]),
    ]:
        bare = place.run(place.program("crash"), how, preload=False)
        end, out, err = place.run(place.program("crash"), how, uid=uid)
        expect((end, out) == bare[:2], how, end, "and bare", bare[0])
        expect(end < 0, how, end)
        for word in wanted:
            expect(word in err, how, "lacks", word, err)
        # Threads of one stack are shown together.
        shown = sum(int(count or 1) for count in re.findall(r"^stack of (?:thread|(\d+) threads)\b", err, re.M))
        expect(shown == (4 if how == "overflow" else 3), how, "shows", shown, "threads:", err)
        expect(place.suffix or "worker_waits_for_work" in err, how, err)


def crashes_under_yama(place):
    """The same where a process may be traced by its parents alone."""
    with open(YAMA) as file:
        before = file.read()
    with open(YAMA, "w") as file:
        file.write("1")
    try:
        for _ in range(3):
            crashes(place, NOBODY)
    finally:
        with open(YAMA, "w") as file:
            file.write(before)


def status(place):
    """What the launcher sees in a server under the library."""
    child = place.start([place.program("server"), "100000000"])
    try:
        end = time.monotonic() + place.patience
        while True:
            seen = place.run(place.launcher, "status", str(child.pid), preload=False)
            if seen[0] == 0 or time.monotonic() > end:
                break
        expect(seen[0] == 0 and "broken" in seen[1], "status", seen)
    finally:
        child.kill()
        child.communicate()


def launcher(place):
    """run, check, doctor and demo."""
    server = place.program("server")
    seen = place.run(place.launcher, "run", "--log", "summary", "--", server, "100", preload=False)
    expect(seen[:2] == (0, "100\n") and " 100 broken pipes survived" in seen[2], "run", seen)
    seen = place.run(place.launcher, "run", "--", place.program("crash"), "read", preload=False)
    expect(seen[0] == -signal.SIGSEGV and "reads_a_price" in seen[2], "run", seen)
    seen = place.run(place.launcher, "check", server, preload=False)
    expect(seen[0] == 0 and seen[2] == "", "check", seen)
    seen = place.run(place.launcher, "doctor", preload=False)
    expect(seen[0] == 0, "doctor", seen)
    seen = place.run(place.launcher, "demo", preload=False)
    expect(seen[0] == 0 and "demo_server_looks_up_session" in seen[1] + seen[2], "demo", seen)


def starts_everything(places):
    """Whatever a program is made for, the library is not the reason why it does not start."""
    here = places[0]
    for program, bare in [("no_libc", 7), ("no_libc.static", 7), ("static", 0), ("disposition.m32", 0)]:
        path = here.program(program)
        if not os.path.exists((here.root or "") + path) or program.endswith(".m32") and not os.path.exists(LOADER_OF_32_BIT):
            print(f"        {program} or its loader is not there: skipped")
            continue
        seen = here.run(path)
        expect(seen[0] == bare, program, seen)
        expect(seen[0] == here.run(path, preload=False)[0], program)
        complaints = [line for line in seen[2].splitlines() if "cannot be preloaded" not in line]
        expect(not complaints, program, seen)


def other_word_length(places):
    """The launcher refuses 32-bit programs, and by $LIB each loader looks where it has libraries of its own kind."""
    here = places[0]
    small = here.program("disposition.m32")
    if os.path.exists(small):
        for command in ("run", "check"):
            end, _, err = here.run(here.launcher, command, small, preload=False)
            expect(end == 125 and "32-bit" in err, command, end, err)
    # What the loader makes of $LIB, as it says itself.
    where = os.path.dirname(libc()).lstrip("/").removeprefix("usr/")
    os.makedirs(f"{here.folder}/{where}")
    shutil.copy(f"{here.folder}/libnosigpipe.so", f"{here.folder}/{where}")
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "LD_PRELOAD": f"{here.folder}/$LIB/libnosigpipe.so"}
    for program, said in [(here.program("disposition"), ("ignored\n", False)), (small, ("default\n", True))]:
        if os.path.exists(program) and (program != small or os.path.exists(LOADER_OF_32_BIT)):
            run = subprocess.run([program], env=env, capture_output=True, text=True, preexec_fn=here.enter)
            expect(run.returncode == 0 and (run.stdout, "cannot be preloaded" in run.stderr) == said, program, run)


def libc():
    """Where this process's libc is."""
    with open("/proc/self/maps") as maps:
        return next(line.split()[-1] for line in maps if "/libc.so.6" in line or "/libc-2." in line)


def one_starts_the_other(places):
    """Children of another libc start, are protected, and have the right SIGPIPE."""
    host = next(place for place in places if place.root is None and not place.suffix)
    musl = next(place for place in places if place.suffix)
    for parent, child in [(host, musl), (musl, host)]:
        for scope in SCOPES:
            end, out, err = parent.run(parent.program("starts"), child.program("disposition"), scope=scope)
            expect((end, err) == (0, "") and out.count("\n") == 6, parent.name, "starts", child.name, end, out, err)
            expect("ignored" not in out and "unknown" not in out, parent.name, "starts", child.name, out)
        end, out, err = parent.run("/bin/sh", "-c", f"{child.program('server')} 100", log="summary")
        expect((end, out) == (0, "100\n") and " 100 broken" in err, parent.name, "starts", child.name, end, out, err)


CHECKS = [storm, calls, children, newer_functions, versioned_functions, threads_late, crashes, status]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--launcher", required=True)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--root", action="append", default=[])
    parser.add_argument("--musl", action="store_true")
    parser.add_argument("--patience", type=int, default=Place.patience)
    parser.add_argument("--only", action="append", default=[])
    options = parser.parse_args()
    Place.patience = options.patience

    here = tempfile.mkdtemp(prefix="nosigpipe-reach.")
    os.chmod(here, 0o755)
    places = [Place("this machine", None, here)]
    places += [Place(*root.split("=", 1), "/nosigpipe") for root in options.root]
    folders = [(place.root or "") + place.folder for place in places]
    if options.musl:
        places.append(Place("musl", None, here, ".musl"))

    failed = 0
    try:
        for folder in folders:
            shutil.copytree(options.programs, folder, dirs_exist_ok=True)
            shutil.copy(options.library, folder)
            shutil.copy(options.launcher, folder)
        for place in places:
            if place.root and not os.path.ismount(place.root + "/proc"):
                subprocess.run(["mount", "-t", "proc", "proc", place.root + "/proc"], check=True)
                subprocess.run(["mount", "--bind", "/dev", place.root + "/dev"], check=True)
        tasks = [(place.name, check, place) for place in places for check in CHECKS]
        tasks += [(place.name, launcher, place) for place in places if not place.suffix]
        if os.path.exists(YAMA):
            tasks.append(("this machine", crashes_under_yama, places[0]))
        tasks.append(("all", starts_everything, places))
        tasks.append(("this machine", other_word_length, places))
        if options.musl:
            tasks.append(("all", one_starts_the_other, places))
        for name, check, argument in tasks:
            title = f"{name}: {check.__name__}"
            if options.only and not any(word in title for word in options.only):
                continue
            begin = time.monotonic()
            try:
                check(argument)
                print(f"ok      {title} ({time.monotonic() - begin:.1f} s)", flush=True)
            except PermissionError as error:
                # Not even root may change a setting of the kernel in a container, or one that is for good.
                print(f"skipped {title}: {error}", flush=True)
            except Wrong as wrong:
                failed += 1
                print(f"FAILED  {title}: {wrong}", flush=True)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
