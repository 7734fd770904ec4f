"""Arguments and local variables in a report, beside what gdb says of the same program: C, C++ and Rust, by gcc, clang and rustc, with and
without optimization, with DWARF 4, type units and split DWARF. Where the report has a value, gdb has the same; without optimization it has
all of them. Unless they are asked for, there are none."""
import json
import os
import pwd
import re
import shutil
import subprocess
import sys

LIBRARY = os.environ["LIBRARY"]
HERE = os.path.dirname(os.path.abspath(__file__))
C = r"""
enum colour { RED, GREEN = 5, BLUE };
enum rights { READ = 1, WRITE = 2, EXEC = 4 };
struct point { int x, y; };
struct flags { unsigned a : 3, b : 5; int c : 4; };
struct request { const char *path; struct point at; enum colour colour; double weight; char tag[8]; int list[3]; struct request *next; };
typedef unsigned long size;
__attribute__((noinline)) int query(struct request *r, int n, size big, char c, float f, double d, _Bool ok, enum colour col, const char *secret, int *volatile row) {
    struct point p = { n, -n };
    struct flags fl = { 5, 17, -3 };
    int sum = 0;
    for (int i = 0; i < n; i++) { int square = i * i; sum += square; }
    unsigned char byte = 200;
    char buffer[16] = "hi \"there\"\n";
    int *nothing = 0;
    static long counter = 41;
    int grid[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } }, lengths[n];
    for (int i = 0; i < n; i++) lengths[i] = -i;
    enum rights may = READ | EXEC, odd = 9;
    float fraction = 0.75f;
    counter++;
    return *row + sum + p.x + fl.a + byte + buffer[0] + (nothing != 0) + grid[n - 3][n - 2] + lengths[1] + may + odd + (fraction > 0);
}
__attribute__((noinline)) static int handle(int depth, struct request *r, int left_out, const char *neither) {
    int local = depth * 2;
    return query(r, depth, 1ul << 40, 'x', 1.5f, -2.25, 1, BLUE, "pass\tword", 0) + local;
}
int main(int argc, char **argv) {
    struct request r = { "/index", { 3, 4 }, GREEN, 0.1, "tag", { 1, 2, 3 }, 0 };
    r.next = &r;
    return handle(3 + argc, &r, 77, "why") + r.at.x;
}
"""
CPP = r"""
#include <cstdint>
#include <string>
#include <string_view>
namespace shop {
enum class State : uint8_t { Open = 1, Closed = 200 };
struct Base { int id; virtual ~Base() {} virtual int run(const std::string &) = 0; };
struct Order : Base {
    std::string name = "an order whose name is far too long";
    State state = State::Closed;
    int run(const std::string &what) override;
};
__attribute__((noinline)) int query(const std::string &what, std::string_view view, Order *order, int &&moved, int &ref, State st, int *volatile p) {
    char16_t wide = u'x'; int8_t small = -5; long double large = 1.5L; __int128 huge = -1;
    std::string own = what + "!";
    return *p + wide + small + (int)large + (int)huge + own.size() + ref + moved + (int)st + order->id + view.size();
}
int Order::run(const std::string &what) {
    int reference = 5;
    return query(what, "a view", this, 7, reference, state, nullptr) + id;
}
}
int main() { shop::Order order; order.id = 77; std::string text = "short"; return order.run(text); }
"""
RUST = r"""
#[derive(Clone, Copy)] pub enum Shape { Unit, Circle(f64), Rect { w: u32, h: u32 } }
pub struct Inner { count: usize, name: String }
#[inline(never)] fn query(text: &str, number: Option<i32>, shape: Shape, inner: &Inner, letter: char, pair: (i8, bool), at: *const i32) -> i32 {
    let doubled = inner.count * 2; let owned = String::from("owned"); let unit = Shape::Unit; let rect = Shape::Rect { w: 3, h: 4 };
    let found = unsafe { std::ptr::read_volatile(at) };
    found + doubled as i32 + owned.len() as i32 + number.unwrap_or(0) + letter as i32 + pair.0 as i32 + text.len() as i32
        + matches!(unit, Shape::Unit) as i32 + matches!(shape, Shape::Circle(_)) as i32 + matches!(rect, Shape::Circle(_)) as i32
}
fn main() {
    let inner = Inner { count: 21, name: "inner name".into() };
    std::hint::black_box(&inner.name);
    std::process::exit(query("text", Some(7), Shape::Circle(2.5), &inner, 'x', (-1, true), std::ptr::null()));
}
"""
# gdb tells each frame's variables, one line of JSON.
GDB = r"""
import gdb, json
gdb.execute("set print frame-arguments all")
gdb.execute("run", to_string=True)
frame, found = gdb.newest_frame(), []
while frame is not None and frame.name() is not None:
    values = []
    try:
        block = frame.block()
    except RuntimeError:
        block = None
    while block is not None:
        for symbol in block:
            if symbol.is_argument or symbol.is_variable:
                try:
                    values.append([symbol.name, symbol.value(frame).format_string(max_elements=200)])
                except Exception as problem:
                    values.append([symbol.name, "<%s>" % problem])
        if block.function is not None:
            break
        block = block.superblock
    found.append([frame.name(), values])
    frame = frame.older()
print("FOUND " + json.dumps(found))
"""


