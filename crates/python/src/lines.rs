//! Line numbers, from the three kinds of tables that CPython has had. Each function takes the bytes of the table, the line that the
//! function begins in, and the offset in bytes of an instruction, which is negative before the first one has begun.
//!
//! `None` is an instruction that belongs to no line, or a table that ends before it.

/// `co_lnotab` (up to 3.9): pairs of bytes, an unsigned one to add to the offset and a signed one to add to the line,
/// Objects/lnotab_notes.txt.
pub fn numbers_3_8(mut table: impl Iterator<Item = u8>, first: i64, offset: i64) -> Option<i64> {
    let (mut line, mut at) = (first, 0);
    while let (Some(bytes), Some(lines)) = (table.next(), table.next()) {
        at += i64::from(bytes);
        if at > offset {
            break;
        }
        line += i64::from(lines.cast_signed());
    }
    Some(line)
}

/// `co_linetable` of 3.10 (PEP 626): pairs of bytes, an unsigned one with how many bytes of instructions follow, and a signed one
/// with the difference of their line to that of the ones before; -128 for instructions without a line.
pub fn numbers_3_10(mut table: impl Iterator<Item = u8>, first: i64, offset: i64) -> Option<i64> {
    let (mut line, mut end) = (first, 0);
    if offset < 0 {
        return Some(first);
    }
    while let (Some(bytes), Some(lines)) = (table.next(), table.next()) {
        end += i64::from(bytes);
        let lines = lines.cast_signed();
        if lines != i8::MIN {
            line += i64::from(lines);
        }
        if end > offset {
            return (lines != i8::MIN).then_some(line);
        }
    }
    None
}

/// `co_linetable` from 3.11 on (PEP 657): entries of varying length, Objects/locations.md.
pub fn locations(table: impl Iterator<Item = u8>, first: i64, offset: i64) -> Option<i64> {
    let mut table = table.peekable();
    let (mut line, mut end) = (first, 0);
    if offset < 0 {
        return Some(first);
    }
    while let Some(head) = table.next() {
        // Only an entry's first byte has its highest bit set.
        if head & 0x80 == 0 {
            return None;
        }
        end += (i64::from(head & 7) + 1) * 2;
        let code = head >> 3 & 15;
        let lines = match code {
            10..=12 => i64::from(code) - 10,
            13 | 14 => signed(&mut table)?,
            _ => 0,
        };
        line = line.checked_add(lines)?;
        if end > offset {
            return (code != 15).then_some(line);
        }
        while table.next_if(|byte| byte & 0x80 == 0).is_some() {}
    }
    None
}

/// A signed varint of Objects/locations.md: groups of six bits, the lowest first, of which bit 6 says that there is another. The
/// lowest bit of the number is its sign.
fn signed(table: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let mut number = 0u64;
    for group in 0..6 {
        let byte = table.next().filter(|byte| byte & 0x80 == 0)?;
        number |= u64::from(byte & 0x3f) << (6 * group);
        if byte & 0x40 == 0 {
            let size = i64::try_from(number >> 1).ok()?;
            return Some(if number & 1 == 1 { -size } else { size });
        }
    }
    None
}
