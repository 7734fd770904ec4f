//! # The contract with the host program
//!
//! 1. A hook returns what the real call returned, with the errno that the real call left.
//! 2. Nothing here panics, aborts, exits, blocks, takes a lock or touches malloc on a path that the host can reach:
//!    before `main`, in a signal handler, in a forked or vforked child, at exit, in a thread with a 16 KiB stack.
//! 3. Nothing is printed unless it was asked for or the process is dying.
//! 4. If a part of us can't work here, the host runs as if that part were not there.
//! 5. `pthread_cancel`, `siglongjmp`, a second preload (ASan, jemalloc, gdb, valgrind) go on working.
//! 6. The process looks as it did: what can be read back is what the program has set, and its limits are its own.
//! 7. Where we can't know, the program lives, and its crash is reported. Besides sockets only a FIFO without a reader
//!    raises SIGPIPE; only a handler that returns to an instruction which can't succeed has given up.
//! 8. A child that shares its parent's memory (vfork, CLONE_VM) writes nothing there, and nothing stays claimed when
//!    its holder is interrupted for good.
//! 9. Time is bounded by the kernel: nothing waits for what may never answer.
//! 10. A diagnostic goes to standard error as it was at load, or nowhere.
//! 11. A privileged process tells nobody what its caller may not know.
//! 12. What is unknown is said to be unknown, what is missing is said to be missing, and a cause is named only when it
//!     is the only one.
//!
//! docs/signal-safety.md says how each point is kept, and which test would notice if it were not. The programs in
//! tests/cases hold points 6 to 12; those marked `open` there are where they are not kept yet.
//!
//! # The map
//!
//! Here is the glue: the constructor, the allocator, the exported API. `crates/runtime` has what hooks and handlers
//! reach, `crates/capture` what writes a report, the other crates what the launcher uses as well; docs/ARCHITECTURE.md
//! has the picture.

// Without the standard library: it locks and allocates as programs may and a library in their signal handlers may not,
// and its panic handler alone brings a second symbolizer (190 kB). Builds with unwinding panics (tests, tools) need its
// personality routine, and redhook needs it on macOS.
#![cfg_attr(all(target_os = "linux", panic = "abort"), no_std)]

mod api;
#[cfg(all(target_os = "linux", panic = "abort"))]
mod panic;
mod start;

use capture::arena::Arena;

/// Where a crash report's writing allocates: memory of our own, never malloc's. Nothing else of the library allocates.
#[global_allocator]
static ARENA: Arena = Arena;
