"""What differs by processor: registers, calls, stacks."""

import struct

import lief
from unicorn import UC_ARCH_ARM64, UC_ARCH_X86, UC_MODE_64, UC_MODE_ARM, Uc
from unicorn import arm64_const as A
from unicorn import x86_const as X

from .darwin import M64


class Arm64:
    name, cpu, page = "arm64", lief.MachO.Header.CPU_TYPE.ARM64, 0x4000
    ret = bytes.fromhex("c0035fd6")
    X = [getattr(A, f"UC_ARM64_REG_X{i}") for i in range(29)]
    args, result, sp, pc, fp = X[:8], X[0], A.UC_ARM64_REG_SP, A.UC_ARM64_REG_PC, A.UC_ARM64_REG_X29
    saved = X[19:29] + [getattr(A, f"UC_ARM64_REG_D{i}") for i in range(8, 16)] + [X[18]]
    saved_names = [f"x{i}" for i in range(19, 29)] + [f"d{i}" for i in range(8, 16)] + ["x18 (reserved)"]
    scratch = X[1:18]
    varargs_on_stack = True

    def make(self):
        uc = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
        uc.ctl_set_cpu_model(A.UC_CPU_ARM64_MAX)
        uc.reg_write(A.UC_ARM64_REG_CPACR_EL1, 3 << 20)   # enable FP/NEON
        return uc

    def set_thread(self, uc, tsd):
        uc.reg_write(A.UC_ARM64_REG_TPIDRRO_EL0, tsd)

    def enter(self, uc, sp, ret):
        uc.reg_write(A.UC_ARM64_REG_X30, ret)
        return sp

    def return_address(self, w):
        return w.uc.reg_read(A.UC_ARM64_REG_X30)

    def do_return(self, w):
        return w.uc.reg_read(A.UC_ARM64_REG_X30)

    def sp_misaligned(self, uc):
        return uc.reg_read(self.sp) & 15

    def stack_arg(self, w, i):
        return w.u64(w.uc.reg_read(self.sp) + 8 * i)


class X86_64:
    name, cpu, page = "x86_64", lief.MachO.Header.CPU_TYPE.X86_64, 0x1000
    ret = b"\xc3" + b"\x90" * 3
    args = [X.UC_X86_REG_RDI, X.UC_X86_REG_RSI, X.UC_X86_REG_RDX, X.UC_X86_REG_RCX,
            X.UC_X86_REG_R8, X.UC_X86_REG_R9]
    result, sp, pc, fp = X.UC_X86_REG_RAX, X.UC_X86_REG_RSP, X.UC_X86_REG_RIP, X.UC_X86_REG_RBP
    saved = [X.UC_X86_REG_RBX] + [getattr(X, f"UC_X86_REG_R{i}") for i in range(12, 16)]
    saved_names = ["rbx", "r12", "r13", "r14", "r15"]
    scratch = [X.UC_X86_REG_RCX, X.UC_X86_REG_RDX, X.UC_X86_REG_RSI, X.UC_X86_REG_RDI,
               X.UC_X86_REG_R8, X.UC_X86_REG_R9, X.UC_X86_REG_R10, X.UC_X86_REG_R11]
    varargs_on_stack = False

    def make(self):
        uc = Uc(UC_ARCH_X86, UC_MODE_64)
        uc.ctl_set_cpu_model(X.UC_CPU_X86_PENRYN)   # the oldest CPU rustc aims x86_64-apple-darwin at
        uc.reg_write(X.UC_X86_REG_CR4, uc.reg_read(X.UC_X86_REG_CR4) | 0x600)   # OS enables SSE
        return uc

    def set_thread(self, uc, tsd):
        uc.reg_write(X.UC_X86_REG_GS_BASE, tsd)

    def enter(self, uc, sp, ret):
        sp -= 8
        uc.mem_write(sp, struct.pack("<Q", ret))
        uc.reg_write(X.UC_X86_REG_RAX, 0)           # variadic: no vector registers
        return sp

    def return_address(self, w):
        return w.u64(w.uc.reg_read(self.sp))

    def do_return(self, w):
        sp = w.uc.reg_read(self.sp)
        w.uc.reg_write(self.sp, sp + 8)
        return w.u64(sp)

    def sp_misaligned(self, uc):
        return (uc.reg_read(self.sp) + 8) & 15

    def stack_arg(self, w, i):
        return w.u64(w.uc.reg_read(self.sp) + 8 + 8 * i)


ARCHES = {a.name: a for a in (Arm64(), X86_64())}


def s32(v):
    v &= 0xFFFFFFFF
    return v - (1 << 32) if v >> 31 else v


def s64(v):
    v &= M64
    return v - (1 << 64) if v >> 63 else v


DECODE = {"i": s32, "u": lambda v: v & 0xFFFFFFFF, "l": s64, "p": lambda v: v & M64,
          "s": lambda v: v & M64, "v": lambda v: None}
