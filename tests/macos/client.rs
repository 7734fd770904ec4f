//! A macOS program for the emulator: it breaks a socket or a pipe, and tells that it is still there.
//!
//! client socket|pipe [reset]
//! client crash

#![no_main]

use std::ffi::{CStr, c_char, c_int, c_void};

const AF_UNIX: c_int = 1;
const SOCK_STREAM: c_int = 1;
const EPIPE: c_int = 32;
const SIGPIPE: c_int = 13;
const SIG_DFL: usize = 0;

unsafe extern "C" {
    fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int;
    fn pipe(pair: *mut c_int) -> c_int;
    fn send(fd: c_int, data: *const c_void, length: usize, flags: c_int) -> isize;
    fn write(fd: c_int, data: *const c_void, length: usize) -> isize;
    fn close(fd: c_int) -> c_int;
    fn signal(signal: c_int, handler: usize) -> usize;
    fn __error() -> *mut c_int;
}

/// # Safety
/// Called by dyld with the program's arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    unsafe {
        if count > 2 {
            signal(SIGPIPE, SIG_DFL);
        }
        if CStr::from_ptr(*arguments.add(1)).to_bytes() == b"crash" {
            return function_that_calls(count) + 1;
        }
        let mut pair = [0; 2];
        if CStr::from_ptr(*arguments.add(1)).to_bytes() == b"socket" {
            if socketpair(AF_UNIX, SOCK_STREAM, 0, pair.as_mut_ptr()) != 0 {
                return 3;
            }
            close(pair[0]);
            if send(pair[1], c"x".as_ptr().cast(), 1, 0) != -1 || *__error() != EPIPE {
                return 4;
            }
        } else {
            if pipe(pair.as_mut_ptr()) != 0 {
                return 5;
            }
            close(pair[0]);
        }
        if write(pair[1], c"x".as_ptr().cast(), 1) != -1 || *__error() != EPIPE {
            return 6;
        }
        write(1, c"survived\n".as_ptr().cast(), 9);
    }
    0
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
