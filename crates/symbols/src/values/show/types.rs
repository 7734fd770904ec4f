//! What debug information says of a type: its size, how many elements an array has, where members are.

use alloc::vec::Vec;

use gimli::{AttributeValue, constants as c};

use super::super::{At, Entry, REFERENCES};

/// The type behind typedefs, `const` and the like. Where these lead to no type (that is void), the last of them.
pub(super) fn plain<'a>(mut kind: At<'a>) -> At<'a> {
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

/// Size of a type in bytes; `None` where it is not known, or only at run time. `depth` is how many more types may be
/// followed.
pub(super) fn size_of(kind: &At, depth: usize) -> Option<usize> {
    let entry = kind.read()?;
    if let Some(size) = entry.attr_value(c::DW_AT_byte_size) {
        return usize::try_from(size.udata_value()?).ok();
    }
    match entry.tag() {
        // Of types without a description (DW_TAG_unspecified_type) only std::nullptr_t has values.
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
pub(super) fn counts(array: &At) -> Option<Vec<usize>> {
    dimensions(array).map(|(_, entry)| constant_count(&entry)).collect()
}

/// The dimensions of an array, from the outermost on.
pub(super) fn dimensions<'a>(array: &At<'a>) -> impl Iterator<Item = (At<'a>, Entry)> {
    array.children().into_iter().filter(|(_, entry)| entry.tag() == c::DW_TAG_subrange_type)
}

/// How many elements a dimension has; `None` where that is decided at run time.
pub(super) fn constant_count(dimension: &Entry) -> Option<usize> {
    let count = match dimension.attr_value(c::DW_AT_count) {
        Some(count) => count.udata_value(),
        None => dimension.attr_value(c::DW_AT_upper_bound)?.udata_value()?.checked_add(1),
    };
    usize::try_from(count?).ok()
}

/// Whether it is a character type of one byte.
pub(super) fn is_character(kind: &At) -> bool {
    let encoding = kind.attribute(c::DW_AT_encoding).map(|(_, value)| value);
    let is_wide = size_of(kind, 1) != Some(1);
    !is_wide
        && matches!(
            encoding,
            Some(AttributeValue::Encoding(c::DW_ATE_signed_char | c::DW_ATE_unsigned_char | c::DW_ATE_UTF))
        )
}

/// Offset in bytes of a member of a member, and so on, in a structure; `None` without members of these names.
pub(super) fn offset_of(kind: &At, path: &[&str]) -> Option<usize> {
    let Some((first, rest)) = path.split_first() else { return Some(0) };
    let (member, _) =
        kind.children().into_iter().find(|(at, entry)| entry.tag() == c::DW_TAG_member && at.name() == *first)?;
    let offset = usize::try_from(member.number(c::DW_AT_data_member_location).unwrap_or(0)).ok()?;
    offset.checked_add(offset_of(&plain(member.kind()?), rest)?)
}

/// A name without what stands in its angle brackets.
pub(super) fn without_parameters(name: &str) -> &str {
    name.split('<').next().unwrap_or(name)
}
