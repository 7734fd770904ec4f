//! Stops all threads of a process for as long as it takes to copy what their stacks are made from.
//!
//! Threads are seized first, which stops none of them; then all are interrupted, looked at and let go. PTRACE_SEIZE and
//! PTRACE_INTERRUPT send no signal, so the program's parent sees no stop, and a process that is stopped by SIGSTOP
//! stays so. If we are killed meanwhile, the kernel lets all of them go (ptrace(2)).

use std::fs;
use std::io;
use std::mem::size_of_val;
use std::time::{Duration, Instant};

use libc::{c_int, c_void, pid_t};
use processor::USER_REGISTERS;

use crate::platform::process;

/// How long a thread may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_millis(300);
/// The same for a thread that can't stop before its system call ends: an uninterruptible one, or vfork(2), which ends
/// when the child executes a program or ends.
const SYSTEM_CALL_STOP_TIMEOUT: Duration = Duration::from_millis(2);
/// How long to wait before a thread that has not stopped is looked at again.
const PAUSE: Duration = Duration::from_micros(50);
/// So many looks at threads come without a pause, only giving way to others (sched_yield(2)).
const LOOKS: usize = 200;
/// How often the threads are listed again at most: until all are stopped, they may start others.
const LISTINGS: usize = 10;

/// A thread that was asked to stop.
pub struct Thread {
    pub tid: pid_t,
    pub state: State,
}

/// How far that has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has not stopped yet, or did not in time.
    Running,
    /// It is stopped.
    Stopped {
        /// A signal that it was about to get, and gets when it is let go; 0 for none.
        signal: c_int,
        /// Whether the process was stopped before, by SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU (a group-stop in ptrace(2)).
        in_group_stop: bool,
    },
    /// It has ended meanwhile.
    Gone,
    /// It could not be seized.
    Refused,
}

/// The threads of a process. When this is dropped, all of them go on; those that have not stopped by then are let go at
/// the end of this process.
pub struct Hold {
    pid: pid_t,
    pub threads: Vec<Thread>,
    /// When the first of them was interrupted.
    pub since: Instant,
}

impl Hold {
    /// Seizes all threads of a process, which stops none of them.
    ///
    /// # Errors
    /// When not one of them can be seized.
    pub fn seize(pid: pid_t) -> io::Result<Self> {
        let mut hold = Self { pid, threads: Vec::new(), since: Instant::now() };
        let mut refused = None;
        for _ in 0..LISTINGS {
            if !hold.seize_new(&mut refused)? {
                break;
            }
        }
        match refused {
            Some(error) if !hold.threads.iter().any(|thread| thread.state == State::Running) => Err(error),
            _ => Ok(hold),
        }
    }

    /// Stops all threads.
    ///
    /// # Errors
    /// When the threads can't be listed any more: the process has ended.
    pub fn stop(&mut self) -> io::Result<()> {
        self.since = Instant::now();
        let mut interrupted = 0;
        for _ in 0..LISTINGS {
            for thread in self.threads.iter().skip(interrupted).filter(|thread| thread.state == State::Running) {
                // One that has ended since is found out by waiting for it.
                let _ = request(libc::PTRACE_INTERRUPT, thread.tid, 0);
            }
            interrupted = self.threads.len();
            self.wait();
            if !self.seize_new(&mut None)? {
                break;
            }
        }
        Ok(())
    }

