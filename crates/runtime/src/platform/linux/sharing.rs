//! Whether the process shares its memory with a child, and whether it has forbidden itself system calls: both decide what our code may
//! still do.
//!
//! Asking the kernel would take a system call that a filter may kill for. So the functions by which programs do either are hooked
//! (`hooks/linux/calls.rs`); a program that makes the system call by its own instruction is not noticed.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use libc::{c_int, c_void, siginfo_t};

use super::freestanding::own_call;
use super::image::image_of;
use crate::arch;

/// Children that run in this process's memory: those of vfork until they end or execute a program; others for ever, since their end is
/// not noticed.
pub(crate) static VM_CHILDREN: AtomicU32 = AtomicU32::new(0);

/// Whether the process has installed a seccomp filter, or dispatches system calls. A filter that it was started with does not count: the loader and
/// our constructor have needed the same calls already.
static FILTERED: AtomicBool = AtomicBool::new(false);

/// Whether there may be a child that shares our memory, so that the caller's pid has to be asked for.
pub fn may_be_vm_child() -> bool {
    VM_CHILDREN.load(Relaxed) != 0
}

/// Whether the process has installed a filter: a system call that libc would not have made could end it.
pub fn is_filtered() -> bool {
    FILTERED.load(Relaxed)
}

/// Whether a child may have been made that has this process's table of signal actions, too (CLONE_SIGHAND).
pub(crate) static ACTIONS_SHARED: AtomicBool = AtomicBool::new(false);

/// Whether there may be such a child.
pub fn are_actions_shared() -> bool {
    ACTIONS_SHARED.load(Relaxed)
}

/// Whether the calling process, a child that shares our memory, shares our table of signal actions, too: then it sets our actions.
pub fn shares_actions() -> bool {
    const KCMP_SIGHAND: c_int = 4;
    // SAFETY: no memory is involved.
    are_actions_shared()
        && unsafe { own_call(libc::SYS_kcmp, super::pid(), crate::platform::own_process(), KCMP_SIGHAND, 0, 0) == 0 }
}

/// A forked child has its own memory.
pub fn forget_vm_children() {
    VM_CHILDREN.store(0, Relaxed);
}

/// Calls what installs a filter. The process counts as filtered from before the call, since that may concern all threads at once.
///
/// `filter` is the address of the structure that the program gives to the kernel; 0 for the strict mode.
pub(crate) fn filtering<T: PartialOrd + Default>(filter: usize, install: impl FnOnce() -> T) -> T {
    restricting(install, || super::filter::examine(core::ptr::with_exposed_provenance(filter)))
}

/// Calls what has the kernel raise SIGSYS for the calling thread's system calls whenever the program likes (Syscall User Dispatch). For our
/// code that is like a filter: a system call that libc would not have made interrupts the program's handler of SIGSYS, and ends the process.
pub(crate) fn dispatching<T: PartialOrd + Default>(begin: impl FnOnce() -> T) -> T {
    restricting(begin, || {})
}

fn restricting<T: PartialOrd + Default>(install: impl FnOnce() -> T, installed: impl FnOnce()) -> T {
    // A vforked child's filter is its own.
    if !super::super::is_own_process() {
        return install();
    }
    let before = FILTERED.swap(true, Relaxed);
    // If there is a filter already, asking the kernel might end the process.
    if !before && !super::filter::is_started_filtered() {
        super::learn_tid_offset();
    }
    let result = install();
    if result < T::default() {
        FILTERED.store(before, Relaxed);
    } else {
        installed();
    }
    result
}

/// Whether a SIGSYS is about a system call of our own code, which a filter traps.
///
/// # Safety
/// The pointers are those that the kernel gave to a handler of SIGSYS.
pub unsafe fn is_own_forbidden_call(info: *const siginfo_t, context: *const c_void) -> bool {
    /// `SYS_SECCOMP` (asm-generic/siginfo.h)
    const TRAPPED: c_int = 1;
    let is_ours = |address: u64| {
        let own = is_filtered as *const () as u64;
        image_of(own).is_some_and(|image| image.contains(address))
    };
    // SAFETY: the caller promises the kernel's siginfo and context. The program may call the kernel by our syscall(2), too, which leaves its stack as it finds it.
    unsafe {
        let registers = super::registers(context);
        let on_stack = || core::ptr::with_exposed_provenance::<u64>(registers.sp() as usize).read();
        (*info).si_code == TRAPPED
            && is_ours(registers.pc())
            && (registers.pc() != arch::return_of_syscall() as u64
                || is_ours(registers.link().unwrap_or_else(on_stack)))
    }
}
