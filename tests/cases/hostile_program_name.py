"""A program, its directory, a library, a thread and the report directory have the control sequences of a terminal in their names, marks that
turn text around, and line breaks. Whatever is shown of them, by the library or by the launcher, as text or as JSON, a terminal bears."""
import json
import os
import re
import subprocess
import sys
import unicodedata

LIBRARY, LAUNCHER, HASTE = os.environ["LIBRARY"], os.environ["LAUNCHER"], float(os.environ["HASTE"])
HOSTILE = "a\x1b]0;x\x07\x9b2J\u202eb\r\nnosigpipe: forged"
LINKED = "__attribute__((noinline)) int query(int *volatile row) { return *row; }"
SOURCE = """#include <unistd.h>
#include <sys/prctl.h>
int query(int *volatile row);
int main(int count, char **arguments) {
    prctl(PR_SET_NAME, "t\\x1b[2J\\x9b\\nnosig");
    if (count > 1) { write(1, "x", 1); pause(); }
    return query(0);
}"""

folder = os.path.abspath(HOSTILE)
os.mkdir(folder)
os.mkdir(folder + "/reports")
# A loader's $ORIGIN can't name such a directory by flags of gcc; the library is found by its path.
subprocess.run(["gcc", "-shared", "-fPIC", "-w", "-x", "c", "-o", f"{folder}/lib{HOSTILE}.so", "-"], input=LINKED.encode(), check=True)
subprocess.run(["gcc", "-O0", "-w", "-x", "c", "-o", f"{folder}/{HOSTILE}", "-", "-x", "none", f"{folder}/lib{HOSTILE}.so"],
               input=SOURCE.encode(), check=True)
program = f"{folder}/{HOSTILE}"
bad = []


def bears(what, text):
    text = text.decode(errors="surrogateescape")
    harmful = {character for character in text if character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    if harmful or re.search(r"^nosigpipe: forged", text, re.M):
        bad.append(f"{what}: {[hex(ord(c)) for c in harmful]}")
    return text


def crash(what, **settings):
    env = dict(os.environ, LD_PRELOAD=LIBRARY, **settings)
    ended = subprocess.run([program], env=env, stderr=subprocess.PIPE, timeout=10 * HASTE)
    if ended.returncode != -11:
        bad.append(f"{what} ended with {ended.returncode}")
    return bears(what, ended.stderr)


crash("report")
line = next(line for line in crash("JSON", NOSIGPIPE_FORMAT="json").splitlines() if line.startswith("{"))
if os.fsencode(json.loads(line)["executable"]).decode(errors="replace") != program:
    bad.append("JSON does not have the name as it is")
crash("report in a directory", NOSIGPIPE_REPORT=folder + "/reports")
crash("no such directory", NOSIGPIPE_REPORT=folder + "/none")
for name in os.listdir(folder + "/reports"):
    bears("name of the report", os.fsencode(name))
    with open(f"{folder}/reports/{name}", "rb") as file:
        bears("report in the directory", file.read())
    break
else:
    bad.append("no report was written")
waiting = subprocess.Popen([program, "waits"], env=dict(os.environ, LD_PRELOAD=LIBRARY), stdout=subprocess.PIPE)
waiting.stdout.read(1)
for words in (["status", str(waiting.pid)], ["status", "--json", str(waiting.pid)], ["check", program], ["check", "--json", program],
              ["check", program + "\x1b"], ["status", "--prometheus", str(waiting.pid)], ["doctor"], ["doctor", "--json"],
              ["run", "--", folder], ["report", folder], ["report", program]):
    environment = dict(os.environ, NOSIGPIPE_REPORT=HOSTILE, NOSIGPIPE_LIBRARY=LIBRARY)
    environment[f"NOSIGPIPE_{HOSTILE}"] = HOSTILE
    answer = subprocess.run([LAUNCHER, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20 * HASTE)
    bears(" ".join(words[:2]), answer.stdout)
waiting.kill()
print("nothing that a terminal obeys" if not bad else "; ".join(bad))
sys.exit(0)
