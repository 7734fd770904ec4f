//! What the system's libraries say before they abort.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use libc::c_int;

use crate::process::{AskSymbols, Map, Memory, ReadMemory};

/// What libraries have left for the system's crash reporter, such as `Assertion failed: ...` or the uncaught exception's
/// type: struct crashreporter_annotations_t { version, message, signature, backtrace, message2, ... } of 8 bytes each, in a
/// section of its own.
pub fn last_words(_signal: c_int, map: &Map, memory: &mut Memory, _ask: &AskSymbols) -> Option<String> {
    const MESSAGES: [u64; 2] = [8, 32];
    let mut words: Vec<String> = Vec::new();
    for module in &map.modules {
        let Some(section) = module.parts.file.section(b"__crash_info") else { continue };
        for at in MESSAGES {
            let address = section.start.wrapping_add(module.bias).wrapping_add(at);
            let text = memory.u64_at(address).filter(|&text| text != 0).map(|text| memory.text(text));
            words.extend(
                text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty() && !is_configuration(text)),
            );
        }
    }
    words.dedup();
    (!words.is_empty()).then(|| words.join("; "))
}

/// dyld says which of its variables are set, DYLD_INSERT_LIBRARIES among them: always so here, and no cause of anything.
fn is_configuration(text: &str) -> bool {
    text.starts_with("dyld") && text.contains("config: DYLD_")
}

/// The exceptions of C++'s that the crashed thread is not done with: the runtime has said it among the last words.
pub fn exceptions(_memory: &mut Memory, _sp: u64) -> Vec<report::Exception> {
    Vec::new()
}
