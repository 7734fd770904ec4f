//! Structures, the variants of Rust's enums, and arrays, as they are written.

use alloc::format;
use alloc::vec::Vec;
use core::fmt::Write;

use gimli::{AttributeValue, constants as c};

use super::super::content::Data;
use super::super::evaluate::Why;
use super::super::{At, Reader};
use super::types::{constant_count, dimensions, is_character, offset_of, plain, size_of, without_parameters};
use super::{DEPTH, LONGEST_TEXT, MOST_MEMBERS, Shown};

impl<'a> Shown<'_, 'a, '_> {
    /// A structure, class or union: its members, or its variant.
    pub(super) fn structure(&mut self, kind: &At<'a>, data: &Data, depth: usize) {
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

    /// The value of a member.
    fn member(&mut self, member: &At<'a>, data: &Data, depth: usize) {
        let Some(kind) = member.kind().map(plain) else {
            self.text.push_str(Why::Unknown.text());
            return;
        };
        let bits = member.number(c::DW_AT_bit_size);
        // DWARF before version 4 counts bits from the most significant end of an integer that the member is a part of.
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
        // The offset of a virtual base is no number but an expression over the object's vtable: it is not shown.
        let offset = match member.attribute(c::DW_AT_data_member_location) {
            None => Some(0),
            Some((_, value)) => value.udata_value().and_then(|offset| usize::try_from(offset).ok()),
        };
        match offset {
            Some(offset) => self.value(&kind, &data.part(offset), depth),
            None => self.text.push_str(Why::Unknown.text()),
        }
    }

    /// An enum of Rust: the name of its variant, and that one's members.
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

    /// How many elements an array has in each dimension, also where that is decided at run time (C's variable length
    /// arrays).
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

    /// A number that is decided at run time: the value of an expression, or of a variable.
    fn computed(&mut self, at: &At<'a>, value: &AttributeValue<Reader>) -> Option<u64> {
        if let Some(expression) = value.exprloc_value() {
            return self.reading.number(at, expression);
        }
        let variable = at.follow(value)?;
        let size = size_of(&plain(variable.kind()?), DEPTH)?.min(8);
        let data = self.reading.content(&variable, size).ok()?;
        let bytes = self.bytes(&data, size).ok()?;
        Some(bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
    }

    /// An array: its elements, if their number is known.
    pub(super) fn array(&mut self, kind: &At<'a>, data: &Data, depth: usize) {
        let (Some(element), Some(counts)) = (kind.kind().map(plain), self.counts(kind)) else {
            self.text.push_str("...");
            return;
        };
        match size_of(&element, 4).filter(|&size| size > 0) {
            Some(size) => self.elements(&element, size, &counts, data, depth),
            None => self.text.push_str("{...}"),
        }
    }

    /// The elements of an array. `size` is the size of an element in bytes, `counts` the number of elements in each
    /// dimension: as long as there are more dimensions, the elements are arrays themselves.
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
}
