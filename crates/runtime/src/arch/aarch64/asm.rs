//! What can't be written in Rust: system calls, functions that return twice or are called by the kernel, a thread's own
//! memory.
//!
//! What is a macro is given the functions that it calls outside of `arch`, which this module may not name.

use core::arch::{asm, global_asm, naked_asm};

use libc::{c_long, pid_t};

/// System calls under their libc names, with libc's way to return errors: `failed` is where a failed one jumps to.
macro_rules! system_calls {
    ($failed:path, $binding:literal: $($name:literal => $number:ident),* $(,)?) => {
        $(
            ::core::arch::global_asm!(
                concat!(".hidden ", $name),
                concat!($binding, " ", $name),
                concat!(".type ", $name, ", %function"),
                concat!($name, ":"),
                "mov x8, #{number}",
                "svc #0",
                "cmn x0, #4095",
                "b.hs {failed}",
                "ret",
                concat!(".size ", $name, ", . - ", $name),
                number = const ::libc::$number,
                failed = sym $failed,
            );
        )*
    };
}
pub(crate) use system_calls;

/// The same for those of a report, which fail with ENOSYS if that is what a bit of `forbidden` says.
macro_rules! checked_system_calls {
    ($failed:path, $forbidden:path, $binding:literal: $($name:literal => $number:ident),* $(,)?) => {
        $(
            ::core::arch::global_asm!(
                concat!(".hidden ", $name),
                concat!($binding, " ", $name),
                concat!(".type ", $name, ", %function"),
                concat!($name, ":"),
                "adrp x9, {forbidden}",
                "add x9, x9, #:lo12:{forbidden}",
                "ldr w9, [x9, #{word}]",
                "tbz w9, #{bit}, 2f",
                "mov x0, #-{absent}",
                "b {failed}",
                "2:",
                "mov x8, #{number}",
                "svc #0",
                "cmn x0, #4095",
                "b.hs {failed}",
                "ret",
                concat!(".size ", $name, ", . - ", $name),
                number = const ::libc::$number,
                word = const ::libc::$number / 32 * 4,
                bit = const ::libc::$number % 32,
                absent = const ::libc::ENOSYS,
                forbidden = sym $forbidden,
                failed = sym $failed,
            );
        )*
    };
}
pub(crate) use checked_system_calls;

/// Body of the function by which our own system calls are made that have no other name, with syscall(2)'s signature: it looks
/// into the bits of `forbidden` first.
macro_rules! own_call_function {
    ($forbidden:path, $failed:path) => {
        ::core::arch::naked_asm!(
            ".hidden nosigpipe_own_call",
            "mov x8, x0",
            "adrp x9, {forbidden}",
            "add x9, x9, #:lo12:{forbidden}",
            "lsr x10, x8, #5",
            "ldr w9, [x9, x10, lsl #2]",
            "lsr w9, w9, w8", // by the number's lowest five bits
            "tbz w9, #0, 2f",
            "mov x0, #-{absent}",
            "b {failed}",
            "2:",
            "mov x0, x1",
            "mov x1, x2",
            "mov x2, x3",
            "mov x3, x4",
            "mov x4, x5",
            "mov x5, x6",
            "svc #0",
            "cmn x0, #4095",
            "b.hs {failed}",
            "ret",
            absent = const ::libc::ENOSYS,
            forbidden = sym $forbidden,
            failed = sym $failed,
        )
    };
}
pub(crate) use own_call_function;

/// The calls that name files: the kernel has only those that name a directory first, here the current one.
macro_rules! path_calls {
    ($failed:path, $forbidden:path) => {
        ::core::arch::global_asm!(
            ".hidden open64",
            ".globl open64",
            ".type open64, %function",
            "open64:",
            "mov x3, x2",
            "mov x2, x1",
            "mov x1, x0",
            "mov x0, #{here}",
            "mov x8, #{openat}",
            "svc #0",
            "cmn x0, #4095",
            "b.hs {failed}",
            "ret",
            ".size open64, . - open64",
            //
            ".hidden readlink",
            ".globl readlink",
            ".type readlink, %function",
            "readlink:",
            "mov x3, x2",
            "mov x2, x1",
            "mov x1, x0",
            "mov x0, #{here}",
            "mov x8, #{readlinkat}",
            "svc #0",
            "cmn x0, #4095",
            "b.hs {failed}",
            "ret",
            ".size readlink, . - readlink",
            //
            ".hidden stat64",
            ".globl stat64",
            ".type stat64, %function",
            "stat64:",
            "mov x3, xzr",
            "mov x2, x1",
            "mov x1, x0",
            "mov x0, #{here}",
            "mov x8, #{newfstatat}",
            "svc #0",
            "cmn x0, #4095",
            "b.hs {failed}",
            "ret",
            ".size stat64, . - stat64",
            here = const ::libc::AT_FDCWD,
            openat = const ::libc::SYS_openat,
            readlinkat = const ::libc::SYS_readlinkat,
            newfstatat = const ::libc::SYS_newfstatat,
            failed = sym $failed,
        );
    };
}
pub(crate) use path_calls;

