//! Texts as CPython keeps them (PEP 393).

use alloc::string::String;
use alloc::vec;

use crate::layout::Layout;
use unwind::ReadMemory;

/// Largest length of a text that is believed, in characters.
const MAX_LENGTH: u64 = 1 << 24;
/// Characters of a text that are read, at most.
const SHOWN: usize = 4096;

impl Layout {
    /// The text of the str object at this address, or its first characters if it is very long; `None` where there is no such object.
    pub fn text(&self, memory: &mut dyn ReadMemory, object: u64) -> Option<String> {
        let length = memory.u64_at(object.wrapping_add(self.text_length)).filter(|&length| length <= MAX_LENGTH)?;
        let state = memory.u32_at(object.wrapping_add(self.text_state))? >> self.text_shift;
        let (kind, is_compact, is_ascii) = (state & 7, state & 8 != 0, state & 16 != 0);
        let size = match (kind, is_ascii) {
            (1, _) => 1,
            (2, false) => 2,
            (4, false) => 4,
            _ => return None,
        };
        let data = match (is_compact, is_ascii) {
            (true, true) => object.wrapping_add(self.text_ascii),
            (true, false) => object.wrapping_add(self.text_other),
            // The characters of an object whose class is derived from str are elsewhere.
            (false, _) => memory.u64_at(object.wrapping_add(self.text_other))?,
        };
        let count = usize::try_from(length).ok()?;
        let mut bytes = vec![0; count.min(SHOWN) * size];
        memory.read_exact(data, &mut bytes).then_some(())?;
        let mut text: String = bytes
            .chunks_exact(size)
            .map(|character| {
                let number = character.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte));
                // Bytes of a file name that are not UTF-8 have become lone surrogates (PEP 383).
                char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
            })
            .collect();
        if count > SHOWN {
            text.push_str("...");
        }
        Some(text)
    }
}
