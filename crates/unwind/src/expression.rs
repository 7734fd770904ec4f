//! The operations of DWARF expressions that occur in call frame information.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crate::ReadMemory;
use processor::Registers;

/// DW_OP_lit0 to DW_OP_lit31, which push 0 to 31.
const LITERALS: RangeInclusive<u8> = gimli::DW_OP_lit0.0..=gimli::DW_OP_lit31.0;
/// DW_OP_breg0 to DW_OP_breg31, which push the sum of the register of that number and of an operand.
const REGISTERS: RangeInclusive<u8> = gimli::DW_OP_breg0.0..=gimli::DW_OP_breg31.0;

/// Evaluates an expression. `initial` is on the stack before it begins. `None` for other operations, and where memory
/// can't be read.
pub fn evaluate(code: &[u8], memory: &mut impl ReadMemory, registers: &Registers, initial: Option<u64>) -> Option<u64> {
    let mut stack: Vec<u64> = initial.into_iter().collect();
    let mut rest = code;
    while let Some((&operation, after)) = rest.split_first() {
        rest = after;
        let value = match gimli::DwOp(operation) {
            gimli::DW_OP_addr | gimli::DW_OP_const8u | gimli::DW_OP_const8s => u64::from_le_bytes(take(&mut rest)?),
            gimli::DW_OP_deref => memory.u64_at(stack.pop()?)?,
            gimli::DW_OP_const1u => u64::from(u8::from_le_bytes(take(&mut rest)?)),
            gimli::DW_OP_const1s => i64::from(i8::from_le_bytes(take(&mut rest)?)).cast_unsigned(),
            gimli::DW_OP_const2u => u64::from(u16::from_le_bytes(take(&mut rest)?)),
            gimli::DW_OP_const2s => i64::from(i16::from_le_bytes(take(&mut rest)?)).cast_unsigned(),
            gimli::DW_OP_const4u => u64::from(u32::from_le_bytes(take(&mut rest)?)),
            gimli::DW_OP_const4s => i64::from(i32::from_le_bytes(take(&mut rest)?)).cast_unsigned(),
            gimli::DW_OP_constu => leb128(&mut rest, false)?,
            gimli::DW_OP_consts => leb128(&mut rest, true)?,
            gimli::DW_OP_dup => *stack.last()?,
            gimli::DW_OP_drop => {
                stack.pop()?;
                continue;
            }
            gimli::DW_OP_plus_uconst => stack.pop()?.wrapping_add(leb128(&mut rest, false)?),
            gimli::DW_OP_and
            | gimli::DW_OP_minus
            | gimli::DW_OP_mul
            | gimli::DW_OP_or
            | gimli::DW_OP_plus
            | gimli::DW_OP_shl
            | gimli::DW_OP_shr
            | gimli::DW_OP_xor
            | gimli::DW_OP_eq
            | gimli::DW_OP_ge
            | gimli::DW_OP_gt
            | gimli::DW_OP_le
            | gimli::DW_OP_lt
            | gimli::DW_OP_ne => {
                let (second, first) = (stack.pop()?, stack.pop()?);
                binary(gimli::DwOp(operation), first, second)?
            }
            gimli::DwOp(number) if LITERALS.contains(&number) => u64::from(number - LITERALS.start()),
            gimli::DwOp(number) if REGISTERS.contains(&number) => {
                registers.get(usize::from(number - REGISTERS.start())).wrapping_add(leb128(&mut rest, true)?)
            }
            gimli::DW_OP_nop => continue,
            _ => return None,
        };
        stack.push(value);
    }
    stack.pop()
}

fn binary(operation: gimli::DwOp, first: u64, second: u64) -> Option<u64> {
    let (a, b) = (first.cast_signed(), second.cast_signed());
    Some(match operation {
        gimli::DW_OP_and => first & second,
        gimli::DW_OP_minus => first.wrapping_sub(second),
        gimli::DW_OP_mul => first.wrapping_mul(second),
        gimli::DW_OP_or => first | second,
        gimli::DW_OP_plus => first.wrapping_add(second),
        gimli::DW_OP_shl => first.checked_shl(u32::try_from(second).ok()?).unwrap_or(0),
        gimli::DW_OP_shr => first.checked_shr(u32::try_from(second).ok()?).unwrap_or(0),
        gimli::DW_OP_xor => first ^ second,
        gimli::DW_OP_eq => u64::from(a == b),
        gimli::DW_OP_ge => u64::from(a >= b),
        gimli::DW_OP_gt => u64::from(a > b),
        gimli::DW_OP_le => u64::from(a <= b),
        gimli::DW_OP_lt => u64::from(a < b),
        gimli::DW_OP_ne => u64::from(a != b),
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
