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
                concat!(".type ", $name, ", @function"),
                concat!($name, ":"),
                "mov r10, rcx",
                "mov eax, {number}",
                "syscall",
                "cmp rax, -4095",
                "jae {failed}",
                "ret",
                concat!(".size ", $name, ", . - ", $name),
                number = const ::libc::$number,
                failed = sym $failed,
            );
        )*
    };
}
pub(crate) use system_calls;

/// The calls that name files.
macro_rules! path_calls {
    ($failed:path, $forbidden:path) => {
        $crate::arch::checked_system_calls! { $failed, $forbidden, ".globl":
            "open64" => SYS_open,
            "readlink" => SYS_readlink,
            "stat64" => SYS_stat,
        }
    };
}
pub(crate) use path_calls;

/// The same for those of a report, which fail with ENOSYS if that is what a bit of `forbidden` says.
macro_rules! checked_system_calls {
    ($failed:path, $forbidden:path, $binding:literal: $($name:literal => $number:ident),* $(,)?) => {
        $(
            ::core::arch::global_asm!(
                concat!(".hidden ", $name),
                concat!($binding, " ", $name),
                concat!(".type ", $name, ", @function"),
                concat!($name, ":"),
                "bt dword ptr [rip + {forbidden} + {word}], {bit}",
                "mov r10, rcx",
                "mov eax, {absent}",
                "jc {failed}",
                "mov eax, {number}",
                "syscall",
                "cmp rax, -4095",
                "jae {failed}",
                "ret",
                concat!(".size ", $name, ", . - ", $name),
                number = const ::libc::$number,
                word = const ::libc::$number / 32 * 4,
                bit = const ::libc::$number % 32,
                absent = const -::libc::ENOSYS,
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
            "lea r11, [rip + {forbidden}]",
            "mov r10d, edi",
            "bt dword ptr [r11], r10d",
            "mov eax, {absent}",
            "jc {failed}",
            "mov eax, edi",
            "mov rdi, rsi",
            "mov rsi, rdx",
            "mov rdx, rcx",
            "mov r10, r8",
            "mov r8, r9",
            "mov r9, [rsp + 8]",
            "syscall",
            "cmp rax, -4095",
            "jae {failed}",
            "ret",
            absent = const -::libc::ENOSYS,
            forbidden = sym $forbidden,
            failed = sym $failed,
        )
    };
}
pub(crate) use own_call_function;

/// Body of the function that a failed system call jumps to, with the kernel's answer where the kernel has left it: calls the
/// given one with the error's number.
macro_rules! failed {
    ($fail:path) => {
        ::core::arch::naked_asm!("mov edi, eax", "neg edi", "jmp {fail}", fail = sym $fail)
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
    // SAFETY: as promised; the kernel changes these registers and no other.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _);
    }
    result
}

/// What a signal handler returns to where libc's own is not known. Debuggers and unwinders recognise it by these bytes, which
/// are libc's as well: `mov rax, SYS_rt_sigreturn; syscall`.
///
/// # Safety
/// For the kernel's frames alone.
#[unsafe(naked)]
pub unsafe extern "C" fn restorer() {
    naked_asm!(".byte 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05")
}

/// The processor as filters know it (linux/audit.h).
pub const AUDIT_ARCH: u32 = 0xc000_003e;
/// Number of the system call that [`poll`] makes.
pub const POLL: c_long = libc::SYS_poll;
/// Number of the system call that [`open`] makes.
pub const OPEN: c_long = libc::SYS_open;
/// Number of the system call that stat(2) makes.
pub const STAT: c_long = libc::SYS_stat;
/// Number of the system call that readlink(2) makes.
pub const READLINK: c_long = libc::SYS_readlink;
/// Number of the system call that tells the address of the thread's control block.
pub const THREAD_POINTER: c_long = libc::SYS_arch_prctl;

/// poll(2). Raw: libc's is a cancellation point.
pub fn poll(entries: &mut [libc::pollfd], milliseconds: libc::c_int) -> c_long {
    // SAFETY: the entries are ours.
    unsafe { libc::syscall(libc::SYS_poll, entries.as_mut_ptr(), entries.len(), milliseconds) }
}

/// open(2)
pub fn open(path: &core::ffi::CStr, flags: libc::c_int) -> libc::c_int {
    // SAFETY: the path is a string.
    unsafe { libc::syscall(libc::SYS_open, path.as_ptr(), flags) as libc::c_int }
}

// What crtbeginS.o would define: by this address libc knows whose atexit and atfork handlers are whose.
global_asm!(
    ".pushsection .data.rel.ro, \"aw\"",
    ".hidden __dso_handle",
    ".globl __dso_handle",
    ".balign 8",
    "__dso_handle: .quad __dso_handle",
    ".popsection",
);

// libc's static half has it, which the linker would put far from everything else that start-up runs, as it would its jump
// through the PLT: 64 kB more in memory, since the kernel maps sixteen pages around each that is touched.
global_asm!(
    ".hidden atexit",
    ".globl atexit",
    ".type atexit, @function",
    "atexit:",
    "xor esi, esi",
    "lea rdx, [rip + __dso_handle]",
    "jmp [rip + __cxa_atexit@GOTPCREL]",
    ".size atexit, . - atexit",
);

// Memory and strings: what the compiler calls. Nothing here is in a hurry.
global_asm!(
    ".hidden memcpy",
    ".globl memcpy",
    ".type memcpy, @function",
    "memcpy:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "shr rcx, 3",
    "rep movsq",
    "mov ecx, edx",
    "and ecx, 7",
    "rep movsb",
    "ret",
    ".size memcpy, . - memcpy",
    //
    ".hidden memmove",
    ".globl memmove",
    ".type memmove, @function",
    "memmove:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "mov r8, rdi",
    "sub r8, rsi",
    "cmp r8, rdx",
    "jb 1f",
    "rep movsb",
    "ret",
    "1:", // the target starts inside the source: from the end
    "lea rdi, [rdi + rdx - 1]",
    "lea rsi, [rsi + rdx - 1]",
    "std",
    "rep movsb",
    "cld",
    "ret",
    ".size memmove, . - memmove",
    //
    ".hidden memset",
    ".globl memset",
    ".type memset, @function",
    "memset:",
    "mov r8, rdi",
    "movzx esi, sil",
    "movabs rax, 0x0101010101010101",
    "imul rax, rsi",
    "mov rcx, rdx",
    "shr rcx, 3",
    "rep stosq",
    "mov ecx, edx",
    "and ecx, 7",
    "rep stosb",
    "mov rax, r8",
    "ret",
    ".size memset, . - memset",
    //
    ".hidden memcmp",
    ".globl memcmp",
    ".type memcmp, @function",
    ".hidden bcmp",
    ".globl bcmp",
    ".type bcmp, @function",
    "memcmp:",
    "bcmp:",
    "xor eax, eax",
    "xor ecx, ecx",
    "1:",
    "cmp rcx, rdx",
    "je 2f",
    "movzx eax, byte ptr [rdi + rcx]",
    "movzx r8d, byte ptr [rsi + rcx]",
    "inc rcx",
    "sub eax, r8d",
    "je 1b",
    "2:",
    "ret",
    ".size memcmp, . - memcmp",
    //
    ".hidden strlen",
    ".globl strlen",
    ".type strlen, @function",
    "strlen:",
    "mov rax, -1",
    "1:",
    "inc rax",
    "cmp byte ptr [rdi + rax], 0",
    "jne 1b",
    "ret",
    ".size strlen, . - strlen",
);

/// Where syscall(2) comes back from the kernel, with the stack as its caller has left it.
pub fn return_of_syscall() -> usize {
    unsafe extern "C" {
        static syscall_has_returned: u8;
    }
    (&raw const syscall_has_returned).addr()
}

/// Functions of these names that do nothing and return 0.
#[macro_export]
macro_rules! absent {
    ($($name:literal)*) => {
        ::core::arch::global_asm!(
            $(
                concat!(".hidden ", $name),
                concat!(".globl ", $name),
                concat!(".type ", $name, ", @function"),
                concat!($name, ":"),
            )*
            "xor eax, eax",
            "ret",
        );
    };
}

/// Stops the process, where the kernel has not: an instruction that is not allowed.
pub fn halt() {
    // SAFETY: the process is to end here.
    unsafe { asm!("hlt", options(nomem, nostack)) };
}

/// Nanoseconds since the processor was started, or more of them: it counts two to five in each.
pub fn about_nanoseconds() -> u64 {
    // SAFETY: only the counter is read.
    unsafe { core::arch::x86_64::_rdtsc() / 2 }
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

/// A request to Valgrind (valgrind.h); what it answers, 0 where there is none.
pub fn valgrind_request(request: &[usize; 6]) -> usize {
    let answer: usize;
    // SAFETY: what Valgrind knows a request by; on a processor all of it changes nothing but flags.
    unsafe {
        asm!("rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") request.as_ptr(), inlateout("rdx") 0usize => answer, out("rdi") _, options(nostack));
    }
    answer
}

// A word of ours that every thread has, zero at its start. In memory that comes with the thread, which a preload may have:
// read without a call.
global_asm!(
    ".pushsection .tbss, \"awT\", @nobits",
    ".hidden nosigpipe_own_word",
    ".globl nosigpipe_own_word",
    ".type nosigpipe_own_word, @tls_object",
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
            "mov {0}, qword ptr [rip + nosigpipe_own_word@gottpoff]",
            "mov {0}, qword ptr fs:[{0}]",
            out(reg) word, options(nostack, readonly, preserves_flags),
        );
    }
    word
}

