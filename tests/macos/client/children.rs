//! Starts `client sigpipe` in each way, without the library, so that what it tells is what the kernel gave it.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::{null, null_mut};

use crate::system::*;

pub fn start(program: *const c_char, way: &str) -> c_int {
    unsafe { unsetenv(c"DYLD_INSERT_LIBRARIES".as_ptr()) };
    let command = format!("'{}' sigpipe", unsafe { CStr::from_ptr(program) }.to_str().unwrap_or("?"));
    let command = CString::new(command).unwrap_or_default();
    match way {
        "spawn" => spawn(program, null()),
        "spawn-attributes" => with_attributes(|attributes| spawn(program, attributes)),
        "system" => unsafe { shell(command.as_ptr()) },
        "popen" => unsafe {
            let file = popen(command.as_ptr(), c"w".as_ptr());
            if file.is_null() { 3 } else { pclose(file) }
        },
        _ => match way.strip_prefix("fork-") {
            Some(way) => fork_and(|| become_child(program, way)),
            None => become_child(program, way),
        },
    }
}

/// Becomes the program; returns when that fails.
fn become_child(program: *const c_char, way: &str) -> c_int {
    const WORD: *const c_char = c"sigpipe".as_ptr();
    const END: *const c_char = null();
    let words = [program, WORD, END];
    let words = words.as_ptr();
    unsafe {
        match way {
            "execve" => execve(program, words, environment()),
            "execv" => execv(program, words),
            "execvp" => execvp(program, words),
            "execl" => execl(program, program, WORD, END),
            "execlp" => execlp(program, program, WORD, END),
            "execle" => execle(program, program, WORD, END, environment()),
            _ => return 2,
        }
    };
    6
}

fn fork_and(go: impl FnOnce() -> c_int) -> c_int {
    match unsafe { fork() } {
        -1 => 3,
        0 => {
            let status = go();
            unsafe { _exit(status) }
        }
        pid => wait_for(pid),
    }
}

fn spawn(program: *const c_char, attributes: *const *mut std::ffi::c_void) -> c_int {
    let words = [program, c"sigpipe".as_ptr(), null()];
    let mut pid = 0;
    match unsafe { posix_spawn(&raw mut pid, program, null(), attributes, words.as_ptr(), environment()) } {
        0 => wait_for(pid),
        _ => 3,
    }
}

/// Attributes that ask for something else.
fn with_attributes(go: impl FnOnce(*const *mut std::ffi::c_void) -> c_int) -> c_int {
    let mut attributes = null_mut();
    let others: u32 = 1 << (SIGUSR1 - 1);
    unsafe {
        posix_spawnattr_init(&raw mut attributes);
        posix_spawnattr_setflags(&raw mut attributes, SETSIGDEF);
        posix_spawnattr_setsigdefault(&raw mut attributes, &raw const others);
    }
    go(&raw const attributes)
}

fn wait_for(pid: c_int) -> c_int {
    let mut status = -1;
    unsafe { waitpid(pid, &raw mut status, 0) };
    // As system(3) says it: a code in the upper byte, or a signal.
    if status == 0 { 0 } else { 7 }
}
