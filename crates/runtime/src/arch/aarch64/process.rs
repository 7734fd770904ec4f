//! Functions that make children and so return twice: clone(2), vfork(2), and syscall(2), by which both may be called.
//!
//! The macros take as arguments the functions and statics outside of `arch` that they use, since `arch` depends on no
//! other module.

use core::arch::naked_asm;

use libc::{c_long, pid_t};

/// The system call clone(2). The child runs `function` with the upper end of its stack as argument. Its stack ends at
/// `top`, or is a copy of the caller's if that is null. Returns the child's id in the parent, or a negative error
/// number.
///
/// # Safety
/// Nothing else uses the stack, and where the flags make the kernel write an id, `parents` or `childs` is writable.
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

/// Body of vfork(2), counting children that share our memory. The child has the parent's stack, and the return address
/// is in a register of both. The kernel has no call of this name.
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
            // The parent goes on when the child has executed a program or has ended, or when there is none.
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

/// Body of syscall(2). Some calls are made by the function `special` instead. That one takes the number as its fourth
/// argument, and the call's own fourth as its last: so the other arguments can stay in the registers where a system
/// call has them.
macro_rules! syscall_function {
    ($vm_children:path, $actions_shared:path, $note_clone3:path, $special:path, $failed:path) => {
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
            "b.eq 7f",
            "cmp w8, #{clone}",
            "b.eq 3f",
            "2:",
            "svc #0",
            // `is_own_forbidden_call` has to tell whose call this was: here the caller's return address is in the link
            // register.
            ".hidden syscall_has_returned",
            ".globl syscall_has_returned",
            "syscall_has_returned:",
            "cmn x0, #4095",
            "b.hs {failed}",
            "ret",
            // clone(2): a child with a stack of its own returns from the system call above. One with a copy of all
            // memory and no other stack is as after fork(2), and `special` makes it.
            "3:",
            "mov w9, #{thread}",
            "orr w9, w9, #{vm}",
            "and w9, w0, w9",
            "orr x10, x9, x1",
            "cbz x10, 5f",
            "cmp w9, #{vm}",
            "b.ne 2b",
            "tst w0, #{sighand}",
            "b.eq 4f",
            "adrp x9, {actions_shared}",
            "mov w10, #1",
            "strb w10, [x9, :lo12:{actions_shared}]",
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
            // clone3(2): its flags are in memory.
            "7:",
            "stp x30, x8, [sp, #-64]!",
            "stp x0, x1, [sp, #16]",
            "stp x2, x3, [sp, #32]",
            "stp x4, x5, [sp, #48]",
            "bl {note_clone3}",
            "ldp x4, x5, [sp, #48]",
            "ldp x2, x3, [sp, #32]",
            "ldp x0, x1, [sp, #16]",
            "ldp x30, x8, [sp], #64",
            "b 4b",
            seccomp = const ::libc::SYS_seccomp,
            prctl = const ::libc::SYS_prctl,
            sigaltstack = const ::libc::SYS_sigaltstack,
            clone3 = const ::libc::SYS_clone3,
            clone = const ::libc::SYS_clone,
            thread = const ::libc::CLONE_THREAD,
            vm = const ::libc::CLONE_VM,
            sighand = const ::libc::CLONE_SIGHAND,
            vm_children = sym $vm_children,
            actions_shared = sym $actions_shared,
            note_clone3 = sym $note_clone3,
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