    /// Seizes threads that are not seized yet. Returns whether there were any; `refused` gets the error of one that
    /// can't be seized.
    fn seize_new(&mut self, refused: &mut Option<io::Error>) -> io::Result<bool> {
        let known: std::collections::HashSet<pid_t> = self.threads.iter().map(|thread| thread.tid).collect();
        let mut found = false;
        for entry in fs::read_dir(format!("/proc/{}/task", self.pid))?.flatten() {
            let Some(tid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if known.contains(&tid) {
                continue;
            }
            let state = match request(libc::PTRACE_SEIZE, tid, 0) {
                Ok(()) => State::Running,
                Err(error)
                    if error.raw_os_error() == Some(libc::ESRCH)
                        || process::has_ended(self.pid.cast_unsigned(), tid.cast_unsigned()) =>
                {
                    State::Gone
                }
                Err(error) => {
                    *refused = Some(error);
                    State::Refused
                }
            };
            found |= state == State::Running;
            self.threads.push(Thread { tid, state });
        }
        Ok(found)
    }

    /// Waits until all have stopped or ended, or the time for that is over.
    fn wait(&mut self) {
        let begin = Instant::now();
        let mut looks = 0;
        for thread in self.threads.iter_mut().filter(|thread| thread.state == State::Running) {
            loop {
                let mut status: c_int = 0;
                // SAFETY: the call writes into `status`, a variable of this function.
                let found = unsafe { libc::waitpid(thread.tid, &raw mut status, libc::__WALL | libc::WNOHANG) };
                match found {
                    0 => {
                        let waited = begin.elapsed();
                        looks += 1;
                        if looks < LOOKS {
                            std::thread::yield_now();
                            continue;
                        }
                        let is_short = waited < SYSTEM_CALL_STOP_TIMEOUT;
                        if is_short
                            || waited < STOP_TIMEOUT
                                && process::state(self.pid.cast_unsigned(), thread.tid.cast_unsigned()) != Some('D')
                        {
                            std::thread::sleep(PAUSE);
                            continue;
                        }
                    }
                    found if found > 0 && libc::WIFSTOPPED(status) => {
                        // With PTRACE_EVENT_STOP (in the status's upper half), it is our interruption (SIGTRAP), or a
                        // stop by SIGSTOP and its like, which the kernel keeps up by itself; without, the thread is
                        // about to get a signal.
                        let is_event = status >> 16 != 0;
                        let signal = libc::WSTOPSIG(status);
                        thread.state = State::Stopped {
                            signal: if is_event { 0 } else { signal },
                            in_group_stop: is_event && signal != libc::SIGTRAP,
                        };
                    }
                    _ => thread.state = State::Gone,
                }
                break;
            }
        }
    }

    /// Lets all go on.
    pub fn release(&mut self) {
        for thread in &mut self.threads {
            if let State::Stopped { signal, .. } = thread.state {
                let _ = request(libc::PTRACE_DETACH, thread.tid, signal);
                thread.state = State::Gone;
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release();
        // A thread that has not stopped yet would stop later, with nobody to let it go as long as we live. So each is
        // looked at once more. One that still has not stopped, in an uninterruptible call, is let go when we end.
        for thread in self.threads.iter().filter(|thread| thread.state == State::Running) {
            let mut status: c_int = 0;
            // SAFETY: the call writes into `status`, a variable of this function.
            let found = unsafe { libc::waitpid(thread.tid, &raw mut status, libc::__WALL | libc::WNOHANG) };
            if found > 0 && libc::WIFSTOPPED(status) {
                let signal = if status >> 16 != 0 { 0 } else { libc::WSTOPSIG(status) };
                let _ = request(libc::PTRACE_DETACH, thread.tid, signal);
            }
        }
    }
}

/// A request of ptrace(2) that takes no address. The type of its number differs between processors and between libcs.
fn request(what: impl Into<i64>, tid: pid_t, data: c_int) -> io::Result<()> {
    // SAFETY: PTRACE_SEIZE, PTRACE_INTERRUPT and PTRACE_DETACH touch no memory of ours.
    let done = unsafe { libc::ptrace(what.into() as _, tid, 0, libc::c_long::from(data)) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A stopped thread's registers by ptrace(2) (NT_PRSTATUS), in the order of struct user_regs_struct (sys/user.h).
pub fn registers(tid: pid_t) -> Option<[u64; USER_REGISTERS]> {
    let mut all = [0u64; USER_REGISTERS];
    let mut vector = libc::iovec { iov_base: all.as_mut_ptr().cast(), iov_len: size_of_val(&all) };
    // SAFETY: the vector has the address and the size of `all`, and the call writes no more than that.
    let done =
        unsafe { libc::ptrace(libc::PTRACE_GETREGSET as _, tid, libc::NT_PRSTATUS as *mut c_void, &raw mut vector) };
    // The kernel writes fewer bytes for a 32-bit program.
    (done == 0 && vector.iov_len == size_of_val(&all)).then_some(all)
}

/// Sets a stopped thread's registers.
pub fn set_registers(tid: pid_t, all: &[u64; USER_REGISTERS]) {
    let mut all = *all;
    let vector = libc::iovec { iov_base: all.as_mut_ptr().cast(), iov_len: size_of_val(&all) };
    // SAFETY: the vector has the address and the size of `all`, which the call only reads.
    unsafe { libc::ptrace(libc::PTRACE_SETREGSET as _, tid, libc::NT_PRSTATUS as *mut c_void, &raw const vector) };
}
