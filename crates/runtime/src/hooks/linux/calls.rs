//! The functions that make a child which shares our memory, those by which a process forbids itself system calls,
//! sigaltstack(2) and mlockall(2).
//!
//! They are not in the hook table, whose lines can't describe a function that returns twice (vfork), nor one whose
//! further arguments depend on the first one (prctl, syscall). Their real functions are looked up by the first call.

use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

use libc::{c_int, c_long, c_ulong, pid_t, stack_t};

use crate::arch;
use crate::crash;
use crate::platform::freestanding::failed;
use crate::platform::program_memory::ProgramMemory;
use crate::platform::sharing::{ACTIONS_SHARED, VM_CHILDREN, dispatching, filtering};
use crate::platform::{self, real_function};

/// vfork(2). The child has our stack: the return address must not be on it while the child runs, which is why this is
/// no Rust and why there is no real function behind it (libc's is the same few instructions).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn vfork() -> pid_t {
    arch::jump!(vfork_body)
}

/// vfork(2), by glibc's other name.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn __vfork() -> pid_t {
    arch::jump!(vfork_body)
}

/// What both names of vfork(2) jump to. It is not exported, so that the jump needs no lookup by the loader.
#[unsafe(naked)]
unsafe extern "C" fn vfork_body() -> pid_t {
    arch::vfork_body!(VM_CHILDREN, failed)
}

mod real_clone {
    use super::*;
    real_function! { Errno clone(run: usize, stack: usize, flags: c_int, argument: usize, parent: usize, tls: usize, child: usize) -> c_int }
}

/// clone(2): the function of libc, which runs `run` in the child.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn clone() -> c_int {
    arch::jump!(clone_and_note)
}

/// clone(2), by glibc's other name.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn __clone() -> c_int {
    arch::jump!(clone_and_note)
}

/// Calls libc's clone(2), and counts a child that shares our memory. With CLONE_VFORK the call returns when the child
/// no longer does; the end of any other such child is not noticed, so it stays counted.
unsafe extern "C" fn clone_and_note(
    run: usize,
    stack: usize,
    flags: c_int,
    argument: usize,
    parent: usize,
    tls: usize,
    child: usize,
) -> c_int {
    let shares_memory = flags & (libc::CLONE_VM | libc::CLONE_THREAD) == libc::CLONE_VM;
    if shares_memory && flags & libc::CLONE_SIGHAND != 0 {
        ACTIONS_SHARED.store(true, Relaxed);
    }
    if shares_memory {
        VM_CHILDREN.fetch_add(1, Relaxed);
    }
    // SAFETY: the caller's arguments, as the caller gave them. The child never returns here.
    let result = unsafe { real_clone::real()(run, stack, flags, argument, parent, tls, child) };
    if shares_memory && (result < 0 || flags & libc::CLONE_VFORK != 0) {
        VM_CHILDREN.fetch_sub(1, Relaxed);
    }
    result
}

mod real_prctl {
    use super::*;
    real_function! { Errno prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int }
}

/// prctl(2)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    let call = || unsafe { real_prctl::real()(option, a, b, c, d) };
    note_prctl(option, a as c_long);
    restricting_prctl(option, a as c_long, b as c_long, call)
}

/// Makes a call of prctl(2) that may forbid system calls.
fn restricting_prctl<T: PartialOrd + Default>(
    option: c_int,
    mode: c_long,
    filter: c_long,
    call: impl FnOnce() -> T,
) -> T {
    // linux/prctl.h: system calls are dispatched by a byte of the thread's; the mode that ends that
    const PR_SET_SYSCALL_USER_DISPATCH: c_int = 59;
    const PR_SYS_DISPATCH_OFF: c_long = 0;
    match option {
        libc::PR_SET_SECCOMP => filtering(filter_of_prctl(mode, filter), call),
        PR_SET_SYSCALL_USER_DISPATCH if mode != PR_SYS_DISPATCH_OFF => crash::stand_aside(|| dispatching(call)),
        _ => call(),
    }
}

/// Notes what the program asks of prctl(2) and the kernel does not tell afterwards.
fn note_prctl(option: c_int, value: c_long) {
    if option == libc::PR_SET_DUMPABLE && value == 0 {
        platform::note_no_core_file();
    }
}

/// Where the filter is that prctl(2) is given.
fn filter_of_prctl(mode: c_long, filter: c_long) -> usize {
    if mode == c_long::from(libc::SECCOMP_MODE_FILTER) { filter as usize } else { 0 }
}

/// syscall(2). Our own code calls it, too. The symbol is `.protected`: so our signal handlers never reach the function
/// of another preloaded library, which might not be made for that.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn syscall() -> c_long {
    arch::syscall_function!(VM_CHILDREN, ACTIONS_SHARED, note_clone3, special, failed)
}

