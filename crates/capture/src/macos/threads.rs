//! The other threads: they are suspended until the process has died, and their registers are read.
//!
//! By Mach calls, which take no lock in the process. From the first suspension on, a lock that one of these threads holds stays
//! locked: no function may be called here that waits for anything in the process.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed};

use libc::{c_int, pid_t};

use crate::platform::{Registers, THREAD_STATE_WORDS, registers_of_state};
use crate::process::Thread;

unsafe extern "C" {
    static mach_task_self_: u32;
    /// mach/task.h
    fn task_threads(task: u32, threads: *mut *mut u32, count: *mut u32) -> c_int;
    /// mach/thread_act.h
    fn thread_suspend(thread: u32) -> c_int;
    /// mach/thread_act.h
    fn thread_resume(thread: u32) -> c_int;
    /// mach/thread_act.h
    fn thread_get_state(thread: u32, flavor: c_int, state: *mut u32, count: *mut u32) -> c_int;
    /// mach/thread_act.h
    fn thread_info(thread: u32, flavor: u32, info: *mut u32, count: *mut u32) -> c_int;
    /// mach/mach_port.h
    fn mach_port_deallocate(task: u32, port: u32) -> c_int;
    /// mach/mach_vm.h
    fn mach_vm_deallocate(task: u32, address: u64, size: u64) -> c_int;
}

/// The ports of all threads, in an array that the kernel has allocated; 0 for those that are not suspended. Only the thread that
/// writes the report uses it.
static STOPPED: AtomicPtr<u32> = AtomicPtr::new(ptr::null_mut());
/// How many ports are in `STOPPED`.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// All threads but the crashed one, and why some have no registers; empty if all have.
pub fn stop_threads(_pid: pid_t, crashed: pid_t) -> (Vec<Thread>, String) {
    if is_translated() {
        return (
            Vec::new(),
            "the other threads' stacks can't be read: Rosetta may not come back from stopping one".to_owned(),
        );
    }
    let (mut ports, mut count) = (ptr::null_mut(), 0);
    // SAFETY: the pointers are to variables of ours.
    let result = unsafe { task_threads(mach_task_self_, &raw mut ports, &raw mut count) };
    if result != 0 || ports.is_null() {
        return (Vec::new(), format!("the other threads' stacks can't be read: task_threads failed ({result})"));
    }
    STOPPED.store(ports, Relaxed);
    COUNT.store(count, Relaxed);
    // SAFETY: task_threads has succeeded, so the kernel has allocated an array of `count` ports for us. `STOPPED` is read after this
    // function only, by this thread.
    let ports = unsafe { core::slice::from_raw_parts_mut(ports, count as usize) };
    let mut threads = Vec::new();
    let mut refused = 0;
    for port in ports.iter_mut() {
        // A thread that has ended meanwhile has no id any more.
        let id = thread_id(*port);
        // SAFETY: thread_suspend has no preconditions on memory; it fails for a port that is no thread's.
        let stands = id.is_some_and(|id| id as pid_t != crashed) && unsafe { thread_suspend(*port) } == 0;
        if !stands {
            refused += u32::from(id.is_some_and(|id| id as pid_t != crashed));
            release(core::mem::take(port));
            continue;
        }
        threads.push((*port, id.unwrap_or(0)));
    }
    let threads = threads
        .into_iter()
        .map(|(port, id)| {
            let registers = registers(port);
            refused += u32::from(registers.is_none());
            Thread { tid: id as pid_t, name: name(port), registers }
        })
        .collect();
    let note = if refused == 0 {
        String::new()
    } else {
        format!("the stacks of {refused} threads can't be read: the kernel does not let them be stopped")
    };
    (threads, note)
}

/// Whether Rosetta translates this process. There thread_suspend sometimes never returns (Apple's feedback FB9922280, macOS 11 and
/// 12), and a process that does not end is worse than a report of one thread.
fn is_translated() -> bool {
    let (mut translated, mut size) = (0 as c_int, size_of::<c_int>());
    let name = c"sysctl.proc_translated";
    // SAFETY: writes at most `size` bytes into `translated`.
    let result =
        unsafe { libc::sysctlbyname(name.as_ptr(), (&raw mut translated).cast(), &raw mut size, ptr::null_mut(), 0) };
    cfg!(target_arch = "x86_64") && result == 0 && translated == 1
}

/// Resumes the other threads, and gives up what belongs to that.
pub fn resume_threads() {
    let ports = STOPPED.swap(ptr::null_mut(), Relaxed);
    if ports.is_null() {
        return;
    }
    let count = COUNT.load(Relaxed);
    // SAFETY: `stop_threads`, on this thread, has put the kernel's array of `count` ports there, and no reference to it is left: the
    // swap has taken it out.
    unsafe {
        for &port in core::slice::from_raw_parts(ports, count as usize) {
            if port != 0 {
                thread_resume(port);
                release(port);
            }
        }
        mach_vm_deallocate(mach_task_self_, ports.addr() as u64, u64::from(count) * size_of::<u32>() as u64);
    }
}

/// Gives up our right to a port.
fn release(port: u32) {
    // SAFETY: no memory is involved.
    unsafe { mach_port_deallocate(mach_task_self_, port) };
}

/// A thread's id, as pthread_threadid_np(3) has it; `None` if the thread has ended.
fn thread_id(port: u32) -> Option<u64> {
    const THREAD_IDENTIFIER_INFO: u32 = 4;
    // struct thread_identifier_info: thread_id, thread_handle, dispatch_qaddr
    let mut info = [0u64; 3];
    let mut count = (size_of_val(&info) / size_of::<u32>()) as u32;
    // SAFETY: writes at most `count` numbers of 32 bits.
    let result = unsafe { thread_info(port, THREAD_IDENTIFIER_INFO, info.as_mut_ptr().cast(), &raw mut count) };
    (result == 0).then_some(info[0])
}

/// A thread's name; empty if it has none.
fn name(port: u32) -> String {
    const THREAD_EXTENDED_INFO: u32 = 5;
    /// struct thread_extended_info: two times, eight numbers, the name.
    const NAME: usize = 48;
    let mut info = [0u32; 28];
    let mut count = info.len() as u32;
    // SAFETY: writes at most `count` numbers of 32 bits.
    if unsafe { thread_info(port, THREAD_EXTENDED_INFO, info.as_mut_ptr(), &raw mut count) } != 0 {
        return String::new();
    }
    let bytes: Vec<u8> = info.iter().flat_map(|word| word.to_le_bytes()).skip(NAME).take_while(|&b| b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The registers of a suspended thread.
fn registers(port: u32) -> Option<Registers> {
    /// ARM_THREAD_STATE64, x86_THREAD_STATE64
    const FLAVOR: c_int = if cfg!(target_arch = "aarch64") { 6 } else { 4 };
    let mut state = [0u64; THREAD_STATE_WORDS];
    let mut count = (size_of_val(&state) / size_of::<u32>()) as u32;
    // SAFETY: writes at most `count` numbers of 32 bits.
    let result = unsafe { thread_get_state(port, FLAVOR, state.as_mut_ptr().cast(), &raw mut count) };
    (result == 0).then(|| registers_of_state(&state))
}

/// What a report says of the other threads where none is read: that is so in a child by vfork, which has no other threads.
pub fn missing_threads(_pid: pid_t, _crashed: pid_t, _why: &str) -> String {
    String::new()
}
