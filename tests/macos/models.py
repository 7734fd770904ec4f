"""What the library asks of macOS besides what the emulator models: children, messages with descriptors, dyld.

Importing this adds the models. `Machine` is the emulator's World with what the tests need around it.
"""

import pathlib
import struct

import unicorn
from unicorn import UcError
from unicorn import arm64_const as A64, x86_const as X86

from emulator import API, QUIET, Errno, Func, GuestFault, World, api  # noqa: F401 the tests take some from here
from mach import Other  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[2]

SIGINT, SIGPIPE, SIGTERM = 2, 13, 15
SIG_DFL, SIG_IGN, SIG_ERR, SIG_HOLD = 0, 1, (1 << 64) - 1, 5
SA_ONSTACK, SA_RESTART, SA_RESETHAND, SA_NODEFER, SA_SIGINFO = 1, 2, 4, 0x10, 0x40
ENOENT, ENOMEM, EINVAL, ENOTSOCK, ENOTCONN, EPIPE = 2, 12, 22, 38, 57, 32
SOL_SOCKET, SO_NOSIGPIPE, SCM_RIGHTS = 0xFFFF, 0x1022, 1
MSG_NOSIGNAL = 0x80000
AF_UNIX, AF_INET, SOCK_STREAM = 1, 2, 1
SPAWN_SETSIGDEF, SPAWN_SETEXEC = 0x04, 0x40
PARENT = 4242


# ------------------------------------------------------------- children

def inherited(w, defaults=0):
    """The SIGPIPE that a program starts with which is started now: a handler does not survive execve."""
    handler = w.kernel.action(SIGPIPE)[0]
    return SIG_IGN if handler == SIG_IGN and not defaults >> (SIGPIPE - 1) & 1 else SIG_DFL


@api("i:ppp", "_pthread_atfork")
def _pthread_atfork(w, prepare, parent, child):
    w.atfork_child.append(child)
    return 0


@api("i:ppp", "_execve", "_execvP")
@api("i:pp", "_execv", "_execvp")
def _execve(w, *arguments):
    w.note(child=inherited(w))
    raise Errno(ENOENT)


@api("i:pppppp", "_posix_spawn", "_posix_spawnp")
def _posix_spawn(w, pid, path, actions, attributes, arguments, environment):
    flags, defaults = w.attributes[w.u64(attributes)] if attributes else (0, 0)
    w.note(child=inherited(w, defaults if flags & SPAWN_SETSIGDEF else 0))
    if pid:
        w.put32(pid, 777)
    return 0


@api("i:ipi", "_waitpid")
def _waitpid(w, pid, status, options):
    w.put32(status, 0)
    return pid


api("i:p", "_pclose")(lambda w, file: 0)


def attribute(w, attributes):
    return w.attributes[w.u64(attributes)]


@api("i:p", "_posix_spawnattr_init")
def _attr_init(w, attributes):
    block = w.malloc(256)
    w.put64(attributes, block)
    w.attributes[block] = [0, 0]
    return 0


@api("i:p", "_posix_spawnattr_destroy")
def _attr_destroy(w, attributes):
    block = w.u64(attributes)
    del w.attributes[block]
    w.free(block)
    return 0


@api("i:pi", "_posix_spawnattr_setflags")
def _attr_setflags(w, attributes, flags):
    attribute(w, attributes)[0] = flags & 0xFFFF
    return 0


@api("i:pp", "_posix_spawnattr_getflags")
def _attr_getflags(w, attributes, out):
    w.wr(out, struct.pack("<H", attribute(w, attributes)[0]))
    return 0


@api("i:pp", "_posix_spawnattr_setsigdefault")
def _attr_setsigdefault(w, attributes, signals):
    attribute(w, attributes)[1] = w.u32(signals)
    return 0


@api("i:pp", "_posix_spawnattr_getsigdefault")
def _attr_getsigdefault(w, attributes, out):
    w.put32(out, attribute(w, attributes)[1])
    return 0


@api("i:s", "_system", "_system$NOCANCEL")
def _system(w, command):
    w.note(child=inherited(w))
    return 0x1700


@api("p:ss", "_popen", "_popen$DARWIN_EXTSN")
def _popen(w, command, mode):
    w.note(child=inherited(w))
    return 0x50F1


# ---------------------------------------------------------- descriptors

# Hooked, and never called by the library.
api("i:pp.", "_execl", "_execle", "_execlp")(lambda w, path, first, rest: w.fail(EINVAL))
api("p:ip", "_sigset")(lambda w, signal, handler: w.fail(EINVAL))
api("i:i", "_sigignore")(lambda w, signal: w.fail(EINVAL))
api("i:ii", "_siginterrupt")(lambda w, signal, interrupt: w.fail(EINVAL))


