"""Descriptors, pipes, sockets and signals, as far as SIGPIPE needs them."""

import struct

from .darwin import (
    EAGAIN, EBADF, EDESTADDRREQ, EMFILE, ENOTCONN, ENOTSOCK, EPIPE, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK, O_APPEND,
    O_NONBLOCK, SIGCHLD, SIGCONT, SIGINFO, SIGIO, SIGPIPE, SIGURG, SIGWINCH, SIG_DFL, SIG_IGN,
)
from .errors import Errno, Terminated, WouldBlock


class File:
    kind = "file"

    def __init__(self, data=None, flags=0, name=""):
        self.data = bytearray() if data is None else data
        self.pos, self.flags, self.nosigpipe, self.refs, self.name = 0, flags, False, 1, name

    def last_close(self):
        pass


class PipeEnd(File):
    kind = "pipe"

    def __init__(self, buf, writer):
        super().__init__(buf)
        self.writer, self.other = writer, None

    def last_close(self):
        if self.other:
            self.other.other = None


class Sock:
    kind = "socket"

    def __init__(self, domain, type_, proto):
        self.domain, self.type, self.proto = domain, type_, proto
        self.nosigpipe = False
        self.opts, self.flags, self.refs = {}, 2, 1
        self.peer, self.rbuf, self.connected = None, bytearray(), False
        self.cantsend = self.cantrecv = self.listening = False
        self.pending, self.addr, self.sent = [], b"", bytearray()

    def disconnected(self):             # soisdisconnected()
        self.cantsend = self.cantrecv = True
        self.peer = None

    def last_close(self):
        if self.peer:
            self.peer.disconnected()


class Kernel:
    """Descriptors and signals, with XNU's SIGPIPE rules."""
    def __init__(self, w):
        self.w = w
        self.fds = {0: File(name="stdin"), 1: File(name="stdout"), 2: File(name="stderr")}
        self.actions = {}               # sig -> (handler, mask, flags)
        self.pending = set()
        self.delivered = []             # every signal posted: (sig, outcome)
        self.files = {}                 # path -> bytearray, for open()
        self.msg_nosignal = False       # does this macOS honour MSG_NOSIGNAL?
        self.max_fds = 256

    def add(self, obj, least=0):
        fd = least
        while fd in self.fds:
            fd += 1
        if fd >= self.max_fds:
            raise Errno(EMFILE)
        self.fds[fd] = obj
        return fd

    def get(self, fd):
        if fd not in self.fds:
            raise Errno(EBADF)
        return self.fds[fd]

    def sock(self, fd):
        o = self.get(fd)
        if o.kind != "socket":
            raise Errno(ENOTSOCK)
        return o

    def close(self, fd):
        o = self.get(fd)
        del self.fds[fd]
        o.refs -= 1
        if not o.refs:
            o.last_close()

    # what a test script does from the outside
    def incoming(self, fd, addr=b"\x10\x02\x30\x39\x7f\0\0\1" + b"\0" * 8):
        """A remote peer connects to the listening socket `fd`; returns its end."""
        ls = self.sock(fd)
        far, near = Sock(ls.domain, ls.type, ls.proto), Sock(ls.domain, ls.type, ls.proto)
        near.nosigpipe = ls.nosigpipe    # sonewconn(): SOF_NOSIGPIPE is inherited
        far.peer, near.peer, far.connected, near.connected = near, far, True, True
        near.addr = addr
        ls.pending.append(near)
        return far

    def connected(self, fd):
        """Connect socket `fd` to a remote peer; returns the peer's end."""
        s = self.sock(fd)
        far = Sock(s.domain, s.type, s.proto)
        far.peer, s.peer, far.connected, s.connected = s, far, True, True
        return far

    # signals
    def action(self, sig):
        return self.actions.get(sig, (SIG_DFL, 0, 0))

    def post(self, sig):
        h, mask, flags = self.action(sig)
        if h == SIG_IGN or (h == SIG_DFL and sig in (SIGURG, SIGCONT, SIGCHLD, SIGIO, SIGWINCH, SIGINFO)):
            self.delivered.append((sig, "ignored"))
        elif self.w.thread.mask >> (sig - 1) & 1:
            self.delivered.append((sig, "pending"))
            self.pending.add(sig)
        elif h == SIG_DFL:
            self.delivered.append((sig, "terminated"))
            raise Terminated(sig)
        else:
            self.delivered.append((sig, "handled"))
            old = self.w.thread.mask
            self.w.thread.mask |= mask | 1 << (sig - 1)
            if flags & 4:
                self.actions[sig] = (SIG_DFL, 0, 0)
            info = self.w.malloc(104)
            self.w.wr(info, struct.pack("<iii", sig, 0, 0) + b"\0" * 92)
            self.w.call(h, sig, info, self.w.malloc(0x400), sig="v:ipp")
            self.w.thread.mask = old

    def unmasked(self):
        for sig in sorted(self.pending):
            if not self.w.thread.mask >> (sig - 1) & 1:
                self.pending.discard(sig)
                self.post(sig)

    def epipe(self, o, flags=0):
        quiet = o.nosigpipe or (flags & MSG_NOSIGNAL and self.msg_nosignal)
        if not quiet:
            self.post(SIGPIPE)
        raise Errno(EPIPE)

    def write(self, fd, data, flags=0):
        o = self.get(fd)
        if o.kind == "socket":
            if o.cantsend:
                self.epipe(o, flags)
            if not o.connected:
                raise Errno(EDESTADDRREQ if o.type == 2 else ENOTCONN)
            o.peer.rbuf += data
            o.sent += data
        elif o.kind == "pipe":
            if not o.writer:
                raise Errno(EBADF)
            if o.other is None:
                self.epipe(o)
            o.data += data
        elif fd in (1, 2) and o.name in ("stdout", "stderr"):
            (self.w.stdout if o.name == "stdout" else self.w.stderr).extend(data)
        else:
            at = len(o.data) if o.flags & O_APPEND else o.pos
            o.data[at:at + len(data)] = data
            o.pos = at + len(data)
        return len(data)

    def read(self, fd, n, flags=0):
        o = self.get(fd)
        if o.kind == "file":
            d = bytes(o.data[o.pos:o.pos + n])
            o.pos += len(d)
            return d
        buf = o.rbuf if o.kind == "socket" else o.data
        if buf:
            d = bytes(buf[:n])
            if not flags & MSG_PEEK:
                del buf[:n]
            return d
        if o.kind == "socket" and not o.connected:
            raise Errno(ENOTCONN)
        if (o.cantrecv if o.kind == "socket" else o.other is None):
            return b""
        if o.flags & O_NONBLOCK or flags & MSG_DONTWAIT:
            raise Errno(EAGAIN)
        raise WouldBlock(f"read of descriptor {fd}")
