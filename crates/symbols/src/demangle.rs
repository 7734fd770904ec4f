//! Demangles names: from those that linkers know to those in the source.
//!
//! With the two crates that the backtrace crate uses; its own `SymbolName` needs the standard library.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt::{self, Write};

use cpp_demangle::BorrowedSymbol;

/// Longest name that is demangled, in bytes; there are symbols of a megabyte.
const LONGEST_NAME: usize = 8192;

/// Shows a Rust or C++ name demangled, and every other as it is.
pub struct Demangled<'a>(pub &'a [u8]);

impl fmt::Display for Demangled<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = core::str::from_utf8(self.0).ok().and_then(|name| rustc_demangle::try_demangle(name).ok()) {
            // The short form, without the hash of the older mangling.
            return write!(formatter, "{name:#}");
        }
        if let Some(name) = BorrowedSymbol::new(self.0).ok().and_then(|symbol| symbol.demangle().ok()) {
            return formatter.write_str(&name);
        }
        self.0.utf8_chunks().try_for_each(|chunk| {
            formatter.write_str(chunk.valid())?;
            if chunk.invalid().is_empty() { Ok(()) } else { formatter.write_char(char::REPLACEMENT_CHARACTER) }
        })
    }
}

/// A name as the source has it: demangled, and without the hash of Rust's legacy mangling.
pub fn demangle(name: &[u8]) -> String {
    let mut text = String::new();
    if name.len() <= LONGEST_NAME && (name.starts_with(b"_Z") || name.starts_with(b"_R")) {
        let _ = write!(text, "{}", Demangled(name));
    }
    if text.is_empty() {
        text = String::from_utf8_lossy(name).into_owned();
    }
    // Rust's legacy mangling ends in a hash.
    if let Some((front, hash)) = text.rsplit_once("::h")
        && hash.len() == 16
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        text = front.to_owned();
    }
    text
}
