"""Python's stacks in reports, beside what Python itself says of them just before the crash: in an extension's code, in threads, deep
recursions, generators and coroutines, children, subinterpreters, with faulthandler on; and names that a terminal would obey. NOSIGPIPE_TEST_PYTHONS names more interpreters than Debian's, with colons between them."""
import json
import os
import re
import subprocess

failures = []
LIBRARY, LAUNCHER = os.environ["LIBRARY"], os.environ["LAUNCHER"]


def check(condition, what):
    if not condition:
        failures.append(str(what)[:3000])


# What each script begins with: `lib.crash()` is the crash, in a C function that Python has called, and `told()` prints the stack of its
# caller, whose line is that of the call.
HEAD = """
import ctypes, json, os, sys, threading
lib = ctypes.PyDLL(os.getcwd() + "/crash.so")
def told(crashed=True):
    stack, frame = [], sys._getframe(1)
    while frame:
        code = frame.f_code
        stack.append([getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno])
        frame = frame.f_back
    os.write(1, (json.dumps(stack) + "\\n").encode())
"""

SCRIPTS = {
    "plainly": """
def f(): told(); lib.crash()
class Server:
    def handle(self, item):
        [f() for _ in range(1)]
list(map(Server().handle, [1]))
""",
    "in a thread, without the GIL": """
def work():
    lib = ctypes.CDLL(os.getcwd() + "/crash.so")
    told(); lib.crash()
thread = threading.Thread(target=work)
thread.start()
thread.join()
""",
    "in a generator that another one delegates to": """
def inner():
    yield 1
    told(); lib.crash()
def outer():
    yield from inner()
sum(outer())
""",
    "in a coroutine": """
import asyncio
async def inner():
    await asyncio.sleep(0)
    told(); lib.crash()
async def outer():
    await asyncio.gather(inner())
asyncio.run(outer())
""",
    "in __init__ and other special methods": """
class A:
    def __init__(self): self.x
    def __getattr__(self, name): told(); lib.crash()
class B(A):
    def __init__(self): super().__init__()
B()
""",
    "in a signal handler": """
import signal
def handler(*_): told(); lib.crash()
signal.signal(signal.SIGUSR1, handler)
os.kill(os.getpid(), signal.SIGUSR1)
while True: pass
""",
    "in a child by fork, in a thread's place": """
def work():
    if os.fork() == 0:
        told(); lib.crash()
    os.wait()
    os._exit(0)
thread = threading.Thread(target=work)
thread.start()
thread.join()
""",
    "in exec of a text with hostile names": """
source = "def f():\\n told(); lib.crash()\\n"
code = compile(source, "/tmp/\\x1b]0;x\\x07\\n\\u202eüber_名前_\\U0001f40d.py", "exec").co_consts[0]
if hasattr(code, "co_qualname"):
    code = code.replace(co_qualname="\\x1b[2J\\r\\nevil")
f = type(told)(code.replace(co_name="\\x1b[2J\\r\\nevil"), globals())
f()
""",
    "with a name longer than any": """
source = "def " + "x" * 6000 + "():\\n told(); lib.crash()\\n" + "x" * 6000 + "()"
exec(compile(source, "a.py", "exec"))
""",
    "while it is traced": """
def tracer(*_): return tracer
def f():
    x = 1
    told(); lib.crash()
sys.settrace(tracer)
f()
""",
    "deep down": """
sys.setrecursionlimit(5000)
def a(n):
    if n: return b(n - 1)
    told(); lib.crash()
def b(n):
    return a(n)
a(700)
""",
    "with faulthandler on": """
import faulthandler
faulthandler.enable()
def f(): told(); lib.crash()
f()
""",
    "while importing": """
sys.path.insert(0, os.getcwd())
open("imported.py", "w").write("import sys; sys.modules['__main__'].told(); sys.modules['__main__'].lib.crash()\\n")
import imported
""",
}