/// Sets the calling thread's word.
pub fn set_own_word(word: *mut u8) {
    // SAFETY: as above.
    unsafe {
        asm!(
            "mov {0}, qword ptr [rip + nosigpipe_own_word@gottpoff]",
            "mov qword ptr fs:[{0}], {1}",
            out(reg) _, in(reg) word, options(nostack, preserves_flags),
        );
    }
}

/// Address of the calling thread's control block.
pub fn thread_pointer() -> isize {
    let thread: isize;
    // SAFETY: the first word of a control block is its address (the x86_64 ABI's supplement on thread-local storage).
    unsafe {
        asm!("mov {}, qword ptr fs:[0]", out(reg) thread, options(nostack, readonly, preserves_flags));
    }
    thread
}

/// The same by the kernel, where the block itself may not be readable; 0 when the kernel does not say.
pub fn thread_pointer_by_kernel() -> usize {
    const ARCH_GET_FS: c_long = 0x1003;
    let mut thread = 0usize;
    // SAFETY: the kernel writes one word.
    unsafe { system_call(libc::SYS_arch_prctl, [ARCH_GET_FS, (&raw mut thread).addr() as c_long, 0, 0, 0, 0]) };
    thread
}

/// The number at that distance from the calling thread's control block.
///
/// # Safety
/// There is one, in every thread.
pub unsafe fn thread_number(offset: isize) -> i32 {
    let value: i32;
    // SAFETY: as promised.
    unsafe {
        asm!("mov {:e}, dword ptr fs:[{}]", out(reg) value, in(reg) offset, options(nostack, readonly, preserves_flags));
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
        asm!("mov dword ptr fs:[{}], {:e}", in(reg) offset, in(reg) value, options(nostack, preserves_flags));
    }
}

