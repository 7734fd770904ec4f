"""Memory and strings."""

from ..darwin import EINVAL
from .api import QUIET, api


api("p:p", "_malloc", kind=QUIET)(lambda w, n: w.malloc(n))
api("p:p", "_valloc", kind=QUIET)(lambda w, n: w.malloc(n, 0x4000))
api("v:p", "_free", kind=QUIET)(lambda w, p: w.free(p))
api("p:pp", "_aligned_alloc", kind=QUIET)(lambda w, al, n: w.malloc(n, al))


@api("p:pp", "_calloc", kind=QUIET)
def _calloc(w, n, m):
    p = w.malloc(n * m)
    w.wr(p, bytes(n * m))
    return p


@api("p:pp", "_realloc", "_reallocf", kind=QUIET)
def _realloc(w, p, n):
    q = w.malloc(n)
    if p:
        w.wr(q, w.rd(p, min(n, w.alloc_size(p))))
        w.free(p)
    return q


@api("i:ppp", "_posix_memalign", kind=QUIET)
def _posix_memalign(w, out, al, n):
    if al < 8 or al & (al - 1):
        return EINVAL
    w.put64(out, w.malloc(n, al))
    return 0


api("p:p", "_malloc_size", kind=QUIET)(lambda w, p: w.alloc_size(p))
api("v:pp", "_bzero", "___bzero", kind=QUIET)(lambda w, p, n: w.wr(p, bytes(n)))


@api("p:ppp", "_memcpy", "_memmove", kind=QUIET)
def _memmove(w, d, s, n):
    w.wr(d, w.rd(s, n))
    return d


@api("p:pip", "_memset", kind=QUIET)
def _memset(w, d, c, n):
    w.wr(d, bytes([c & 255]) * n)
    return d


@api("v:ppp", "_memset_pattern16", kind=QUIET)
def _memset_pattern16(w, d, pat, n):
    w.wr(d, (w.rd(pat, 16) * (n // 16 + 1))[:n])


@api("i:ppp", "_memcmp", "_bcmp", kind=QUIET)
def _memcmp(w, a, b, n):
    x, y = w.rd(a, n), w.rd(b, n)
    return next((p - q for p, q in zip(x, y) if p != q), 0)


@api("p:pip", "_memchr", kind=QUIET)
def _memchr(w, p, c, n):
    i = w.rd(p, n).find(c & 255)
    return p + i if i >= 0 else 0


api("p:p", "_strlen", kind=QUIET)(lambda w, p: len(w.cstr(p)))
api("p:pp", "_strnlen", kind=QUIET)(lambda w, p, n: len(w.cstr(p, n)))


@api("i:pp", "_strcmp", kind=QUIET)
def _strcmp(w, a, b):
    x, y = w.cstr(a), w.cstr(b)
    return (x > y) - (x < y)


@api("i:ppp", "_strncmp", kind=QUIET)
def _strncmp(w, a, b, n):
    x, y = w.cstr(a)[:n], w.cstr(b)[:n]
    return (x > y) - (x < y)


@api("i:ipp", "_strerror_r", kind=QUIET)
def _strerror_r(w, n, buf, size):
    text = {1: "Operation not permitted", 2: "No such file or directory", 9: "Bad file descriptor",
            22: "Invalid argument", 32: "Broken pipe", 38: "Socket operation on non-socket"}.get(n, f"Error {n}")
    w.wr(buf, text.encode()[:size - 1] + b"\0")
    return 0


@api("i:pp", "_CCRandomGenerateBytes", "_getentropy", kind=QUIET)
def _random(w, p, n):
    w.wr(p, bytes((i * 37 + 11) & 255 for i in range(n)))
    return 0


api("v:pp", "_arc4random_buf", kind=QUIET)(_random)