CRASH = """
#include <string.h>
int crash(void) { return *(int *volatile)0; }
int wreck(void *at, int byte, long size) { memset(at, byte, size); return crash(); }
int put(void *at, long value) { *(long *)at = value; return crash(); }
"""


def report(command, **env):
    env = dict(os.environ, LD_PRELOAD=LIBRARY, NOSIGPIPE_FORMAT="json", **env)
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    found = re.search(rb'^\{"nosigpipe_crash_report".*$', run.stderr, re.M)
    if not found:
        failures.append(f"{command}: no report\n{run.stdout!r}\n{run.stderr!r}"[:3000])
        return {"crashed_thread": {}, "other_threads": []}, [], ""
    stacks = [json.loads(line) for line in run.stdout.decode().splitlines() if line.startswith("[")]
    text = subprocess.run([LAUNCHER, "report", "-"], input=found.group(), stdout=subprocess.PIPE).stdout.decode()
    return json.loads(found.group()), stacks, text


SCHEMA = json.loads(subprocess.run([LAUNCHER, "report", "--schema"], stdout=subprocess.PIPE).stdout)["$defs"]["python"]["properties"]


def shown(thread):
    python = thread.get("python", {"frames": []})
    unknown = set(python) - set(SCHEMA)
    for frame in python["frames"]:
        unknown |= set(frame) - set(SCHEMA["frames"]["items"]["properties"])
    check(not unknown, f"not in the schema: {unknown}")
    frames = [[frame["function"], frame["file"], frame["line"]] for frame in python["frames"]]
    if "omitted_frames" in python:
        frames.insert(python["omitted_before"], python["omitted_frames"])
    return frames


def expected(stack):
    cut = lambda text: text if len(text) <= 4096 else text[:4096] + "..."
    stack = [[cut(function), file, line] for function, file, line in stack]
    return stack if len(stack) <= 256 else stack[:192] + [len(stack) - 256] + stack[-64:]


def same_as_python_says(python):
    for name, script in SCRIPTS.items():
        with open("script.py", "w") as file:
            file.write(HEAD + script)
        found, stacks, text = report([python, "script.py"])
        if len(stacks) != 1:
            failures.append(f"{python}, {name}: {stacks}")
            continue
        wanted, got = expected(stacks[0]), shown(found["crashed_thread"])
        check(got == wanted, f"{python}, {name}:\n{got}\nis not\n{wanted}")
        check("python_note" not in found and "incomplete" not in found["crashed_thread"].get("python", {}), f"{python}, {name}")
        head, _, rest = text.partition("stack of thread")
        if name == "plainly":
            check("\n  in Python function f at " in head, text)
            check(re.search(r"^  in Python:\n    #0  f at \S*script.py:\d+\n    #1 ", rest, re.M), text)
            check(re.search(r"^nosigpipe: in short: .*, in Python function f at \S*script.py:\d+ ", text, re.M), text)
        elif "hostile" in name:
            check("\x1b" not in text and "\x07" not in text and "\u202e" not in text and "\r" not in text, repr(text))
            check("#0  ?[2J??evil at /tmp/?]0;x????ber_" in text or "#0  ?[2J??evil at /tmp/?]0;x???über_名前_🐍.py:2" in text, text)
        elif name == "deep down":
            check(f"    ...  {len(stacks[0]) - 256} more frames\n" in text, text)
        elif name == "in a thread, without the GIL":
            others = [frame for group in found["other_threads"] for frame in shown(group)]
            check(len(others) > 1 and "/threading.py" in others[0][1] and others[-1][0] == "<module>", others)


