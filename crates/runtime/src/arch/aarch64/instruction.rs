//! As much of arm64's instructions as is needed to say why one of them faulted (Arm Architecture Reference Manual, C4).
//! Where an instruction is not understood, the cause is unknown: nothing is guessed.

use processor::{Registers, STACK_POINTER};

/// `svc #0`
pub const SYSTEM_CALL: u32 = 0xd400_0001;
/// The most that one instruction accesses at an address: four vector registers, or a block of a cache.
const WIDEST: u64 = 64;

/// The instruction at an address. `read` fills the bytes, and says whether they are there.
pub fn instruction_at(pc: u64, read: impl Fn(u64, &mut [u8]) -> bool) -> Option<u32> {
    let mut code = [0; 4];
    (pc.is_multiple_of(4) && read(pc, &mut code)).then(|| u32::from_le_bytes(code))
}

/// `count` bits of an instruction, from bit `low` on.
fn bits(code: u32, low: u32, count: u32) -> u32 {
    code >> low & ((1 << count) - 1)
}

/// The same, as a number with a sign.
fn signed(code: u32, low: u32, count: u32) -> i64 {
    let unused = 32 - count;
    i64::from((bits(code, low, count) << unused).cast_signed() >> unused)
}

/// The value of a register that an address starts from: there the number 31 means the stack pointer.
fn base(registers: &Registers, number: u32) -> u64 {
    registers.get(if number == 31 { STACK_POINTER } else { number as usize })
}

/// The address that an instruction loads from or stores to, and how many bytes it may access there; `None` for one that
/// does neither, or is not understood.
pub fn address(code: u32, registers: &Registers) -> Option<(u64, u64)> {
    let start = base(registers, bits(code, 5, 5));
    let is_vector = code & 1 << 26 != 0;
    // Load literal: relative to the instruction.
    if code & 0x3b00_0000 == 0x1800_0000 {
        return Some((registers.pc().wrapping_add_signed(signed(code, 5, 19) * 4), 16));
    }
    // Pairs: with an offset, which may be added to the register before or after the access.
    if code & 0x3a00_0000 == 0x2800_0000 {
        let scale = if is_vector { 2 + bits(code, 30, 2) } else { 2 + bits(code, 31, 1) };
        let offset = if bits(code, 23, 2) == 1 { 0 } else { signed(code, 15, 7) << scale };
        return Some((start.wrapping_add_signed(offset), 2 << scale));
    }
    if code & 0x3a00_0000 == 0x3800_0000 {
        let scale = if is_vector { bits(code, 30, 2) | bits(code, 23, 1) << 2 } else { bits(code, 30, 2) };
        let offset = match (bits(code, 24, 1), bits(code, 21, 1), bits(code, 10, 2)) {
            (1, _, _) => i64::from(bits(code, 10, 12)) << scale,
            // Added to the register after the access.
            (0, 0, 1) => 0,
            (0, 0, _) => signed(code, 12, 9),
            // An index register: all of it, or its lower 32 bits with or without a sign. It may be scaled by the size
            // of the access.
            (0, _, 2) => {
                let number = bits(code, 16, 5);
                let index = if number == 31 { 0 } else { registers.get(number as usize) };
                let index = match bits(code, 13, 3) {
                    2 => u64::from(index as u32),
                    6 => i64::from(index as i32).cast_unsigned(),
                    3 | 7 => index,
                    _ => return None,
                };
                let shift = if bits(code, 12, 1) == 1 { scale } else { 0 };
                index.wrapping_shl(shift).cast_signed()
            }
            // Atomic ones.
            (0, _, 0) => 0,
            _ => return None,
        };
        return Some((start.wrapping_add_signed(offset), 1 << scale));
    }
    // Exclusive and ordered ones; compare and swap.
    if code & 0x3f00_0000 == 0x0800_0000 {
        return Some((start, 16));
    }
    // Ordered ones with an offset.
    if code & 0x3f20_0c00 == 0x1900_0000 {
        return Some((start.wrapping_add_signed(signed(code, 12, 9)), 8));
    }
    // Structures of vectors.
    if code & 0xbe00_0000 == 0x0c00_0000 {
        return Some((start, WIDEST));
    }
    // dc zva: a whole block.
    if code & 0xffff_ffe0 == 0xd50b_7420 {
        return Some((registers.get(bits(code, 0, 5) as usize) & !(WIDEST - 1), 2048));
    }
    None
}

/// Whether an instruction accesses this address, whatever its tag is.
pub fn accesses(code: u32, registers: &Registers, wanted: u64) -> bool {
    let without_tag = |address: u64| (address << 8).cast_signed() >> 8;
    address(code, registers).is_some_and(|(start, size)| {
        let distance = without_tag(wanted).wrapping_sub(without_tag(start));
        (0..size.cast_signed()).contains(&distance)
    })
}

/// Whether it exists to be illegal (udf).
pub fn is_made_to_fail(code: u32) -> bool {
    code >> 16 == 0
}

/// Whether it is a breakpoint (brk).
pub fn is_breakpoint(code: u32) -> bool {
    code & 0xffe0_001f == 0xd420_0000
}

/// Whether arm64 can use an address: below the tag, which is the highest byte, its upper bits are all equal.
pub fn is_canonical(address: u64) -> bool {
    let upper = (address << 8).cast_signed() >> 60;
    upper == 0 || upper == -1
}
