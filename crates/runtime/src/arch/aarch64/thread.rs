//! A thread's own memory, read without a call: a pointer of ours, and the control block.

use core::arch::{asm, global_asm};

// A pointer of ours that every thread has, null at the thread's start. It lies in the memory that the loader reserves
// for libraries that are loaded at start (static TLS, which a preloaded library gets), so that it can be read without a
// call.
global_asm!(
    ".pushsection .tbss, \"awT\", %nobits",
    ".hidden nosigpipe_thread_local",
    ".globl nosigpipe_thread_local",
    ".type nosigpipe_thread_local, %tls_object",
    ".size nosigpipe_thread_local, 8",
    ".balign 8",
    "nosigpipe_thread_local: .zero 8",
    ".popsection",
);

/// The calling thread's pointer.
pub fn thread_local() -> *mut u8 {
    let word: *mut u8;
    // SAFETY: reads the thread's own variable, whose distance from the thread pointer the loader has written into the
    // GOT.
    unsafe {
        asm!(
            "adrp {0}, :gottprel:nosigpipe_thread_local",
            "ldr {0}, [{0}, :gottprel_lo12:nosigpipe_thread_local]",
            "mrs {1}, tpidr_el0",
            "ldr {0}, [{0}, {1}]",
            out(reg) word, out(reg) _, options(nostack, readonly, preserves_flags),
        );
    }
    word
}

/// Sets the calling thread's pointer.
pub fn set_thread_local(word: *mut u8) {
    // SAFETY: writes the thread's own variable, whose distance from the thread pointer the loader has written into the
    // GOT.
    unsafe {
        asm!(
            "adrp {0}, :gottprel:nosigpipe_thread_local",
            "ldr {0}, [{0}, :gottprel_lo12:nosigpipe_thread_local]",
            "mrs {1}, tpidr_el0",
            "str {2}, [{0}, {1}]",
            out(reg) _, out(reg) _, in(reg) word, options(nostack, preserves_flags),
        );
    }
}

/// Address of the calling thread's control block.
pub fn thread_pointer() -> isize {
    let thread: isize;
    // SAFETY: reads the thread pointer's register, and no memory.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) thread, options(nomem, nostack, preserves_flags)) };
    thread
}

/// The same, for where the block itself may not be readable: here its address is in a register.
pub fn thread_pointer_by_kernel() -> usize {
    thread_pointer().cast_unsigned()
}

/// Sets the address of the calling thread's control block; whether that was allowed: here it always is.
///
/// # Safety
/// There is memory that serves as one, or the thread uses none any more.
pub unsafe fn set_thread_pointer(thread: usize) -> bool {
    // SAFETY: the caller promises it.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) thread, options(nostack, preserves_flags)) };
    true
}

/// The int that is `offset` bytes from the calling thread's control block.
///
/// # Safety
/// Every thread has an int there.
pub unsafe fn thread_i32(offset: isize) -> i32 {
    let value: i32;
    // SAFETY: the caller promises that every thread has an int there.
    unsafe {
        asm!("mrs {1}, tpidr_el0", "ldr {0:w}, [{1}, {2}]", out(reg) value, out(reg) _, in(reg) offset,
            options(nostack, readonly, preserves_flags));
    }
    value
}

/// Sets the int that is `offset` bytes from the calling thread's control block.
///
/// # Safety
/// Every thread has an int there, and only the thread itself uses it.
pub unsafe fn set_thread_i32(offset: isize, value: i32) {
    // SAFETY: the caller promises that every thread has an int there.
    unsafe {
        asm!("mrs {1}, tpidr_el0", "str {0:w}, [{1}, {2}]", in(reg) value, out(reg) _, in(reg) offset,
            options(nostack, preserves_flags));
    }
}
