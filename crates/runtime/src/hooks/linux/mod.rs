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

pub use descriptor::{dup2, dup3, freopen, freopen64};
pub use exec::{execveat, execvp_with, execvpe, fexecve};
pub use mask::{pthread_sigmask, sigblock, siggetmask, sighold, sigprocmask, sigrelse, sigsetmask};
pub use signal::{__sigaction, __sysv_signal, kill, killpg, ssignal, sysv_signal};
pub use socket::{accept4, sendmmsg};
pub use spawn::{posix_spawn, posix_spawnp, wordexp};
pub use thread::{_exit, pthread_key_create};
pub use wait::{wait, wait3, wait4, waitid, waitpid};
