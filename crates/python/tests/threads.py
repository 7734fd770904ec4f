"""Threads at rest in all kinds of Python code. Prints what Python itself says of their stacks, then waits until standard input
ends."""
import asyncio, json, sys, threading

held = threading.Lock()
held.acquire()
started = []


def park():
    started.append(threading.get_ident())
    held.acquire()  # the line where all of them are


PARKED = park.__code__.co_firstlineno + 2


def at_top(): park()


def recursion(depth):
    if depth:
        return recursion(depth - 1)
    park()


class Outer:
    class Inner:
        def __init__(self):
            self.method()

        def method(self):
            (lambda: [
                park()

                for _ in range(1)
            ])()

        @staticmethod
        def static():
            Outer.Inner()


def generator():
    yield 1

    # a long line delta
    for _ in range(1):
        yield from nested()


def nested():
    park()
    yield 2


def in_generator():
    for _ in generator():
        pass


def in_coroutine():
    async def inner():
        await asyncio.sleep(0)
        park()

    async def outer():
        async with Context():
            await inner()

    asyncio.new_event_loop().run_until_complete(outer())


class Context:
    async def __aenter__(self):
        pass

    async def __aexit__(self, *_):
        pass


def across_lines():
    print(
        "",
        end=str(
            park(),
        ),
    )


def from_c():
    sorted([2, 1], key=lambda item: park())


def grüße_名前_𝔘():
    park()


def with_try():
    try:
        1 / 0
    except ZeroDivisionError:
        try:
            park()
        finally:
            pass


class Attribute:
    def __getattr__(self, name):
        return park()

    def __eq__(self, other):
        return self.missing


def in_special_methods():
    if Attribute() == 1:
        pass


class Often:
    """From 3.12 on, a class that is called often has a frame of the interpreter's own above its __init__."""

    def __init__(self, is_last):
        if is_last:
            park()


def in_init():
    for is_last in [False] * 100 + [True]:
        Often(is_last)


namespace = {"park": park}
exec(compile("\n" * 70000 + "def far(): \n" + "    x = 1\n" * 300 + "    park()\n", "far\x1b[31m\n🐍.py", "exec"), namespace)
exec(compile("def x():\n" + "    a = 1; b = a\n" * 5000 + "    park()\n    c = 1\n", "l\xe4ngst.py", "exec"), namespace)
bodies = [
    at_top, lambda: recursion(50), lambda: recursion(700), Outer.Inner.static, in_generator, in_coroutine, across_lines,
    from_c, grüße_名前_𝔘, with_try, in_special_methods, in_init, namespace["far"], namespace["x"],
]
if sys.version_info < (3, 12):
    # From 3.12 on, it makes no difference that functions are traced.
    def traced():
        sys.settrace(lambda *_: None)
        park()
    bodies.append(traced)


def name_of(code):
    return getattr(code, "co_qualname", code.co_name)


def stack_of(frame):
    stack = []
    while frame:
        stack.append([name_of(frame.f_code), frame.f_code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return stack


def tell():
    """In a thread of its own, so that the main thread is one of those that are told of."""
    while len(started) < len(bodies):
        pass
    while True:
        frames = sys._current_frames()
        told = {ident: stack_of(frame) for ident, frame in frames.items() if ident != threading.get_ident()}
        parked = [stack for stack in told.values() if stack[0][0] == "park" and stack[0][2] == PARKED]
        waiting = [stack for stack in told.values() if stack[0][0] == "wait_for_end"]
        if len(parked) == len(bodies) and waiting:
            break
    natives = {thread.ident: getattr(thread, "native_id", 0) for thread in threading.enumerate()}
    print(json.dumps([[ident, natives[ident], stack] for ident, stack in told.items()]), flush=True)
    held.acquire()


def wait_for_end():
    sys.stdin.buffer.read()


for body in bodies + [tell]:
    threading.Thread(target=body, daemon=True).start()
wait_for_end()
import os
os._exit(0)