# What the emulator has, under one more name.
API["_send$NOCANCEL"] = API["_send"]


@api("i:u", "_fileport_makefd")
def _fileport_makefd(w, port):
    """Gets what the test put into `w.ports` under the port's name."""
    if port not in w.ports:
        raise Errno(EINVAL)
    return w.kernel.add(w.ports[port])


api("i:p", "_xpc_fd_dup")(_fileport_makefd)
api("i:pp", "_xpc_dictionary_dup_fd")(lambda w, dictionary, key: _fileport_makefd(w, dictionary))


@api("l:ipi", "_recvmsg", "_recvmsg$NOCANCEL")
def _recvmsg(w, fd, message, flags):
    """Receives what the test put into `w.arriving`: data, then objects that become descriptors here."""
    w.kernel.sock(fd)
    if not w.arriving:
        raise Errno(35)
    data, objects = w.arriving.pop(0)
    control, room = w.u64(message + 32), w.u32(message + 40)
    used = 0
    for group in objects:
        fds = [w.kernel.add(o) for o in group]
        body = struct.pack("<III", 12 + 4 * len(fds), SOL_SOCKET, SCM_RIGHTS) + struct.pack(f"<{len(fds)}i", *fds)
        body = body[:max(room - used, 0)]
        w.wr(control + used, body)
        used += len(body)
        w.note(fds=fds)
    w.put32(message + 40, used)
    return len(data)


def sends_descriptors(function):
    """sendmsg(2) whose control data has one group of descriptors: they are what arrives next."""
    def sendmsg(w, fd, message, flags):
        sent = function(w, fd, message, flags)
        control, room = w.u64(message + 32), w.u32(message + 40)
        if control and room:
            fds = struct.unpack(f"<{room // 4 - 3}i", w.rd(control + 12, room - 12))
            objects = [w.kernel.get(fd) for fd in fds]
            for each in objects:
                each.refs += 1
            w.arriving.append((bytes(sent), [objects]))
        return sent
    return sendmsg


for twin in ("_sendmsg", "_sendmsg$NOCANCEL"):
    signature, model, kind = API[twin]
    API[twin] = (signature, sends_descriptors(model), kind)


@api("i:ipp", "_getsockname")
def _getsockname(w, fd, address, length):
    own = w.kernel.sock(fd).addr
    w.wr(address, own[:w.u32(length)])
    w.put32(length, len(own))
    return 0


@api("i:pui", "_poll", "_poll$NOCANCEL")
def _poll(w, fds, count, timeout):
    """Everything that is open can be written to, except what `w.full` names."""
    hits = 0
    for index in range(count):
        fd, events, _ = struct.unpack("<ihh", w.rd(fds + 8 * index, 8))
        found = 0x20 if fd not in w.kernel.fds else 0 if fd in w.full else events & 4
        w.wr(fds + 8 * index + 6, struct.pack("<h", found))
        hits += bool(found)
    return hits


