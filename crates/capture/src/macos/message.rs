//! What the system's libraries say before they abort.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use libc::c_int;

use crate::process::{AskSymbols, Map, Memory, ReadMemory, ReadOwned};

/// What libraries have left for the system's crash reporter, such as `Assertion failed: ...` or the uncaught exception's
/// type: struct crashreporter_annotations_t { version, message, signature, backtrace, message2, ... } of 8 bytes each, in a
/// section of its own.
pub fn abort_message(_signal: c_int, map: &Map, memory: &mut Memory, _ask: &AskSymbols) -> Option<String> {
    /// Offsets of `message` and `message2`.
    const MESSAGES: [u64; 2] = [8, 32];
    let mut messages: Vec<String> = Vec::new();
    for module in &map.modules {
        let Some(section) = module.parts.file.section(b"__crash_info") else { continue };
        for at in MESSAGES {
            let address = section.start.wrapping_add(module.bias).wrapping_add(at);
            let text = memory.u64_at(address).filter(|&text| text != 0).map(|text| memory.text(text));
            messages.extend(
                text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty() && !is_configuration(text)),
            );
        }
    }
    messages.dedup();
    (!messages.is_empty()).then(|| messages.join("; "))
}

/// Whether this is dyld's note of which DYLD_ variables are set: DYLD_INSERT_LIBRARIES always is, and causes no crash.
fn is_configuration(text: &str) -> bool {
    text.starts_with("dyld") && text.contains("config: DYLD_")
}

/// The C++ exceptions of the crashed thread. Not read here: the runtime has named the uncaught one in its message.
pub fn exceptions(_memory: &mut Memory, _sp: u64) -> Vec<report::Exception> {
    Vec::new()
}
