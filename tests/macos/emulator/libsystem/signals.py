"""Signals. struct sigaction is a handler of 8 bytes, a mask and flags of 4 each."""

import struct

from ..darwin import EINVAL, ESRCH, SIGKILL, SIGSTOP, SIG_ERR, SIG_IGN
from ..errors import Errno, WouldBlock
from .api import QUIET, api


@api("i:ipp", "_sigaction")
def _sigaction(w, sig, act, old):
    if not 1 <= sig < 32 or (sig in (SIGKILL, SIGSTOP) and act):
        raise Errno(EINVAL)
    prev = w.kernel.action(sig)
    if act:
        new = struct.unpack("<QIi", w.rd(act, 16))
        w.note(act=new)
        w.kernel.actions[sig] = new
        if new[0] == SIG_IGN:
            w.kernel.pending.discard(sig)
    if old:
        w.wr(old, struct.pack("<QIi", *prev))
    return 0


@api("p:ip", "_signal", "_bsd_signal")
def _signal(w, sig, h):
    if not 1 <= sig < 32 or sig in (SIGKILL, SIGSTOP):
        w.set_errno(EINVAL)
        return SIG_ERR
    prev = w.kernel.action(sig)[0]
    w.kernel.actions[sig] = (h, 0, 2)
    return prev


@api("i:p", "_sigemptyset", kind=QUIET)
def _sigemptyset(w, s):
    w.put32(s, 0)
    return 0


@api("i:p", "_sigfillset", kind=QUIET)
def _sigfillset(w, s):
    w.put32(s, 0xFFFFFFFF)
    return 0


def _setbit(w, s, sig, on):
    if not 1 <= sig < 32:
        raise Errno(EINVAL)
    v = w.u32(s)
    w.put32(s, v | 1 << (sig - 1) if on else v & ~(1 << (sig - 1)))
    return 0


api("i:pi", "_sigaddset", kind=QUIET)(lambda w, s, n: _setbit(w, s, n, True))
api("i:pi", "_sigdelset", kind=QUIET)(lambda w, s, n: _setbit(w, s, n, False))
api("i:pi", "_sigismember", kind=QUIET)(lambda w, s, n: w.u32(s) >> (n - 1) & 1)


def _mask(w, how, new, old):
    t = w.thread
    prev = t.mask
    if old:
        w.put32(old, prev)
    if new:
        v = w.u32(new)
        w.note(how=how, set=v)
        if how not in (1, 2, 3):
            raise Errno(EINVAL)
        t.mask = prev | v if how == 1 else prev & ~v if how == 2 else v
        t.mask &= ~(1 << (SIGKILL - 1) | 1 << (SIGSTOP - 1))
        w.kernel.unmasked()
    return 0


api("i:ipp", "_sigprocmask")(_mask)


@api("i:ipp", "_pthread_sigmask")
def _pthread_sigmask(w, how, new, old):
    try:
        return _mask(w, how, new, old)
    except Errno as e:
        return e.n


@api("i:p", "_sigpending")
def _sigpending(w, s):
    w.put32(s, sum(1 << (n - 1) for n in w.kernel.pending))
    return 0


@api("i:pp", "_sigwait")
def _sigwait(w, s, out):
    for n in sorted(w.kernel.pending):
        if w.u32(s) >> (n - 1) & 1:
            w.kernel.pending.discard(n)
            w.put32(out, n)
            return 0
    raise WouldBlock("sigwait")


@api("i:pp", "_sigaltstack", kind=QUIET)
def _sigaltstack(w, new, old):
    if old:
        w.wr(old, struct.pack("<QQi", *w.thread.altstack))
    if new:
        w.thread.altstack = struct.unpack("<QQi", w.rd(new, 20))
    return 0


@api("i:i", "_raise")
def _raise(w, sig):
    w.kernel.post(sig)
    return 0


@api("i:ii", "_kill")
def _kill(w, pid, sig):
    if pid != 4242:
        raise Errno(ESRCH)
    if sig:
        w.kernel.post(sig)
    return 0


@api("i:pi", "_pthread_kill")
def _pthread_kill(w, t, sig):
    if sig:
        w.kernel.post(sig)
    return 0
