"""Threads, locks, dispatch semaphores, time."""

import struct

from ..darwin import EBUSY, ETIMEDOUT, M64, STACK_SIZE
from ..errors import EmuError, WouldBlock
from .api import QUIET, api, const
from ..processors import s64


api("p:", "_pthread_self", kind=QUIET)(lambda w: w.thread.tsd)
api("i:", "_pthread_main_np", kind=QUIET)(lambda w: int(w.thread.main))
api("i:pp", "_pthread_equal", kind=QUIET)(lambda w, a, b: int(a == b))
api("p:p", "_pthread_get_stackaddr_np", kind=QUIET)(lambda w, t: w.thread_of(t).stack + STACK_SIZE)
api("p:p", "_pthread_get_stacksize_np", kind=QUIET)(lambda w, t: STACK_SIZE)
const(0, "i:p", "_pthread_attr_init", "_pthread_attr_destroy", "_pthread_mutexattr_init",
      "_pthread_mutexattr_destroy", "_pthread_detach", "_pthread_condattr_init", "_pthread_condattr_destroy",
      "_pthread_rwlock_init", "_pthread_rwlock_destroy", "_pthread_rwlock_rdlock", "_pthread_rwlock_wrlock",
      "_pthread_rwlock_unlock", "_pthread_cond_destroy", "_pthread_cond_signal", "_pthread_cond_broadcast")
const(0, "i:pp", "_pthread_attr_setstacksize", "_pthread_mutexattr_settype", "_pthread_attr_setdetachstate",
      "_pthread_cond_init")


@api("i:pp", "_pthread_threadid_np", kind=QUIET)
def _pthread_threadid_np(w, t, out):
    w.put64(out, 1000 + (w.thread_of(t) if t else w.thread).tid)
    return 0


@api("i:p", "_pthread_setname_np", kind=QUIET)
def _pthread_setname_np(w, name):
    w.thread.name = w.cstr(name)
    return 0


@api("i:pp", "_pthread_mutex_init", kind=QUIET)
def _mutex_init(w, m, attr):
    w.locks.pop(m, None)
    return 0


api("i:p", "_pthread_mutex_destroy", kind=QUIET)(lambda w, m: EBUSY if w.locks.pop(m, None) else 0)


def _lock(w, m):
    if w.locks.get(m):
        raise WouldBlock(f"lock {m:#x} is held by thread {w.locks[m]}; taken again by {w.thread.tid}")
    w.locks[m] = w.thread.tid
    return 0


def _trylock(w, m):
    if w.locks.get(m):
        return False
    w.locks[m] = w.thread.tid
    return True


def _unlock(w, m):
    if w.locks.get(m) != w.thread.tid:
        raise EmuError(f"unlock of a lock not held: {m:#x}")
    w.locks[m] = 0
    return 0


api("i:p", "_pthread_mutex_lock", kind=QUIET)(_lock)
api("i:p", "_pthread_mutex_trylock", kind=QUIET)(lambda w, m: 0 if _trylock(w, m) else EBUSY)
api("i:p", "_pthread_mutex_unlock", kind=QUIET)(_unlock)
api("v:p", "_os_unfair_lock_lock", kind=QUIET)(_lock)
api("i:p", "_os_unfair_lock_trylock", kind=QUIET)(lambda w, m: int(_trylock(w, m)))
api("v:p", "_os_unfair_lock_unlock", kind=QUIET)(_unlock)


@api("i:pp", "_pthread_cond_wait")
def _cond_wait(w, c, m):
    raise WouldBlock("pthread_cond_wait")


@api("i:ppp", "_pthread_cond_timedwait_relative_np", "_pthread_cond_timedwait")
def _cond_timedwait(w, c, m, t):
    return ETIMEDOUT


@api("i:pp", "_pthread_once", kind=QUIET)
def _pthread_once(w, once, f):
    if w.u64(once + 8) != 0x600D:
        w.put64(once + 8, 0x600D)
        w.call(f, sig="v:")
    return 0


@api("i:pp", "_pthread_key_create", kind=QUIET)
def _key_create(w, out, dtor):
    w.tsd_keys.append(dtor)
    w.put64(out, 255 + len(w.tsd_keys))
    return 0


const(0, "i:p", "_pthread_key_delete")
api("p:p", "_pthread_getspecific", kind=QUIET)(lambda w, k: w.thread.keys.get(k, 0))


@api("i:pp", "_pthread_setspecific", kind=QUIET)
def _setspecific(w, k, v):
    w.thread.keys[k] = v
    return 0


@api("i:pppp", "_pthread_create")
def _pthread_create(w, out, attr, f, arg):
    """The new thread runs to its end at once: deterministic, and no locks can be contended."""
    t = w.new_thread()
    w.put64(out, t.tsd)
    t.result = w.call(f, arg, sig="p:p", thread=t)
    w.end_thread(t)
    return 0


@api("i:pp", "_pthread_join")
def _pthread_join(w, t, out):
    if out:
        w.put64(out, w.thread_of(t).result)
    return 0


# libdispatch semaphores (std's thread parking on macOS)
@api("p:l", "_dispatch_semaphore_create", kind=QUIET)
def _dsema(w, n):
    p = w.malloc(64)
    w.put64(p, n)
    return p


@api("l:p", "_dispatch_semaphore_signal", kind=QUIET)
def _dsignal(w, p):
    w.put64(p, w.u64(p) + 1)
    return 0


@api("l:pp", "_dispatch_semaphore_wait", kind=QUIET)
def _dwait(w, p, t):
    if s64(w.u64(p)) > 0:
        w.put64(p, w.u64(p) - 1)
        return 0
    if t == M64:
        raise WouldBlock("dispatch_semaphore_wait")
    return 49


api("p:pl", "_dispatch_time", kind=QUIET)(lambda w, t, d: (w.clock + max(d, 0)) & M64)
const(0, "v:p", "_dispatch_release", "_dispatch_retain")
# futex-like API of macOS 14.4+ (std may weakly link it)
const(0, "i:ppu", "_os_sync_wake_by_address_any", "_os_sync_wake_by_address_all")


# -- time
@api("i:ip", "_clock_gettime", kind=QUIET)
def _clock_gettime(w, which, ts):
    w.clock += 1000
    base = 1_700_000_000 if which == 0 else 0
    w.wr(ts, struct.pack("<qq", base + w.clock // 10**9, w.clock % 10**9))
    return 0


@api("p:", "_mach_absolute_time", "_mach_continuous_time", kind=QUIET)
def _mach_absolute_time(w):
    w.clock += 1000
    return w.clock


@api("i:p", "_mach_timebase_info", kind=QUIET)
def _timebase(w, p):
    w.wr(p, struct.pack("<II", 1, 1))
    return 0


@api("i:pp", "_nanosleep")
def _nanosleep(w, req, rem):
    s, n = struct.unpack("<qq", w.rd(req, 16))
    w.clock += s * 10**9 + n
    return 0


const(0, "i:", "_sched_yield", "_pthread_yield_np")
