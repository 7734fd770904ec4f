"""Sockets, pipes, files, memory."""

import struct

from ..darwin import (
    EAFNOSUPPORT, EAGAIN, ECONNREFUSED, EINVAL, EISCONN, ENOENT, ENOTCONN, ENOTTY, EOPNOTSUPP, EPROTOTYPE, ESPIPE,
    F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_GETNOSIGPIPE, F_SETFD, F_SETFL, F_SETNOSIGPIPE, O_APPEND, O_CREAT,
    O_NONBLOCK, O_TRUNC, SOL_SOCKET, SO_ERROR, SO_NOSIGPIPE, SO_TYPE,
)
from ..errors import EmuError, Errno, WouldBlock
from ..kernel import File, PipeEnd, Sock
from .api import QUIET, api, const


@api("i:iii", "_socket")
def _socket(w, domain, type_, proto):
    if domain not in (1, 2, 17, 27, 30, 32):
        raise Errno(EAFNOSUPPORT)
    if type_ not in (1, 2, 3):
        raise Errno(EPROTOTYPE)        # macOS has no SOCK_CLOEXEC/SOCK_NONBLOCK bits
    return w.kernel.add(Sock(domain, type_, proto))


@api("i:iiip", "_socketpair")
def _socketpair(w, domain, type_, proto, out):
    if domain != 1:
        raise Errno(EOPNOTSUPP)
    a, b = Sock(domain, type_, proto), Sock(domain, type_, proto)
    a.peer, b.peer, a.connected, b.connected = b, a, True, True
    fds = w.kernel.add(a), w.kernel.add(b)
    w.wr(out, struct.pack("<ii", *fds))
    w.note(fds=fds)
    return 0


@api("i:ipp", "_accept", "_accept$NOCANCEL")
def _accept(w, fd, addr, plen):
    s = w.kernel.sock(fd)
    if not s.listening:
        raise Errno(EINVAL)
    if not s.pending:
        if s.flags & O_NONBLOCK:
            raise Errno(EAGAIN)
        raise WouldBlock("accept")
    n = s.pending.pop(0)
    if addr:
        size = w.u32(plen)
        w.wr(addr, n.addr[:size])
        w.put32(plen, len(n.addr))
    return w.kernel.add(n)


@api("i:ipu", "_bind")
def _bind(w, fd, addr, n):
    w.kernel.sock(fd).addr = w.rd(addr, n)
    return 0


@api("i:ii", "_listen")
def _listen(w, fd, n):
    w.kernel.sock(fd).listening = True
    return 0


@api("i:ipu", "_connect", "_connect$NOCANCEL")
def _connect(w, fd, addr, n):
    s, a = w.kernel.sock(fd), w.rd(addr, n)
    if s.connected:
        raise Errno(EISCONN)
    for k, o in list(w.kernel.fds.items()):
        if o.kind == "socket" and o.listening and o.addr == a:
            near = w.kernel.incoming(k)
            far = near.peer
            s.peer, far.peer, s.connected = far, s, True
            return 0
    raise Errno(ECONNREFUSED)


@api("i:iiipu", "_setsockopt")
def _setsockopt(w, fd, level, name, val, n):
    w.note(value=w.rd(val, n) if val and n <= 256 else None)
    s = w.kernel.sock(fd)
    if s.cantsend and s.cantrecv:
        raise Errno(EINVAL)             # "the socket has been shutdown, no more sockopt's"
    if (level, name) == (SOL_SOCKET, SO_NOSIGPIPE):
        if n < 4 or not val:
            raise Errno(EINVAL)
        s.nosigpipe = bool(w.u32(val))
    s.opts[level, name] = w.rd(val, n)
    return 0


@api("i:iiipp", "_getsockopt")
def _getsockopt(w, fd, level, name, val, plen):
    s = w.kernel.sock(fd)
    v = {(SOL_SOCKET, SO_NOSIGPIPE): struct.pack("<i", s.nosigpipe),
         (SOL_SOCKET, SO_TYPE): struct.pack("<i", s.type),
         (SOL_SOCKET, SO_ERROR): bytes(4)}.get((level, name)) or s.opts.get((level, name), bytes(4))
    n = min(w.u32(plen), len(v))
    w.wr(val, v[:n])
    w.put32(plen, n)
    return 0


@api("i:ii", "_shutdown")
def _shutdown(w, fd, how):
    s = w.kernel.sock(fd)
    if not s.connected:
        raise Errno(ENOTCONN)
    if how in (0, 2):
        s.cantrecv = True
    if how in (1, 2):
        s.cantsend = True
        if s.peer:
            s.peer.cantrecv = True
    return 0


@api("l:ipp", "_write", "_write$NOCANCEL")
def _write(w, fd, p, n):
    return w.kernel.write(fd, w.rd(p, n))


@api("l:ippl", "_pwrite", "_pwrite$NOCANCEL")
def _pwrite(w, fd, p, n, off):
    if w.kernel.get(fd).kind != "file":
        raise Errno(ESPIPE)
    return w.kernel.write(fd, w.rd(p, n))


def gather(w, iov, n):
    out = b""
    for i in range(n):
        b, l = struct.unpack("<QQ", w.rd(iov + 16 * i, 16))
        out += w.rd(b, l)
    return out


@api("l:ipi", "_writev", "_writev$NOCANCEL")
def _writev(w, fd, iov, n):
    return w.kernel.write(fd, gather(w, iov, n))


@api("l:ippi", "_send")
def _send(w, fd, p, n, flags):
    w.kernel.sock(fd)
    return w.kernel.write(fd, w.rd(p, n), flags)