/// Body of the function that a failed system call jumps to, with the kernel's answer where the kernel has left it: calls the
/// given one with the error's number.
macro_rules! failed {
    ($fail:path) => {
        ::core::arch::naked_asm!("neg w0, w0", "b {fail}", fail = sym $fail)
    };
}
pub(crate) use failed;

/// A system call; what the kernel answers.
///
/// # Safety
/// That of the call.
pub unsafe fn system_call(number: c_long, arguments: [c_long; 6]) -> c_long {
    let [a, b, c, d, e, f] = arguments;
    let result: c_long;
    // SAFETY: as promised; the kernel changes this register and no other.
    unsafe {
        asm!("svc #0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            in("x5") f, options(nostack));
    }
    result
}

/// The processor as filters know it (linux/audit.h).
pub const AUDIT_ARCH: u32 = 0xc000_00b7;
/// Number of the system call that [`poll`] makes.
pub const POLL: c_long = libc::SYS_ppoll;
/// Number of the system call that [`open`] makes.
pub const OPEN: c_long = libc::SYS_openat;
/// Number of the system call that stat(2) makes.
pub const STAT: c_long = libc::SYS_newfstatat;
/// Number of the system call that readlink(2) makes.
pub const READLINK: c_long = libc::SYS_readlinkat;
/// Number of a system call that is always allowed: the address of the thread's control block is in a register here.
pub const THREAD_POINTER: c_long = libc::SYS_getpid;

/// poll(2), of which the kernel has only ppoll(2).
pub fn poll(entries: &mut [libc::pollfd], milliseconds: libc::c_int) -> c_long {
    let time = libc::timespec {
        tv_sec: i64::from(milliseconds / 1_000),
        tv_nsec: i64::from(milliseconds % 1_000) * 1_000_000,
    };
    let time = if milliseconds < 0 { core::ptr::null() } else { &raw const time };
    // SAFETY: the entries and the time are ours.
    unsafe { libc::syscall(libc::SYS_ppoll, entries.as_mut_ptr(), entries.len(), time, 0, 0) }
}

/// open(2), of which the kernel has only openat(2).
pub fn open(path: &core::ffi::CStr, flags: libc::c_int) -> libc::c_int {
    // SAFETY: the path is a string.
    unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0) as libc::c_int }
}

// What crtbeginS.o would define: by this address libc knows whose atexit and atfork handlers are whose.
global_asm!(
    ".pushsection .data.rel.ro, \"aw\"",
    ".hidden __dso_handle",
    ".globl __dso_handle",
    ".balign 8",
    "__dso_handle: .xword __dso_handle",
    ".popsection",
);

// libc's static half has these two, which the linker would put far from everything else that start-up runs, as it would
// their jumps through the PLT.
global_asm!(
    ".hidden pthread_atfork",
    ".globl pthread_atfork",
    ".type pthread_atfork, %function",
    "pthread_atfork:",
    "adrp x3, __dso_handle",
    "add x3, x3, :lo12:__dso_handle",
    "adrp x16, :got:__register_atfork",
    "ldr x16, [x16, :got_lo12:__register_atfork]",
    "br x16",
    ".size pthread_atfork, . - pthread_atfork",
    //
    ".hidden atexit",
    ".globl atexit",
    ".type atexit, %function",
    "atexit:",
    "mov x1, xzr",
    "adrp x2, __dso_handle",
    "add x2, x2, :lo12:__dso_handle",
    "adrp x16, :got:__cxa_atexit",
    "ldr x16, [x16, :got_lo12:__cxa_atexit]",
    "br x16",
    ".size atexit, . - atexit",
);