@api("i:iippi", "_proc_pidinfo")
def _proc_pidinfo(w, pid, flavor, argument, buffer, size):
    if flavor == 15:                    # is this thread alive? One runs to its end as it is made.
        if argument not in (1001, 1000 + w.thread.tid):
            raise Errno(3)
        w.wr(buffer, bytes(size))
        return size
    if pid != PARENT or flavor != 1:
        raise Errno(EINVAL)
    kinds = {"file": 1, "socket": 2, "pipe": 6}
    entries = [struct.pack("<II", fd, kinds[o.kind]) for fd, o in sorted(w.kernel.fds.items())]
    if not buffer:
        return 8 * (len(entries) + 20)
    entries = b"".join(entries[:size // 8])
    w.wr(buffer, entries)
    return len(entries)


@api("i:ipp", "_getpeername")
def _getpeername(w, fd, address, length):
    if not w.kernel.sock(fd).connected:
        raise Errno(ENOTCONN)
    body = bytes([16, AF_INET, 0x30, 0x39, 127, 0, 0, 1]) + bytes(8)
    w.wr(address, body)
    w.put32(length, len(body))
    return 0


# ---------------------------------------------------------------- crashes

@api("i:upppp", "_mach_vm_read_overwrite", kind=QUIET)
def _mach_vm_read_overwrite(w, task, address, size, data, done):
    """All or nothing, as the kernel does it."""
    try:
        content = bytes(w.uc.mem_read(address, size))
    except UcError:
        return 1
    w.wr(data, content)
    w.put64(done, size)
    return 0


@api("i:uupp", "_task_info", kind=QUIET)
def _task_info(w, task, flavor, info, count):
    """Where dyld's list of images is, and a list to be there."""
    if flavor != 17 or not w.tells_images:
        return 5
    entries = b"".join(struct.pack("<QQQ", i.base, w.string(i.path.encode()), 0) for i in w.images)
    infos = w.buf(struct.pack("<IIQ", 17, len(w.images), w.buf(entries)) + bytes(64))
    w.wr(info, struct.pack("<QQi", infos, 80, 1))
    w.put32(count, 5)
    return 0


@api("i:ppp", "_pthread_getname_np", kind=QUIET)
def _pthread_getname_np(w, thread, buffer, size):
    w.wr(buffer, w.thread_of(thread).name[:size - 1] + b"\0")
    return 0


@api("i:ip", "_getrlimit")
def _getrlimit(w, which, limit):
    w.wr(limit, struct.pack("<QQ", *w.limits.get(which, (0, 1 << 40))))
    return 0


@api("i:ip", "_setrlimit")
def _setrlimit(w, which, limit):
    w.limits[which] = struct.unpack("<QQ", w.rd(limit, 16))
    return 0


@api("l:ili", "_lseek")
def _lseek(w, fd, offset, whence):
    file = w.kernel.get(fd)
    file.pos = offset + (0, file.pos, len(file.data))[whence]
    return file.pos


@api("i:si", "_access")
def _access(w, path, mode):
    return 0


@api("i:ss", "_rename")
def _rename(w, old, new):
    name = w.cstr(old).decode()
    if name not in w.kernel.files:
        raise Errno(ENOENT)
    w.kernel.files[w.cstr(new).decode()] = w.kernel.files.pop(name)
    return 0


@api("i:s", "_unlink")
def _unlink(w, path):
    if w.kernel.files.pop(w.cstr(path).decode(), None) is None:
        raise Errno(ENOENT)
    return 0


# ----------------------------------------------------------------- dyld

@api("p:ps", "_dlsym", kind=QUIET)
def _dlsym(w, handle, name):
    """Unlike a bind, an answer of dlsym is interposed for everybody, the interposing library included."""
    symbol = "_" + w.cstr(name).decode()
    return 0 if symbol not in API else w.resolve(symbol) if w.may_interpose else w.trap(symbol)




class Machine(World):
    """A process that was started with the library inserted."""

    def __init__(self, *paths, started_with=None, may_interpose=True, before=None, **rest):
        self.atfork_child, self.attributes, self.arriving, self.full, self.ports = [], {}, [], set(), {}
        self.may_interpose, self.limits, self.others, self.references = may_interpose, {}, [], 0
        self.tells_images = self.tells_regions = self.tells_threads = True
        super().__init__(*paths, init=False, **rest)
        if started_with is not None:
            self.kernel.actions[SIGPIPE] = (started_with, 0, 0)
        if before:
            before(self)
        self.loaded = self.mark()
        for image in list(self.images):
            self.run_initializers(image)

    def call_hook(self, name, *arguments):
        return self.interposed["_" + name](*arguments)

    def disposition(self):
        """What the kernel has for SIGPIPE."""
        return self.kernel.action(SIGPIPE)[0]

    def sigaction(self, signal, handler=None, mask=0, flags=0, hook="_sigaction"):
        """Calls sigaction as the program does; what it is told was there before."""
        new = self.buf(struct.pack("<QIi", handler, mask, flags)) if handler is not None else 0
        old = self.buf(bytes(16))
        assert self.interposed[hook](signal, new, old) == 0, self.errno
        return struct.unpack("<QIi", self.rd(old, 16))

    def fork_child(self):
        """Goes on as a forked child does."""
        self.overrides["_getpid"] = lambda w: PARENT + 1
        for handler in self.atfork_child:
            self.call(handler, sig="v:")

    def vfork_child(self):
        """Goes on as a vforked child does, in the parent's memory."""
        self.overrides["_getpid"] = lambda w: PARENT + 1

    def state(self):
        """The counters, as crates/settings/src/layout.rs lays them out."""
        address = self.images[0].exports["_nosigpipe_state"]
        magic, version, size, stage, scope, pid, belief = struct.unpack("<8sIIIIII", self.rd(address, 32))
        handler, sockets, accepted, crashes = struct.unpack("<4Q", self.rd(address + 32, 32))
        broken = struct.unpack("<11Q", self.rd(address + 64, 88))
        return dict(magic=magic, version=version, size=size, stage=stage, scope=scope, pid=pid, belief=belief,
                    handler=handler, sockets=sockets, accepted=accepted, crashes=crashes, broken=broken)

    def broken_socket(self, silent=None):
        """A socket whose peer is gone, with the option as it was made or as `silent` says."""
        pair = self.buf(bytes(8))
        assert self.call_hook("socketpair", AF_UNIX, SOCK_STREAM, 0, pair) == 0
        near, far = struct.unpack("<ii", self.rd(pair, 8))
        if silent is not None:
            self.kernel.fds[near].nosigpipe = silent
        self.kernel.close(far)
        return near

    def broken_pipe(self):
        out = self.buf(bytes(8))
        assert self.real("_pipe")(out) == 0
        reading, writing = struct.unpack("<ii", self.rd(out, 8))
        self.kernel.close(reading)
        return writing

    def registers(self):
        """The interrupted registers, as the kernel puts them into the machine context."""
        if self.arch.name == "arm64":
            names = [getattr(A64, f"UC_ARM64_REG_X{i}") for i in range(31)] + [A64.UC_ARM64_REG_SP, A64.UC_ARM64_REG_PC]
        else:
            names = [getattr(X86, f"UC_X86_REG_{n}") for n in
                     "RAX RBX RCX RDX RDI RSI RBP RSP R8 R9 R10 R11 R12 R13 R14 R15 RIP".split()]
        return [self.uc.reg_read(name) for name in names]

    def run_into_fault(self, image, *arguments):
        """Runs a program's main until an instruction faults; the registers and the address then."""
        found = []
        hook = self.uc.hook_add(unicorn.UC_HOOK_MEM_INVALID,
                                lambda uc, access, address, *rest: found.append((self.registers(), address)) or False)
        try:
            self.run_main(image, *arguments)
        except GuestFault:
            return found[0]
        finally:
            self.uc.hook_del(hook)
        raise AssertionError("nothing faulted")

    def exception(self, arm64, x86_64):
        """The exception's words in a machine context: ESR_EL1's class and the rest of it, or a number and its error code."""
        kind, rest = arm64 if self.arch.name == "arm64" else x86_64
        return (0, kind << 26 | rest) if self.arch.name == "arm64" else (kind | rest << 32, 0)

    def page_fault(self, write=False, mapped=False):
        """The exception of an access to memory that is not there, or not allowed."""
        return self.exception((0x24, (0x0F if mapped else 0x05) | write << 6), (14, mapped | write << 1))

    def siginfo(self, signal, code, sender, address):
        """A siginfo_t (sys/signal.h: 104 bytes) at the end of what is mapped: who reads more of it faults."""
        info = struct.pack("<iiiiIiQ72x", signal, 0, code, sender, 501, 0, address)
        assert len(info) == 104
        end = self.mmap(len(info)) + self.arch.page
        self.uc.mem_write(end - len(info), info)
        return end - len(info)

    def deliver(self, signal, code=0, address=0, registers=None, exception=(0, 0), sender=0):
        """Calls the handler that the kernel has, on the thread's alternate stack; the context that it leaves."""
        handler, mask, flags = self.kernel.action(signal)
        stack, size, _ = self.thread.altstack
        assert flags & SA_ONSTACK and flags & SA_SIGINFO and size >= 0x8000, (flags, size)
        registers = registers or [0] * (33 if self.arch.name == "arm64" else 17)
        info = self.siginfo(signal, code, sender, address)
        machine = self.buf(struct.pack("<QQ", *exception) + struct.pack(f"<{len(registers)}Q", *registers) + bytes(64))
        # A thread that has the signal blocked gets it all the same when its own instruction raises it.
        context = self.buf(struct.pack("<iIQQQQQQ", 0, 1 << (signal - 1), 0, 0, 0, 0, 0, machine))
        self.thread.mask |= mask
        self.uc.reg_write(self.arch.sp, stack + size - 0x400)
        self.depth += 1
        try:
            self.call(handler, signal, info, context, sig="v:ipp")
        finally:
            self.depth -= 1
        # sigreturn(2): what was blocked meanwhile may come now.
        self.thread.mask = struct.unpack("<I", self.rd(context + 4, 4))[0]
        return self.thread.mask

    def deliver_nested(self, signal, address, exception):
        """The same in the middle of a report: the kernel stays on the stack that it is on."""
        handler, mask, flags = self.kernel.action(signal)
        registers = self.registers()
        info = self.siginfo(signal, 1, 0, address)
        machine = self.buf(struct.pack("<QQ", *exception) + struct.pack(f"<{len(registers)}Q", *registers) + bytes(64))
        context = self.buf(struct.pack("<iIQQQQQQ", 1, 0, 0, 0, 0, 0, 0, machine))
        self.call(handler, signal, info, context, sig="v:ipp")

    def function(self, code):
        """A function of the program, by its instructions for this processor: {'arm64': hex, 'x86_64': hex}."""
        page = self.mmap(0x1000)
        self.uc.mem_write(page, bytes.fromhex(code[self.arch.name]))
        self.uc.mem_protect(page, (0x1000 + self.arch.page - 1) & ~(self.arch.page - 1), 5)
        return page


__all__ = [name for name in dir() if not name.startswith("__")]
