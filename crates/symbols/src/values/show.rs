//! How values are written: as gdb's backtrace writes them, and short.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use gimli::{AttributeValue, DwAte, constants as c};

use super::content::{Content, Data};
use super::evaluate::{Reading, Why};
use super::{At, REFERENCES};

/// Bytes that a value's text may have; a little more where that would cut a word.
const LONGEST: usize = 200;
/// Bytes of a text that are shown.
const LONGEST_TEXT: usize = 64;
/// Members of a structure, and elements of an array, that are shown.
const MOST_MEMBERS: usize = 10;
/// How deep structures are shown in each other.
const DEPTH: usize = 3;

impl Why {
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

/// The type itself, without other names of it and without `const` and the like. None is void.
fn plain<'a>(mut kind: At<'a>) -> At<'a> {
    for _ in 0..REFERENCES {
        let Some(entry) = kind.read() else { break };
        let is_other_name = matches!(
            entry.tag(),
            c::DW_TAG_typedef
                | c::DW_TAG_const_type
                | c::DW_TAG_volatile_type
                | c::DW_TAG_restrict_type
                | c::DW_TAG_atomic_type
                | c::DW_TAG_shared_type
                | c::DW_TAG_immutable_type
                | c::DW_TAG_template_alias
        );
        let is_elsewhere = entry.has_attr(c::DW_AT_signature) && !entry.has_children();
        let other = match entry.attr_value(c::DW_AT_signature).filter(|_| is_elsewhere) {
            Some(signature) => kind.follow(&signature),
            None if is_other_name => kind.kind(),
            None => None,
        };
        match other {
            Some(other) => kind = other,
            None => break,
        }
    }
    kind
}

/// Bytes of a type.
fn size_of(kind: &At, depth: usize) -> Option<usize> {
    let entry = kind.read()?;
    if let Some(size) = entry.attr_value(c::DW_AT_byte_size) {
        return usize::try_from(size.udata_value()?).ok();
    }
    match entry.tag() {
        // std::nullptr_t is the only type without a description.
        c::DW_TAG_pointer_type
        | c::DW_TAG_reference_type
        | c::DW_TAG_rvalue_reference_type
        | c::DW_TAG_unspecified_type => Some(8),
        c::DW_TAG_array_type => {
            let element = size_of(&plain(kind.kind()?), depth.checked_sub(1)?)?;
            counts(kind)?.into_iter().try_fold(element, usize::checked_mul)
        }
        c::DW_TAG_enumeration_type => size_of(&plain(kind.kind()?), depth.checked_sub(1)?),
        _ => None,
    }
}

/// How many elements an array has in each dimension; `None` where that is decided at run time.
fn counts(array: &At) -> Option<Vec<usize>> {
    dimensions(array).map(|(_, entry)| constant_count(&entry)).collect()
}

fn dimensions<'a>(array: &At<'a>) -> impl Iterator<Item = (At<'a>, super::Entry)> {
    array.children().into_iter().filter(|(_, entry)| entry.tag() == c::DW_TAG_subrange_type)
}

fn constant_count(dimension: &super::Entry) -> Option<usize> {
    let count = match dimension.attr_value(c::DW_AT_count) {
        Some(count) => count.udata_value(),
        None => dimension.attr_value(c::DW_AT_upper_bound)?.udata_value()?.checked_add(1),
    };
    usize::try_from(count?).ok()
}

/// A value as it is being written.
struct Shown<'r, 'a, 'p> {
    reading: &'r mut Reading<'a, 'p>,
    text: &'r mut String,
}

impl<'a> Shown<'_, 'a, '_> {
    fn is_full(&self) -> bool {
        self.text.len() > LONGEST
    }

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

    fn number(&mut self, kind: &At, data: &Data) {
        let size = size_of(kind, 1).unwrap_or(0);
        let encoding = kind.attribute(c::DW_AT_encoding).map(|(_, value)| value);
        let Some(AttributeValue::Encoding(encoding)) = encoding else {
            self.text.push_str(Why::Unknown.text());
            return;
        };
        let bytes = self.bytes(data, size);
        self.or_why(bytes, |shown, bytes| shown.base(encoding, &bytes));
    }

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

