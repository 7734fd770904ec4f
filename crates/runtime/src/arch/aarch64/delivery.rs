//! The code between the kernel and a program's signal handler, and the code that handlers return to.
//!
//! The macros take as arguments the functions and statics outside of `arch` that they use, since `arch` depends on no
//! other module.

use core::arch::naked_asm;

/// What a signal handler returns to where libc's own is not known: `mov x8, #__NR_rt_sigreturn; svc #0`.
///
/// # Safety
/// Only for the return from a signal handler: the kernel's frame has to be at the stack pointer.
#[unsafe(naked)]
pub unsafe extern "C" fn restorer() {
    naked_asm!("mov x8, #139", "svc #0")
}

/// Body of the function that the kernel calls in place of a handler of the program (`platform/linux/delivery.rs` says
/// why).
///
/// The handler's address is in the link register, with bit 63 set to mark it, and bit 62 set if the program has asked
/// for a siginfo. It is first stored in the frame (`frame::MARK`), for the case that another signal interrupts this
/// code. If the frame is on an alternate stack of ours, `moved` moves it to where the handler is to run. Then the
/// handler is jumped to, with `restorer` as its return address.
macro_rules! relay {
    ($size:path, $moved:path, $restorer:path, $handlers:path, $crash_handler:path) => {
        ::core::arch::naked_asm!(
            "tbz x30, #63, 5f",
            "str x30, [x2, #{mark}]",
            "3:", // x30: the handler
            "and x16, x30, #0x3fffffffffffffff",
            "adrp x9, {size}",
            "ldr x9, [x9, :lo12:{size}]",
            "ldr x10, [x2, #{stack}]",
            "mov x11, sp",
            "sub x11, x11, x10",
            "cmp x11, x9",
            "b.hs 4f",
            "ldr x10, [x2, #{stack_size}]",
            "cmp x9, x10",
            "b.ne 4f",
            // The frame is on a stack of ours. These registers may be overwritten: the interrupted code's values are in
            // the frame.
            "mov w19, w0",
            "mov x20, x16",
            "mov x21, x1",
            "mov x22, x2",
            "mov w1, w0",
            "mov x0, sp",
            "bl {moved}",
            "cbz x0, 6f",
            "mov x9, sp",
            "sub x9, x0, x9",
            "add x1, x21, x9",
            "add x2, x22, x9",
            "add x29, x29, x9",
            "mov sp, x0",
            "mov w0, w19",
            "adrp x30, {restorer}",
            "ldr x30, [x30, :lo12:{restorer}]",
            "br x20",
            // The frame stays where it is.
            "4:",
            "str xzr, [x2, #{mark}]",
            "adrp x30, {restorer}",
            "ldr x30, [x30, :lo12:{restorer}]",
            "br x16",
            // The link register has no mark: libc has set an action again that it had read, or there is no frame, since
            // another handler of the program calls this as a function. So the handler is taken from the table by the
            // signal's number.
            "5:",
            "adrp x9, {handlers}",
            "add x9, x9, :lo12:{handlers}",
            "ldr x16, [x9, w0, sxtw #3]",
            "tbz x16, #63, 7f",
            "adrp x9, {restorer}",
            "ldr x9, [x9, :lo12:{restorer}]",
            "cmp x30, x9",
            "b.ne 8f",
            "mov x30, x16",
            "str x30, [x2, #{mark}]",
            "b 3b",
            "8:",
            "and x16, x16, #0x3fffffffffffffff",
            "br x16",
            // There is no room for the frame on the stack where the handler would have run. Without us the kernel would
            // end the process.
            "6:",
            "mov w0, w19",
            "mov x1, x21",
            "mov x2, x22",
            "adrp x30, {restorer}",
            "ldr x30, [x30, :lo12:{restorer}]",
            "adrp x16, {crash_handler}",
            "ldr x16, [x16, :lo12:{crash_handler}]",
            "br x16",
            "7:",
            "ret",
            mark = const $crate::arch::frame::MARK - $crate::arch::frame::CONTEXT,
            stack = const $crate::arch::frame::STACK - $crate::arch::frame::CONTEXT,
            stack_size = const $crate::arch::frame::STACK_SIZE - $crate::arch::frame::CONTEXT,
            size = sym $size,
            moved = sym $moved,
            restorer = sym $restorer,
            handlers = sym $handlers,
            crash_handler = sym $crash_handler,
        )
    };
}
pub(crate) use relay;
