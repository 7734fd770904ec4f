//! How values are written: as gdb's backtrace writes them, and short.

mod composites;
mod numbers;
mod texts;
mod types;

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use gimli::constants as c;

use super::At;
use super::content::Data;
use super::evaluate::{Reading, Why};
use types::{is_character, plain, size_of};

/// Bytes that a value's text may have; a little more where that would cut a word.
const LONGEST: usize = 200;
/// Bytes of a text that are shown.
const LONGEST_TEXT: usize = 64;
/// Members of a structure, and elements of an array, that are shown.
const MOST_MEMBERS: usize = 10;
/// How deep structures are shown in each other.
const DEPTH: usize = 3;

impl Why {
    /// What stands in the place of a value that is not there.
    fn text(self) -> &'static str {
        match self {
            Self::OptimizedOut => "<optimized out>",
            Self::Vector => "<in a vector register>",
            Self::Synthetic => "<synthetic pointer>",
            Self::Unreadable => "<unreadable>",
            Self::Unknown => "<unknown>",
        }
    }
}

/// The text of a variable's value.
pub fn value<'a>(reading: &mut Reading<'a, '_>, variable: &At<'a>) -> String {
    let mut text = String::new();
    let Some(kind) = variable.kind().map(plain) else { return Why::Unknown.text().to_owned() };
    let size = size_of(&kind, DEPTH * 2).unwrap_or(0);
    match reading.content(variable, size) {
        Ok(data) => Shown { reading, text: &mut text }.value(&kind, &data, DEPTH),
        Err(why) => text.push_str(why.text()),
    }
    text
}

/// A value as it is being written.
struct Shown<'r, 'a, 'p> {
    reading: &'r mut Reading<'a, 'p>,
    text: &'r mut String,
}

impl<'a> Shown<'_, 'a, '_> {
    /// Whether enough has been written.
    fn is_full(&self) -> bool {
        self.text.len() > LONGEST
    }

    /// The bytes of a value.
    fn bytes(&mut self, data: &Data, size: usize) -> Result<Vec<u8>, Why> {
        data.bytes(self.reading.process, size)
    }

    /// Writes what `write` makes, or why there is nothing.
    fn or_why<T>(&mut self, result: Result<T, Why>, write: impl FnOnce(&mut Self, T)) {
        match result {
            Ok(value) => write(self, value),
            Err(why) => self.text.push_str(why.text()),
        }
    }

    /// A value of a type, with `depth` levels of structures in each other.
    fn value(&mut self, kind: &At<'a>, data: &Data, depth: usize) {
        let Some(entry) = kind.read() else {
            self.text.push_str(Why::Unknown.text());
            return;
        };
        match entry.tag() {
            c::DW_TAG_base_type => self.number(kind, data),
            c::DW_TAG_pointer_type | c::DW_TAG_ptr_to_member_type => self.pointer(kind, data),
            c::DW_TAG_reference_type | c::DW_TAG_rvalue_reference_type => self.reference(kind, data, depth),
            c::DW_TAG_enumeration_type => self.enumerator(kind, data),
            c::DW_TAG_structure_type | c::DW_TAG_class_type | c::DW_TAG_union_type => self.structure(kind, data, depth),
            c::DW_TAG_array_type => self.array(kind, data, depth),
            c::DW_TAG_unspecified_type => self.pointer(kind, data),
            _ => self.text.push_str(Why::Unknown.text()),
        }
    }

    /// A value of eight bytes, as a number.
    fn word(&mut self, data: &Data) -> Result<u64, Why> {
        let bytes = self.bytes(data, 8)?;
        Ok(bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
    }

    /// An address, and the text there if it is one of characters.
    fn pointer(&mut self, kind: &At, data: &Data) {
        let word = self.word(data);
        let is_text = kind.kind().map(plain).is_some_and(|to| is_character(&to));
        self.or_why(word, |shown, address| {
            let _ = write!(shown.text, "{address:#x}");
            if is_text && address != 0 {
                let mark = shown.text.len();
                shown.text.push(' ');
                if !shown.quoted(address, None) {
                    shown.text.truncate(mark);
                }
            }
        });
    }

    /// An address, and what is there.
    fn reference(&mut self, kind: &At<'a>, data: &Data, depth: usize) {
        let word = self.word(data);
        let to = kind.kind().map(plain);
        self.or_why(word, |shown, address| {
            let _ = write!(shown.text, "@{address:#x}: ");
            match to {
                Some(to) if depth > 0 => shown.value(&to, &Data::of_memory(address), depth - 1),
                _ => shown.text.push_str("..."),
            }
        });
    }
}