/// Body of a function that is another one by a second name.
macro_rules! jump {
    ($to:path) => {
        ::core::arch::naked_asm!("jmp {to}", to = sym $to)
    };
}
pub(crate) use jump;

/// Body of vfork(2), counting children that share our memory. The child has the parent's stack: the return address must not be on it while
/// the child runs.
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
            // The parent goes on when the child has memory of its own, or none.
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

/// Body of syscall(2). Some calls are special: their function is given the arguments with the number in the place of the
/// fourth, which comes last.
macro_rules! syscall_function {
    ($vm_children:path, $special:path, $failed:path) => {
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
            "je 4f",
            "cmp eax, {clone}",
            "je 3f",
            "cmp eax, {fork}",
            "je 5f",
            "2:",
            // For a handler of SIGPIPE (number.rs).
            "mov [rsp - 8], rax",
            "syscall",
            // `is_own_forbidden_call` asks whose call this is: nothing of ours is on the stack here.
            ".hidden syscall_has_returned",
            ".globl syscall_has_returned",
            "syscall_has_returned:",
            "cmp rax, -4095",
            "jae {failed}",
            "ret",
            // A child may come back here, on a stack of its own. One that has a copy of its parent's is as after fork(2).
            "3:",
            "mov r11d, edi",
            "and r11d, {vm_and_thread}",
            "jnz 6f",
            "test rsi, rsi",
            "jz 5f",
            "6:",
            "cmp r11d, {vm}",
            "jne 2b",
            "4:",
            "lock inc dword ptr [rip + {vm_children}]",
            "jmp 2b",
            "5:",
            "mov rcx, rax",
            "push r10",
            "call {special}",
            "pop rcx",
            "ret",
            seccomp = const ::libc::SYS_seccomp,
            prctl = const ::libc::SYS_prctl,
            sigaltstack = const ::libc::SYS_sigaltstack,
            clone3 = const ::libc::SYS_clone3,
            clone = const ::libc::SYS_clone,
            fork = const ::libc::SYS_fork,
            vm_and_thread = const ::libc::CLONE_VM | ::libc::CLONE_THREAD,
            vm = const ::libc::CLONE_VM,
            vm_children = sym $vm_children,
            special = sym $special,
            failed = sym $failed,
        )
    };
}
pub(crate) use syscall_function;

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
