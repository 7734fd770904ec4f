//! Causes real faults in programs that have no bug, from outside, by ptrace(2), as a debugger could.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use libc::c_void;

/// Has a thread of another process call a function at an address where nothing is mapped, wherever the thread is just
/// now: as soon as it goes on, the kernel gives it a SIGSEGV that nobody has sent.
pub fn call_nowhere(tid: i32) {
    let failed = |call: &str| panic!("{call} of {tid}: {}", io::Error::last_os_error());
    let trace = |request, address: u64, data: *mut c_void| {
        // SAFETY: in this process the kernel reads or writes only `data`, which is a whole structure wherever the
        // request takes one. What happens in the other process is meant to harm it.
        if unsafe { libc::ptrace(request, tid, address, data) } != 0 {
            failed(&format!("ptrace request {request:#x}"));
        }
    };
    trace(libc::PTRACE_SEIZE, 0, ptr::null_mut());
    loop {
        trace(libc::PTRACE_INTERRUPT, 0, ptr::null_mut());
        let mut status = 0;
        // SAFETY: the kernel writes an int, and `status` is one.
        if unsafe { libc::waitpid(tid, &mut status, libc::__WALL) } != tid {
            failed("waitpid");
        }
        let mut blocked = 0u64;
        trace(libc::PTRACE_GETSIGMASK, size_of::<u64>() as u64, ptr::from_mut(&mut blocked).cast());
        // Inside pthread_create(3) libc blocks all signals. A fault would then end the process without calling its
        // handler.
        if blocked & 1 << (libc::SIGSEGV - 1) == 0 {
            break;
        }
        trace(libc::PTRACE_CONT, 0, ptr::null_mut());
    }
    let mut registers = MaybeUninit::<libc::user_regs_struct>::zeroed();
    trace(libc::PTRACE_GETREGS, 0, registers.as_mut_ptr().cast());
    // SAFETY: the structure has only integers, was zeroed, and the kernel has filled it.
    let mut registers = unsafe { registers.assume_init() };
    // What `call` does: the return address on the stack, then the jump.
    registers.rsp -= 8;
    let return_address = ptr::without_provenance_mut(registers.rip as usize);
    trace(libc::PTRACE_POKEDATA, registers.rsp, return_address);
    registers.rip = 0x10;
    // An interrupted system call must not be restarted: the kernel would move rip for that.
    registers.orig_rax = u64::MAX;
    trace(libc::PTRACE_SETREGS, 0, ptr::from_mut(&mut registers).cast());
    trace(libc::PTRACE_DETACH, 0, ptr::null_mut());
}
