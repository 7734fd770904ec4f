//! Runs a trial in a process of its own, so that the server under trial does not outlive the command, however either
//! process ends: by Ctrl-C, because nobody reads what is written, or killed.
//!
//! A pipe joins the two. The command's process has its writing end and never writes; when that is closed, which the
//! kernel does at the process's end at the latest, the trial notices and ends the server. If the trial's process is
//! killed, the command's process adopts the server and kills it.

use std::io;
use std::mem;
use std::os::fd::IntoRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::exit::{Failure, REFUSED};
use crate::platform::family::{adopt_orphans, descendants};

/// The pipe's writing end, in the command's process; -1 when it is closed.
static KEPT_OPEN: AtomicI32 = AtomicI32::new(-1);
/// The pipe's reading end, in the trial's process; -1 in the other.
static SEES_THE_END: AtomicI32 = AtomicI32::new(-1);
/// Whether the trial's process has got a signal that is to end it.
static STOPPED: AtomicBool = AtomicBool::new(false);
/// Whether the trial's process has got SIGPIPE: nobody reads what it writes.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// How long killed processes may take until they are gone.
const TO_GO: Duration = Duration::from_secs(5);
/// Time between two looks at the processes that are left.
const LOOK: Duration = Duration::from_millis(20);
/// The signals by which users and systems end a command.
const ENDS: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Does the work in another process, and ends as that ends. The work has to call [`stopped`] now and then.
///
/// # Errors
/// Those of the work, and when the process can't be made.
pub fn in_another_process(work: impl FnOnce() -> Result<u8, Failure>) -> Result<u8, Failure> {
    adopt_orphans().map_err(Failure::refused)?;
    let (reader, writer) = io::pipe().map_err(|error| Failure::about("pipe", &error))?;
    // SAFETY: this process has one thread, so no lock is held by another, and the child may go on as this process would
    // have.
    match unsafe { libc::fork() } {
        -1 => Err(Failure::about("fork", &io::Error::last_os_error())),
        0 => {
            drop(writer);
            SEES_THE_END.store(reader.into_raw_fd(), Ordering::Relaxed);
            become_the_trial()?;
            let result = work();
            if UNREAD.load(Ordering::Relaxed) {
                die_of(libc::SIGPIPE);
            }
            result
        }
        trial => {
            drop(reader);
            KEPT_OPEN.store(writer.into_raw_fd(), Ordering::Relaxed);
            let end = wait_for(trial);
            // If the trial's process was killed, what it had started are our children now.
            kill_what_is_left();
            as_it_ended(end?)
        }
    }
}

/// Whether the trial may go on.
///
/// # Errors
/// When it is to end.
pub fn stopped() -> Result<(), Failure> {
    let is_alone = || {
        let fd = SEES_THE_END.load(Ordering::Relaxed);
        let mut pipe = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: the pointer is to one structure, and 1 is their number.
        fd >= 0 && unsafe { libc::poll(&raw mut pipe, 1, 0) } == 1
    };
    if STOPPED.load(Ordering::Relaxed) || is_alone() {
        return Err(Failure::refused("stopped; the server was ended, too"));
    }
    Ok(())
}

/// Has a server start without the blocked SIGTTOU of [`become_the_trial`].
pub fn start_as_ever(command: &mut Command) {
    // SAFETY: what runs between fork and exec may only do what a signal handler may; sigprocmask(2) is among that.
    unsafe {
        command.pre_exec(|| {
            change_mask(libc::SIG_UNBLOCK);
            Ok(())
        })
    };
}

/// Prepares the trial's process. It gets a process group of its own, so that a signal to the command's group leaves a
/// process that ends the server. The signals that end a command are only noted.
///
/// # Errors
/// When it can't adopt orphans.
fn become_the_trial() -> Result<(), Failure> {
    extern "C" fn stop(_: libc::c_int) {
        STOPPED.store(true, Ordering::Relaxed);
    }
    extern "C" fn unread(_: libc::c_int) {
        UNREAD.store(true, Ordering::Relaxed);
    }
    // SAFETY: the call takes numbers only.
    unsafe { libc::setpgid(0, 0) };
    // A process in the background that writes to the terminal is stopped by SIGTTOU where the terminal is set so
    // (tostop in stty(1)); while it is blocked, the write is done.
    change_mask(libc::SIG_BLOCK);
    ENDS.into_iter().for_each(|signal| handle(signal, stop));
    handle(libc::SIGPIPE, unread);
    // A forked child does not inherit this from its parent (PR_SET_CHILD_SUBREAPER in prctl(2)).
    adopt_orphans().map_err(Failure::refused)
}

/// Sets a handler, unless the signal is ignored, as under nohup(1).
fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: the handlers given here only use atomics and close(2), which are safe in handlers. Programs that we start
    // do not get them: exec resets handlers.
    unsafe {
        if libc::signal(signal, handler as libc::sighandler_t) == libc::SIG_IGN {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
}

/// Blocks or unblocks SIGTTOU.
fn change_mask(how: libc::c_int) {
    // SAFETY: the set is a variable of this function, and all zeros is a valid value until sigemptyset fills it in.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGTTOU);
        libc::sigprocmask(how, &raw const set, ptr::null_mut());
    }
}

/// Ends this process by a signal's default action, unless the signal is blocked.
fn die_of(signal: libc::c_int) {
    // SAFETY: the calls take numbers only.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Waits for the end of the trial's process, and makes it end when this process gets a signal that ends commands.
///
/// # Errors
/// When waiting fails.
fn wait_for(trial: libc::pid_t) -> Result<ExitStatus, Failure> {
    extern "C" fn end_the_trial(_: libc::c_int) {
        let kept_open = KEPT_OPEN.swap(-1, Ordering::Relaxed);
        if kept_open >= 0 {
            // SAFETY: `swap` gives the descriptor to one call only, nobody else uses it, and close(2) is safe in
            // handlers.
            unsafe { libc::close(kept_open) };
        }
    }
    ENDS.into_iter().for_each(|signal| handle(signal, end_the_trial));
    loop {
        let mut status = 0;
        // SAFETY: the call writes one number, into `status`.
        if unsafe { libc::waitpid(trial, &raw mut status, 0) } == trial {
            return Ok(ExitStatus::from_raw(status));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(Failure::about("waiting for the trial", &error));
        }
    }
}

/// Kills what is left when the trial's process could not end it.
fn kill_what_is_left() {
    let deadline = Instant::now() + TO_GO;
    loop {
        let left = descendants();
        if left.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in left {
            // SAFETY: both calls take numbers, and a null pointer that waitpid(2) allows. The pid was that of a
            // descendant a moment ago.
            unsafe {
                libc::kill(pid as libc::pid_t, libc::SIGKILL);
                libc::waitpid(pid as libc::pid_t, ptr::null_mut(), libc::WNOHANG);
            }
        }
        sleep(LOOK);
    }
}

/// Ends the command as the trial's process has ended.
fn as_it_ended(end: ExitStatus) -> Result<u8, Failure> {
    if end.signal() == Some(libc::SIGPIPE) {
        die_of(libc::SIGPIPE);
    }
    match end.signal() {
        None => Ok(end.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(REFUSED)),
        Some(signal) => Err(Failure::refused(format!(
            "the trial was ended by {}; the server was ended, too",
            wording::words::signal(signal).0
        ))),
    }
}