    fn float(&mut self, text: String) -> core::fmt::Result {
        self.text.push_str(text.strip_suffix(".0").unwrap_or(&text));
        Ok(())
    }

    fn word(&mut self, data: &Data) -> Result<u64, Why> {
        let bytes = self.bytes(data, 8)?;
        Ok(bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
    }

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

    fn enumerator(&mut self, kind: &At, data: &Data) {
        let size = size_of(kind, 4).unwrap_or(4);
        let bytes = self.bytes(data, size.min(8));
        let children = kind.children();
        // The names of others are names of their scope.
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
            // Of enumerators that have no bit in common, the value is several.
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

    fn structure(&mut self, kind: &At<'a>, data: &Data, depth: usize) {
        if self.text_object(kind, data) {
            return;
        }
        if depth == 0 {
            self.text.push_str("{...}");
            return;
        }
        let children = kind.children();
        if let Some((part, _)) = children.iter().find(|(_, entry)| entry.tag() == c::DW_TAG_variant_part) {
            self.variant(part, data, depth);
            return;
        }
        let is_tuple = offset_of(kind, &["__0"]).is_some();
        self.text.push(if is_tuple { '(' } else { '{' });
        let mut count = 0;
        for (at, entry) in children {
            let tag = entry.tag();
            let is_member = tag == c::DW_TAG_member
                && !entry.has_attr(c::DW_AT_declaration)
                && !entry.has_attr(c::DW_AT_external)
                && !entry.has_attr(c::DW_AT_artificial);
            if !is_member && tag != c::DW_TAG_inheritance {
                continue;
            }
            if count > 0 {
                self.text.push_str(", ");
            }
            if count == MOST_MEMBERS || self.is_full() {
                self.text.push_str("...");
                break;
            }
            count += 1;
            let name = if tag == c::DW_TAG_inheritance {
                at.kind().map(|base| format!("<{}>", without_parameters(&base.name()))).unwrap_or_default()
            } else {
                at.name()
            };
            if !name.is_empty() && !is_tuple {
                let _ = write!(self.text, "{name} = ");
            }
            self.member(&at, data, depth - 1);
        }
        self.text.push(if is_tuple { ')' } else { '}' });
    }

    fn member(&mut self, member: &At<'a>, data: &Data, depth: usize) {
        let Some(kind) = member.kind().map(plain) else {
            self.text.push_str(Why::Unknown.text());
            return;
        };
        let bits = member.number(c::DW_AT_bit_size);
        // DWARF before version 4 counts bits of a larger number, from its most significant end.
        let of_number = || {
            let (last, size) = (member.number(c::DW_AT_bit_offset)?, member.number(c::DW_AT_byte_size)?);
            let start = member.number(c::DW_AT_data_member_location).unwrap_or(0);
            start.checked_add(size)?.checked_mul(8)?.checked_sub(last)?.checked_sub(bits?)
        };
        let first_bit = member.number(c::DW_AT_data_bit_offset).or_else(of_number);
        if let Some(bits) = bits {
            match first_bit.filter(|&first| (1..=64).contains(&bits) && first < 1 << 20) {
                Some(first) => self.bit_field(&kind, data, first, bits),
                None => self.text.push_str(Why::Unknown.text()),
            }
            return;
        }
        // Virtual bases are where the object's table says.
        let offset = match member.attribute(c::DW_AT_data_member_location) {
            None => Some(0),
            Some((_, value)) => value.udata_value().and_then(|offset| usize::try_from(offset).ok()),
        };
        match offset {
            Some(offset) => self.value(&kind, &data.part(offset), depth),
            None => self.text.push_str(Why::Unknown.text()),
        }
    }

    fn bit_field(&mut self, kind: &At<'a>, data: &Data, first: u64, bits: u64) {
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

    /// An enum of Rust's: its variant, and what that has.
    fn variant(&mut self, part: &At<'a>, data: &Data, depth: usize) {
        let discriminant =
            part.attribute(c::DW_AT_discr).and_then(|(at, value)| at.follow(&value)).and_then(|member| {
                let size = size_of(&plain(member.kind()?), 2)?.min(8);
                let offset = usize::try_from(member.number(c::DW_AT_data_member_location).unwrap_or(0)).ok()?;
                let bytes = self.bytes(&data.part(offset), size).ok()?;
                let mask = if size < 8 { (1 << (8 * size)) - 1 } else { u64::MAX };
                Some((bytes.iter().rev().fold(0u64, |word, &byte| word << 8 | u64::from(byte)), mask))
            });
        let mut other = None;
        let mut found = None;
        for (at, entry) in part.children() {
            if entry.tag() != c::DW_TAG_variant {
                continue;
            }
            let value = entry.attr_value(c::DW_AT_discr_value);
            let number =
                value.and_then(|value| value.sdata_value().map(i64::cast_unsigned).or_else(|| value.udata_value()));
            match (number, discriminant) {
                (None, _) => other = Some(at),
                (Some(number), Some((word, mask))) if number & mask == word => found = Some(at),
                _ => {}
            }
        }
        let Some(variant) = found.or(other) else {
            self.text.push_str(Why::Unknown.text());
            return;
        };
        for (member, entry) in variant.children() {
            if entry.tag() == c::DW_TAG_member {
                self.text.push_str(&member.name());
                let has_members = member
                    .kind()
                    .is_some_and(|kind| kind.children().iter().any(|(_, entry)| entry.tag() == c::DW_TAG_member));
                if has_members {
                    let is_tuple = member.kind().is_some_and(|kind| offset_of(&kind, &["__0"]).is_some());
                    self.text.push_str(if is_tuple { "" } else { " " });
                    self.member(&member, data, depth);
                }
            }
        }
    }

    /// How many elements an array of the crashed function has in each dimension.
    fn counts(&mut self, array: &At<'a>) -> Option<Vec<usize>> {
        let mut counts = Vec::new();
        for (at, entry) in dimensions(array) {
            let count = match constant_count(&entry) {
                Some(count) => count,
                None => {
                    let count = entry.attr_value(c::DW_AT_count);
                    let more = u64::from(count.is_none());
                    let value = count.or_else(|| entry.attr_value(c::DW_AT_upper_bound))?;
                    usize::try_from(self.computed(&at, &value)?.checked_add(more)?).ok()?
                }
            };
            counts.push(count);
        }
        Some(counts)
    }

    /// A number that is decided at run time: an expression, or a variable.
    fn computed(&mut self, at: &At<'a>, value: &AttributeValue<super::Reader>) -> Option<u64> {
        if let Some(expression) = value.exprloc_value() {
            return self.reading.number(at, expression);
        }
        let variable = at.follow(value)?;
        let size = size_of(&plain(variable.kind()?), DEPTH)?.min(8);
        let data = self.reading.content(&variable, size).ok()?;
        let bytes = self.bytes(&data, size).ok()?;
        Some(bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
    }

    fn array(&mut self, kind: &At<'a>, data: &Data, depth: usize) {
        let (Some(element), Some(counts)) = (kind.kind().map(plain), self.counts(kind)) else {
            self.text.push_str("...");
            return;
        };
        match size_of(&element, 4).filter(|&size| size > 0) {
            Some(size) => self.elements(&element, size, &counts, data, depth),
            None => self.text.push_str("{...}"),
        }
    }

    /// The elements of an array, which are arrays themselves as long as there are more dimensions.
    fn elements(&mut self, element: &At<'a>, size: usize, counts: &[usize], data: &Data, depth: usize) {
        let Some((&count, inner)) = counts.split_first() else {
            self.text.push_str("{...}");
            return;
        };
        if inner.is_empty() && is_character(element) && size == 1 {
            let bytes = self.bytes(data, count.min(LONGEST_TEXT + 1));
            self.or_why(bytes, |shown, bytes| {
                let end = bytes.iter().position(|&byte| byte == 0);
                let text = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
                shown.quote(text, end.is_none() && bytes.len() > LONGEST_TEXT);
            });
            return;
        }
        let stride = inner.iter().try_fold(size, |size, &count| size.checked_mul(count));
        let Some(stride) = stride.filter(|_| depth > 0) else {
            self.text.push_str("{...}");
            return;
        };
        self.text.push('{');
        for index in 0..count {
            if index > 0 {
                self.text.push_str(", ");
            }
            let Some(offset) = index.checked_mul(stride).filter(|_| index < MOST_MEMBERS && !self.is_full()) else {
                self.text.push_str("...");
                break;
            };
            let part = data.part(offset);
            if inner.is_empty() {
                self.value(element, &part, depth - 1);
            } else {
                self.elements(element, size, inner, &part, depth - 1);
            }
        }
        self.text.push('}');
    }

    /// Strings of C++'s libraries and of Rust's; false for everything else.
    fn text_object(&mut self, kind: &At, data: &Data) -> bool {
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

    /// Where such a string's text is, and its length.
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
            // The text counts its references: its length is three words before it.
            return Some(self.word(data).and_then(|address| {
                let length = Content::read(self.reading.process, address.wrapping_sub(24), 8).ok_or(Why::Unreadable)?;
                Ok((address, length.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))))
            }));
        }
        if offset_of(kind, &["__r_"]).or_else(|| offset_of(kind, &["__rep_"])).is_some() {
            // libc++: the lowest bit of the first byte says whether the text is elsewhere.
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

    /// A text in memory, in quotes: up to a zero byte if its length is not known. Whether it could be read.
    fn quoted(&mut self, address: u64, length: Option<u64>) -> bool {
        let wanted = length.map_or(LONGEST_TEXT + 1, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let mut bytes = [0; LONGEST_TEXT + 1];
        let wanted = wanted.min(bytes.len());
        let Some(place) = bytes.get_mut(..wanted) else { return false };
        let read = self.reading.process.read(address, place);
        let found = place.get(..read).unwrap_or_default();
        let end = if length.is_none() { found.iter().position(|&byte| byte == 0) } else { None };
        // Memory that ends without the text ending is no text.
        if read < wanted && end.is_none() {
            return false;
        }
        let text = found.get(..end.unwrap_or(read)).unwrap_or_default();
        self.quote(text, text.len() > LONGEST_TEXT);
        true
    }

    fn quote(&mut self, bytes: &[u8], is_cut: bool) {
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

/// The nearest number of 64 bits for one of x86's 80 (long double): a sign, 15 bits of exponent, 64 of the number.
#[cfg(target_arch = "x86_64")]
fn of_extended(bits: u128) -> f64 {
    let power = |exponent: i32| f64::from_bits(u64::try_from(exponent.clamp(-1022, 1023) + 1023).unwrap_or(0) << 52);
    let exponent = ((bits >> 64) & 0x7fff) as i32;
    let number = bits as u64;
    let scale = exponent - 16383 - 63;
    let value = match exponent {
        0x7fff if number << 1 == 0 => f64::INFINITY,
        0x7fff => f64::NAN,
        // Two steps: one power alone may be out of reach where the number is not.
        _ => number as f64 * power(scale / 2) * power(scale - scale / 2),
    };
    if bits >> 79 & 1 == 1 { -value } else { value }
}

fn escape(text: &mut String, character: char) {
    let _ = match character {
        '\n' => write!(text, "\\n"),
        '\t' => write!(text, "\\t"),
        '\r' => write!(text, "\\r"),
        '"' | '\\' => write!(text, "\\{character}"),
        control if (control as u32) < 32 || control as u32 == 127 => write!(text, "\\{:03o}", control as u32),
        other => write!(text, "{other}"),
    };
}

/// Whether texts are made of that.
fn is_character(kind: &At) -> bool {
    let encoding = kind.attribute(c::DW_AT_encoding).map(|(_, value)| value);
    let is_wide = size_of(kind, 1) != Some(1);
    !is_wide
        && matches!(
            encoding,
            Some(AttributeValue::Encoding(c::DW_ATE_signed_char | c::DW_ATE_unsigned_char | c::DW_ATE_UTF))
        )
}

/// How far into a structure a member of a member is.
fn offset_of(kind: &At, path: &[&str]) -> Option<usize> {
    let Some((first, rest)) = path.split_first() else { return Some(0) };
    let (member, _) =
        kind.children().into_iter().find(|(at, entry)| entry.tag() == c::DW_TAG_member && at.name() == *first)?;
    let offset = usize::try_from(member.number(c::DW_AT_data_member_location).unwrap_or(0)).ok()?;
    offset.checked_add(offset_of(&plain(member.kind()?), rest)?)
}

fn without_parameters(name: &str) -> &str {
    name.split('<').next().unwrap_or(name)
}
