//! Sockets from everywhere, and every call that writes to one whose peer is gone.

use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::size_of;
use std::ptr::{null, null_mut};

use crate::say;
use crate::system::*;

/// A call that writes one byte, and its name.
type Call = (&'static str, fn(c_int) -> isize);

const BYTE: *const c_void = c"x".as_ptr().cast();
const VECTOR: Vector = Vector { base: BYTE, length: 1 };

/// With a message of one byte.
fn with_message(call: impl FnOnce(*const Message) -> isize) -> isize {
    let mut vector = VECTOR;
    call(&message(&mut vector, null_mut(), 0))
}

fn message(vector: &mut Vector, control: *mut c_void, control_length: usize) -> Message {
    let control_length = control_length as u32;
    Message { name: null_mut(), name_length: 0, vectors: vector, count: 1, control, control_length, flags: 0 }
}

const CALLS: [Call; 10] = [
    ("send", |fd| unsafe { send(fd, BYTE, 1, 0) }),
    ("send$NOCANCEL", |fd| unsafe { send_nocancel(fd, BYTE, 1, 0) }),
    ("sendto", |fd| unsafe { sendto(fd, BYTE, 1, 0, null(), 0) }),
    ("sendto$NOCANCEL", |fd| unsafe { sendto_nocancel(fd, BYTE, 1, 0, null(), 0) }),
    ("sendmsg", |fd| with_message(|message| unsafe { sendmsg(fd, message, 0) })),
    ("sendmsg$NOCANCEL", |fd| with_message(|message| unsafe { sendmsg_nocancel(fd, message, 0) })),
    ("write", |fd| unsafe { write(fd, BYTE, 1) }),
    ("write$NOCANCEL", |fd| unsafe { write_nocancel(fd, BYTE, 1) }),
    ("writev", |fd| unsafe { writev(fd, &VECTOR, 1) }),
    ("writev$NOCANCEL", |fd| unsafe { writev_nocancel(fd, &VECTOR, 1) }),
];

/// Breaks a socket of this source and writes to it.
pub fn each(source: &str) -> c_int {
    let fd = match source {
        "pair" => break_pair(|near| near),
        "internet" => internet(),
        "connected" => connected(true, |listener, client| {
            let server = unsafe { accept(listener, null_mut(), null_mut()) };
            unsafe { close(server) };
            client
        }),
        "accepted" => connected(true, |listener, client| served(listener, client, accept)),
        "accepted-nocancel" => connected(true, |listener, client| served(listener, client, accept_nocancel)),
        // As a listener is that was made without the library.
        "accepted-by-loud" => connected(false, |listener, client| served(listener, client, accept)),
        "gone" => connected(false, |listener, client| {
            unsafe { close(client) };
            unsafe { accept(listener, null_mut(), null_mut()) }
        }),
        "received" => break_pair(|near| received(near, recvmsg)),
        "received-nocancel" => break_pair(|near| received(near, recvmsg_nocancel)),
        _ => return 2,
    };
    every_call(fd)
}

fn every_call(fd: c_int) -> c_int {
    if fd < 0 {
        return 3;
    }
    for (name, call) in CALLS {
        if call(fd) != -1 || errno() != EPIPE {
            say(name);
            say(" did not fail with EPIPE\n");
            return 4;
        }
    }
    say("survived\n");
    0
}

/// A pair's end after `come` has done something with it, its peer gone.
fn break_pair(come: impl FnOnce(c_int) -> c_int) -> c_int {
    let [near, far] = pair();
    let fd = come(near);
    unsafe { close(far) };
    fd
}

fn pair() -> [c_int; 2] {
    let mut pair = [-1; 2];
    unsafe { socketpair(AF_UNIX, SOCK_STREAM, 0, pair.as_mut_ptr()) };
    pair
}

/// Takes the option away, as if the socket had been made by somebody else.
fn make_loud(fd: c_int) {
    unsafe { setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, (&raw const LOUD).cast(), 4) };
}
static LOUD: c_int = 0;

fn is_silent(fd: c_int) -> bool {
    let (mut value, mut length): (c_int, u32) = (0, 4);
    let told = unsafe { getsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, (&raw mut value).cast(), &raw mut length) };
    told == 0 && value != 0
}