/// To be called before clone3(2), with its first two arguments: notes a child that shares our table of signal actions.
unsafe extern "C" fn note_clone3(arguments: *const u64, size: usize) {
    /// Size of the first version of struct clone_args, whose first member are the flags (clone(2)). The kernel refuses
    /// less.
    const SMALLEST: usize = 64;
    const SHARES: u64 = (libc::CLONE_VM | libc::CLONE_SIGHAND) as u64;
    const THREAD: u64 = libc::CLONE_THREAD as u64;
    if size < SMALLEST {
        return;
    }
    // Where a filter may kill for the question whether it can be read, the child may be one that shares the table.
    let flags = if platform::is_filtered() { Some(SHARES) } else { ProgramMemory::new().number(arguments) };
    if flags.is_some_and(|flags| flags & (SHARES | THREAD) == SHARES) {
        ACTIONS_SHARED.store(true, Relaxed);
    }
}

/// The system calls among those made by syscall(2) that we have to know of. The hooks of the functions of libc that
/// make the same calls do the same. The number comes as the fourth argument, and the fourth last
/// (`arch::syscall_function`).
///
/// # Safety
/// What the call demands.
unsafe extern "C" fn special(
    a: c_long,
    b: c_long,
    c: c_long,
    number: c_long,
    e: c_long,
    f: c_long,
    d: c_long,
) -> c_long {
    // SAFETY: the caller's arguments, as the caller gave them.
    let call = || unsafe { platform::system_call(number, [a, b, c, d, e, f]) };
    match number {
        // SAFETY: the caller's arguments, as the caller gave them.
        libc::SYS_sigaltstack => c_long::from(unsafe { exchange_stack(a as *const stack_t, b as *mut stack_t) }),
        libc::SYS_prctl => {
            note_prctl(a as c_int, b);
            restricting_prctl(a as c_int, b, c, call)
        }
        // A child with a copy of all memory, the stack included: it returns here, as from fork(2).
        _ if is_fork(number) => {
            let result = call();
            if result == 0 {
                crate::fork::forked();
            }
            result
        }
        // Higher operations of seccomp(2) only ask.
        libc::SYS_seccomp if a as c_int as u32 > libc::SECCOMP_SET_MODE_FILTER => call(),
        _ => filtering(if a as c_int as u32 == libc::SECCOMP_SET_MODE_FILTER { c as usize } else { 0 }, call),
    }
}

/// Whether a special call is one that makes a process.
fn is_fork(number: c_long) -> bool {
    #[cfg(target_arch = "x86_64")]
    if number == libc::SYS_fork {
        return true;
    }
    number == libc::SYS_clone
}

/// sigaltstack(2): a program is told that it has no alternate stack while the thread has one of ours. The program's own
/// replaces ours, and ours is set again when the program disables its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigaltstack(new: *const stack_t, old: *mut stack_t) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { exchange_stack(new, old) }
}

/// What sigaltstack(2) does: 0, or -1 with errno set.
///
/// # Safety
/// Both pointers are null or valid, as sigaltstack(2) demands.
unsafe fn exchange_stack(new: *const stack_t, old: *mut stack_t) -> c_int {
    const NONE: stack_t = stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    let own = platform::own_stack();
    if own.is_null() {
        return platform::exchange_signal_stack(new, old);
    }
    let mut before = NONE;
    let errno = platform::errno();
    let result = platform::exchange_signal_stack(new, &raw mut before);
    // A `new` of all zeros is too small a stack: ENOMEM. But since Linux 5.16 the kernel accepts what is in force
    // already, and without us that would be all zeros in the main thread. Then the program must see success.
    let is_nothing = || {
        platform::errno() == libc::ENOMEM
            && platform::zeros_change_nothing()
            && crash::is_first(own)
            // SAFETY: the kernel has read `new`: it has answered ENOMEM, and not EFAULT.
            && unsafe { (*new).ss_sp.is_null() && (*new).ss_size == 0 && (*new).ss_flags == 0 }
    };
    if result != 0 {
        if !is_nothing() {
            return result;
        }
        platform::set_errno(errno);
        // SAFETY: `old` is not null here, and the caller promises that it is valid then.
        return if old.is_null() { 0 } else { unsafe { exchange_stack(ptr::null(), old) } };
    }
    let size = crash::signal_stack_size();
    if !new.is_null() && crash::is_first(own) {
        platform::signal_stack_was_changed();
    }
    // SAFETY: the kernel has read `new` without an error.
    if !new.is_null() && unsafe { (*new).ss_flags } & libc::SS_DISABLE != 0 {
        let ours = stack_t { ss_sp: own.wrapping_add(platform::GUARD).cast(), ss_flags: 0, ss_size: size };
        platform::exchange_signal_stack(&raw const ours, ptr::null_mut());
    }
    if old.is_null() {
        return 0;
    }
    // Whether `old` can be written to, the kernel says. It does so only after it has changed the stack, and fails with
    // EFAULT then.
    let result = platform::exchange_signal_stack(ptr::null(), old);
    if result == 0 {
        // SAFETY: the kernel has just written to `old`.
        unsafe { *old = if before.ss_size == size { NONE } else { before } };
    }
    result
}

/// mlockall(2): our own memory is not locked with the program's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mlockall(flags: c_int) -> c_int {
    crash::lock_all(flags, || {
        // SAFETY: the caller's argument, as the caller gave it.
        unsafe { platform::system_call(libc::SYS_mlockall, [flags.into(), 0, 0, 0, 0, 0]) as c_int }
    })
}
