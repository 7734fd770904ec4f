"""Threads of the emulated process, and functions of it that Python calls."""

from collections import namedtuple

from unicorn import UC_PROT_READ, UC_PROT_WRITE

from .darwin import STACK_BASE, STACK_SIZE


class Func:
    """A guest function, callable from Python with C-like arguments."""
    def __init__(self, w, addr, name, sig=None):
        self.w, self.addr, self.name, self.sig = w, addr, name, sig

    def __call__(self, *args):
        return self.w.call(self.addr, *args, sig=self.sig)

    def __repr__(self):
        return f"<{self.w.where(self.addr)} for {self.name}>"


Call = namedtuple("Call", "name args ret errno thread caller notes")


class Thread:
    def __init__(self, w, tid):
        self.tid = tid
        self.stack = STACK_BASE + (tid - 1) * STACK_SIZE * 2 + STACK_SIZE   # guard below
        w.uc.mem_map(self.stack, STACK_SIZE, UC_PROT_READ | UC_PROT_WRITE)
        self.top = self.stack + STACK_SIZE - 0x100
        self.tsd = w.data(0x400)
        w.put64(self.tsd, self.tsd)
        self.errno = w.data(16)
        self.keys, self.tlv, self.tlv_dtors = {}, {}, []
        self.mask = 0
        self.altstack = (0, 0, 4)
        self.name = b""
        self.result = 0
        self.main = tid == 1
