"""A program and a library have a line end in their names, which /proc/PID/maps writes as \\012; or these very characters. They all lie side
by side. Each function has its name in a crash's report, and in the stacks of a running process, also where the launcher has no right to
open what is mapped but by its path."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

LIBRARY, LAUNCHER, HASTE = os.environ["LIBRARY"], os.environ["LAUNCHER"], float(os.environ["HASTE"])
LINKED = "__attribute__((noinline)) int %s_of_library(int *volatile row, int (*stop)(int *)) { return stop(row) + 1; }"
SOURCE = """#include <sys/prctl.h>
#include <unistd.h>
int NAME_of_library(int *row, int (*stop)(int *));
static int NAME_of_program(int *row) {
    if (!row) return *(volatile int *)row;
    write(1, "x", 1);
    return pause();
}
int main(int count, char **arguments) {
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    return NAME_of_library(count > 1 ? &count : 0, NAME_of_program) + 1;
}"""
NAMES = {"end": "a\nb", "backslash": "a\\012b"}
# Root can open what is mapped by other ways than its path.
unprivileged = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
bad = []


def expect(what, has, text):
    if not has:
        bad.append(f"{what}:\n{text}")


top = tempfile.mkdtemp()
try:
    os.chmod(top, 0o755)
    launcher = shutil.copy(LAUNCHER, top)
    for kind, name in NAMES.items():
        library, program = f"{top}/lib{name}.so", f"{top}/{name}"
        subprocess.run(["gcc", "-O1", "-w", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], input=(LINKED % kind).encode(), check=True)
        subprocess.run(["gcc", "-O0", "-w", "-x", "c", "-o", program, "-", "-x", "none", library],
                       input=SOURCE.replace("NAME", kind).encode(), check=True)
        subprocess.run(["strip", "--strip-debug", program, library], check=True)
    for kind, name in NAMES.items():
        program = f"{top}/{name}"
        wanted = [f"{kind}_of_program", f"{kind}_of_library"]
        environment = dict(os.environ, LD_PRELOAD=LIBRARY, NOSIGPIPE_FORMAT="json")
        ended = subprocess.run([program], env=environment, stderr=subprocess.PIPE, timeout=10 * HASTE)
        text = ended.stderr.decode(errors="replace")
        report = json.loads(next((line for line in text.splitlines() if line.startswith("{")), "{}"))
        expect(f"report, {kind}", all(f'"{function}"' in text for function in wanted), text)
        paths = [module["path"] for module in report.get("modules", [])]
        expect(f"paths in the report, {kind}", {program, f"{top}/lib{name}.so"} <= {*paths}, paths)
        waiting = subprocess.Popen([program, "waits"], stdout=subprocess.PIPE, **unprivileged)
        waiting.stdout.read(1)
        stack = subprocess.run([launcher, "stack", str(waiting.pid)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20 * HASTE,
                               **unprivileged)
        text = stack.stdout.decode(errors="replace")
        expect(f"stack, {kind}", all(f" {function}" in text for function in wanted), text)
        waiting.kill()
        waiting.wait()
finally:
    shutil.rmtree(top)
print("all have their names" if not bad else "\n".join(bad))
sys.exit(0)
