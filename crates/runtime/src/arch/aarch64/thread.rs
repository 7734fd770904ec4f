//! A thread's own memory, read without a call: a word of ours, and the control block.

use core::arch::{asm, global_asm};

// A word of ours that every thread has, zero at its start. In memory that comes with the thread, which a preload may have:
// read without a call.
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

/// The calling thread's word.
pub fn thread_local() -> *mut u8 {
    let word: *mut u8;
    // SAFETY: the thread's own word, at the distance that the loader has written down.
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

/// Sets the calling thread's word.
pub fn set_thread_local(word: *mut u8) {
    // SAFETY: the thread's own variable, at the offset that the loader has written down.
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
    // SAFETY: the register only tells.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) thread, options(nomem, nostack, preserves_flags)) };
    thread
}

/// The same by the kernel, where the block itself may not be readable: it is not needed here.
pub fn thread_pointer_by_kernel() -> usize {
    thread_pointer().cast_unsigned()
}

/// The number at that distance from the calling thread's control block.
///
/// # Safety
/// There is one, in every thread.
pub unsafe fn thread_i32(offset: isize) -> i32 {
    let value: i32;
    // SAFETY: the caller promises that there is one, in every thread.
    unsafe {
        asm!("mrs {1}, tpidr_el0", "ldr {0:w}, [{1}, {2}]", out(reg) value, out(reg) _, in(reg) offset,
            options(nostack, readonly, preserves_flags));
    }
    value
}

/// Sets the number at that distance from the calling thread's control block.
///
/// # Safety
/// There is one, in every thread.
pub unsafe fn set_thread_i32(offset: isize, value: i32) {
    // SAFETY: the caller promises that there is one, in every thread.
    unsafe {
        asm!("mrs {1}, tpidr_el0", "str {0:w}, [{1}, {2}]", in(reg) value, out(reg) _, in(reg) offset,
            options(nostack, preserves_flags));
    }
}
