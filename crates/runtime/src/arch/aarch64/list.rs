//! Exported functions that can't be written in Rust alone: those with variable arguments, those whose bodies are told
//! the return address, those with one of libc's versions.

/// Defines a function that hands its first argument and the array of all others to a body.
///
/// On Apple's systems variable arguments are all on the stack, 8 bytes each. The list's first one is not variable and
/// comes in a register: it is put below the others, and the frame record below it.
#[cfg(target_os = "macos")]
macro_rules! list_hook {
    ($(#[$attribute:meta])* $name:ident => $body:path) => {
        #[unsafe(naked)]
        $(#[$attribute])*
        unsafe extern "C" fn $name() -> ::libc::c_int {
            ::core::arch::naked_asm!(
                ".cfi_startproc",
                "sub sp, sp, #32",
                ".cfi_def_cfa_offset 32",
                "stp x29, x30, [sp]",
                ".cfi_offset w29, -32",
                ".cfi_offset w30, -24",
                "mov x29, sp",
                "str x1, [sp, #24]",
                "add x1, sp, #24",
                "bl {body}",
                "ldp x29, x30, [sp]",
                "add sp, sp, #32",
                ".cfi_def_cfa_offset 0",
                ".cfi_restore w29",
                ".cfi_restore w30",
                "ret",
                ".cfi_endproc",
                body = sym $body,
            )
        }
    };
}
/// Defines a function that hands its first argument and the array of all others to a body.
///
/// As the Procedure Call Standard has it, eight arguments are in registers and the rest is on the stack: seven
/// registers put below those complete the array, and the frame record comes below it.
#[cfg(target_os = "linux")]
macro_rules! list_hook {
    ($(#[$attribute:meta])* $name:ident => $body:path) => {
        #[unsafe(naked)]
        $(#[$attribute])*
        unsafe extern "C" fn $name() -> ::libc::c_int {
            ::core::arch::naked_asm!(
                ".cfi_startproc",
                "sub sp, sp, #80",
                ".cfi_def_cfa_offset 80",
                "stp x29, x30, [sp]",
                ".cfi_offset w29, -80",
                ".cfi_offset w30, -72",
                "mov x29, sp",
                "str x1, [sp, #24]",
                "stp x2, x3, [sp, #32]",
                "stp x4, x5, [sp, #48]",
                "stp x6, x7, [sp, #64]",
                "add x1, sp, #24",
                "bl {body}",
                "ldp x29, x30, [sp]",
                "add sp, sp, #80",
                ".cfi_def_cfa_offset 0",
                ".cfi_restore w29",
                ".cfi_restore w30",
                "ret",
                ".cfi_endproc",
                body = sym $body,
            )
        }
    };
}
pub(crate) use list_hook;

/// Defines a function of six arguments that calls `body` with its own return address as a seventh.
#[cfg(target_os = "linux")]
macro_rules! caller_hook {
    ($name:ident => $body:path) => {
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name() {
            ::core::arch::naked_asm!("mov x6, x30", "b {body}", body = sym $body)
        }
    };
}
#[cfg(target_os = "linux")]
pub(crate) use caller_hook;

/// Defines a function that calls `body`, which returns a [`Next`](crate::arch::Next), and jumps to the address in it. The function there finds
/// the first six arguments and the return address as if it had been called itself. A frame is not made: the libc without call frame information
/// that it is for is not supported on this processor.
#[cfg(target_os = "linux")]
macro_rules! passing_hook {
    ($name:ident => $body:path) => {
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name() {
            ::core::arch::naked_asm!(
                ".cfi_startproc",
                "stp x29, x30, [sp, #-64]!",
                ".cfi_def_cfa_offset 64",
                ".cfi_offset w29, -64",
                ".cfi_offset w30, -56",
                "mov x29, sp",
                "stp x0, x1, [sp, #16]",
                "stp x2, x3, [sp, #32]",
                "stp x4, x5, [sp, #48]",
                "bl {body}",
                "mov x16, x0",
                "ldp x0, x1, [sp, #16]",
                "ldp x2, x3, [sp, #32]",
                "ldp x4, x5, [sp, #48]",
                "ldp x29, x30, [sp], #64",
                ".cfi_def_cfa_offset 0",
                ".cfi_restore w29",
                ".cfi_restore w30",
                "br x16",
                ".cfi_endproc",
                body = sym $body,
            )
        }
    };
}
#[cfg(target_os = "linux")]
pub(crate) use passing_hook;

/// Exports `body` as a function that has one of libc's versions. Only a caller that was linked with this version finds
/// it: neither dlsym(3) nor a reference without a version does.
#[cfg(all(target_os = "linux", has_versions))]
macro_rules! versioned_hook {
    ($name:ident $version:literal => $body:path) => {
        ::core::arch::global_asm!(
            concat!(".globl nosigpipe_", stringify!($name)),
            concat!(".type nosigpipe_", stringify!($name), ", %function"),
            concat!("nosigpipe_", stringify!($name), ":"),
            "b {body}",
            concat!(".size nosigpipe_", stringify!($name), ", . - nosigpipe_", stringify!($name)),
            concat!(".symver nosigpipe_", stringify!($name), ", ", stringify!($name), "@", $version),
            body = sym $body,
        );
    };
}
#[cfg(all(target_os = "linux", has_versions))]
pub(crate) use versioned_hook;