def bare_name(function):
    """A function's name without scope and parameters."""
    return re.sub(r"[(<].*", "", function).split("::")[-1]


def plain(value):
    """What is left of a value when addresses differ between two runs, and gdb is more talkative than a report."""
    value = re.sub(r"0x[0-9a-f]*[1-9a-f][0-9a-f]*( <[^>]*>)?", "0x*", value)
    value = re.sub(r"((\\000)+|, '\\000' <repeats \d+ times>)(?=\"|$|,|\})", "", value).replace("\"\",", "\",")
    value = re.sub(r"\b(shop::|r::|core::option::Option<i32>::|server::Shape::|Shape::)", "", value)
    value = re.sub(r"_vptr[.$]\w+ = 0x\*, ", "", value)
    value = re.sub(r"^\([\w:<>]+ &?\*?\) ?(?=@?0x)|^0x\*: ", lambda m: "" if m.group().startswith("(") else m.group(), value)
    value = re.sub(r"u'(.)'", r"'\1'", value)
    value = re.sub(r"-?\d+\.\d+(e[-+]?\d+)?", lambda number: "%.12g" % float(number.group()), value)
    return value


def by_gdb(program):
    with open("tell.py", "w") as file:
        file.write(GDB)
    out = subprocess.run(["gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-x", "tell.py", program],
                         capture_output=True, text=True, timeout=60).stdout
    found = [line for line in out.splitlines() if line.startswith("FOUND ")]
    return json.loads(found[0][6:]) if found else []


def report(program, values):
    env = dict(os.environ, NOSIGPIPE_FORMAT="json")
    env.pop("NOSIGPIPE_VALUES", None)
    if values:
        env["NOSIGPIPE_VALUES"] = values
    if LIBRARY:
        env["LD_PRELOAD"] = LIBRARY
    text = subprocess.run([program], env=env, capture_output=True, timeout=60).stderr.decode(errors="replace")
    lines = [line for line in text.splitlines() if line.startswith("{")]
    return text, json.loads(lines[0]) if lines else None


