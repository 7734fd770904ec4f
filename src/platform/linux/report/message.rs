//! What the system's libraries say before they abort.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use libc::c_int;

use crate::platform::report::{AskSymbols, Map, Memory, Module};
use symbols::demangle;

/// What libc said before it called abort(3), which it keeps for debuggers: struct { unsigned size; char text[]; }.
pub fn last_words(signal: c_int, map: &Map, memory: &mut Memory, ask: &AskSymbols) -> Option<String> {
    (signal == libc::SIGABRT).then_some(())?;
    let is_libc = |module: &&Module| module.path.rsplit('/').next().is_some_and(|name| name.starts_with("libc."));
    let libc = map.modules.iter().find(is_libc)?;
    let mut address = None;
    ask(libc, &mut |symbols| address = symbols.object("__abort_msg"));
    let address = address?;
    let place = memory.word(libc.bias.wrapping_add(address)).filter(|&place| place != 0)?;
    Some(memory.text(place + 4).trim().to_owned())
}

/// The exception that nobody has caught, of C++'s: its type, and what() of those that have kept a text. `sp` is below the
/// frames of std::terminate(), which know where it is.
///
/// Nothing of the program is called for that: what is read is how the Itanium C++ ABI and its two runtimes lay exceptions
/// out (unwind-cxx.h, cxa_exception.h).
pub fn uncaught_exception(memory: &mut Memory, sp: u64) -> Option<String> {
    /// `exception_class`: vendor, language, and nothing for an exception that is one itself.
    const CLASSES: [u64; 2] = [u64::from_be_bytes(*b"GNUCC++\0"), u64::from_be_bytes(*b"CLNGC++\0")];
    /// How far to look, in words.
    const SEARCH: u64 = 2048;
    /// Before struct _Unwind_Exception, with which the runtimes pass an exception on; and its size.
    const TYPE: u64 = 80;
    const HEADER: u64 = 32;
    let exception = (0..SEARCH).find_map(|word| {
        let place = memory.word(sp.wrapping_add(word * 8))?;
        let class = memory.word(place)?;
        CLASSES.contains(&class).then_some(place)
    })?;
    let object = exception.wrapping_add(HEADER);
    let mut kind = memory.word(exception.wrapping_sub(TYPE))?;
    let mut text = String::new();
    let mut name = String::new();
    // These two keep a text; what is derived from them begins as they do.
    for _ in 0..16 {
        let Some(place) = memory.word(kind.wrapping_add(8)) else { break };
        let mangled = memory.text(place);
        if name.is_empty() {
            let whole = demangle(format!("_ZTS{}", mangled.trim_start_matches('*')).as_bytes());
            whole.trim_start_matches("typeinfo name for ").clone_into(&mut name);
        }
        if matches!(mangled.as_str(), "St13runtime_error" | "St11logic_error") {
            text = memory.word(object.wrapping_add(8)).map(|place| memory.text(place)).unwrap_or_default();
            break;
        }
        let Some(base) = memory.word(kind.wrapping_add(16)) else { break };
        kind = base;
    }
    let separator = if text.is_empty() { "" } else { ": " };
    (!name.is_empty()).then(|| format!("uncaught exception {name}{separator}{text}"))
}
