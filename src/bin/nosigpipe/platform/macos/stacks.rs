//! The stacks of a running process: on macOS nothing here reads them.

use report::stacks::Stacks;

use crate::exit::Failure;

/// Fails, and says what shows stacks on this system.
///
/// # Errors
/// Always.
pub fn look(pid: u32, _directories: &[String]) -> Result<(Stacks, Option<String>), Failure> {
    Err(Failure::refused(format!("nosigpipe stack is for Linux; on macOS, sample {pid} 1 shows what a process does")))
}
