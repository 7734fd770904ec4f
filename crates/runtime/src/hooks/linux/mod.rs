//! Bodies of the hooks that only Linux has, a file for each family.

mod abort;
mod calls;
mod descriptor;
mod exec;
mod list;
mod mask;
pub mod prototypes;
mod signal;
mod socket;
mod spawn;
mod thread;
mod wait;

// By glob: a body has no other place where it would have to be named.
pub use descriptor::*;
pub use exec::*;
pub use mask::*;
pub use signal::*;
pub use socket::*;
pub use spawn::*;
pub use thread::*;
pub use wait::*;
