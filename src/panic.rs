//! What has to be defined in the standard library's place: a panic handler, and the symbols of unwinding.

// core and alloc are compiled for unwinding panics, and so their tables name these. Nothing unwinds here, so they are
// never called.
runtime::absent! { "rust_eh_personality" "_Unwind_Resume" }

/// No hook or handler panics. If the writing of a report did, that would end the copy of the process which writes it,
/// and the crashed process would write a shorter report itself.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: abort(3) may be called anywhere.
    unsafe { libc::abort() }
}
