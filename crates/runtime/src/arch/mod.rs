//! What differs by processor, and nothing else: registers, instructions, the frames that the kernel makes for signal
//! handlers, and the code that can't be written in Rust. This module depends on no other module or crate but
//! `processor`, which has what an unwinder needs of all that.
//!
//! Each processor's folder has the same names:
//!
//! - `mod.rs`: a call on another stack, and counting
//! - `list.rs`: exported functions that can't be written in Rust alone, such as those with variable arguments
//! - on Linux, `context.rs`: what a handler is given, and a signal's frame
//! - on Linux, `instruction.rs`: why an instruction faulted
//! - on Linux, `calls.rs`: system calls
//! - on Linux, `process.rs`: clone(2), vfork(2) and syscall(2), which return twice
//! - on Linux, `delivery.rs`: the code between the kernel and a program's handler
//! - on Linux, `thread.rs`: a thread's own memory
//! - on Linux, `freestanding.rs`: functions that libc would otherwise be asked for
//! - on Linux, `special.rs`: single instructions

pub use processor::*;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub use aarch64::*;
#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;

/// What a passing hook goes on to. Returned in two registers (System V ABI, AAPCS64).
#[cfg(target_os = "linux")]
#[repr(C)]
pub struct Next {
    /// The function.
    pub address: *const (),
    /// Not 0: it is to be called with a frame behind it whose frame pointer leads to the hook's caller.
    pub with_frame: usize,
}

/// Makes the compiler keep a value in memory from here on. [`core::hint::black_box`] of its address would also store
/// that address.
#[inline(always)]
pub fn keep_in_memory<T>(value: &T) {
    // SAFETY: the text is an assembler's comment: there is no instruction.
    unsafe { core::arch::asm!("/* {} */", in(reg) core::ptr::from_ref(value), options(nostack, preserves_flags)) }
}

/// How the processor tried to use the address of a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It is not known.
    Unknown,
    /// Memory there was to be read.
    Read,
    /// Memory there was to be written.
    Write,
    /// An instruction was to be fetched from there.
    Execute,
}

/// Why the processor refused an instruction, where its signal does not say so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// There may be several reasons, or the signal says enough.
    Unknown,
    /// A general protection fault, for which there may be several reasons.
    Protection,
    /// An operand's address, this one, is not one that the processor can use (on x86_64: not canonical).
    NoAddress(u64),
    /// The target of a jump, a call or a return, this address, is not one that the processor can use.
    NoTarget(u64),
    /// An operand's address, this one, is not aligned as the instruction demands.
    Misaligned(u64),
    /// Only the kernel may execute the instruction.
    NotAllowed,
    /// A division by zero.
    DividedByZero,
    /// A division whose quotient does not fit.
    QuotientTooLarge,
    /// One of the two; which one can't be told.
    DividedByZeroOrTooLarge,
    /// The instruction exists to stop the program, such as ud2.
    MadeToFail,
    /// A breakpoint instruction, such as int3.
    Breakpoint,
}

/// The system call at whose return a signal has come.
#[cfg(target_os = "linux")]
pub struct Interrupted {
    /// Its number, if it is known.
    pub number: Option<i64>,
    /// What it returns.
    pub result: i64,
    /// Its arguments, as far as they are known: on arm64 the first one's register has the result.
    pub arguments: [Option<i64>; 6],
}

/// Sentences of a report that differ by processor.
pub struct Words {
    /// Of [`Cause::NoAddress`] and [`Cause::NoTarget`].
    pub no_address: &'static str,
    /// Of [`Cause::MadeToFail`].
    pub made_to_fail: &'static str,
    /// Of [`Cause::Breakpoint`].
    pub breakpoint: &'static str,
}

/// The kind of exception that has raised a signal. Whether the instruction would raise it again depends on that.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Exception {
    /// Memory is not there, or not for this use.
    Memory,
    /// An address is not aligned.
    Misaligned,
    /// A division of integers.
    Division,
    /// Any other.
    Other,
}
