//! macOS 11 and later, arm64 and x86_64.
//!
//! What is different here: every socket can be told once and for all to raise no SIGPIPE, and the signal goes to the
//! process, not to the thread whose call failed. So the guard handler could never tell what broke, and need not:
//! whatever the program sets for SIGPIPE can be given to the kernel as it is.

#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
compile_error!("on macOS nosigpipe is for arm64 and x86_64");

mod action;
mod broken_pipe;
mod copy;
mod fault;
mod images;
mod mask;
mod memory;
mod process;
mod real;
mod refused;
mod socket;
mod spawn;
mod thread;

pub use action::*;
pub use broken_pipe::*;
pub use copy::*;
pub use fault::*;
pub use images::*;
pub use mask::*;
pub use memory::*;
pub use process::*;
pub use real::*;
pub use refused::*;
pub use socket::*;
pub(crate) use spawn::*;
pub use thread::*;
