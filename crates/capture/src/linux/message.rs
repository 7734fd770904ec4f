//! What the system's libraries say before they abort.

use alloc::borrow::ToOwned;
use alloc::string::String;
use libc::c_int;

use crate::process::{AskSymbols, Map, Memory, Module, ReadMemory, ReadOwned};

/// What libc said before it called abort(3), which glibc keeps for debuggers in `__abort_msg`, a pointer to
/// struct { unsigned size; char text[]; }.
pub fn abort_message(signal: c_int, map: &Map, memory: &mut Memory, ask: &AskSymbols) -> Option<String> {
    (signal == libc::SIGABRT).then_some(())?;
    let is_libc = |module: &&Module| module.path.rsplit('/').next().is_some_and(|name| name.starts_with("libc."));
    let libc = map.modules.iter().find(is_libc)?;
    let mut address = None;
    ask(libc, &mut |symbols| address = symbols.object("__abort_msg"));
    let address = address?;
    let pointer = memory.u64_at(libc.bias.wrapping_add(address)).filter(|&pointer| pointer != 0)?;
    Some(memory.text(pointer + 4).trim().to_owned())
}
