//! Numbers, characters, enumerators and bit fields, as they are written.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use gimli::{AttributeValue, DwAte, constants as c};

use super::super::At;
use super::super::content::Data;
use super::super::evaluate::Why;
use super::Shown;
use super::texts::escape;
use super::types::size_of;

impl<'a> Shown<'_, 'a, '_> {
    /// A value of a base type, by its encoding.
    pub(super) fn number(&mut self, kind: &At, data: &Data) {
        let size = size_of(kind, 1).unwrap_or(0);
        let encoding = kind.attribute(c::DW_AT_encoding).map(|(_, value)| value);
        let Some(AttributeValue::Encoding(encoding)) = encoding else {
            self.text.push_str(Why::Unknown.text());
            return;
        };
        let bytes = self.bytes(data, size);
        self.or_why(bytes, |shown, bytes| shown.base(encoding, &bytes));
    }

    /// The same, from its bytes, the least significant first.
    fn base(&mut self, encoding: DwAte, bytes: &[u8]) {
        let unsigned = bytes.iter().rev().fold(0u128, |number, &byte| number << 8 | u128::from(byte));
        let bits = 8 * bytes.len() as u32;
        if bits == 0 || bits > 128 {
            self.text.push_str(Why::Unknown.text());
            return;
        }
        let signed = (unsigned << (128 - bits)).cast_signed() >> (128 - bits);
        let _ = match (encoding, bits) {
            (c::DW_ATE_boolean, _) if unsigned < 2 => write!(self.text, "{}", unsigned == 1),
            (c::DW_ATE_boolean | c::DW_ATE_unsigned | c::DW_ATE_address, _) => write!(self.text, "{unsigned}"),
            (c::DW_ATE_signed, _) => write!(self.text, "{signed}"),
            (c::DW_ATE_signed_char | c::DW_ATE_unsigned_char | c::DW_ATE_UTF, _) => {
                let number = if encoding == c::DW_ATE_signed_char { signed } else { unsigned.cast_signed() };
                let _ = write!(self.text, "{number} '");
                let character = u32::try_from(unsigned).ok().filter(|&code| bits > 8 || code < 128);
                match character.and_then(char::from_u32) {
                    Some('\'') => self.text.push_str("\\'"),
                    Some('"') => self.text.push('"'),
                    Some(character) => escape(self.text, character),
                    None => {
                        let _ = write!(self.text, "\\{:03o}", unsigned & 0xff);
                    }
                }
                self.text.push('\'');
                Ok(())
            }
            (c::DW_ATE_float, 32) => self.float(format!("{:?}", f32::from_bits(unsigned as u32))),
            (c::DW_ATE_float, 64) => self.float(format!("{:?}", f64::from_bits(unsigned as u64))),
            #[cfg(target_arch = "x86_64")]
            (c::DW_ATE_float, 128) => self.float(format!("{:?}", of_extended(unsigned))),
            _ => write!(self.text, "<not shown>"),
        };
    }

    /// A floating-point number, without `.0` at its end.
    fn float(&mut self, text: String) -> core::fmt::Result {
        self.text.push_str(text.strip_suffix(".0").unwrap_or(&text));
        Ok(())
    }

    /// A value of an enumeration: its name, or the names of the flags that it consists of.
    pub(super) fn enumerator(&mut self, kind: &At, data: &Data) {
        let size = size_of(kind, 4).unwrap_or(4);
        let bytes = self.bytes(data, size.min(8));
        let children = kind.children();
        // The enumerators of other enumerations are written without the enumeration's name in C and C++, too.
        let scope = if kind.attribute(c::DW_AT_enum_class).is_some() { kind.name() } else { String::new() };
        self.or_why(bytes, |shown, bytes| {
            let word = bytes.iter().rev().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
            let mask = if bytes.len() < 8 { (1 << (8 * bytes.len())) - 1 } else { u64::MAX };
            let values =
                children.iter().filter(|(_, entry)| entry.tag() == c::DW_TAG_enumerator).filter_map(|(at, entry)| {
                    let value = entry.attr_value(c::DW_AT_const_value)?;
                    let number = value.sdata_value().map(i64::cast_unsigned).or_else(|| value.udata_value())?;
                    Some((at, number & mask))
                });
            let write = |text: &mut String, at: &At| {
                if !scope.is_empty() {
                    let _ = write!(text, "{scope}::");
                }
                text.push_str(&at.name());
            };
            let (mut known, mut is_flags) = (0, true);
            for (at, value) in values.clone() {
                if value == word {
                    return write(shown.text, at);
                }
                is_flags &= known & value == 0;
                known |= value;
            }
            // Only if no two enumerators have a bit in common are they flags, of which a value can have several.
            if !is_flags || word & known == 0 {
                let _ = write!(shown.text, "{word}");
                return;
            }
            let (mut rest, mut separator) = (word, "(");
            for (at, value) in values.filter(|(_, value)| *value != 0 && word & value == *value) {
                shown.text.push_str(core::mem::replace(&mut separator, " | "));
                write(shown.text, at);
                rest &= !value;
            }
            if rest != 0 {
                let _ = write!(shown.text, "{separator}unknown: {rest:#x}");
            }
            shown.text.push(')');
        });
    }

    /// A member of `bits` bits; `first` is the number of its first bit, counted from the start of the structure.
    pub(super) fn bit_field(&mut self, kind: &At<'a>, data: &Data, first: u64, bits: u64) {
        let field = data.bits(self.reading.process, first, bits);
        let kind = kind.clone();
        self.or_why(field, |shown, field| {
            let field = u128::from(field);
            let is_signed = kind.attribute(c::DW_AT_encoding).is_some_and(|(_, value)| {
                matches!(value, AttributeValue::Encoding(c::DW_ATE_signed | c::DW_ATE_signed_char))
            });
            let is_negative = is_signed && field >> (bits - 1) & 1 == 1;
            let wide = if is_negative { field | u128::MAX << bits } else { field };
            shown.value(&kind, &Data::of_bytes(&wide.to_le_bytes()), 0);
        });
    }
}

/// An f64 near a number in x86's extended format of 80 bits (long double): 1 bit of sign, 15 of exponent, 64 of
/// significand.
#[cfg(target_arch = "x86_64")]
pub(super) fn of_extended(bits: u128) -> f64 {
    let power = |exponent: i32| f64::from_bits(u64::try_from(exponent.clamp(-1022, 1023) + 1023).unwrap_or(0) << 52);
    let exponent = ((bits >> 64) & 0x7fff) as i32;
    let number = bits as u64;
    let scale = exponent - 16383 - 63;
    let value = match exponent {
        0x7fff if number << 1 == 0 => f64::INFINITY,
        0x7fff => f64::NAN,
        // In two steps: the power of two alone may be too large or too small for an f64 where the product is not.
        _ => number as f64 * power(scale / 2) * power(scale - scale / 2),
    };
    if bits >> 79 & 1 == 1 { -value } else { value }
}
