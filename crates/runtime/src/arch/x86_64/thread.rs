//! A thread's own memory, read without a call: a word of ours, and the control block.

use core::arch::{asm, global_asm};

use libc::c_long;

use super::system_call;

// A word of ours that every thread has, zero at its start. In memory that comes with the thread, which a preload may have:
// read without a call.
global_asm!(
    ".pushsection .tbss, \"awT\", @nobits",
    ".hidden nosigpipe_thread_local",
    ".globl nosigpipe_thread_local",
    ".type nosigpipe_thread_local, @tls_object",
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
            "mov {0}, qword ptr [rip + nosigpipe_thread_local@gottpoff]",
            "mov {0}, qword ptr fs:[{0}]",
            out(reg) word, options(nostack, readonly, preserves_flags),
        );
    }
    word
}

/// Sets the calling thread's word.
pub fn set_thread_local(word: *mut u8) {
    // SAFETY: the thread's own variable, at the offset that the loader has written down.
    unsafe {
        asm!(
            "mov {0}, qword ptr [rip + nosigpipe_thread_local@gottpoff]",
            "mov qword ptr fs:[{0}], {1}",
            out(reg) _, in(reg) word, options(nostack, preserves_flags),
        );
    }
}

/// Address of the calling thread's control block.
pub fn thread_pointer() -> isize {
    let thread: isize;
    // SAFETY: the first word of a control block is its address (the x86_64 ABI's supplement on thread-local storage).
    unsafe {
        asm!("mov {}, qword ptr fs:[0]", out(reg) thread, options(nostack, readonly, preserves_flags));
    }
    thread
}

/// The same by the kernel, where the block itself may not be readable; 0 when the kernel does not say.
pub fn thread_pointer_by_kernel() -> usize {
    const ARCH_GET_FS: c_long = 0x1003;
    let mut thread = 0usize;
    // SAFETY: the kernel writes one word.
    unsafe { system_call(libc::SYS_arch_prctl, [ARCH_GET_FS, (&raw mut thread).addr() as c_long, 0, 0, 0, 0]) };
    thread
}

/// The number at that distance from the calling thread's control block.
///
/// # Safety
/// There is one, in every thread.
pub unsafe fn thread_i32(offset: isize) -> i32 {
    let value: i32;
    // SAFETY: the caller promises that there is one, in every thread.
    unsafe {
        asm!("mov {:e}, dword ptr fs:[{}]", out(reg) value, in(reg) offset, options(nostack, readonly, preserves_flags));
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
        asm!("mov dword ptr fs:[{}], {:e}", in(reg) offset, in(reg) value, options(nostack, preserves_flags));
    }
}