def compare(name, build, source, ending, every, fixed=None):
    program = "./server"
    with open("server" + ending, "w") as file:
        file.write(source)
    # rustup looks for its compilers at home.
    home = dict(os.environ, HOME=pwd.getpwuid(os.getuid()).pw_dir)
    made = subprocess.run(build.split() + ["-o", program, "server" + ending], capture_output=True, text=True, env=home)
    if name == "dwz":
        # What two programs have in common goes into a file of its own, as Debian's debug packages have it.
        shutil.copy(program, "other")
        made = subprocess.run(["dwz", "-m", "common.debug", program, "other"], capture_output=True, text=True)
    if made.returncode:
        print(f"{name}: not built: {made.stderr.splitlines()[:3]}")
        return
    text, parsed = report(program, "on")
    silent, _ = report(program, None)
    if "word\"" in silent or "\"arguments\"" in silent or "\"locals\"" in silent:
        print(f"{name}: values that nobody asked for")
    if parsed is None:
        print(f"{name}: no report: {text[:300]}")
        return
    theirs = by_gdb(program)
    wanted = {"query", "handle", "run", "main"}
    known = {}
    for function, values in theirs:
        if bare_name(function) in wanted:
            known.setdefault(bare_name(function), {}).update({n: v for n, v in reversed(values)})
    count, wrong = 0, []
    for frame in parsed["crashed_thread"]["frames"]:
        function = bare_name(frame.get("function", ""))
        for variable in frame.get("arguments", []) + frame.get("locals", []):
            other = known.get(function, {}).pop(variable["name"], None)
            mine = variable["value"]
            if variable["name"] in (fixed or {}):
                other = fixed[variable["name"]]
            if other is None or function == "main" and not every:
                # Without a name that gdb knows, too, or what an optimized main has left behind.
                continue
            if mine.startswith("<"):
                # What is not there at all is told from what can't be made out.
                if every or mine == "<unknown>" or variable["name"] == "left_out" and "<" not in other:
                    wrong.append(f"{function}.{variable['name']}: {mine} | {other}")
                continue
            if "<optimized out>" in other or "<synthetic" in other or "<error" in other or "Attempt" in other:
                continue
            a, b = plain(mine), plain(other)
            # What is put together of others is shown as deep as that is readable.
            # gdb's Python shows where a reference leads, and its backtrace what is there.
            same = a == b or "..." in a or a.startswith("@") and b in (a.split(": ", 1)[-1], "@0x*")
            if not same and not (variable["name"] == "inner" and a == "0x*"):
                wrong.append(f"{function}.{variable['name']}: {a} | {b}")
            else:
                count += 1
    missing = [f"{f}.{n}" for f, values in known.items() for n in values if not n.startswith("__vla_expr") and (f != "main" or n not in ("argc", "argv"))] if every else []
    verdict = "all as gdb" if not wrong and not missing else f"WRONG {wrong} MISSING {missing}"
    print(f"{name}: {'enough' if count >= (9 if every else 4) else count} values, {verdict}")


CASES = {
    "gcc-O0": ("gcc -g -O0 -w", C, ".c", True),
    "gcc-O2": ("gcc -g -O2 -w", C, ".c", False),
    "clang-O0": ("clang -g -O0 -w", C, ".c", True),
    "clang-O2": ("clang -g -O2 -w", C, ".c", False),
    "type-units": ("gcc -gdwarf-4 -fdebug-types-section -O0 -w", C, ".c", True),
    "split-compressed": ("gcc -g -gsplit-dwarf -gz -O2 -w", C, ".c", False),
    "lto": ("gcc -g -O2 -flto -w", C, ".c", False),
    "clang-lld": ("clang -gdwarf-4 -O1 -w -fuse-ld=lld", C, ".c", False),
    "dwz": ("gcc -g -O0 -w", C, ".c", True),
    "g++-O0": ("g++ -g -O0 -w -std=c++17", CPP, ".cc", True),
    "g++-O2": ("g++ -g -O2 -w -std=c++17", CPP, ".cc", False),
    "rustc": ("rustc -g", RUST, ".rs", True, {
        "number": "Some(7)", "shape": "Circle(2.5)", "pair": "(-1, true)", "unit": "Unit", "rect": "Rect {w = 3, h = 4}",
        "owned": '"owned"', "inner": '{count = 21, name = "inner name"}'}),
}
compare(sys.argv[1], *CASES[sys.argv[1]])
