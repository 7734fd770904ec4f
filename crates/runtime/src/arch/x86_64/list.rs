//! Exported functions that can't be written in Rust alone: those with variable arguments, those whose bodies are told
//! the return address, those with one of libc's versions.

/// Defines a function that hands its first argument and the array of all others to a body.
///
/// On x86_64 the first six arguments are in registers and the rest is on the stack, so that pushing the registers, with
/// the return address out of the way, completes the array.
macro_rules! list_hook {
    ($(#[$attribute:meta])* $name:ident => $body:path) => {
        #[unsafe(naked)]
        $(#[$attribute])*
        unsafe extern "C" fn $name() -> ::libc::c_int {
            ::core::arch::naked_asm!(
                ".cfi_startproc",
                "pop r10",
                ".cfi_def_cfa_offset 0",
                ".cfi_register rip, r10",
                "push r9",
                "push r8",
                "push rcx",
                "push rdx",
                "push rsi",
                ".cfi_def_cfa_offset 40",
                "mov rsi, rsp",
                "push r10",
                ".cfi_def_cfa_offset 48",
                ".cfi_offset rip, -48",
                "call {body}",
                "pop r10",
                ".cfi_def_cfa_offset 40",
                ".cfi_register rip, r10",
                "add rsp, 40",
                ".cfi_def_cfa_offset 0",
                "push r10",
                ".cfi_def_cfa_offset 8",
                ".cfi_offset rip, -8",
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
            ::core::arch::naked_asm!(
                ".cfi_startproc",
                "push qword ptr [rsp]",
                ".cfi_adjust_cfa_offset 8",
                "call {body}",
                "add rsp, 8",
                ".cfi_adjust_cfa_offset -8",
                "ret",
                ".cfi_endproc",
                body = sym $body,
            )
        }
    };
}
#[cfg(target_os = "linux")]
pub(crate) use caller_hook;

/// Defines a function that calls `body`, which returns a [`Next`](crate::arch::Next), and jumps to the address in it. The function there finds
/// the first six arguments and the return address as if it had been called itself. If a frame is wanted, it is called instead, and must not return.
#[cfg(target_os = "linux")]
macro_rules! passing_hook {
    ($name:ident => $body:path) => {
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name() {
            ::core::arch::naked_asm!(
                ".cfi_startproc",
                "push rdi",
                "push rsi",
                "push rdx",
                "push rcx",
                "push r8",
                "push r9",
                "sub rsp, 8",
                ".cfi_adjust_cfa_offset 56",
                "call {body}",
                "mov r11, rdx",
                "add rsp, 8",
                "pop r9",
                "pop r8",
                "pop rcx",
                "pop rdx",
                "pop rsi",
                "pop rdi",
                ".cfi_adjust_cfa_offset -56",
                "test r11, r11",
                "jne 2f",
                "jmp rax",
                "2:",
                "push rbp",
                ".cfi_adjust_cfa_offset 8",
                ".cfi_rel_offset rbp, 0",
                "mov rbp, rsp",
                ".cfi_def_cfa_register rbp",
                "call rax",
                "ud2",
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
            concat!(".type nosigpipe_", stringify!($name), ", @function"),
            concat!("nosigpipe_", stringify!($name), ":"),
            "jmp {body}",
            concat!(".size nosigpipe_", stringify!($name), ", . - nosigpipe_", stringify!($name)),
            concat!(".symver nosigpipe_", stringify!($name), ", ", stringify!($name), "@", $version),
            body = sym $body,
        );
    };
}
#[cfg(all(target_os = "linux", has_versions))]
pub(crate) use versioned_hook;
