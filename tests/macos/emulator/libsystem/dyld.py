"""The dynamic linker, and a walk along frame pointers where a program asks for its stack."""

import struct

from ..darwin import SIGABRT
from ..errors import Terminated
from .api import API, QUIET, SYS, api, const
from ..processors import s64


const(0, "u:", "__dyld_image_count")
const(0, "p:u", "__dyld_get_image_header", "__dyld_get_image_name", "__dyld_get_image_vmaddr_slide")
const(0, "v:p", "__dyld_register_func_for_add_image", "__dyld_register_func_for_remove_image")
const(0, "i:p", "_dlclose")
const(0, "p:", "_dlerror")
const(0, "p:si", "_dlopen", kind=SYS)


@api("p:ps", "_dlsym")
def _dlsym(w, handle, name):
    n = "_" + w.cstr(name).decode()
    for im in w.images:
        if n in im.exports and s64(handle) != -1:
            return im.exports[n]
    if n not in API:
        return 0
    return w.resolve(n, w.image_at(w.arch.return_address(w)))


@api("i:pp", "_dladdr")
def _dladdr(w, addr, info):
    im = w.image_at(addr)
    if not im:
        return 0
    if not hasattr(im, "c_path"):
        im.c_path = w.string(im.path.encode())
    w.wr(info, struct.pack("<QQQQ", im.c_path, im.base, 0, 0))
    return 1


@api("p:p", "__tlv_bootstrap", kind="tlv")
def _tlv(w, desc):
    thunk, key, off = struct.unpack("<QQQ", w.rd(desc, 24))
    im = w.images[key - 1]
    t = w.thread.tlv
    if im not in t:
        lo, hi = im.tlv_range
        t[im] = w.malloc(hi - lo)
        w.wr(t[im], w.rd(lo, hi - lo))
    return t[im] + off


@api("v:pp", "__tlv_atexit", kind=QUIET)
def _tlv_atexit(w, f, obj):
    w.thread.tlv_dtors.append((f, obj))


# -- unwinder: a frame-pointer walk for backtraces; a panic that unwinds is the end
@api("i:pp", "__Unwind_Backtrace")
def _Unwind_Backtrace(w, cb, arg):
    for ip, cfa in w.frames():
        ctx = w.malloc(16)
        w.wr(ctx, struct.pack("<QQ", ip, cfa))
        r = w.call(cb, ctx, arg, sig="i:pp")
        w.free(ctx)
        if r:
            return 5
    return 5


api("p:p", "__Unwind_GetIP", kind=QUIET)(lambda w, c: w.u64(c))
api("p:p", "__Unwind_GetCFA", kind=QUIET)(lambda w, c: w.u64(c + 8))
const(0, "p:p", "__Unwind_FindEnclosingFunction", "__Unwind_GetTextRelBase", "__Unwind_GetDataRelBase")


@api("p:pp", "__Unwind_GetIPInfo", kind=QUIET)
def _Unwind_GetIPInfo(w, c, before):
    w.put32(before, 0)
    return w.u64(c)


@api("i:p", "__Unwind_RaiseException")
def _Unwind_RaiseException(w, exc):
    raise Terminated(SIGABRT, "(panic reached the unwinder); stderr: " + w.stderr.decode(errors="replace")[-600:])