@api("l:ippipu", "_sendto", "_sendto$NOCANCEL")
def _sendto(w, fd, p, n, flags, addr, alen):
    w.kernel.sock(fd)
    return w.kernel.write(fd, w.rd(p, n), flags)


@api("l:ipi", "_sendmsg", "_sendmsg$NOCANCEL")
def _sendmsg(w, fd, msg, flags):
    w.kernel.sock(fd)
    name, nl, iov, n, ctl, cl, fl = struct.unpack("<QI4xQi4xQIi", w.rd(msg, 48))
    return w.kernel.write(fd, gather(w, iov, n), flags)


@api("i:iilppi", "_sendfile")
def _sendfile(w, fd, s, off, plen, hdtr, flags):
    f = w.kernel.get(fd)
    w.kernel.sock(s)
    n = w.u64(plen) or len(f.data) - off
    w.put64(plen, 0)
    w.put64(plen, w.kernel.write(s, bytes(f.data[off:off + n])))
    return 0


@api("l:ipp", "_read", "_read$NOCANCEL")
def _read(w, fd, p, n):
    d = w.kernel.read(fd, n)
    w.wr(p, d)
    return len(d)


@api("l:ippi", "_recv")
def _recv(w, fd, p, n, flags):
    w.kernel.sock(fd)
    d = w.kernel.read(fd, n, flags)
    w.wr(p, d)
    return len(d)


@api("i:i", "_close", "_close$NOCANCEL")
def _close(w, fd):
    w.kernel.close(fd)
    return 0


@api("i:p", "_pipe")
def _pipe(w, out):
    buf = bytearray()
    r, wr = PipeEnd(buf, False), PipeEnd(buf, True)
    r.other, wr.other = wr, r
    r.flags, wr.flags = 0, 1
    fds = w.kernel.add(r), w.kernel.add(wr)
    w.wr(out, struct.pack("<ii", *fds))
    w.note(fds=fds)
    return 0


def dup(w, fd, least=0):
    o = w.kernel.get(fd)
    o.refs += 1
    return w.kernel.add(o, least)


api("i:i", "_dup")(dup)


@api("i:ii", "_dup2")
def _dup2(w, a, b):
    o = w.kernel.get(a)
    if a != b:
        if b in w.kernel.fds:
            w.kernel.close(b)
        o.refs += 1
        w.kernel.fds[b] = o
    return b


@api("i:ii.", "_fcntl", "_fcntl$NOCANCEL")
def _fcntl(w, fd, cmd, va):
    o = w.kernel.get(fd)
    if cmd in (F_DUPFD, F_DUPFD_CLOEXEC):
        return dup(w, fd, va.int())
    if cmd in (F_SETFD, F_SETFL, F_SETNOSIGPIPE):
        arg = va.int()
        w.note(arg=arg)
        if cmd == F_SETFL:
            o.flags = o.flags & 3 | arg & ~3
        elif cmd == F_SETNOSIGPIPE:
            if o.kind == "socket" and o.cantsend and o.cantrecv:
                raise Errno(EINVAL)
            o.nosigpipe = bool(arg)
        return 0
    if cmd == F_GETNOSIGPIPE:
        return int(o.nosigpipe)
    if cmd == F_GETFD:
        return 0
    if cmd == F_GETFL:
        return o.flags
    raise EmuError(f"fcntl command {cmd} is not modelled")


@api("i:ip.", "_ioctl")
def _ioctl(w, fd, req, va):
    w.kernel.get(fd)
    raise Errno(ENOTTY)


@api("i:si.", "_open", "_open$NOCANCEL")
def _open(w, path, flags, va):
    p = w.cstr(path).decode()
    if p == "/dev/null":
        return w.kernel.add(File(flags=flags & ~O_APPEND, name=p))
    if p not in w.kernel.files:
        if not flags & O_CREAT:
            raise Errno(ENOENT)
        w.note(mode=va.int())
        w.kernel.files[p] = bytearray()
    if flags & O_TRUNC:
        w.kernel.files[p][:] = b""
    return w.kernel.add(File(w.kernel.files[p], flags, p))


@api("i:ip", "_fstat", "_fstat$INODE64")
def _fstat(w, fd, st):
    o = w.kernel.get(fd)
    mode = {"socket": 0o140000, "pipe": 0o010000, "file": 0o100000}[o.kind] | 0o600
    size = len(o.data) if o.kind == "file" else 0
    w.wr(st, struct.pack("<iHHQIIi", 1, mode, 1, fd, 501, 20, 0) + bytes(116 - 0))
    w.put64(st + 96, size)
    return 0


@api("i:sp", "_stat", "_stat$INODE64", "_lstat", "_lstat$INODE64")
def _stat(w, path, st):
    raise Errno(ENOENT)


@api("i:pui", "_poll", "_poll$NOCANCEL")
def _poll(w, fds, n, timeout):
    hits = 0
    for i in range(n):
        fd, ev, _ = struct.unpack("<ihh", w.rd(fds + 8 * i, 8))
        rev = 0 if fd < 0 or fd in w.kernel.fds else 0x20
        w.wr(fds + 8 * i + 6, struct.pack("<h", rev))
        hits += bool(rev)
    return hits


@api("p:ppiiil", "_mmap", kind=QUIET)
def _mmap(w, addr, n, prot, flags, fd, off):
    if not flags & 0x1000:
        o = w.kernel.get(fd)
        p = w.mmap(n)
        w.wr(p, bytes(o.data[off:off + n]))
        return p
    return w.mmap(n)


const(0, "i:pp", "_munmap", "_madvise")
const(0, "i:ppi", "_mprotect", "_msync")
