//! # The contract with the host program
//!
//! 1. A hook returns what the real call returned, with the errno that the real call left.
//! 2. Nothing here panics, aborts, exits, blocks, takes a lock or touches malloc on a path that the host can reach:
//!    before `main`, in a signal handler, in a forked or vforked child, at exit, in a thread with a 16 KiB stack.
//! 3. Nothing is printed unless it was asked for or the process is dying.
//! 4. If a part of us can't work here, the host runs as if that part were not there.
//! 5. `pthread_cancel`, `siglongjmp`, a second preload (ASan, jemalloc, gdb, valgrind) go on working.
//!
//! docs/signal-safety.md says how each point is kept, and which test would notice if it were not.
//!
//! # The map
//!
//! Who may know whom: `options`, `state` and `line` know nobody; `platform` knows only them; `signals` knows
//! `platform`; `sigpipe` and `crash` know `signals` and `platform`; `hooks` knows all of these; `start` knows all.

mod api;
mod crash;
mod hooks;
mod line;
#[expect(dead_code, reason = "flags and help texts are for the launcher, which compiles this file, too")]
mod options;
mod platform;
mod signals;
mod sigpipe;
mod start;
mod state;
#[expect(dead_code, reason = "a system has files of one kind; the launcher, which compiles this file, too, reads both")]
mod symbols;
