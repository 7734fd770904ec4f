"""errno, the environment, the process, time."""

import struct

from ..darwin import EINVAL, ENOENT, ERANGE, SIGABRT
from ..errors import Errno, Exited, Terminated
from .api import API, QUIET, api, const


api("p:", "___error", kind=QUIET)(lambda w: w.thread.errno)


@api("p:s", "_getenv", kind="env")
def _getenv(w, name):
    k = w.cstr(name) + b"="
    for p in w.environ():
        if w.cstr(p).startswith(k):
            return p + len(k)
    return 0


@api("i:ssi", "_setenv", kind="env")
def _setenv(w, name, val, over):
    k = w.cstr(name)
    if not k or b"=" in k:
        raise Errno(EINVAL)
    items = [w.cstr(p) for p in w.environ()]
    old = [e for e in items if e.startswith(k + b"=")]
    if old and not over:
        return 0
    w.set_environ([e for e in items if e not in old] + [k + b"=" + w.cstr(val)])
    return 0


@api("i:s", "_unsetenv", kind="env")
def _unsetenv(w, name):
    k = w.cstr(name) + b"="
    w.set_environ([e for e in map(w.cstr, w.environ()) if not e.startswith(k)])
    return 0


api("p:", "__NSGetEnviron", kind=QUIET)(lambda w: w.p_environ)
api("p:", "__NSGetArgc", kind=QUIET)(lambda w: w.p_argc)
api("p:", "__NSGetArgv", kind=QUIET)(lambda w: w.p_argv)
api("p:", "__NSGetProgname", kind=QUIET)(lambda w: w.p_progname)
api("p:", "_getprogname", kind=QUIET)(lambda w: w.u64(w.p_progname))


@api("i:pp", "__NSGetExecutablePath", kind=QUIET)
def _NSGetExecutablePath(w, buf, size):
    p = b"/usr/local/bin/emu\0"
    if w.u32(size) < len(p):
        w.put32(size, len(p))
        return -1
    w.wr(buf, p)
    return 0


const(4242, "i:", "_getpid")
const(1, "i:", "_getppid")
const(501, "u:", "_getuid", "_geteuid")
const(20, "u:", "_getgid", "_getegid")
const(0, "i:", "_issetugid")


@api("v:", "_abort")
def _abort(w):
    raise Terminated(SIGABRT, "(abort); stderr: " + w.stderr.decode(errors="replace")[-600:])


@api("v:i", "__exit", "__Exit")
def __exit(w, code):
    raise Exited(code)


@api("v:i", "_exit")
def _exit(w, code):
    w.run_atexit()
    raise Exited(code)


@api("i:p", "_atexit", kind=QUIET)
def _atexit(w, f):
    w.atexit.append((f, None))
    return 0


@api("i:ppp", "___cxa_atexit", kind=QUIET)
def _cxa_atexit(w, f, arg, dso):
    w.atexit.append((f, arg))
    return 0


@api("l:i", "_sysconf", kind=QUIET)
def _sysconf(w, n):
    return {29: w.arch.page, 58: 8, 57: 8, 5: 256, 70: 4096, 71: 4096}.get(n, -1)


const(-1, "i:spppp", "_sysctlbyname")
API["_sysctlbyname"] = ("i:spppp", lambda w, *a: w.fail(ENOENT), QUIET)
const(16384, "i:", "_getpagesize")
const(1, "i:up", "__availability_version_check")


@api("p:pp", "_getcwd")
def _getcwd(w, buf, n):
    p = b"/private/tmp\0"
    if not buf:
        return w.string(p[:-1])
    if n < len(p):
        w.set_errno(ERANGE)
        return 0
    w.wr(buf, p)
    return buf


@api("i:s", "_puts")
def _puts(w, s):
    return w.kernel.write(1, w.cstr(s) + b"\n")


DATA = {"___stack_chk_guard": struct.pack("<Q", 0x5AFE57AC6A4D0000), "_mach_task_self_": struct.pack("<I", 0x103),
        "_vm_page_size": struct.pack("<Q", 16384), "_vm_page_mask": struct.pack("<Q", 16383)}
VARS = ("_environ", "_NXArgc", "_NXArgv", "___progname")
