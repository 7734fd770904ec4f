//! The other threads: their registers, and that they stand still until the process has died.
//!
//! By Mach's calls, which ask the kernel and nobody's lock. From the first suspension on, whatever one of these threads
//! holds is held for good: no function may be called here that waits for anything in the process.

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

/// The ports of the threads that stand still, in memory from the kernel. A port of 0 is one that was not stopped.
static STOPPED: AtomicPtr<u32> = AtomicPtr::new(ptr::null_mut());
static COUNT: AtomicU32 = AtomicU32::new(0);

/// All threads but the crashed one, and why not all have registers.
pub fn stop_threads(_pid: pid_t, crashed: pid_t) -> (Vec<Thread>, String) {
    if is_translated() {
        return (
            Vec::new(),
            "the other threads' stacks can't be read: Rosetta may not come back from stopping one".to_owned(),
        );
    }
    let (mut ports, mut count) = (ptr::null_mut(), 0);
    // SAFETY: both are ours; on success the kernel has made an array of that many ports.
    let result = unsafe { task_threads(mach_task_self_, &raw mut ports, &raw mut count) };
    if result != 0 || ports.is_null() {
        return (Vec::new(), format!("the other threads' stacks can't be read: task_threads failed ({result})"));
    }
    STOPPED.store(ports, Relaxed);
    COUNT.store(count, Relaxed);
    // SAFETY: as above.
    let ports = unsafe { core::slice::from_raw_parts_mut(ports, count as usize) };
    let mut threads = Vec::new();
    let mut refused = 0;
    for port in ports.iter_mut() {
        // One that ends meanwhile has no id any more.
        let id = thread_id(*port);
        // SAFETY: a port of ours, used once more only to let the thread go on.
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

/// Whether Rosetta translates us. There thread_suspend sometimes never returns (Apple's feedback FB9922280, macOS 11 and
/// 12): better a report of one thread than a process that neither lives nor dies.
fn is_translated() -> bool {
    let (mut translated, mut size) = (0 as c_int, size_of::<c_int>());
    let name = c"sysctl.proc_translated";
    // SAFETY: writes at most `size` bytes into `translated`.
    let result =
        unsafe { libc::sysctlbyname(name.as_ptr(), (&raw mut translated).cast(), &raw mut size, ptr::null_mut(), 0) };
    cfg!(target_arch = "x86_64") && result == 0 && translated == 1
}

/// Lets the other threads go on.
pub fn resume_threads() {
    let ports = STOPPED.swap(ptr::null_mut(), Relaxed);
    if ports.is_null() {
        return;
    }
    let count = COUNT.load(Relaxed);
    // SAFETY: the kernel's array, which nobody else knows; it is given back as a whole.
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

fn release(port: u32) {
    // SAFETY: a right of ours, given back once.
    unsafe { mach_port_deallocate(mach_task_self_, port) };
}

/// Its id, as pthread_threadid_np(3) tells it.
fn thread_id(port: u32) -> Option<u64> {
    const THREAD_IDENTIFIER_INFO: u32 = 4;
    // thread_id, thread_handle, dispatch_qaddr
    let mut info = [0u64; 3];
    let mut count = (size_of_val(&info) / size_of::<u32>()) as u32;
    // SAFETY: writes at most `count` words.
    let result = unsafe { thread_info(port, THREAD_IDENTIFIER_INFO, info.as_mut_ptr().cast(), &raw mut count) };
    (result == 0).then_some(info[0])
}

/// Its name.
fn name(port: u32) -> String {
    const THREAD_EXTENDED_INFO: u32 = 5;
    /// struct thread_extended_info: two times, eight numbers, the name.
    const NAME: usize = 48;
    let mut info = [0u32; 28];
    let mut count = info.len() as u32;
    // SAFETY: writes at most `count` words.
    if unsafe { thread_info(port, THREAD_EXTENDED_INFO, info.as_mut_ptr(), &raw mut count) } != 0 {
        return String::new();
    }
    let bytes: Vec<u8> = info.iter().flat_map(|word| word.to_le_bytes()).skip(NAME).take_while(|&b| b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn registers(port: u32) -> Option<Registers> {
    /// ARM_THREAD_STATE64, x86_THREAD_STATE64
    const FLAVOR: c_int = if cfg!(target_arch = "aarch64") { 6 } else { 4 };
    let mut state = [0u64; THREAD_STATE_WORDS];
    let mut count = (size_of_val(&state) / size_of::<u32>()) as u32;
    // SAFETY: writes at most `count` words.
    let result = unsafe { thread_get_state(port, FLAVOR, state.as_mut_ptr().cast(), &raw mut count) };
    (result == 0).then(|| registers_of_state(&state))
}

/// What is to be said of the other threads where none is read: that is a child's by vfork, which has none of its own.
pub fn missing_threads(_pid: pid_t, _crashed: pid_t, _why: &str) -> String {
    String::new()
}