// Memory and strings: what the compiler calls. Nothing here is in a hurry.
global_asm!(
    ".hidden memcpy",
    ".globl memcpy",
    ".type memcpy, %function",
    "memcpy:",
    "mov x3, x0",
    "1:",
    "subs x2, x2, #8",
    "b.lo 2f",
    "ldr x4, [x1], #8",
    "str x4, [x3], #8",
    "b 1b",
    "2:",
    "add x2, x2, #8",
    "3:",
    "cbz x2, 4f",
    "ldrb w4, [x1], #1",
    "strb w4, [x3], #1",
    "sub x2, x2, #1",
    "b 3b",
    "4:",
    "ret",
    ".size memcpy, . - memcpy",
    //
    ".hidden memmove",
    ".globl memmove",
    ".type memmove, %function",
    "memmove:",
    "sub x3, x0, x1",
    "cmp x3, x2",
    "b.hs memcpy",
    // The target starts inside the source: from the end.
    "add x3, x0, x2",
    "add x1, x1, x2",
    "1:",
    "subs x2, x2, #8",
    "b.lo 2f",
    "ldr x4, [x1, #-8]!",
    "str x4, [x3, #-8]!",
    "b 1b",
    "2:",
    "add x2, x2, #8",
    "3:",
    "cbz x2, 4f",
    "ldrb w4, [x1, #-1]!",
    "strb w4, [x3, #-1]!",
    "sub x2, x2, #1",
    "b 3b",
    "4:",
    "ret",
    ".size memmove, . - memmove",
    //
    ".hidden memset",
    ".globl memset",
    ".type memset, %function",
    "memset:",
    "and x1, x1, #0xff",
    "mov x4, #0x0101010101010101",
    "mul x1, x1, x4",
    "mov x3, x0",
    "1:",
    "subs x2, x2, #8",
    "b.lo 2f",
    "str x1, [x3], #8",
    "b 1b",
    "2:",
    "add x2, x2, #8",
    "3:",
    "cbz x2, 4f",
    "strb w1, [x3], #1",
    "sub x2, x2, #1",
    "b 3b",
    "4:",
    "ret",
    ".size memset, . - memset",
    //
    ".hidden memcmp",
    ".globl memcmp",
    ".type memcmp, %function",
    ".hidden bcmp",
    ".globl bcmp",
    ".type bcmp, %function",
    "memcmp:",
    "bcmp:",
    "mov x3, x0",
    "mov x0, xzr",
    "1:",
    "cbz x2, 2f",
    "ldrb w4, [x3], #1",
    "ldrb w5, [x1], #1",
    "sub x2, x2, #1",
    "subs w0, w4, w5",
    "b.eq 1b",
    "2:",
    "ret",
    ".size memcmp, . - memcmp",
    //
    ".hidden strlen",
    ".globl strlen",
    ".type strlen, %function",
    "strlen:",
    "mov x1, x0",
    "1:",
    "ldrb w2, [x1], #1",
    "cbnz w2, 1b",
    "sub x0, x1, x0",
    "sub x0, x0, #1",
    "ret",
    ".size strlen, . - strlen",
);

/// Functions of these names that do nothing and return 0.
#[macro_export]
macro_rules! absent {
    ($($name:literal)*) => {
        ::core::arch::global_asm!(
            $(
                concat!(".hidden ", $name),
                concat!(".globl ", $name),
                concat!(".type ", $name, ", %function"),
                concat!($name, ":"),
            )*
            "mov x0, xzr",
            "ret",
        );
    };
}

/// Stops the process, where the kernel has not: an instruction that is not allowed.
pub fn halt() {
    // SAFETY: the process is to end here.
    unsafe { asm!("udf #0", options(nomem, nostack)) };
}

/// Nanoseconds since the processor was started, or more of them: its counter has at most one tick for each.
pub fn about_nanoseconds() -> u64 {
    let (count, frequency): (u64, u64);
    // SAFETY: the registers only tell.
    unsafe {
        asm!("mrs {}, cntvct_el0", "mrs {}, cntfrq_el0", out(reg) count, out(reg) frequency, options(nomem, nostack, preserves_flags));
    }
    count.saturating_mul(1_000_000_000 / frequency.max(1)).max(1)
}

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

