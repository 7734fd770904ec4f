"""Executes macOS Mach-O files (arm64 or x86_64) on any machine.

Unicorn is the processor, LIEF the Mach-O parser, and what lies here is a very small dyld, libSystem and XNU: enough for a
library that interposes the calls of sockets and signals, and for programs that it is inserted into. Each imported symbol is
bound to an address of its own; when the processor comes there, the Python model of that function runs. An import without a
model is bound, too, and fails by name only if it is called.

    from emulator import World
    w = World("libx.dylib", env={"K": "V"})     # map, fix up, bind, run initializers
    fd = w.interposed["_socket"](2, 1, 0)        # call the replacement of socket(2)
    w.log("_setsockopt")                         # what it asked of the system
    w.inject("_setsockopt", errno=22)            # the next one fails
    app = w.load("client")                       # another Mach-O file: its imports are interposed
    w.run_main(app, "client")

A model is one function: `@api("i:ip.", "_ioctl")` says that it returns an int and takes an int, a pointer and a variable
list (i u l p s v: int, unsigned, long, pointer, string, void). It raises Errno(n) to fail.

What it does not show: dyld's policy (SIP, hardened runtime, library validation), the kernel itself, threads at the same time
(a new thread runs to its end at once).
"""

from . import libsystem  # noqa: F401
from .errors import EmuError, Errno, Exited, GuestFault, Terminated, UnmodelledImport, WouldBlock
from .kernel import File, Kernel, PipeEnd, Sock
from .libsystem.api import API, QUIET, SYS, api, const
from .thread import Func, Thread
from .world import World

__all__ = [
    "API", "EmuError", "Errno", "Exited", "File", "Func", "GuestFault", "Kernel", "PipeEnd", "QUIET", "SYS", "Sock",
    "Terminated", "Thread", "UnmodelledImport", "World", "WouldBlock", "api", "const",
]
