//! A macOS program that does one thing and tells how it went. It runs natively (tests/macos.rs) and in the emulator
//! (tests/macos/behaviour.py).
//!
//! client socket|pipe [reset]
//! client each SOURCE [reset]     every call that writes, on a broken socket that came so
//! client bequeath                becomes `client heir`, with a socket that is open already
//! client heir NEAR FAR
//! client child WAY               starts `client sigpipe`, without the library, or fails to
//! client sigpipe                 tells what SIGPIPE it has
//! client signals                 what is set is told back
//! client errno                   what succeeds leaves errno alone
//! client wait                    until it is killed
//! client crash [threads]
//! client abort

#![no_main]

mod children;
mod signals;
mod sockets;
mod system;

use std::ffi::{CStr, c_char, c_int};
use std::time::Duration;

use system::{EPIPE, SIG_DFL, SIGPIPE, abort, close, errno, pipe, send, signal, socketpair, write};

/// # Safety
/// Called by dyld with the program's arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    let word = |index: usize| match index < count as usize {
        true => unsafe { CStr::from_ptr(*arguments.add(index)) }.to_str().unwrap_or("?"),
        false => "",
    };
    if word(2) == "reset" || word(3) == "reset" {
        unsafe { signal(SIGPIPE, SIG_DFL) };
    }
    match word(1) {
        "crash" => {
            if word(2) == "threads" {
                start_workers();
            }
            unsafe { function_that_calls(count) + 1 }
        }
        "abort" => unsafe { abort() },
        "socket" => unsafe { socket() },
        "pipe" => unsafe { broken_pipe() },
        "each" => sockets::each(word(2)),
        "bequeath" => sockets::bequeath(unsafe { *arguments }),
        "heir" => sockets::heir(word(2), word(3)),
        "child" => children::start(unsafe { *arguments }, word(2)),
        "sigpipe" => signals::tell(),
        "signals" => signals::told_back(),
        "errno" => sockets::errno_is_kept(),
        "wait" => {
            say("ready\n");
            std::thread::sleep(Duration::from_secs(60));
            0
        }
        _ => 2,
    }
}

/// Standard output, by one call.
fn say(text: &str) {
    unsafe { write(1, text.as_ptr().cast(), text.len()) };
}

unsafe fn socket() -> c_int {
    let mut pair = [0; 2];
    unsafe {
        if socketpair(system::AF_UNIX, system::SOCK_STREAM, 0, pair.as_mut_ptr()) != 0 {
            return 3;
        }
        close(pair[0]);
        if send(pair[1], c"x".as_ptr().cast(), 1, 0) != -1 || errno() != EPIPE {
            return 4;
        }
    }
    survives(pair[1])
}

unsafe fn broken_pipe() -> c_int {
    let mut pair = [0; 2];
    unsafe {
        if pipe(pair.as_mut_ptr()) != 0 {
            return 5;
        }
        close(pair[0]);
    }
    survives(pair[1])
}

fn survives(fd: c_int) -> c_int {
    if unsafe { write(fd, c"x".as_ptr().cast(), 1) } != -1 || errno() != EPIPE {
        return 6;
    }
    say("survived\n");
    0
}

/// Two threads that are somewhere while this one crashes.
fn start_workers() {
    for _ in 0..2 {
        let worker = std::thread::Builder::new().name("worker".to_owned());
        drop(worker.spawn(|| std::thread::sleep(Duration::from_secs(60))));
    }
    std::thread::sleep(Duration::from_millis(200));
}

#[inline(never)]
unsafe fn function_that_calls(count: c_int) -> c_int {
    unsafe { function_that_crashes(std::ptr::without_provenance_mut(count as usize * 4)) + 1 }
}

#[inline(never)]
unsafe fn function_that_crashes(nowhere: *mut c_int) -> c_int {
    unsafe {
        nowhere.write_volatile(1);
        // A frame of its own: something is called.
        close(-1)
    }
}
