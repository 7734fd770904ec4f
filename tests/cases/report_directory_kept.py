"""A service crashes again and again: its directory for reports keeps the newest of each program, and the newest says which crash of its kind
it is. What is not a report of that program stays, whatever it is called. And the file that tells a container's end has the newest."""
import json
import os
import re
import subprocess
import sys

SOURCE = """
__attribute__((noinline)) static int query(int *volatile row) { return *row; }
__attribute__((noinline)) static int reload(int *volatile row) { return *row; }
int main(int count, char **arguments) { return count > 1 ? reload(0) : query(0); }
"""
failures = []


def check(condition, what):
    if not condition:
        failures.append(str(what))


def crash(program="./server", arguments=(), **settings):
    env = dict(os.environ, LD_PRELOAD=os.environ["LIBRARY"], NOSIGPIPE_REPORT=os.path.abspath("reports"), **settings)
    process = subprocess.run([program, *arguments], stderr=subprocess.PIPE, env=env)
    check(process.returncode == -11, f"ended with {process.returncode}")
    return process.stderr.decode()


def names(program="server"):
    pattern = re.compile(program + r"\.\d+\.[0-9TZ.-]+\.(txt|json)")
    return sorted(name for name in os.listdir("reports") if pattern.fullmatch(name) and os.path.isfile("reports/" + name))


def newest(program="server"):
    name = max(names(program), key=lambda name: name.split(".", 2)[2])
    with open("reports/" + name) as file:
        return file.read()


subprocess.run(["gcc", "-g", "-O0", "-w", "-x", "c", "-o", "server", "-"], input=SOURCE.encode(), check=True)
os.link("server", "server.old")
os.mkdir("reports")
others = ["server.txt", "server.1.txt", "server.x.2026-01-01T000000.000Z.txt", "server.1.2026-01-01T000000.000Z.txt.gz", "notes"]
for name in others:
    open("reports/" + name, "w").close()
# What looks like reports and is none: a directory, a pipe that nobody writes to, a link to it, damaged text.
os.mkdir("reports/server.1.2000-01-01T000000.000Z.txt")
os.mkfifo("reports/server.1.2999-01-01T000000.000Z.txt")
os.symlink("server.1.2999-01-01T000000.000Z.txt", "reports/server.1.2999-01-01T000000.001Z.txt")
with open("reports/server.1.2999-01-01T000000.002Z.json", "w") as file:
    file.write('{"fingerprint":"' + "9" * 5000)

crash("./server.old")
text = crash()
first = re.search(r"^  in query at \S+, fingerprint ([0-9a-f]{16}), the 1st crash with it since (\S+Z)$", text, re.M)
check(first, text)
for entry in ("server.1.2999-01-01T000000.000Z.txt", "server.1.2999-01-01T000000.001Z.txt", "server.1.2999-01-01T000000.002Z.json"):
    os.unlink("reports/" + entry)
for number, form in enumerate(("text", "json", "json", "text"), 2):
    crash(NOSIGPIPE_REPORT_KEEP="3", NOSIGPIPE_FORMAT=form)
    report = newest()
    if form == "json":
        report = json.loads(report)
        found = report["fingerprint"], report["occurrence"], report["first_occurrence"]
        check(found == (first[1], number, first[2]), found)
        check(first[1] in report["summary"], report["summary"])
    else:
        ordinal = {2: "2nd", 5: "5th"}[number]
        check(f", fingerprint {first[1]}, the {ordinal} crash with it since {first[2]}\n" in report, report)
check(len(names()) == 3, names())
# Another place is another fingerprint, and is counted by itself.
text = crash(arguments=["again"], NOSIGPIPE_REPORT_KEEP="2")
check("the 1st crash" in text and first[1] not in text, text)
text = crash(NOSIGPIPE_REPORT_KEEP="1")
check(f", fingerprint {first[1]}, the 6th crash" in text, text)
check(len(names()) == 1 and len(names("server.old")) == 1, os.listdir("reports"))
check(set(others) <= set(os.listdir("reports")), os.listdir("reports"))
check(os.path.isdir("reports/server.1.2000-01-01T000000.000Z.txt"), "a directory")
for _ in range(3):
    crash(NOSIGPIPE_REPORT_KEEP="all")
check(len(names()) == 4, names())

# Twelve of a server's workers crash at the same moment: each is counted, and no more are left than are kept.
SOURCE = """
#include <unistd.h>
#include <sys/wait.h>
__attribute__((noinline)) static int worker(int *volatile row) { return *row; }
int main(void) {
    int gate[2];
    char byte;
    if (pipe(gate) != 0) return 1;
    for (int n = 0; n < 12; n++)
        if (fork() == 0) {
            close(gate[1]);
            return (int)read(gate[0], &byte, 1) + worker(0);
        }
    close(gate[1]);
    while (wait(0) > 0) continue;
    return 0;
}
"""
subprocess.run(["gcc", "-g", "-O0", "-w", "-x", "c", "-o", "crowd", "-"], input=SOURCE.encode(), check=True)
for keep, left in (("all", 12), ("5", 5)):
    env = dict(os.environ, LD_PRELOAD=os.environ["LIBRARY"], NOSIGPIPE_REPORT=os.path.abspath("reports"))
    env.update(NOSIGPIPE_REPORT_KEEP=keep, NOSIGPIPE_FORMAT="json")
    subprocess.run(["./crowd"], stderr=subprocess.DEVNULL, env=env, check=True)
    counted = []
    for name in names("crowd"):
        with open("reports/" + name) as file:
            counted.append(json.load(file)["occurrence"])
    check(len(counted) == left, f"keep {keep}: {sorted(counted)}")
    check(keep != "all" or sorted(counted) == list(range(1, 13)), f"keep {keep}: {sorted(counted)}")

# The container's termination log: there or not, with more in it than is written, and no file at all.
log = os.path.abspath("termination-log")
crash(NOSIGPIPE_TERMINATION_LOG=log)
with open(log, "w") as file:
    file.write("x" * 8192)
crash(NOSIGPIPE_TERMINATION_LOG=log)
with open(log) as file:
    text = file.read()
check(text.startswith("server (pid ") and "SIGSEGV" in text.split("\n")[0] and "in query" in text.split("\n")[0], text)
check("\n  #0  query at " in text and "\n  #1  main at " in text and "xx" not in text, text)
DEEP = "__attribute__((noinline)) static int %s(int n) { volatile int x = n; return n ? %s(n - 1) + x : *(int *volatile)0; }"
name = "a_rather_long_name_of_a_function_" * 3
source = DEEP % ("f" + name, "f" + name) + DEEP.replace("*(int *volatile)0", "f%s(60)" % name) % ("g" + name, "g" + name)
source += "int main(void) { return g%s(60); }" % name
subprocess.run(["gcc", "-g", "-O0", "-w", "-x", "c", "-o", "server", "-"], input=source.encode(), check=True)
crash(NOSIGPIPE_TERMINATION_LOG=log)
with open(log) as file:
    text = file.read()
check(len(text) <= 4096 and text.endswith("\n") and "#0 " in text, f"{len(text)} bytes")
os.unlink(log)
for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/null", path)):
    make(log)
    text = crash(NOSIGPIPE_TERMINATION_LOG=log)
    check("could be written to " + log in text and "the report is in" in text, text)
    (os.rmdir if os.path.isdir(log) else os.unlink)(log)
print("; ".join(failures) or "done")
