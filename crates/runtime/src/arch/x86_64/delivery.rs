//! What stands between the kernel and a program's signal handler, and what handlers return to.
//!
//! What is a macro is given the functions that it calls outside of `arch`, which this module may not name.

use core::arch::naked_asm;

/// What a signal handler returns to where libc's own is not known. Debuggers and unwinders recognise it by these bytes, which
/// are libc's as well: `mov rax, SYS_rt_sigreturn; syscall`.
///
/// # Safety
/// For the kernel's frames alone.
#[unsafe(naked)]
pub unsafe extern "C" fn restorer() {
    naked_asm!(".byte 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05")
}

/// Body of what the kernel calls for a handler of the program.
macro_rules! relay {
    ($size:path, $moved:path, $restorer:path, $handlers:path, $crash_handler:path) => {
        ::core::arch::naked_asm!(
            "mov rax, [rsp]",
            "btr rax, 63",
            "jnc 5f",
            "3:", // rax: the handler
            "btr rax, 62",
            "mov rcx, [rip + {size}]",
            "mov r8, rsp",
            "sub r8, [rdx + {stack}]",
            "cmp r8, rcx",
            "jae 4f",
            "cmp rcx, [rdx + {stack_size}]",
            "jne 4f",
            // On a stack of ours. What the interrupted code had in these registers is in the frame.
            "mov rbx, rdi",
            "mov r12, rax",
            "mov r13, rsi",
            "mov r14, rdx",
            "mov esi, edi",
            "mov rdi, rsp",
            "sub rsp, 8",
            "call {moved}",
            "add rsp, 8",
            "mov edi, ebx",
            "test rax, rax",
            "jz 6f",
            "mov rcx, rax",
            "sub rcx, rsp",
            "lea rsi, [r13 + rcx]",
            "lea rdx, [r14 + rcx]",
            "mov rsp, rax",
            "jmp r12",
            // As it is.
            "4:",
            "mov rcx, [rip + {restorer}]",
            "mov [rsp], rcx",
            "jmp rax",
            // The frame does not say whose it is, or there is none, and we are called as a function.
            "5:",
            "mov rcx, rax",
            "lea r8, [rip + {handlers}]",
            "movsxd r9, edi",
            "mov rax, [r8 + r9 * 8]",
            "btr rax, 63",
            "jnc 7f",
            "cmp rcx, [rip + {restorer}]",
            "je 3b",
            "btr rax, 62",
            "jmp rax",
            // No room where the handler would have run. Without us, that is the end of the process.
            "6:",
            "mov rcx, [rip + {restorer}]",
            "mov [rsp], rcx",
            "mov rsi, r13",
            "mov rdx, r14",
            "jmp [rip + {crash_handler}]",
            "7:",
            "ret",
            size = sym $size,
            stack = const $crate::arch::frame::STACK - $crate::arch::frame::CONTEXT,
            stack_size = const $crate::arch::frame::STACK_SIZE - $crate::arch::frame::CONTEXT,
            moved = sym $moved,
            restorer = sym $restorer,
            handlers = sym $handlers,
            crash_handler = sym $crash_handler,
        )
    };
}
pub(crate) use relay;
