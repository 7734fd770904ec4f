//! A thread's own memory, read without a call: a pointer of ours, and the control block.

use core::arch::{asm, global_asm};

use libc::c_long;

use super::system_call;

// A pointer of ours that every thread has, null at the thread's start. It lies in the memory that the loader reserves
// for libraries that are loaded at start (static TLS, which a preloaded library gets), so that it can be read without a
// call.
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

/// The calling thread's pointer.
pub fn thread_local() -> *mut u8 {
    let word: *mut u8;
    // SAFETY: reads the thread's own variable, whose distance from the thread pointer the loader has written into the
    // GOT.
    unsafe {
        asm!(
            "mov {0}, qword ptr [rip + nosigpipe_thread_local@gottpoff]",
            "mov {0}, qword ptr fs:[{0}]",
            out(reg) word, options(nostack, readonly, preserves_flags),
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
            "mov {0}, qword ptr [rip + nosigpipe_thread_local@gottpoff]",
            "mov qword ptr fs:[{0}], {1}",
            out(reg) _, in(reg) word, options(nostack, preserves_flags),
        );
    }
}

/// Address of the calling thread's control block.
pub fn thread_pointer() -> isize {
    let thread: isize;
    // SAFETY: the first 8 bytes of a control block are its address (ELF Handling For Thread-Local Storage, x86_64).
    unsafe {
        asm!("mov {}, qword ptr fs:[0]", out(reg) thread, options(nostack, readonly, preserves_flags));
    }
    thread
}

/// The same, by a system call, for where the block itself may not be readable; 0 if the call fails.
pub fn thread_pointer_by_kernel() -> usize {
    /// asm/prctl.h
    const ARCH_GET_FS: c_long = 0x1003;
    let mut thread = 0usize;
    // SAFETY: the kernel writes 8 bytes to the given address, a local variable's.
    unsafe { system_call(libc::SYS_arch_prctl, [ARCH_GET_FS, (&raw mut thread).addr() as c_long, 0, 0, 0, 0]) };
    thread
}

/// Sets the address of the calling thread's control block; whether that was allowed.
///
/// # Safety
/// There is memory that serves as one, or the thread uses none any more.
pub unsafe fn set_thread_pointer(thread: usize) -> bool {
    /// asm/prctl.h
    const ARCH_SET_FS: c_long = 0x1002;
    // SAFETY: the caller promises it.
    unsafe { system_call(libc::SYS_arch_prctl, [ARCH_SET_FS, thread as c_long, 0, 0, 0, 0]) == 0 }
}

/// The int that is `offset` bytes from the calling thread's control block.
///
/// # Safety
/// Every thread has an int there.
pub unsafe fn thread_i32(offset: isize) -> i32 {
    let value: i32;
    // SAFETY: the caller promises that every thread has an int there.
    unsafe {
        asm!("mov {:e}, dword ptr fs:[{}]", out(reg) value, in(reg) offset, options(nostack, readonly, preserves_flags));
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
        asm!("mov dword ptr fs:[{}], {:e}", in(reg) offset, in(reg) value, options(nostack, preserves_flags));
    }
}