def damaged(python):
    """What a program has overwritten before it crashes. The rest of the report is there, and says that it is damaged."""
    state = 'ctypes.c_void_p.in_dll(ctypes.pythonapi, "_PyRuntime")'
    scripts = {
        "the runtime": f"at = {state}; lib.wreck(ctypes.byref(at), 0x41, 4096)",
        "the runtime, with what may be an address": f"at = {state}; lib.wreck(ctypes.byref(at), 8, 4096)",
        "the thread's state": "api = ctypes.pythonapi; api.PyThreadState_Get.restype = ctypes.c_void_p\n"
        "lib.wreck(ctypes.c_void_p(api.PyThreadState_Get()), 0x42, 64)",
        "the code object of the caller": "def f(): lib.wreck(ctypes.c_void_p(id(f.__code__)), 0x43, 100)\nf()",
        "the name of the caller": "def fuenf(): lib.wreck(ctypes.c_void_p(id(fuenf.__code__.co_name)), 0x44, 64)\nfuenf()",
        "frames, into a circle": "def f(n):\n if n: return f(n - 1)\n frame = CIRCLE\n lib.put(ctypes.c_void_p(frame), VALUE)\nf(3)",
    }
    circle = None
    version = subprocess.run([python, "-c", "import sys; print(sys.version_info[1])"], stdout=subprocess.PIPE).stdout
    if int(version) == 11:
        # Of a frame object, what it is of: f_frame, whose f_code, frame_obj, previous are four, five and six words from its start.
        circle = ("ctypes.c_long.from_address(id(sys._getframe()) + 24).value + 48", "ctypes.c_long(frame - 48)")
    for name, script in scripts.items():
        if "CIRCLE" in script:
            if not circle:
                continue
            script = script.replace("CIRCLE", circle[0]).replace("VALUE", circle[1])
        with open("script.py", "w") as file:
            file.write(HEAD + script + "\n")
        found, _, text = report([python, "script.py"])
        native = [frame.get("function") for frame in found["crashed_thread"].get("frames", [])]
        check("crash" in native[:1] and "summary" in found and len(native) > 5, f"{python}, {name}: {native}")
        if name.startswith("the name"):
            check([frame.get("function") for frame in found["crashed_thread"]["python"]["frames"]][-1] == "<module>", text)
            check("    #0  unknown at " in text, text)
            continue
        is_told = found["crashed_thread"].get("python", {}).get("incomplete") or found.get("python_note")
        check(is_told, f"{python}, {name}: {found['crashed_thread'].get('python')}")
        check("can't be read" in text, text)
        check(len(shown(found["crashed_thread"])) < 10, text)


def subinterpreter(python):
    script = HEAD + """
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
inner = HEAD + "def within(): told(); lib.crash()\\nwithin()"
def outside(): interpreters.run_string(interpreters.create(), inner)
outside()
"""
    with open("script.py", "w") as file:
        file.write(script.replace("HEAD", repr(HEAD)))
    found, stacks, text = report([python, "script.py"])
    frames = found["crashed_thread"].get("python", {"frames": []})["frames"]
    got = [(frame["function"], frame.get("interpreter")) for frame in frames]
    check(got == [("within", 1), ("<module>", 1), ("outside", None), ("<module>", None)], f"{got}\n{text}")
    check("    #0  within at <string>:" in text and " (interpreter 1)\n" in text, text)


def nothing_of_python():
    """No word of Python in a program that has none."""
    subprocess.run(["gcc", "-w", "-x", "c", "-o", "none", "-"], input=b"int main(void) { return *(int *volatile)0; }", check=True)
    found, _, text = report(["./none"])
    check("python" not in found["crashed_thread"] and "python_note" not in found and "in Python" not in text, text)


subprocess.run(["gcc", "-g", "-O0", "-w", "-shared", "-fPIC", "-x", "c", "-o", "crash.so", "-"], input=CRASH.encode(), check=True)
for interpreter in ["/usr/bin/python3"] + [path for path in os.environ.get("NOSIGPIPE_TEST_PYTHONS", "").split(":") if path]:
    same_as_python_says(interpreter)
    damaged(interpreter)
subinterpreter("/usr/bin/python3")
nothing_of_python()
print("\n".join(failures) or "done")