/// A request to Valgrind (valgrind.h); what it answers, 0 where there is none.
pub fn valgrind_request(request: &[usize; 6]) -> usize {
    let answer: usize;
    // SAFETY: what Valgrind knows a request by; on a processor all of it changes nothing.
    unsafe {
        asm!("ror x12, x12, #3", "ror x12, x12, #13", "ror x12, x12, #51", "ror x12, x12, #61", "orr x10, x10, x10",
            inlateout("x3") 0usize => answer, in("x4") request.as_ptr(), out("x12") _, options(nostack));
    }
    answer
}

// A word of ours that every thread has, zero at its start. In memory that comes with the thread, which a preload may have:
// read without a call.
global_asm!(
    ".pushsection .tbss, \"awT\", %nobits",
    ".hidden nosigpipe_own_word",
    ".globl nosigpipe_own_word",
    ".type nosigpipe_own_word, %tls_object",
    ".size nosigpipe_own_word, 8",
    ".balign 8",
    "nosigpipe_own_word: .zero 8",
    ".popsection",
);

/// The calling thread's word.
pub fn own_word() -> *mut u8 {
    let word: *mut u8;
    // SAFETY: the thread's own word, at the distance that the loader has written down.
    unsafe {
        asm!(
            "adrp {0}, :gottprel:nosigpipe_own_word",
            "ldr {0}, [{0}, :gottprel_lo12:nosigpipe_own_word]",
            "mrs {1}, tpidr_el0",
            "ldr {0}, [{0}, {1}]",
            out(reg) word, out(reg) _, options(nostack, readonly, preserves_flags),
        );
    }
    word
}

/// Sets the calling thread's word.
pub fn set_own_word(word: *mut u8) {
    // SAFETY: as above.
    unsafe {
        asm!(
            "adrp {0}, :gottprel:nosigpipe_own_word",
            "ldr {0}, [{0}, :gottprel_lo12:nosigpipe_own_word]",
            "mrs {1}, tpidr_el0",
            "str {2}, [{0}, {1}]",
            out(reg) _, out(reg) _, in(reg) word, options(nostack, preserves_flags),
        );
    }
}

/// Address of the calling thread's control block.
pub fn thread_pointer() -> isize {
    let thread: isize;
    // SAFETY: the register only tells.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) thread, options(nomem, nostack, preserves_flags)) };
    thread
}

/// The same by the kernel, where the block itself may not be readable: it is not needed here.
pub fn thread_pointer_by_kernel() -> usize {
    thread_pointer().cast_unsigned()
}

/// The number at that distance from the calling thread's control block.
///
/// # Safety
/// There is one, in every thread.
pub unsafe fn thread_number(offset: isize) -> i32 {
    let value: i32;
    // SAFETY: as promised.
    unsafe {
        asm!("mrs {1}, tpidr_el0", "ldr {0:w}, [{1}, {2}]", out(reg) value, out(reg) _, in(reg) offset,
            options(nostack, readonly, preserves_flags));
    }
    value
}

/// Sets the number at that distance from the calling thread's control block.
///
/// # Safety
/// There is one, in every thread.
pub unsafe fn set_thread_number(offset: isize, value: i32) {
    // SAFETY: as promised.
    unsafe {
        asm!("mrs {1}, tpidr_el0", "str {0:w}, [{1}, {2}]", in(reg) value, out(reg) _, in(reg) offset,
            options(nostack, preserves_flags));
    }
}

/// Body of a function that is another one by a second name.
macro_rules! jump {
    ($to:path) => {
        ::core::arch::naked_asm!("b {to}", to = sym $to)
    };
}
pub(crate) use jump;

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

/// What a signal handler returns to where libc's own is not known: `mov x8, #__NR_rt_sigreturn; svc #0`.
///
/// # Safety
/// For the kernel's frames alone.
#[unsafe(naked)]
pub unsafe extern "C" fn restorer() {
    naked_asm!("mov x8, #139", "svc #0")
}

/// Body of what the kernel calls for a handler of the program. What it is told is in the register that has the return address, and
/// is put where the frame keeps it.
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
            // On a stack of ours. What the interrupted code had in these registers is in the frame.
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
            // As it is.
            "4:",
            "str xzr, [x2, #{mark}]",
            "adrp x30, {restorer}",
            "ldr x30, [x30, :lo12:{restorer}]",
            "br x16",
            // The frame does not say whose it is, or there is none, and we are called as a function.
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
            // No room where the handler would have run. Without us, that is the end of the process.
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
