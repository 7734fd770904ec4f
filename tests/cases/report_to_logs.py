"""Where a daemon's report goes: its standard error is /dev/null or closed, or its settings name the system's log, the journal and a
directory. The logs are sockets of this script's, in a mount namespace of its own; they are also missing, full, and a stream."""
import ctypes
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time

SOURCE = "__attribute__((noinline)) static int query(int *volatile row) { return *row; } int main(void) { return query(0); }"
subprocess.run(["gcc", "-g", "-O0", "-w", "-x", "c", "-o", "ser:ver", "-"], input=SOURCE.encode(), check=True)
os.makedirs("reports")

if ctypes.CDLL(None).unshare(0x20000):  # CLONE_NEWNS
    print("no mount namespace may be made here", file=sys.stderr)
    sys.exit(77)
for command in ("mount --make-rprivate /", "mount -t tmpfs tmpfs /dev", "mkdir -p /run/systemd/journal",
                "mount -t tmpfs tmpfs /run/systemd/journal"):
    subprocess.run(command.split(), check=True)
os.mknod("/dev/null", 0o20666, os.makedev(1, 3))
failures = []
JOURNAL = "/run/systemd/journal/socket"


class Log:
    """What comes by one of the sockets."""

    def __init__(self, path, kind=socket.SOCK_DGRAM, reads=True):
        self.path, self.socket = path, socket.socket(socket.AF_UNIX, kind)
        self.socket.bind(path)
        if kind == socket.SOCK_STREAM:
            self.socket.listen(1)
        self.found = []
        if kind == socket.SOCK_DGRAM and reads:
            threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        # A log's queue is short: somebody reads while it is written.
        try:
            while message := self.socket.recv(1 << 20):
                self.found.append(message)
        except OSError:
            pass

    def messages(self):
        """Those that have come since the last time."""
        end = b"end of the test's part"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(end, self.path)
        while end not in self.found:
            time.sleep(0.001)
        found, self.found = self.found, []
        return found[:found.index(end)]

    def close(self):
        self.socket.close()
        os.unlink(self.path)


def crash(report=None, stderr=subprocess.PIPE, closed=False, **settings):
    env = dict(os.environ, LD_PRELOAD=os.environ["LIBRARY"], **settings)
    if report:
        env["NOSIGPIPE_REPORT"] = report
    start = time.monotonic()
    command = ["sh", "-c", "exec ./ser:ver 2>&-"] if closed else ["./ser:ver"]
    process = subprocess.run(command, stderr=stderr, env=env)
    check(process.returncode == -11, f"ended with {process.returncode}")
    check(time.monotonic() - start < 3 * float(os.environ["HASTE"]), "took too long")
    return (process.stderr or b"").decode()


def check(condition, what):
    if not condition:
        failures.append(what)


def fields(message):
    """systemd's native protocol."""
    found = {}
    while message:
        name, _, message = message.partition(b"\n")
        if b"=" in name:
            name, _, value = name.partition(b"=")
        else:
            (length,), value, message = struct.unpack("<Q", message[:8]), message[8:], b""
            value, message = value[:length], value[length + 1:]
        found[name.decode()] = value.decode()
    return found


LINE = re.compile(r"<26>[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d ser_ver\[\d+\]: .*")


def check_syslog(messages, what):
    lines = [message.decode() for message in messages]
    check(lines and all(LINE.fullmatch(line) for line in lines), f"{what}: not as syslog(3) writes: {lines[:2]}")
    check(any("crashed: SIGSEGV" in line for line in lines), f"{what}: no head")
    check(any("#0  query at " in line for line in lines), f"{what}: no stack")
    check(lines and "in short: " in lines[-1] and "in query" in lines[-1], f"{what}: no summary")


