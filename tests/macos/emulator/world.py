"""The emulated process: its memory, its images, its calls."""

import struct

from unicorn import UC_HOOK_BLOCK, UC_HOOK_CODE, UC_PROT_EXEC, UC_PROT_READ, UC_PROT_WRITE, UcError
import lief

from .darwin import (
    DATA_BASE, DATA_SIZE, HEAP_BASE, HEAP_SIZE, IMAGE_BASE, M64, MMAP_BASE, S_INIT_OFFSETS, S_INTERPOSING,
    S_MOD_INIT, S_TLV_REGULAR, S_TLV_VARS, S_TLV_ZEROFILL, TRAP_BASE, TRAP_SIZE,
)
from .errors import EmuError, Errno, Exited, GuestFault, Terminated, UnmodelledImport
from .image import Image, sect_type, slice_of
from .kernel import Kernel
from .libsystem.api import API, SYS, VarArgs
from .libsystem.process import DATA, VARS
from .processors import DECODE, s64
from .thread import Call, Func, Thread


class World:
    def __init__(self, *paths, arch=None, env=None, argv=("emu",), init=True, poison=True,
                 timeout=20, coverage=False):
        """Load `paths` in order (inserted libraries first) as dyld would at launch."""
        b, self.arch = slice_of(paths[0], arch)
        self.uc = self.arch.make()
        self.poison, self.timeout = poison, timeout
        self.images, self.calls, self.threads = [], [], []
        self.stdout, self.stderr = bytearray(), bytearray()
        self.locks, self.tsd_keys, self.atexit = {}, [], []
        self.clock, self.depth = 10**12, 0
        self.injected, self.overrides = {}, {}
        self.covered = set() if coverage else None
        self._notes, self._trap = {}, None
        self.traps, self.trap_names, self.data_syms = {}, [], {}
        uc = self.uc
        uc.mem_map(TRAP_BASE, TRAP_SIZE, UC_PROT_READ | UC_PROT_EXEC)
        uc.mem_write(TRAP_BASE, self.arch.ret * (TRAP_SIZE // 4))
        uc.mem_map(DATA_BASE, DATA_SIZE, UC_PROT_READ | UC_PROT_WRITE)
        self._data = DATA_BASE
        self._heap, self._heap_end, self.allocs, self.freed = HEAP_BASE, HEAP_BASE, {}, set()
        self._mmap = MMAP_BASE
        uc.hook_add(UC_HOOK_CODE, self._on_trap, None, TRAP_BASE, TRAP_BASE + TRAP_SIZE)
        self.trap("<return>")
        self.kernel = Kernel(self)
        self.thread = self.new_thread()
        self.arch.set_thread(uc, self.thread.tsd)
        self.p_environ, self.p_argc, self.p_argv, self.p_progname = (self.data(16) for _ in range(4))
        self.set_environ([f"{k}={v}".encode() for k, v in (env or {}).items()])
        self.set_argv(argv)
        for p in paths:
            self.load(p, init=False)
        if init:
            for im in list(self.images):
                self.run_initializers(im)

    # -- memory
    def rd(self, a, n):
        try:
            return bytes(self.uc.mem_read(a, n)) if n else b""
        except UcError:
            raise GuestFault(f"bad address {a:#x}+{n} given to libSystem\n" + self.backtrace())

    def wr(self, a, d):
        try:
            if d:
                self.uc.mem_write(a, bytes(d))
        except UcError:
            raise GuestFault(f"bad address {a:#x}+{len(d)} given to libSystem\n" + self.backtrace())

    def u32(self, a):
        return struct.unpack("<I", self.rd(a, 4))[0]

    def i32(self, a):
        return struct.unpack("<i", self.rd(a, 4))[0]

    def u64(self, a):
        return struct.unpack("<Q", self.rd(a, 8))[0]

    def put32(self, a, v):
        self.wr(a, struct.pack("<I", v & 0xFFFFFFFF))

    def put64(self, a, v):
        self.wr(a, struct.pack("<Q", v & M64))

    def cstr(self, a, limit=1 << 20):
        out = b""
        while len(out) < limit:
            n = min(64 - (a + len(out)) % 64, limit - len(out))
            c = self.rd(a + len(out), n)
            i = c.find(0)
            if i >= 0:
                return out + c[:i]
            out += c
        return out

    def data(self, n):
        a = self._data
        self._data += (n + 15) & ~15
        if self._data > DATA_BASE + DATA_SIZE:
            raise EmuError("data area is full")
        return a

    def string(self, s):
        a = self.malloc(len(s) + 1)
        self.wr(a, s + b"\0")
        return a

    def buf(self, n_or_bytes):
        d = bytes(n_or_bytes)
        a = self.malloc(len(d))
        self.wr(a, d)
        return a

    def malloc(self, n, align=16):
        a = (self._heap + 16 + max(align, 16) - 1) & ~(max(align, 16) - 1)
        end = a + n + 16
        while end > self._heap_end:
            if self._heap_end >= HEAP_BASE + HEAP_SIZE:
                raise EmuError("heap is full")
            self.uc.mem_map(self._heap_end, 0x100000, UC_PROT_READ | UC_PROT_WRITE)
            self._heap_end += 0x100000
        self._heap = end
        self.uc.mem_write(a - 16, b"\xFB" * 16 + b"\xAA" * n + b"\xFB" * 16)
        self.allocs[a] = n
        return a

    def alloc_size(self, a):
        if a not in self.allocs:
            raise GuestFault(f"{'double free' if a in self.freed else 'not a heap block'}: {a:#x}\n" + self.backtrace())
        return self.allocs[a]

    def free(self, a):
        if not a:
            return
        n = self.alloc_size(a)
        if self.rd(a - 16, 16) != b"\xFB" * 16 or self.rd(a + n, 16) != b"\xFB" * 16:
            raise GuestFault(f"heap block {a:#x}+{n} overrun\n" + self.backtrace())
        self.wr(a, b"\xDD" * n)
        del self.allocs[a]
        self.freed.add(a)

    def mmap(self, n):
        n = (n + self.arch.page - 1) & ~(self.arch.page - 1)
        a = self._mmap
        self.uc.mem_map(a, n, UC_PROT_READ | UC_PROT_WRITE)
        self._mmap += n + self.arch.page
        return a

    # -- process state
    def environ(self):
        a, out = self.u64(self.p_environ), []
        while self.u64(a):
            out.append(self.u64(a))
            a += 8
        return out

    def set_environ(self, items):
        p = [self.string(e) for e in items]
        self.put64(self.p_environ, self.buf(struct.pack(f"<{len(p) + 1}Q", *p, 0)))

    def set_argv(self, argv):
        p = [self.string(a.encode()) for a in argv]
        self.put32(self.p_argc, len(p))
        self.put64(self.p_argv, self.buf(struct.pack(f"<{len(p) + 1}Q", *p, 0)))
        self.put64(self.p_progname, p[0])

    def set_errno(self, n):
        self.put32(self.thread.errno, n)

    @property
    def errno(self):
        return self.i32(self.thread.errno)

    @errno.setter
    def errno(self, n):
        self.set_errno(n)

    def fail(self, n):
        raise Errno(n)

    def new_thread(self):
        t = Thread(self, len(self.threads) + 1)
        self.threads.append(t)
        return t

    def thread_of(self, tsd):
        return next(t for t in self.threads if t.tsd == tsd)

    def end_thread(self, t):
        while t.tlv_dtors:
            f, obj = t.tlv_dtors.pop()
            self.call(f, obj, sig="v:p", thread=t)
        for _ in range(4):
            todo = [(k, v) for k, v in t.keys.items() if v and self.tsd_keys[k - 256]]
            for k, v in todo:
                t.keys[k] = 0
                self.call(self.tsd_keys[k - 256], v, sig="v:p", thread=t)

    def run_atexit(self):
        self.end_thread(self.thread)
        while self.atexit:
            f, arg = self.atexit.pop()
            self.call(f, arg or 0, sig="v:p")

    # -- dyld
    def trap(self, name):
        if name not in self.traps:
            self.traps[name] = TRAP_BASE + 16 * len(self.trap_names)
            self.trap_names.append(name)
        return self.traps[name]

    def resolve(self, name, image=None, weak=False):
        """The address dyld would bind `name` to in `image`."""
        for im in self.images:
            if im is not image:
                for new, _, old in reversed(im.tuples):
                    if old == name:
                        return new
        for im in self.images:
            if im is not image and name in im.exports and name not in API:
                return im.exports[name]
        if name in VARS:
            return {"_environ": self.p_environ, "_NXArgc": self.p_argc, "_NXArgv": self.p_argv,
                    "___progname": self.p_progname}[name]
        if name in DATA:
            if name not in self.data_syms:
                self.data_syms[name] = self.data(64)
                self.wr(self.data_syms[name], DATA[name])
            return self.data_syms[name]
        if weak and name not in API and name not in self.overrides:
            return 0
        return self.trap(name)

    def load(self, path, init=True):
        b, arch = slice_of(path, self.arch.name)
        base = IMAGE_BASE + (len(self.images) << 30)
        im = Image(path, b, arch, base)
        uc = self.uc
        maps = []
        for s in b.segments:
            if not s.virtual_size or s.name == "__PAGEZERO":
                continue
            a, n = s.virtual_address + im.slide, (s.virtual_size + 0xFFF) & ~0xFFF
            if a & (arch.page - 1):
                raise EmuError(f"segment {s.name} at {s.virtual_address:#x} is not page-aligned")
            uc.mem_map(a, n, UC_PROT_READ | UC_PROT_WRITE)
            uc.mem_write(a, bytes(s.content)[:s.virtual_size])
            maps.append((a, n, int(s.init_protection), s.name))
            im.size = max(im.size, a + n - base)
        for r in b.relocations:                                  # rebases
            if r.origin == lief.MachO.Relocation.ORIGIN.DYLDINFO:
                self.put64(r.address + im.slide, self.u64(r.address + im.slide) + im.slide)
            elif r.origin == lief.MachO.Relocation.ORIGIN.CHAINED_FIXUPS:
                # the top byte travels in high8; lief gives the unslid target address
                self.put64(r.address + im.slide, r.target + im.slide)
        im.binds = []
        for x in b.bindings:
            name = x.symbol.name
            klass = getattr(x, "binding_class", None)            # None in chained fixups
            weak_class = klass is not None and klass == lief.MachO.DyldBindingInfo.CLASS.WEAK
            if weak_class and name not in im.exports and not any(name in i.exports for i in self.images):
                continue
            at = x.address + im.slide
            add = s64(int(getattr(x, "sign_extended_addend", x.addend) or 0))
            im.binds.append((at, name, add, bool(x.weak_import)))
            if weak_class:
                self.put64(at, next((i.exports[name] for i in self.images + [im] if name in i.exports)) + add)
            else:
                t = self.resolve(name, im, bool(x.weak_import))
                self.put64(at, t + add if t else 0)
        self.images.append(im)
        for s in im.sections(S_TLV_VARS):
            for off in range(0, s.size, 24):
                a = s.virtual_address + im.slide + off
                if self.u64(a) != self.trap("__tlv_bootstrap"):
                    raise EmuError(f"thread-local descriptor at {a:#x} is not bound to __tlv_bootstrap")
                self.put64(a + 8, len(self.images))
        tl = im.sections(S_TLV_REGULAR, S_TLV_ZEROFILL)
        if tl:
            im.tlv_range = (min(s.virtual_address for s in tl) + im.slide,
                            max(s.virtual_address + s.size for s in tl) + im.slide)
        self._read_interpose(im)
        for a, n, prot, name in maps:
            if name == "__DATA_CONST":
                prot = 1                                         # SG_READ_ONLY after fixups
            uc.mem_protect(a, n, (UC_PROT_READ if prot & 1 else 0) | (UC_PROT_WRITE if prot & 2 else 0)
                           | (UC_PROT_EXEC if prot & 4 else 0))
        if self.covered is not None:
            uc.hook_add(UC_HOOK_BLOCK, lambda u, a, n, d: self.covered.add(a), None, base, base + im.size)
        if im.tuples:                                            # images already loaded
            for other in self.images[:-1]:
                for at, name, add, weak in other.binds:
                    t = self.resolve(name, other, weak)
                    if self.image_at(t) is im:
                        self._poke(at, t + add)
        if init:
            self.run_initializers(im)
        return im

    def _poke(self, a, v):
        self.uc.mem_write(a, struct.pack("<Q", v))               # ignores page protection

    def _read_interpose(self, im):
        """dyld's rule: S_INTERPOSING, or __interpose in a __DATA* / __AUTH* segment of a dylib."""
        if im.b.header.file_type != lief.MachO.Header.FILE_TYPE.DYLIB:
            return
        names = {a: n for n, a in self.traps.items()}
        for s in im.b.sections:
            if sect_type(s) != S_INTERPOSING and not (
                    s.name == "__interpose" and s.segment_name.startswith(("__DATA", "__AUTH"))):
                continue
            if s.size % 16:
                raise EmuError("interposing section has bad size")
            for off in range(0, s.size, 16):
                new, old = struct.unpack("<QQ", self.rd(s.virtual_address + im.slide + off, 16))
                if self.image_at(new) is not im:
                    raise EmuError(f"interpose entry {off // 16}: replacement {new:#x} is not in the dylib")
                if old not in names:
                    raise EmuError(f"interpose entry {off // 16}: replacee {old:#x} is not an import")
                im.tuples.append((new, old, names[old]))

    def run_initializers(self, im):
        args = (self.u32(self.p_argc), self.u64(self.p_argv), self.u64(self.p_environ), 0, 0)
        im.initialized = []
        for s in im.sections(S_MOD_INIT):
            for off in range(0, s.size, 8):
                im.initialized.append(self.u64(s.virtual_address + im.slide + off))
        for s in im.sections(S_INIT_OFFSETS):
            for off in range(0, s.size, 4):
                im.initialized.append(im.base + self.u32(s.virtual_address + im.slide + off))
        for f in im.initialized:
            if self.image_at(f) is not im:
                raise EmuError(f"initializer {f:#x} is not in the image")
            self.call(f, *args, sig="v:ipppp")

    def run_main(self, im, *argv):
        """Run an executable's main(); returns its exit status. Terminated escapes."""
        if argv:
            self.set_argv(argv)
        entry = im.base + im.b.main_command.entrypoint
        try:
            code = self.call(entry, self.u32(self.p_argc), self.u64(self.p_argv), self.u64(self.p_environ), 0,
                             sig="i:ippp")
            self.run_atexit()
            return code
        except Exited as e:
            return e.code

    @property
    def interposed(self):
        out = {}
        for im in self.images:
            for new, _, old in im.tuples:
                out[old] = Func(self, new, old, API.get(old, (None,))[0])
        return out

    def func(self, name, sig=None):
        for im in self.images:
            for n in (name, "_" + name):
                a = im.exports.get(n) or im.symbols.get(n)
                if a:
                    return Func(self, a, n, sig or API.get(n, ("l:pppppp",))[0])
        raise KeyError(name)

    def real(self, name):
        """libSystem's own function, as an un-interposed caller would see it."""
        return Func(self, self.trap(name), name, API[name][0])

    # -- symbols and frames
    def image_at(self, a):
        return next((i for i in self.images if i.base <= a < i.base + i.size), None)

    def where(self, a):
        im = self.image_at(a)
        if im:
            return im.where(a)
        i = (a - TRAP_BASE) // 16
        return self.trap_names[i] if 0 <= i < len(self.trap_names) else hex(a)

    def frames(self, limit=64):
        fp, out = self.uc.reg_read(self.arch.fp), [(self.arch.return_address(self), self.uc.reg_read(self.arch.sp))]
        while fp and len(out) < limit:
            try:
                nxt, ip = struct.unpack("<QQ", bytes(self.uc.mem_read(fp, 16)))
            except UcError:
                break
            if not self.image_at(ip):
                break
            out.append((ip, fp + 16))
            if nxt <= fp:
                break
            fp = nxt
        return out

    def backtrace(self):
        return "\n".join(f"    {self.where(ip)}" for ip, _ in self.frames())

    # -- running
    def _on_trap(self, uc, addr, size, user):
        self._trap = addr
        uc.emu_stop()

    def note(self, **kw):
        self._notes.update(kw)

    def inject(self, name, errno=None, ret=-1, times=1):
        """The next `times` calls of libSystem's `name` fail with errno (or return ret)."""
        self.injected.setdefault(name, []).extend([(errno, ret)] * times)

    def log(self, *names, since=0):
        """Calls made to libSystem: all 'system' ones, or those named."""
        return [c for c in self.calls[since:]
                if (c.name in names if names else API.get(c.name, (0, 0, SYS))[2] == SYS)]

    def mark(self):
        return len(self.calls)

    def call(self, addr, *args, sig=None, thread=None):
        uc, a = self.uc, self.arch
        ret, _, kinds = (sig or "l:" + "p" * len(args)).partition(":")
        nfixed = kinds.index(".") if "." in kinds else len(args)
        ctx, prev = uc.context_save(), self.thread
        nested = self.depth and thread is None
        if thread:
            self.thread = thread
            a.set_thread(uc, thread.tsd)
        sp = (uc.reg_read(a.sp) - 0x200 if nested else self.thread.top) & ~15
        if self.poison:
            for i, r in enumerate(a.scratch):
                uc.reg_write(r, 0xDEAD0000DEAD0000 + i)
        marks = [0xCA11EE5A00000000 + i for i in range(len(a.saved))]
        for r, m in zip(a.saved, marks):
            uc.reg_write(r, m)
        uc.reg_write(a.fp, 0 if not nested else uc.reg_read(a.fp))
        vals = []
        for i, v in enumerate(args):
            v = int(v) & M64
            k = kinds[i] if i < min(nfixed, len(kinds)) else "p"
            if k in "iu" and self.poison:
                v = v & 0xFFFFFFFF | 0xBAD0BAD0 << 32        # upper half of an int is undefined
            vals.append(v)
        regs = vals[:nfixed] if a.varargs_on_stack else vals
        stack = (vals[nfixed:] if a.varargs_on_stack else []) + regs[len(a.args):]
        if stack:
            sp -= (8 * len(stack) + 15) & ~15
            self.wr(sp, struct.pack(f"<{len(stack)}Q", *stack))
        for r, v in zip(a.args, regs):
            uc.reg_write(r, v)
        sp0 = a.enter(uc, sp, TRAP_BASE)
        uc.reg_write(a.sp, sp0)
        pc = addr
        self.depth += 1
        try:
            while True:
                self._trap = None
                try:
                    uc.emu_start(pc, 0x7FFFFFFFF000, self.timeout * 1_000_000)
                except UcError as e:
                    at = uc.reg_read(a.pc)
                    raise GuestFault(f"{e} at {self.where(at)} ({at:#x})\n{self.backtrace()}") from None
                if self._trap is None:
                    raise EmuError(f"no progress in {self.timeout} s at {self.where(uc.reg_read(a.pc))}\n"
                                   + self.backtrace())
                if self._trap == TRAP_BASE:
                    break
                pc = self.dispatch(self.trap_names[(self._trap - TRAP_BASE) // 16])
            result = uc.reg_read(a.result)
            bad = [n for n, r, m in zip(a.saved_names, a.saved, marks) if uc.reg_read(r) != m]
            if uc.reg_read(a.sp) - (sp0 + (8 if a.name == "x86_64" else 0)) not in (0, -8 if a.name == "x86_64" else 0):
                bad.append("sp")
            if bad:
                raise EmuError(f"{self.where(addr)} changed callee-saved {', '.join(bad)}")
        finally:
            self.depth -= 1
            self.thread = prev
            uc.context_restore(ctx)
        return DECODE[ret](result)

    def dispatch(self, name):
        uc, a = self.uc, self.arch
        sig, f, kind = API.get(name, (None, None, None))
        f = self.overrides.get(name, f)
        if f is None:
            raise UnmodelledImport(f"unmodelled import called: {name}\n{self.backtrace()}")
        if a.sp_misaligned(uc):
            raise EmuError(f"stack misaligned in call of {name}\n{self.backtrace()}")
        ret, _, kinds = sig.partition(":")
        fixed = kinds.rstrip(".")
        args = [DECODE[k](uc.reg_read(a.args[i])) for i, k in enumerate(fixed)]
        shown = [self.cstr(v) if k == "s" and v else v for k, v in zip(fixed, args)]
        if kinds.endswith("."):
            args.append(VarArgs(self, len(fixed)))
        caller = self.where(a.return_address(self))
        notes, self._notes = self._notes, {}
        err = None
        todo = self.injected.get(name)
        try:
            if todo:
                err, r = todo.pop(0)
                if err:
                    raise Errno(err)
            else:
                r = f(self, *args)
        except Errno as e:
            err, r = e.n, -1
            self.set_errno(err)
        except (Terminated, Exited):
            self.calls.append(Call(name, tuple(shown), None, None, self.thread.tid, caller, self._notes))
            raise
        self.calls.append(Call(name, tuple(shown), r, err, self.thread.tid, caller, self._notes))
        self._notes = notes
        if self.poison and kind != "tlv":
            for i, reg in enumerate(a.scratch):
                uc.reg_write(reg, 0xC10BBE5E0000 + i)
        if ret != "v" and r is not None:
            v = int(r) & M64
            if ret in "iu" and self.poison:
                v = v & 0xFFFFFFFF | 0x0BAD0BAD << 32
            uc.reg_write(a.result, v)
        return a.do_return(self)
