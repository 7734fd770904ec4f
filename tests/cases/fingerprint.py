"""The fingerprint of a crash, computed here from a report in JSON as docs/crash-reports.md says it, is the one in the report: with inlined functions,
recursion, a signal handler, templates, Rust, clones that the compiler has made, and without names. Two builds that differ elsewhere have the same."""
import json
import os
import pwd
import re
import shutil
import subprocess

C = r"""
#include <signal.h>
#include <stdlib.h>
static int nothing;
#ifdef ELSEWHERE
__attribute__((noinline)) int elsewhere(int n) { int sum = 0; for (int i = 0; i < n; i++) sum += i * n; return sum + nothing; }
#endif
static inline __attribute__((always_inline)) int inlined(int *at) { return *at; }
__attribute__((noinline)) static int price(int *at, int constant) { nothing += constant; return inlined(at) + nothing; }
__attribute__((noinline)) int even(int n, int *at);
__attribute__((noinline)) int odd(int n, int *at) { return n ? even(n - 1, at) + 1 : price(at, 3); }
__attribute__((noinline)) int even(int n, int *at) { return n ? odd(n - 1, at) + 1 : price(at, 3); }
static void failed(int number) { signal(number, SIG_DFL); raise(number); }
static int ascending(const void *a, const void *b) { return price((int *)(unsigned long)nothing, 3); }
int main(int count, char **arguments) {
#ifdef ELSEWHERE
    nothing = elsewhere(count) & 0;
#endif
    switch (arguments[1][0]) {
        case 'r': return even(7, 0);
        case 'h': signal(SIGSEGV, failed); return odd(2, 0);
        case 'q': { int two[2] = { 1, 2 }; qsort(two, 2, sizeof *two, ascending); return two[0]; }
        case 'a': abort();
        default: return price(0, 3);
    }
}
"""
CPP = r"""
#include <stdexcept>
#include <vector>
template <typename T> struct shelf { std::vector<T> all; __attribute__((noinline)) T at(unsigned n) { return all.at(n); } };
namespace { __attribute__((noinline)) int load(shelf<int> &from) { return from.at(3) + 1; } }
int main() { shelf<int> empty; return load(empty); }
"""
RUST = r"""
#[inline(never)] fn price<T: Copy>(at: *const T) -> T { unsafe { std::ptr::read_volatile(at) } }
fn main() { let get = || price::<u32>(std::ptr::null()); std::process::exit(get() as i32); }
"""
ENDS = (" [clone ", ".part.", ".constprop.", ".isra.", ".cold", ".lto_priv.", ".llvm.")
failures = []


def check(condition, what):
    if not condition:
        failures.append(str(what)[:1500])


def by_hand(report):
    """The steps of docs/crash-reports.md, by their numbers."""
    frames = report["crashed_thread"]["frames"]
    start = max((index + 1 for index, frame in enumerate(frames) if "note" in frame), default=0)  # 1
    names = []
    for frame in frames[start:]:
        if frame.get("inlined") or "found_by" in frame or frame.get("function") == "nosigpipe":
            continue
        if "function" in frame:  # 2
            cut = [at for at in map(frame["function"].find, ENDS) if at >= 0]
            names.append(frame["function"][:min(cut, default=None)])
        elif "module" in frame:
            module = report["modules"][frame["module"]]
            names.append((module["build_id"] or module["path"].rpartition("/")[2]) + "+" + frame["offset"])
        else:
            names.append("?")
        if frame.get("function") == "main":
            break
    repeated = sorted({name for name in names if names.count(name) > 1}, key=str.encode)  # 3
    folded = []
    for name in names:
        if name not in repeated:
            folded.append(name)
        elif repeated and not set(repeated) & set(folded):
            folded += repeated
    number = 0xcbf29ce484222325  # 4
    for byte in "".join(name + "\n" for name in folded).encode():
        number = (number ^ byte) * 0x100000001b3 % 2 ** 64
    return f"{number:016x}"


def crash(*command):
    env = dict(os.environ, LD_PRELOAD=os.environ["LIBRARY"], NOSIGPIPE_FORMAT="json")
    text = subprocess.run(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env).stderr.decode(errors="replace")
    report = next((json.loads(line) for line in text.splitlines() if line.startswith('{"nosigpipe_crash_report"')), None)
    check(report, f"{command}: no report: {text}")
    if not report:
        return "none"
    check(report["fingerprint"] == by_hand(report), f"{command}: {report['fingerprint']} is {by_hand(report)}")
    check(f"[fingerprint {report['fingerprint']}]" in report["summary"], report["summary"])
    return report["fingerprint"]


def build(compiler, source, ending, *flags):
    name = "./" + re.sub(r"\W", "", "".join(flags)) + ending[1:]
    with open("source" + ending, "w") as file:
        file.write(source)
    # rustup looks for its compilers at home.
    home = dict(os.environ, HOME=pwd.getpwuid(os.getuid()).pw_dir)
    made = subprocess.run([*compiler, *flags, "-o", name, "source" + ending], stderr=subprocess.PIPE, env=home)
    check(made.returncode == 0, made.stderr)
    return name


programs = [build(["gcc", "-g", "-w"], C, ".c", "-O2"), build(["gcc", "-g", "-w"], C, ".c", "-O2", "-DELSEWHERE")]
kinds = [[crash(program, how) for how in ("plain", "recursion", "handler", "qsort", "abort")] for program in programs]
check(kinds[0] == kinds[1], f"two builds: {kinds}")
check(len(set(kinds[0])) == 5, f"five crashes: {kinds[0]}")
crash(build(["g++", "-g", "-w"], CPP, ".cc", "-O1"))
stripped = build(["gcc", "-w"], C, ".c", "-O2", "-s")
check(crash(stripped, "plain") not in kinds[0], "without names")
if shutil.which("rustc"):
    crash(build(["rustc", "-g"], RUST, ".rs", "-O"))
print("\n".join(failures) if failures else "done")
