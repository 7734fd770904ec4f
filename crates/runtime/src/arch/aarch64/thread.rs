//! A thread's own memory, read without a call: a word of ours, and the control block.

use core::arch::{asm, global_asm};

// A word of ours that every thread has, zero at its start. In memory that comes with the thread, which a preload may have:
// read without a call.
global_asm!(
    ".pushsection .tbss, \"awT\", %nobits",
    ".hidden nosigpipe_own_word",
    ".globl nosigpipe_own_word",
    ".type nosigpipe_own_word, %tls_object",
    ".size nosigpipe_own_word, 8",
    ".balign 8",
    "nosigpipe_own_word: .zero 8",
    ".popsection",
);

/// The calling thread's word.
pub fn own_word() -> *mut u8 {
    let word: *mut u8;
    // SAFETY: the thread's own word, at the distance that the loader has written down.
    unsafe {
        asm!(
            "adrp {0}, :gottprel:nosigpipe_own_word",
            "ldr {0}, [{0}, :gottprel_lo12:nosigpipe_own_word]",
            "mrs {1}, tpidr_el0",
            "ldr {0}, [{0}, {1}]",
            out(reg) word, out(reg) _, options(nostack, readonly, preserves_flags),
        );
    }
    word
}

/// Sets the calling thread's word.
pub fn set_own_word(word: *mut u8) {
    // SAFETY: the thread's own variable, at the offset that the loader has written down.
    unsafe {
        asm!(
            "adrp {0}, :gottprel:nosigpipe_own_word",
            "ldr {0}, [{0}, :gottprel_lo12:nosigpipe_own_word]",
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
pub unsafe fn thread_number(offset: isize) -> i32 {
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
pub unsafe fn set_thread_number(offset: isize, value: i32) {
    // SAFETY: the caller promises that there is one, in every thread.
    unsafe {
        asm!("mrs {1}, tpidr_el0", "str {0:w}, [{1}, {2}]", in(reg) value, out(reg) _, in(reg) offset,
            options(nostack, preserves_flags));
    }
}
