//! The code between the kernel and a program's signal handler, and the code that handlers return to.
//!
//! The macros take as arguments the functions and statics outside of `arch` that they use, since `arch` depends on no
//! other module.

use core::arch::naked_asm;

/// What a signal handler returns to where libc's own is not known. Debuggers and unwinders recognise it by these bytes,
/// which are libc's as well: `mov rax, SYS_rt_sigreturn; syscall`.
///
/// # Safety
/// Only for the return from a signal handler: the kernel's frame has to be at the stack pointer.
#[unsafe(naked)]
pub unsafe extern "C" fn restorer() {
    naked_asm!(".byte 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05")
}

/// Body of the function that the kernel calls in place of a handler of the program (`platform/linux/delivery.rs` says
/// why).
///
/// The handler's address is in the frame as its return address, with bit 63 set to mark it, and bit 62 set if the
/// program has asked for a siginfo. If the frame is on an alternate stack of ours, `moved` moves it to where the
/// handler is to run. Then the handler is jumped to, with `restorer` as its return address.
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
            // The frame is on a stack of ours. These registers may be overwritten: the interrupted code's values are in
            // the frame.
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
            // The frame stays where it is.
            "4:",
            "mov rcx, [rip + {restorer}]",
            "mov [rsp], rcx",
            "jmp rax",
            // The return address has no mark: libc has set an action again that it had read, or there is no frame,
            // since another handler of the program calls this as a function. So the handler is taken from the table by
            // the signal's number.
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
            // There is no room for the frame on the stack where the handler would have run. Without us the kernel would
            // end the process.
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
