//! Functions that make children and so return twice: clone(2), vfork(2), and syscall(2), by which both may be called.
//!
//! The macros take as arguments the functions and statics outside of `arch` that they use, since `arch` depends on no
//! other module.

use core::arch::naked_asm;

use libc::{c_long, pid_t};

/// Where syscall(2) comes back from the kernel, with the stack as its caller has left it.
pub fn return_of_syscall() -> usize {
    unsafe extern "C" {
        static syscall_has_returned: u8;
    }
    (&raw const syscall_has_returned).addr()
}

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
        "mov r9, r8", // kept by the system call, and none of its arguments
        "mov r10, rcx",
        "xor r8d, r8d",
        "mov eax, {clone}",
        "syscall",
        "test rax, rax",
        "jnz 2f",
        "xor ebp, ebp",
        "mov rdi, rsp",
        "and rsp, -16",
        "call r9",
        "ud2",
        "2:",
        "ret",
        clone = const libc::SYS_clone,
    )
}

/// Body of vfork(2), counting children that share our memory. The child has the parent's stack: the return address must
/// not be on it while the child runs.
macro_rules! vfork_body {
    ($vm_children:path, $failed:path) => {
        ::core::arch::naked_asm!(
            ".cfi_startproc",
            "pop rdi",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_register rip, rdi",
            "lock inc dword ptr [rip + {vm_children}]",
            "mov eax, {vfork}",
            "syscall",
            "push rdi",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_offset rip, -8",
            "test eax, eax",
            "jz 2f",
            // The parent goes on when the child has executed a program or has ended, or when there is none.
            "lock dec dword ptr [rip + {vm_children}]",
            "cmp rax, -4095",
            "jae {failed}",
            "2:",
            "ret",
            ".cfi_endproc",
            vm_children = sym $vm_children,
            vfork = const ::libc::SYS_vfork,
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
            "mov rax, rdi",
            "mov rdi, rsi",
            "mov rsi, rdx",
            "mov rdx, rcx",
            "mov r10, r8",
            "mov r8, r9",
            "mov r9, [rsp + 8]",
            "cmp eax, {seccomp}",
            "je 5f",
            "cmp eax, {prctl}",
            "je 5f",
            "cmp eax, {sigaltstack}",
            "je 5f",
            "cmp eax, {clone3}",
            "je 7f",
            "cmp eax, {clone}",
            "je 3f",
            "cmp eax, {fork}",
            "je 5f",
            "2:",
            // The number, in the red zone: if the call raises SIGPIPE, our handler reads it from there (number.rs).
            "mov [rsp - 8], rax",
            "syscall",
            // `is_own_forbidden_call` has to tell whose call this was: here the caller's return address is on top of
            // the stack.
            ".hidden syscall_has_returned",
            ".globl syscall_has_returned",
            "syscall_has_returned:",
            "cmp rax, -4095",
            "jae {failed}",
            "ret",
            // clone(2): a child with a stack of its own returns from the system call above. One with a copy of all
            // memory and no other stack is as after fork(2), and `special` makes it.
            "3:",
            "mov r11d, edi",
            "and r11d, {vm_and_thread}",
            "jnz 6f",
            "test rsi, rsi",
            "jz 5f",
            "6:",
            "cmp r11d, {vm}",
            "jne 2b",
            "test edi, {sighand}",
            "jz 4f",
            "mov byte ptr [rip + {actions_shared}], 1",
            "4:",
            "lock inc dword ptr [rip + {vm_children}]",
            "jmp 2b",
            "5:",
            "mov rcx, rax",
            "push r10",
            "call {special}",
            "pop rcx",
            "ret",
            // clone3(2): its flags are in memory.
            "7:",
            "push rax",
            "push rdi",
            "push rsi",
            "push rdx",
            "push r10",
            "push r8",
            "push r9",
            "call {note_clone3}",
            "pop r9",
            "pop r8",
            "pop r10",
            "pop rdx",
            "pop rsi",
            "pop rdi",
            "pop rax",
            "jmp 4b",
            seccomp = const ::libc::SYS_seccomp,
            prctl = const ::libc::SYS_prctl,
            sigaltstack = const ::libc::SYS_sigaltstack,
            clone3 = const ::libc::SYS_clone3,
            clone = const ::libc::SYS_clone,
            fork = const ::libc::SYS_fork,
            vm_and_thread = const ::libc::CLONE_VM | ::libc::CLONE_THREAD,
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
