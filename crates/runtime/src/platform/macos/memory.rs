//! Memory: looked at without the risk of a fault, and mapped without malloc.

use core::ptr;

use libc::{c_int, c_void, pid_t};

use crate::arch::Access;

/// Size of a page.
pub const PAGE: usize = if cfg!(target_arch = "aarch64") { 16384 } else { 4096 };

/// Calls a function where the thread is, and not on the stack that it is given: an alternate stack has 32 KiB at least (MINSIGSTKSZ).
///
/// # Safety
/// That of the function.
pub unsafe fn call_with_room(_spare: *mut u8, function: unsafe extern "C" fn(*mut c_void), argument: *mut c_void) {
    // SAFETY: the caller promises it.
    unsafe { function(argument) };
}

/// Size of a page.
pub fn page_size() -> usize {
    PAGE
}

unsafe extern "C" {
    static mach_task_self_: u32;
    /// mach/mach_vm.h
    fn mach_vm_read_overwrite(task: u32, address: u64, size: u64, data: u64, done: *mut u64) -> c_int;
    /// mach/mach_vm.h
    fn mach_vm_region(
        task: u32,
        address: *mut u64,
        size: *mut u64,
        flavor: c_int,
        info: *mut u32,
        count: *mut u32,
        object: *mut u32,
    ) -> c_int;
}

/// Reads memory of this process that may not be there; how many bytes could be read.
pub fn read_here(address: u64, bytes: &mut [u8]) -> usize {
    read_memory(super::pid(), address, bytes)
}

/// Reads memory of this process; how many bytes could be read. Bad addresses are no fault.
pub fn read_memory(_pid: pid_t, address: u64, buffer: &mut [u8]) -> usize {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        let Some(at) = address.checked_add(read as u64) else { break };
        // The kernel reads all or nothing: page by page, so that what comes before a hole is read.
        let take = rest.len().min(PAGE - at as usize % PAGE);
        let mut done = 0;
        // SAFETY: writes at most `take` bytes into `rest`; a bad source is an error.
        let result = unsafe {
            mach_vm_read_overwrite(mach_task_self_, at, take as u64, rest.as_mut_ptr().addr() as u64, &raw mut done)
        };
        if result != 0 || done == 0 {
            break;
        }
        read += done as usize;
    }
    read
}

/// Whether the protection of an address allows this access.
pub fn is_allowed(address: u64, access: Access) -> bool {
    const VM_REGION_BASIC_INFO_64: c_int = 9;
    // struct vm_region_basic_info_64 begins with the protection: 1 read, 2 write, 4 execute.
    let mut info = [0u32; 9];
    let (mut start, mut size, mut count, mut object) = (address, 0, info.len() as u32, 0);
    // SAFETY: the pointers are to variables of ours; writes at most `count` numbers of 32 bits into `info`.
    let result = unsafe {
        mach_vm_region(
            mach_task_self_,
            &raw mut start,
            &raw mut size,
            VM_REGION_BASIC_INFO_64,
            info.as_mut_ptr(),
            &raw mut count,
            &raw mut object,
        )
    };
    // Where nothing is mapped, the kernel returns the next region.
    result == 0
        && start <= address
        && match access {
            Access::Unknown => true,
            Access::Read => info[0] & 1 != 0,
            Access::Write => info[0] & 2 != 0,
            Access::Execute => info[0] & 4 != 0,
        }
}

/// What the kernel needs on a signal stack.
pub fn minimum_signal_stack() -> usize {
    libc::MINSIGSTKSZ
}

/// Runs with the alternate stack disabled, so that signals come to the stack that the thread is on. In a handler they do anyway here,
/// since the kernel remembers that the alternate stack is in use (bsd/kern/kern_sig.c).
pub fn without_alternate_stack(run: impl FnOnce()) {
    run();
}

/// Makes this the calling thread's alternate signal stack, unless it has one; whether it was made so.
///
/// # Safety
/// The memory stays for as long as the thread uses it.
pub unsafe fn use_signal_stack_if_none(stack: *mut u8, size: usize) -> bool {
    let mut old = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    let new = libc::stack_t { ss_sp: stack.cast(), ss_flags: 0, ss_size: size };
    // SAFETY: the structures are ours; the caller promises that the memory stays.
    unsafe {
        libc::sigaltstack(ptr::null(), &raw mut old) == 0
            && old.ss_flags & libc::SS_DISABLE != 0
            && libc::sigaltstack(&raw const new, ptr::null_mut()) == 0
    }
}

/// Takes this stack out of the calling thread's use, unless the program has replaced it.
pub fn leave_signal_stack(stack: *mut u8) {
    let mut old = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // The size is looked at even here (bsd/kern/kern_sig.c, sigaltstack).
    let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: libc::MINSIGSTKSZ };
    // SAFETY: the structures are ours.
    unsafe {
        if libc::sigaltstack(ptr::null(), &raw mut old) == 0 && old.ss_sp == stack.cast() {
            libc::sigaltstack(&raw const none, ptr::null_mut());
        }
    }
}

/// A thread-specific key (pthread_key_create(3)), if there is one left.
pub fn new_key(destructor: unsafe extern "C" fn(*mut c_void)) -> Option<u32> {
    let mut key = 0;
    // SAFETY: the library, and so the destructor, is never unloaded.
    let result = unsafe { libc::pthread_key_create(&raw mut key, Some(destructor)) };
    u32::try_from(key).ok().filter(|_| result == 0)
}

/// Deletes a thread-specific key; whether it was one.
pub fn delete_key(key: u32) -> bool {
    // SAFETY: a key that does not exist is an error.
    unsafe { libc::pthread_key_delete(key.into()) == 0 }
}

/// Sets the calling thread's value of a key.
pub fn set_key(key: u32, value: *mut u8) -> bool {
    // SAFETY: setting a value dereferences nothing; a key that does not exist is an error.
    unsafe { libc::pthread_setspecific(key.into(), value.cast()) == 0 }
}

/// Bytes of inaccessible pages below an alternate stack of ours.
pub const GUARD: usize = PAGE;
/// Bytes of an alternate stack for our handler and for a program's, which run on it here. Programs allocate SIGSTKSZ (128 KiB) for theirs;
/// pages that are not touched take no memory.
pub const HANDLER_ROOM: usize = 64 * 1024;

/// Whether the process runs under Valgrind: never here.
pub fn is_on_valgrind() -> bool {
    false
}

/// By how many bytes an alternate stack of ours is larger than the kernel is told.
pub const MARK: usize = 0;

/// Finds out whether the kernel accepts a sigaltstack(2) of all zeros: not needed here.
pub fn learn_empty_signal_stack() {}

/// The calling thread's alternate stack of ours: not kept here.
pub fn own_stack() -> *mut u8 {
    ptr::null_mut()
}

/// Notes the calling thread's alternate stack of ours: not kept here.
pub fn set_own_stack(_stack: *mut u8) {}

/// Unlocks memory of ours that the process has locked: not done here.
pub fn unlock(_memory: *mut u8, _size: usize) {}
