//! The part of DWARF's expressions that call frame information uses.

use alloc::vec::Vec;

use crate::ReadMemory;
use processor::Registers;

/// Evaluates; `None` for anything unusual.
pub fn evaluate(code: &[u8], memory: &mut impl ReadMemory, registers: &Registers, initial: Option<u64>) -> Option<u64> {
    let mut stack: Vec<u64> = initial.into_iter().collect();
    let mut rest = code;
    while let Some((&operation, after)) = rest.split_first() {
        rest = after;
        let value = match operation {
            // DW_OP_addr, DW_OP_const8u, DW_OP_const8s
            0x03 | 0x0e | 0x0f => u64::from_le_bytes(take(&mut rest)?),
            // DW_OP_deref
            0x06 => memory.u64_at(stack.pop()?)?,
            // DW_OP_const1u, const1s, const2u, const2s, const4u, const4s
            0x08 => u64::from(u8::from_le_bytes(take(&mut rest)?)),
            0x09 => i64::from(i8::from_le_bytes(take(&mut rest)?)).cast_unsigned(),
            0x0a => u64::from(u16::from_le_bytes(take(&mut rest)?)),
            0x0b => i64::from(i16::from_le_bytes(take(&mut rest)?)).cast_unsigned(),
            0x0c => u64::from(u32::from_le_bytes(take(&mut rest)?)),
            0x0d => i64::from(i32::from_le_bytes(take(&mut rest)?)).cast_unsigned(),
            // DW_OP_constu, DW_OP_consts
            0x10 => leb128(&mut rest, false)?,
            0x11 => leb128(&mut rest, true)?,
            // DW_OP_dup
            0x12 => *stack.last()?,
            // DW_OP_drop
            0x13 => {
                stack.pop()?;
                continue;
            }
            // DW_OP_plus_uconst
            0x23 => stack.pop()?.wrapping_add(leb128(&mut rest, false)?),
            // DW_OP_and, minus, mul, or, plus, shl, shr, xor, eq, ge, gt, le, lt, ne
            0x1a | 0x1c | 0x1e | 0x21 | 0x22 | 0x24 | 0x25 | 0x27 | 0x29..=0x2e => {
                let (second, first) = (stack.pop()?, stack.pop()?);
                binary(operation, first, second)?
            }
            // DW_OP_lit0 to lit31
            0x30..=0x4f => u64::from(operation - 0x30),
            // DW_OP_breg0 to breg31
            0x70..=0x8f => registers.get(usize::from(operation - 0x70)).wrapping_add(leb128(&mut rest, true)?),
            // DW_OP_nop
            0x96 => continue,
            _ => return None,
        };
        stack.push(value);
    }
    stack.pop()
}

fn binary(operation: u8, first: u64, second: u64) -> Option<u64> {
    let (a, b) = (first.cast_signed(), second.cast_signed());
    Some(match operation {
        0x1a => first & second,
        0x1c => first.wrapping_sub(second),
        0x1e => first.wrapping_mul(second),
        0x21 => first | second,
        0x22 => first.wrapping_add(second),
        0x24 => first.checked_shl(u32::try_from(second).ok()?).unwrap_or(0),
        0x25 => first.checked_shr(u32::try_from(second).ok()?).unwrap_or(0),
        0x27 => first ^ second,
        0x29 => u64::from(a == b),
        0x2a => u64::from(a >= b),
        0x2b => u64::from(a > b),
        0x2c => u64::from(a <= b),
        0x2d => u64::from(a < b),
        0x2e => u64::from(a != b),
        _ => return None,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (value, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*value)
}

fn leb128(rest: &mut &[u8], signed: bool) -> Option<u64> {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        if shift < 64 {
            value |= u64::from(byte & 0x7f) << shift;
        }
        shift += 7;
        if byte & 0x80 == 0 {
            if signed && byte & 0x40 != 0 && shift < 64 {
                value |= u64::MAX << shift;
            }
            return Some(value);
        }
    }
}
