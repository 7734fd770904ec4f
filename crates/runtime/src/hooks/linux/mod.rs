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

// By glob, so that a new hook is a line in the table and a body, and nothing here.
pub use descriptor::*;
pub use exec::*;
pub use mask::*;
pub use signal::*;
pub use socket::*;
pub use spawn::*;
pub use thread::*;
pub use wait::*;
