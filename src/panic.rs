//! What the standard library would bring, and what there is instead without it.

// What core and alloc, which are compiled for unwinding panics, name in their tables. Nothing unwinds here.
runtime::absent! { "rust_eh_personality" "_Unwind_Resume" }

/// Nothing here panics; if the writing of a report did, its copy of the process would end by this and its parent would write
/// what can be written without it.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: abort(3) may be called anywhere.
    unsafe { libc::abort() }
}