/// A connection over a UNIX listener: what `go` makes of listener and client.
fn connected(silent: bool, go: impl FnOnce(c_int, c_int) -> c_int) -> c_int {
    let name = format!("/tmp/nosigpipe-client.{}", unsafe { getpid() });
    let mut address = UnixAddress { length: 106, family: AF_UNIX as u8, path: [0; 104] };
    address.path[..name.len()].copy_from_slice(name.as_bytes());
    let address = (&raw const address).cast();
    unsafe {
        unlink(c_string(&name).as_ptr());
        let listener = socket(AF_UNIX, SOCK_STREAM, 0);
        if !silent {
            make_loud(listener);
        }
        let bound = bind(listener, address, 106) == 0 && listen(listener, 1) == 0;
        let client = socket(AF_UNIX, SOCK_STREAM, 0);
        let fd = if bound && connect(client, address, 106) == 0 { go(listener, client) } else { -1 };
        unlink(c_string(&name).as_ptr());
        fd
    }
}

/// The server's end of a connection whose client leaves once it is accepted.
fn served(
    listener: c_int,
    client: c_int,
    accept: unsafe extern "C" fn(c_int, *mut c_void, *mut u32) -> c_int,
) -> c_int {
    let server = unsafe { accept(listener, null_mut(), null_mut()) };
    if !is_silent(server) {
        return -1;
    }
    unsafe { close(client) };
    server
}

/// A TCP connection that may no longer be written to.
fn internet() -> c_int {
    let mut address =
        InternetAddress { length: 16, family: AF_INET as u8, port: [0; 2], host: [127, 0, 0, 1], zero: [0; 8] };
    let mut length = 16;
    unsafe {
        let listener = socket(AF_INET, SOCK_STREAM, 0);
        bind(listener, (&raw const address).cast(), 16);
        listen(listener, 1);
        getsockname(listener, (&raw mut address).cast(), &raw mut length);
        let client = socket(AF_INET, SOCK_STREAM, 0);
        if connect(client, (&raw const address).cast(), 16) != 0 || shutdown(client, SHUT_WR) != 0 {
            return -1;
        }
        client
    }
}

/// The same socket once more, as it comes with a message.
fn received(fd: c_int, receive: unsafe extern "C" fn(c_int, *mut Message, c_int) -> isize) -> c_int {
    make_loud(fd);
    let mut rights = Rights { length: 16, level: SOL_SOCKET, kind: SCM_RIGHTS, fd };
    let mut vector = VECTOR;
    let [from, to] = pair();
    let sent = message(&mut vector, (&raw mut rights).cast(), size_of::<Rights>());
    if unsafe { sendmsg(from, &sent, 0) } != 1 {
        return -1;
    }
    let mut byte = [0u8];
    rights.fd = -1;
    let mut vector = Vector { base: byte.as_mut_ptr().cast(), length: 1 };
    let mut taken = message(&mut vector, (&raw mut rights).cast(), size_of::<Rights>());
    if unsafe { receive(to, &raw mut taken, 0) } != 1 || !is_silent(rights.fd) {
        return -1;
    }
    unsafe { close(fd) };
    rights.fd
}

/// Becomes a program that has a socket from its start.
pub fn bequeath(program: *const c_char) -> c_int {
    let [near, far] = pair();
    make_loud(near);
    let (near, far) = (c_string(&near.to_string()), c_string(&far.to_string()));
    let words = [program, c"heir".as_ptr(), near.as_ptr(), far.as_ptr(), null()];
    unsafe { execv(program, words.as_ptr()) };
    5
}

pub fn heir(near: &str, far: &str) -> c_int {
    let number = |word: &str| word.parse().unwrap_or(-1);
    unsafe { close(number(far)) };
    every_call(number(near))
}

/// 0 if no call that succeeds has changed errno.
pub fn errno_is_kept() -> c_int {
    let accepted = accept_one_that_has_gone();
    set_errno(77);
    let [near, far] = pair();
    let sent = unsafe { send(near, BYTE, 1, 0) + write(near, BYTE, 1) };
    if errno() != 77 || far < 0 || accepted < 0 || sent != 2 {
        return 4;
    }
    say("kept\n");
    0
}

/// The option is refused inside; the descriptor, if errno is what it was.
fn accept_one_that_has_gone() -> c_int {
    connected(false, |listener, client| {
        unsafe { close(client) };
        set_errno(77);
        let fd = unsafe { accept(listener, null_mut(), null_mut()) };
        if errno() == 77 { fd } else { -1 }
    })
}

fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}
