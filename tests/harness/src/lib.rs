//! What the integration tests share. A test reads like this:
//!
//! ```ignore
//! preloaded(program("write_to_closed_socket")).scope("sockets").run().assert_silent_success();
//! assert_eq!(bare(program("write_to_closed_socket")).run().signal(), Some(SIGPIPE));
//! ```
//!
//! - [`library`], [`launcher`]: the release artefacts, built once by cargo.
//! - [`program`], [`server`]: one C or C++ file each, compiled once.
//! - [`bare`], [`preloaded`], [`launched`]: a program to run, with and without the library; always in an
//!   environment without our settings, in a process group of its own, and under a time limit.
//! - [`Running`]: a program that was started and is still there; killed with its group when dropped.
//! - [`Scratch`]: a directory for what a program leaves behind.
//! - [`clients`], [`grpc`]: clients that go away.
//! - `fault`: a fault in a program that has none.
//! - [`status()`], [`counter`]: what the library says about a running process.
//!
//! Everything here panics when something is wrong: a test that can't be set up has failed.

mod artefacts;
pub mod clients;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod fault;
pub mod grpc;
mod ports;
mod programs;
mod python;
mod running;
mod scratch;
mod status;
mod subject;

pub use artefacts::{launcher, library, root, target};
pub use ports::{free_port, wait_for_port};
pub use programs::{compile, program, server};
pub use python::{python_environment, test_deps};
pub use running::{Outcome, Running, children};
pub use scratch::Scratch;
pub use status::{broken_pipes, counter, status};
pub use subject::{Subject, bare, launched, preloaded};

pub use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGINT, SIGKILL, SIGPIPE, SIGSEGV, SIGSYS, SIGTERM, SIGTRAP};