# Without a log nothing changes, whoever is named.
text = crash(stderr=subprocess.DEVNULL)
text = crash("syslog")
check("written to syslog: it does not exist (ENOENT)" in text and "registers:" in text, "no log: not on standard error")
text = crash("journal", NOSIGPIPE_FORMAT="json")
check(text.count('{"nosigpipe_crash_report":1,') == 1, "no journal: no JSON on standard error")

# The launcher says so beforehand.
for target in ("--report=syslog,journal", "--termination-log=/dev/null", "--termination-log=/proc/self/task/none/log"):
    command = [os.environ["LAUNCHER"], "run", "--library", os.environ["LIBRARY"], target, "true"]
    text = subprocess.run(command, stderr=subprocess.PIPE).stderr.decode()
    wanted = 2 if "report" in target else 1
    check(len(re.findall("^nosigpipe: (no reports|nothing) can be written to ", text, re.M)) == wanted, f"run {target}: {text}")

# By default to the journal if it is there, else to the log, and only where nobody reads standard error.
log = Log("/dev/log")
crash(stderr=subprocess.DEVNULL)
check_syslog(log.messages(), "/dev/null")
crash(closed=True)
check_syslog(log.messages(), "closed")
check("registers:" in crash() and not log.messages(), "default: with a standard error")
crash("stderr", stderr=subprocess.DEVNULL)
check(not log.messages(), "standard error was named")
crash(os.path.abspath("reports"), stderr=subprocess.DEVNULL)
check(not log.messages(), "a directory was named")
os.rename("reports", "elsewhere")
crash(os.path.abspath("reports"), stderr=subprocess.DEVNULL)
check_syslog(log.messages(), "the directory is not there, and nobody reads standard error")
check("registers:" in crash(os.path.abspath("reports")) and not log.messages(), "the directory is not there")
os.rename("elsewhere", "reports")
journal = Log(JOURNAL)
crash(stderr=subprocess.DEVNULL)
(message,) = map(fields, journal.messages())
check(not log.messages(), "journal and log")
wanted = {"PRIORITY": "2", "SYSLOG_IDENTIFIER": "ser_ver", "CODE_FUNC": "query", "CODE_LINE": "1", "NOSIGPIPE_SIGNAL": "SIGSEGV",
          "NOSIGPIPE_EXECUTABLE": os.path.abspath("ser:ver")}
check(wanted.items() <= message.items(), f"fields: {message}")
check("\n  #0  query at " in message["MESSAGE"] and message["NOSIGPIPE_FINGERPRINT"] in message["MESSAGE"], "journal: no stack")

# Several; the first lines are on standard error as ever, and all of it only if that is named.
text = crash("syslog,journal," + os.path.abspath("reports"))
check_syslog(log.messages(), "several")
check(len(journal.messages()) == 1 and "in query" in text and "registers:" not in text, "several")
check(len(os.listdir("reports")) == 2, "several: no file")
check("registers:" in crash("stderr,journal") and len(journal.messages()) == 1, "stderr,journal")
journal.close()
log.close()

# A stream, whose messages end in zero bytes.
log = Log("/dev/log", socket.SOCK_STREAM)
crash("syslog")
connection, _ = log.socket.accept()
check_syslog(connection.recv(1 << 16).split(b"\0")[:-1], "stream")
log.close()

# Full: nothing else is lost, and nobody waits long.
log = Log("/dev/log", reads=False)
# Each sender has a limit of its own, besides the queue's (net.unix.max_dgram_qlen): it is full when a new one can't send at all.
fillers, sent = [], True
while sent:
    fillers.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    fillers[-1].setblocking(False)
    sent = False
    try:
        while True:
            fillers[-1].sendto(b"x", "/dev/log")
            sent = True
    except BlockingIOError:
        pass
text = crash("syslog,stderr")
check("registers:" in text and "in short" in text and "written to syslog: " in text, "full")
log.close()
# No socket at all.
open("/dev/log", "w").close()
check("registers:" in crash("syslog"), "a file in its place")
print("; ".join(failures) or "done")
