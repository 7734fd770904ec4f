//! What makes children, and returns twice: clone(2), vfork(2), and syscall(2), by which both may be called.
//!
//! What is a macro is given the functions that it calls outside of `arch`, which this module may not name.

use core::arch::naked_asm;

use libc::{c_long, pid_t};

/// clone(2) itself. Where there is a new process it runs the function, which is given its stack's upper end, on the stack whose upper end is `top`, or on a copy of
/// this one if that is null.
///
/// # Safety
/// The stack is nobody else's, and what the flags have the kernel write is ours.
#[unsafe(naked)]
pub unsafe extern "C" fn clone_and_run(
    flags: c_long,
    top: *mut u8,
    parents: *mut pid_t,
    childs: *mut pid_t,
    function: unsafe extern "C" fn(*const u8) -> !,
) -> pid_t {
    naked_asm!(
        "mov x9, x4", // kept by the system call, and none of its arguments
        "mov x4, x3",
        "mov x3, xzr",
        "mov x8, #{clone}",
        "svc #0",
        "cbnz x0, 2f",
        "mov x29, xzr",
        "mov x0, sp",
        "blr x9",
        "udf #0",
        "2:",
        "ret",
        clone = const libc::SYS_clone,
    )
}

/// Body of vfork(2), counting children that share our memory. The child has the parent's stack, and the return address is in a register
/// of both. The kernel has no call of this name.
macro_rules! vfork_body {
    ($vm_children:path, $failed:path) => {
        ::core::arch::naked_asm!(
            ".cfi_startproc",
            "adrp x9, {vm_children}",
            "add x9, x9, :lo12:{vm_children}",
            "1:",
            "ldaxr w10, [x9]",
            "add w10, w10, #1",
            "stlxr w11, w10, [x9]",
            "cbnz w11, 1b",
            "mov x0, #{flags}",
            "mov x1, xzr",
            "mov x2, xzr",
            "mov x3, xzr",
            "mov x4, xzr",
            "mov x8, #{clone}",
            "svc #0",
            "cbz x0, 2f",
            // The parent goes on when the child has memory of its own, or none.
            "1:",
            "ldaxr w10, [x9]",
            "sub w10, w10, #1",
            "stlxr w11, w10, [x9]",
            "cbnz w11, 1b",
            "cmn x0, #4095",
            "b.hs {failed}",
            "2:",
            "ret",
            ".cfi_endproc",
            vm_children = sym $vm_children,
            flags = const ::libc::CLONE_VM | ::libc::CLONE_VFORK | ::libc::SIGCHLD,
            clone = const ::libc::SYS_clone,
            failed = sym $failed,
        )
    };
}
pub(crate) use vfork_body;

/// Body of syscall(2). Some calls are special: their function is given the arguments with the number in the place of the
/// fourth, which comes last.
macro_rules! syscall_function {
    ($vm_children:path, $special:path, $failed:path) => {
        ::core::arch::naked_asm!(
            ".protected syscall",
            "mov x8, x0",
            "mov x0, x1",
            "mov x1, x2",
            "mov x2, x3",
            "mov x3, x4",
            "mov x4, x5",
            "mov x5, x6",
            "cmp w8, #{seccomp}",
            "b.eq 5f",
            "cmp w8, #{prctl}",
            "b.eq 5f",
            "cmp w8, #{sigaltstack}",
            "b.eq 5f",
            "cmp w8, #{clone3}",
            "b.eq 4f",
            "cmp w8, #{clone}",
            "b.eq 3f",
            "2:",
            "svc #0",
            // `is_own_forbidden_call` asks whose call this is: nothing of ours is on the stack or in the link register here.
            ".hidden syscall_has_returned",
            ".globl syscall_has_returned",
            "syscall_has_returned:",
            "cmn x0, #4095",
            "b.hs {failed}",
            "ret",
            // A child may come back here, on a stack of its own. One that has a copy of its parent's is as after fork(2).
            "3:",
            "mov w9, #{thread}",
            "orr w9, w9, #{vm}",
            "and w9, w0, w9",
            "orr x10, x9, x1",
            "cbz x10, 5f",
            "cmp w9, #{vm}",
            "b.ne 2b",
            "4:",
            "adrp x9, {vm_children}",
            "add x9, x9, :lo12:{vm_children}",
            "1:",
            "ldaxr w10, [x9]",
            "add w10, w10, #1",
            "stlxr w11, w10, [x9]",
            "cbnz w11, 1b",
            "b 2b",
            "5:",
            "mov x6, x3",
            "mov x3, x8",
            "b {special}",
            seccomp = const ::libc::SYS_seccomp,
            prctl = const ::libc::SYS_prctl,
            sigaltstack = const ::libc::SYS_sigaltstack,
            clone3 = const ::libc::SYS_clone3,
            clone = const ::libc::SYS_clone,
            thread = const ::libc::CLONE_THREAD,
            vm = const ::libc::CLONE_VM,
            vm_children = sym $vm_children,
            special = sym $special,
            failed = sym $failed,
        )
    };
}
pub(crate) use syscall_function;

/// Where syscall(2) comes back from the kernel, with the link register and the stack as its caller has left them.
pub fn return_of_syscall() -> usize {
    unsafe extern "C" {
        static syscall_has_returned: u8;
    }
    (&raw const syscall_has_returned).addr()
}
