//! A trial in a process of its own, so that the server under trial does not outlive the command, however either of the two
//! processes ends: by Ctrl-C, because nobody reads what is written, or killed.

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

/// What the command's process keeps open, the writing end of a pipe: when it is closed, the trial has to end.
static KEPT_OPEN: AtomicI32 = AtomicI32::new(-1);
/// The reading end of it, which the trial has.
static SEES_THE_END: AtomicI32 = AtomicI32::new(-1);
/// The trial's process itself was told to end.
static STOPPED: AtomicBool = AtomicBool::new(false);
/// Nobody reads what the trial writes.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// How long processes may take until they are gone that were killed.
const TO_GO: Duration = Duration::from_secs(5);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// What ends a command that somebody does not want any more.
const ENDS: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Does the work in another process, and ends as it ends. The work has to ask [`stopped`] now and then.
pub fn in_another_process(work: impl FnOnce() -> Result<u8, Failure>) -> Result<u8, Failure> {
    adopt_orphans().map_err(Failure::refused)?;
    let (reader, writer) = io::pipe().map_err(|error| Failure::about("pipe", &error))?;
    // SAFETY: there is one thread, and the child goes on as this process would have.
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
            // If the trial was killed, what it has started is ours now.
            kill_what_is_left();
            as_it_ended(end?)
        }
    }
}

/// Fails when the trial is to end.
pub fn stopped() -> Result<(), Failure> {
    let is_alone = || {
        let fd = SEES_THE_END.load(Ordering::Relaxed);
        let mut pipe = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one structure, which is ours.
        fd >= 0 && unsafe { libc::poll(&raw mut pipe, 1, 0) } == 1
    };
    if STOPPED.load(Ordering::Relaxed) || is_alone() {
        return Err(Failure::refused("stopped; the server was ended, too"));
    }
    Ok(())
}

/// Gives a server the signal mask with which the command was started.
pub fn start_as_ever(command: &mut Command) {
    // SAFETY: between fork and exec, where only what handlers may do is allowed: this call is.
    unsafe {
        command.pre_exec(|| {
            change_mask(libc::SIG_UNBLOCK);
            Ok(())
        })
    };
}

/// Has its process group to itself, so that what kills the command's group leaves somebody who ends the server; notes it when it is
/// to end, instead of ending.
fn become_the_trial() -> Result<(), Failure> {
    extern "C" fn stop(_: libc::c_int) {
        STOPPED.store(true, Ordering::Relaxed);
    }
    extern "C" fn unread(_: libc::c_int) {
        UNREAD.store(true, Ordering::Relaxed);
    }
    // SAFETY: it takes numbers only.
    unsafe { libc::setpgid(0, 0) };
    // A terminal may be set to stop other groups than the foreground's that write to it (tostop in stty(1)).
    change_mask(libc::SIG_BLOCK);
    ENDS.into_iter().for_each(|signal| handle(signal, stop));
    handle(libc::SIGPIPE, unread);
    // That of the process before is not inherited.
    adopt_orphans().map_err(Failure::refused)
}

/// Has a handler called that only does what handlers may, unless the signal is ignored, as under nohup(1).
fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: a handler's address; the server has none of ours, since an exec ends them.
    unsafe {
        if libc::signal(signal, handler as libc::sighandler_t) == libc::SIG_IGN {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
}

/// Blocks or unblocks SIGTTOU.
fn change_mask(how: libc::c_int) {
    // SAFETY: the set is ours, and valid with all its bits zero before it is emptied.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGTTOU);
        libc::sigprocmask(how, &raw const set, ptr::null_mut());
    }
}

/// Ends this process by its default action for a signal, if there is nothing against it.
fn die_of(signal: libc::c_int) {
    // SAFETY: it takes numbers only.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Waits for the trial's end, which is begun when this process is told to end.
fn wait_for(trial: libc::pid_t) -> Result<ExitStatus, Failure> {
    extern "C" fn end_the_trial(_: libc::c_int) {
        let kept_open = KEPT_OPEN.swap(-1, Ordering::Relaxed);
        if kept_open >= 0 {
            // SAFETY: a descriptor of ours that is used by nobody else, and close(2) may be called in handlers.
            unsafe { libc::close(kept_open) };
        }
    }
    ENDS.into_iter().for_each(|signal| handle(signal, end_the_trial));
    loop {
        let mut status = 0;
        // SAFETY: it writes one number.
        if unsafe { libc::waitpid(trial, &raw mut status, 0) } == trial {
            return Ok(ExitStatus::from_raw(status));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(Failure::about("waiting for the trial", &error));
        }
    }
}

/// Ends what a trial has left that could not do so any more.
fn kill_what_is_left() {
    let deadline = Instant::now() + TO_GO;
    loop {
        let left = descendants();
        if left.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in left {
            // SAFETY: numbers only. Nobody has waited for this descendant of ours, so the number is still its own.
            unsafe {
                libc::kill(pid as libc::pid_t, libc::SIGKILL);
                libc::waitpid(pid as libc::pid_t, ptr::null_mut(), libc::WNOHANG);
            }
        }
        sleep(LOOK);
    }
}

/// The same end for the command.
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
