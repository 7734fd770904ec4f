//! Strings: C's, and the string objects of C++'s libraries and of Rust.

use alloc::string::String;
use core::fmt::Write;

use super::super::At;
use super::super::content::{self, Data};
use super::super::evaluate::Why;
use super::types::offset_of;
use super::{LONGEST_TEXT, Shown};

impl Shown<'_, '_, '_> {
    /// Writes a value if it is a string object of a C++ library or of Rust. Returns whether it was one.
    pub(super) fn text_object(&mut self, kind: &At, data: &Data) -> bool {
        let name = kind.name();
        let is_string = name.starts_with("basic_string<char,") || name == "basic_string<char>";
        let is_view = name.starts_with("basic_string_view<char,");
        let is_rust = name == "&str" || name == "String";
        if !(is_string || is_view || is_rust) {
            return false;
        }
        let found = self.text_at(kind, data, name == "String");
        match found {
            Some(Ok((address, length))) => {
                if !self.quoted(address, Some(length)) {
                    self.text.push_str(Why::Unreadable.text());
                }
            }
            Some(Err(why)) => self.text.push_str(why.text()),
            None => return false,
        }
        true
    }

    /// The address of such a string's text, and its length in bytes; `None` if the object is not made as is known here.
    fn text_at(&mut self, kind: &At, data: &Data, is_rust_string: bool) -> Option<Result<(u64, u64), Why>> {
        let both = |shown: &mut Self, pointer: usize, length: usize| {
            let address = shown.word(&data.part(pointer));
            Some(address.and_then(|address| Ok((address, shown.word(&data.part(length))?))))
        };
        if is_rust_string {
            let old: &[&str] = &["vec", "buf", "ptr", "pointer", "pointer"];
            let new: &[&str] = &["vec", "buf", "inner", "ptr", "pointer", "pointer"];
            let pointer = offset_of(kind, new).or_else(|| offset_of(kind, old))?;
            return both(self, pointer, offset_of(kind, &["vec", "len"])?);
        }
        for (pointer, length) in [
            ("data_ptr", "length"),
            ("_M_dataplus", "_M_string_length"),
            ("_M_str", "_M_len"),
            ("__data_", "__size_"),
            ("__data", "__size"),
        ] {
            if let (Some(pointer), Some(length)) = (offset_of(kind, &[pointer]), offset_of(kind, &[length])) {
                return both(self, pointer, length);
            }
        }
        if offset_of(kind, &["_M_dataplus"]).is_some() {
            // libstdc++'s older string, which counts its references: the length is 24 bytes before the text
            // (`_Rep_base`).
            return Some(self.word(data).and_then(|address| {
                let length = content::read(self.reading.process, address.wrapping_sub(24), 8).ok_or(Why::Unreadable)?;
                Ok((address, length.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))))
            }));
        }
        if offset_of(kind, &["__r_"]).or_else(|| offset_of(kind, &["__rep_"])).is_some() {
            // libc++: if the lowest bit of the first byte is set, the object has a capacity, the length and the text's
            // address, 8 bytes each. Otherwise it has the length in that byte's other bits, and behind it the text, of
            // 22 bytes at most.
            let first = match data.bytes(self.reading.process, 1) {
                Ok(first) => first.first().copied().unwrap_or(0),
                Err(why) => return Some(Err(why)),
            };
            if first & 1 == 1 {
                return both(self, 16, 8);
            }
            let address = data.address?.wrapping_add(1);
            return Some(Ok((address, u64::from(first >> 1).min(22))));
        }
        None
    }

    /// A text in memory, in quotes: up to a zero byte if its length is not known. Returns whether it could be read.
    pub(super) fn quoted(&mut self, address: u64, length: Option<u64>) -> bool {
        let wanted = length.map_or(LONGEST_TEXT + 1, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let mut bytes = [0; LONGEST_TEXT + 1];
        let wanted = wanted.min(bytes.len());
        let Some(buffer) = bytes.get_mut(..wanted) else { return false };
        let read = self.reading.process.read(address, buffer);
        let found = buffer.get(..read).unwrap_or_default();
        let end = if length.is_none() { found.iter().position(|&byte| byte == 0) } else { None };
        // Memory that ends before the text does has no text.
        if read < wanted && end.is_none() {
            return false;
        }
        let text = found.get(..end.unwrap_or(read)).unwrap_or_default();
        self.quote(text, text.len() > LONGEST_TEXT);
        true
    }

    /// Bytes of a text, in quotes.
    pub(super) fn quote(&mut self, bytes: &[u8], is_cut: bool) {
        let shown = bytes.get(..LONGEST_TEXT).unwrap_or(bytes);
        self.text.push('"');
        for chunk in shown.utf8_chunks() {
            chunk.valid().chars().for_each(|character| escape(self.text, character));
            for byte in chunk.invalid() {
                let _ = write!(self.text, "\\{byte:03o}");
            }
        }
        self.text.push_str(if is_cut { "\"..." } else { "\"" });
    }
}

/// Writes a character of a text as it would stand in C's source.
pub(super) fn escape(text: &mut String, character: char) {
    let _ = match character {
        '\n' => write!(text, "\\n"),
        '\t' => write!(text, "\\t"),
        '\r' => write!(text, "\\r"),
        '"' | '\\' => write!(text, "\\{character}"),
        control if (control as u32) < 32 || control as u32 == 127 => write!(text, "\\{:03o}", control as u32),
        other => write!(text, "{other}"),
    };
}
