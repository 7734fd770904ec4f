"""The lines of source around the program's own frame, and around Python's, in live reports: in text, JSON and files; in colour on a terminal
only. What a source file's name leads to may be missing, no regular file, without an end, changed, or somebody's secret by a symbolic link."""
import json
import os
import pty
import subprocess
import sys
import time

LIBRARY = os.environ["LIBRARY"]
SOURCE = """/* first \x1b[2J */
int *nowhere;

static int price(void) { return *nowhere; }
int main(void) { return price(); } // \t%s
// sixth
// seventh
""" % ("x" * 4000)
MARKED = "    >     4  static int price(void) { return *nowhere; }"
failures = []


def check(condition, what):
    if not condition:
        failures.append(str(what)[:2500])


def environment(**settings):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"LD_PRELOAD": LIBRARY} | settings


def crash(command=("./program",), **settings):
    started = time.monotonic()
    program = subprocess.run(command, env=environment(**settings), stderr=subprocess.PIPE)
    check(program.returncode == -11 and time.monotonic() - started < 5 * float(os.environ["HASTE"]), f"{command} {settings}: {program}")
    return program.stderr.decode(errors="replace")


def source_in(text):
    """The lines of the source in a report, with their headline."""
    _, found, rest = text.partition("\nsource at ")
    return [] if not found else ("source at " + rest).split("\nregisters:")[0].split("\n")


def on_terminal(**settings):
    """What a terminal gets of the report."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve("./program", ["./program"], environment(**settings))
    output = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        output += piece
    os.close(terminal)
    os.waitpid(pid, 0)
    return output.decode(errors="replace").replace("\r\n", "\n")


def with_source(make):
    """What a report shows when `make` has put something where the source was."""
    if os.path.lexists("program.c"):
        os.remove("program.c")
    make("program.c")
    text = crash()
    check("\nregisters:" in text and text.rstrip().split("\n")[-1].startswith("nosigpipe: in short: "), text)
    return source_in(text)


def file_of(text):
    def make(name):
        with open(name, "w") as file:
            file.write(text)
    return make


def link_to(target):
    return lambda name: os.symlink(os.path.abspath(target), name)


file_of(SOURCE)("program.c")
subprocess.run(["gcc", "-g", "-O0", "-w", "-o", "program", os.path.abspath("program.c")], check=True)
lines = source_in(crash())
check(lines[0] == f"source at {os.path.abspath('program.c')}:4:", lines)
check(lines[1:4] == ["          2  int *nowhere;", "          3", MARKED], lines)
check(len(lines) == 6 and lines[4].startswith("          5  int main(void)") and len(lines[4]) < 200, lines)
check(lines[5:] == ["          6  // sixth"], lines)

# JSON has it, and `report` shows it where the file is not.
with open("report.json", "w") as file:
    file.write(crash(NOSIGPIPE_FORMAT="json"))
with open("report.json") as file:
    source = json.load(file)["source"]
check(len(source) == 1 and (source[0]["line"], source[0]["first_line"], len(source[0]["lines"])) == (4, 2, 5), source)
os.rename("program.c", "elsewhere.c")
shown = subprocess.run([os.environ["LAUNCHER"], "report", "report.json"], stdout=subprocess.PIPE, env=environment()).stdout.decode()
check(source_in(shown) == lines, shown)
os.rename("elsewhere.c", "program.c")

# Colours are for terminals alone, and for nobody who does not want them.
coloured = on_terminal(TERM="xterm")
check(f"\x1b[1;33m{MARKED}\x1b[m\n" in coloured and "\x1b[1;31mnosigpipe: in short: " in coloured, coloured)
check('\x1b[1mstack of thread ' in coloured and "\x1b[2J" not in coloured, coloured)
for settings in ({"TERM": "dumb"}, {}, {"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "xterm", "NOSIGPIPE_FORMAT": "json"}):
    plain = on_terminal(**settings)
    check("\x1b" not in plain and "int *nowhere;" in plain, (settings, plain))
check("\x1b" in on_terminal(TERM="xterm", NO_COLOR=""), "an empty NO_COLOR says nothing")
os.mkdir("reports")
on_terminal(TERM="xterm", NOSIGPIPE_REPORT=os.path.abspath("reports"))
(name,) = os.listdir("reports")
with open(f"reports/{name}") as file:
    text = file.read()
check(MARKED in text and "\x1b" not in text, text)
check("\x1b" not in crash(TERM="xterm"), "colours in a pipe")

# What is there instead of the source.
os.utime("program.c", (time.time() + 60, time.time() + 60))
lines = source_in(crash())
check(lines[0].endswith(":4 (changed since the program was built: these may be other lines):"), lines)
file_of("a secret\n" * 9)("secret")
check(with_source(link_to("secret")) == [], "what a symbolic link leads to")
check(with_source(link_to("/dev/zero")) == [], "a file without an end")
check(with_source(lambda name: None) == [], "no file")
check(with_source(os.mkfifo) == [], "a FIFO")
check(with_source(file_of("one\ntwo\n")) == [], "a file without such a line")
check(with_source(file_of("x" * (20 << 20))) == [], "one endless line")
check(with_source(file_of("\n" * 3 + "the end")) [1:] == ["          2", "          3", "    >     4  the end"], "a last line without an end")
binary = with_source(lambda name: open(name, "wb").write(b"\xff\x00\xfe\n" * 5))
check(len(binary) == 5 and "??" in binary[1], binary)
os.remove("program.c")

# Python's function.
with open("model.py", "w") as file:
    file.write("import ctypes\ndef answer():\n    ctypes.string_at(0)\nanswer()\n")
lines = source_in(crash([sys.executable, "model.py"]))
check(lines == [f"source at {os.path.abspath('model.py')}:3:", "          1  import ctypes", "          2  def answer():",
                "    >     3      ctypes.string_at(0)", "          4  answer()"], lines)
print("\n".join(failures) if failures else "done")
