//! Where a variable is: DWARF's expressions (DWARF 5, 2.5 and 2.6), by gimli's evaluation.

use alloc::vec::Vec;

use gimli::{
    AttributeValue, EvaluationResult, Expression, Location, Operation, Piece, UnitRef, Value, ValueType, constants as c,
};

use super::content::{self, Data};
use super::{At, Entry, Passed, Process, Reader, State};

/// Steps of all expressions of one frame together.
pub const MOST_STEPS: u32 = 10_000;
/// Steps of one expression.
const STEPS: u32 = 500;
/// How deep expressions may need each other: a variable's needs its function's frame base.
const DEPTH: usize = 4;
/// Pieces (DW_OP_piece) that one variable may be put together of.
const MOST_PIECES: usize = 64;

/// Why there is no value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// No register and no memory holds it at this instruction.
    OptimizedOut,
    /// It is in a vector or floating-point register, which are not read.
    Vector,
    /// It points to a variable that is not in memory (DW_OP_implicit_pointer).
    Synthetic,
    /// It is in memory that can't be read.
    Unreadable,
    /// Debug information that is damaged, or that is not understood here.
    Unknown,
}

/// One frame whose variables are read.
pub struct Reading<'a, 'p> {
    pub state: &'p State<'p>,
    pub process: &'p mut dyn Process,
    pub function: At<'a>,
    pub left: u32,
}

/// The register that an expression names, if it does nothing else, and the entry of the type that its content is taken for; 0 for any.
pub fn register(expression: Expression<Reader>, unit: UnitRef<Reader>) -> Option<(u16, gimli::UnitOffset)> {
    let mut operations = expression.operations(unit.encoding());
    match (operations.next().ok()??, operations.next().ok()?) {
        (Operation::Register { register }, None) => Some((register.0, gimli::UnitOffset(0))),
        (Operation::RegisterOffset { register, offset: 0, base_type }, None) if base_type.0 != 0 => {
            Some((register.0, base_type))
        }
        _ => None,
    }
}

/// A value of a type by its bits; what [`Value::from_u64`] makes of floating point numbers is the number.
fn of_bits(kind: ValueType, bits: u64) -> Result<Value, Why> {
    match kind {
        ValueType::F32 => Ok(Value::F32(f32::from_bits(bits as u32))),
        ValueType::F64 => Ok(Value::F64(f64::from_bits(bits))),
        _ => Value::from_u64(kind, bits).map_err(|_| Why::Unknown),
    }
}

impl<'a> Reading<'a, '_> {
    /// What a variable of this size, in bytes, is.
    pub fn content(&mut self, variable: &At<'a>, size: usize) -> Result<Data, Why> {
        let location = variable.attribute(c::DW_AT_location);
        let Some((at, location)) = location else {
            return self.constant(variable, size);
        };
        let expression = match location.exprloc_value() {
            Some(expression) => expression,
            None => self.of_list(&at, location)?,
        };
        self.described(&at, expression, size)
    }

    /// The part of a list of locations that holds here.
    fn of_list(&self, at: &At, location: AttributeValue<Reader>) -> Result<Expression<Reader>, Why> {
        let mut list = at.unit().attr_locations(location).ok().flatten().ok_or(Why::Unknown)?;
        while let Ok(Some(entry)) = list.next() {
            if entry.range.begin <= self.state.lookup && self.state.lookup < entry.range.end {
                return Ok(entry.data);
            }
        }
        Err(Why::OptimizedOut)
    }

    fn constant(&self, variable: &At, size: usize) -> Result<Data, Why> {
        let (at, value) = variable.attribute(c::DW_AT_const_value).ok_or(Why::OptimizedOut)?;
        if let Some(number) = value.sdata_value() {
            return Ok(Data::of_bytes(wide(number.cast_unsigned(), number < 0).get(..size).ok_or(Why::Unknown)?));
        }
        let bytes = match value {
            AttributeValue::Udata(number) | AttributeValue::Data8(number) => wide(number, false).to_vec(),
            AttributeValue::Data16(number) => number.to_le_bytes().to_vec(),
            AttributeValue::Block(bytes) => bytes.slice().to_vec(),
            other => at.unit().attr_string(other).map_err(|_| Why::Unknown)?.slice().to_vec(),
        };
        Ok(Data::of_bytes(bytes.get(..size).ok_or(Why::Unknown)?))
    }

    /// What an expression describes.
    pub fn described(&mut self, at: &At<'a>, expression: Expression<Reader>, size: usize) -> Result<Data, Why> {
        let pieces = self.evaluate(at, expression, DEPTH)?;
        let mut data = Data::default();
        let is_whole = matches!(pieces.as_slice(), [Piece { size_in_bits: None, .. }]);
        if pieces.is_empty() {
            return Err(Why::OptimizedOut);
        }
        let is_in_bytes = |piece: &Piece<Reader>| {
            piece.size_in_bits.is_none_or(|bits| bits.is_multiple_of(8))
                && piece.bit_offset.is_none_or(|offset| offset == 0)
        };
        if !pieces.iter().all(is_in_bytes) {
            return self.of_bits(pieces, size);
        }
        for piece in pieces.into_iter().take(MOST_PIECES) {
            let wanted = match piece.size_in_bits {
                None if is_whole => size,
                Some(bits) => usize::try_from(bits / 8).map_err(|_| Why::Unknown)?.min(size),
                None => return Err(Why::Unknown),
            };
            match piece.location {
                Location::Empty if is_whole => return Err(Why::OptimizedOut),
                Location::Empty => data.push_missing(wanted),
                Location::Register { register } => {
                    let bytes = wide(self.register(register.0)?, false);
                    // Only general registers are read, of 8 bytes each; a wider variable in several of them has a piece for each.
                    data.push(bytes.get(..8.min(wanted)).unwrap_or_default());
                    if wanted > 8 {
                        return Err(Why::Unknown);
                    }
                }
                Location::Address { address } if is_whole => return Ok(Data::of_memory(address)),
                Location::Address { address } => {
                    let content = content::read(self.process, address, wanted);
                    data.push(&content.ok_or(Why::Unreadable)?);
                }
                Location::Value { value } => {
                    let bits = bits_of(value).ok_or(Why::Unknown)?;
                    data.push(wide(bits, false).get(..wanted).ok_or(Why::Unknown)?);
                }
                Location::Bytes { value } => data.push(value.slice().get(..wanted).ok_or(Why::Unknown)?),
                Location::ImplicitPointer { .. } if is_whole => return Err(Why::Synthetic),
                Location::ImplicitPointer { .. } => data.push_missing(wanted),
            }
        }
        if data.is_all_missing() {
            return Err(Why::OptimizedOut);
        }
        // Bytes that no piece describes are optimized out.
        data.push_missing(size.saturating_sub(data.length()));
        Ok(data)
    }

    /// A variable whose parts begin and end within bytes: bit-fields in registers.
    fn of_bits(&mut self, pieces: Vec<Piece<Reader>>, size: usize) -> Result<Data, Why> {
        let mut bits: Vec<Option<bool>> = Vec::new();
        for piece in pieces.into_iter().take(MOST_PIECES) {
            let count = piece.size_in_bits.filter(|&count| count <= 64).ok_or(Why::Unknown)?;
            let offset = piece.bit_offset.unwrap_or(0);
            let word = match piece.location {
                Location::Empty | Location::ImplicitPointer { .. } => None,
                Location::Register { register } => Some(self.register(register.0)?),
                Location::Value { value } => Some(bits_of(value).ok_or(Why::Unknown)?),
                _ => return Err(Why::Unknown),
            };
            let bit = |index: u64| Some(word? >> offset.checked_add(index).filter(|&at| at < 64)? & 1 == 1);
            bits.extend((0..count).map(bit));
        }
        let mut data = Data::default();
        for byte in bits.chunks(8).take(size) {
            let joined =
                |of: fn(Option<bool>) -> bool| byte.iter().rev().fold(0u8, |all, bit| all << 1 | u8::from(of(*bit)));
            data.push_bits(joined(|bit| bit == Some(true)), joined(|bit| bit.is_some()));
        }
        data.push_missing(size.saturating_sub(data.length()));
        Ok(data)
    }

    /// The number that an expression computes.
    pub fn number(&mut self, at: &At<'a>, expression: Expression<Reader>) -> Option<u64> {
        self.number_of(at, expression, DEPTH).ok()
    }

    fn number_of(&mut self, at: &At<'a>, expression: Expression<Reader>, depth: usize) -> Result<u64, Why> {
        let pieces = self.evaluate(at, expression, depth)?;
        match pieces.into_iter().next().map(|piece| piece.location) {
            Some(Location::Address { address }) => Ok(address),
            Some(Location::Value { value }) => bits_of(value).ok_or(Why::Unknown),
            Some(Location::Register { register }) => self.register(register.0),
            _ => Err(Why::Unknown),
        }
    }

    fn register(&self, number: u16) -> Result<u64, Why> {
        match self.state.registers.get(usize::from(number)) {
            Some(value) => value.ok_or(Why::OptimizedOut),
            None => Err(Why::Vector),
        }
    }

    /// The value that the caller has passed.
    fn passed(&self, passed: Passed) -> Result<u64, Why> {
        self.state.entry.iter().find(|(other, _)| *other == passed).map(|(_, value)| *value).ok_or(Why::OptimizedOut)
    }

    fn evaluate(
        &mut self,
        at: &At<'a>,
        expression: Expression<Reader>,
        depth: usize,
    ) -> Result<Vec<Piece<Reader>>, Why> {
        let depth = depth.checked_sub(1).ok_or(Why::Unknown)?;
        self.left = self.left.checked_sub(STEPS.min(expression.0.len() as u32)).ok_or(Why::Unknown)?;
        let unit = at.unit();
        let mut evaluation = expression.evaluation(unit.encoding());
        evaluation.set_max_iterations(STEPS);
        let typed = |base: gimli::UnitOffset| match base.0 {
            0 => Ok(ValueType::Generic),
            _ => {
                let entry: Entry = unit.entry(base).map_err(|_| Why::Unknown)?;
                ValueType::from_entry(&entry).ok().flatten().ok_or(Why::Unknown)
            }
        };
        let mut result = evaluation.evaluate();
        for _ in 0..STEPS {
            result = match result.map_err(|_| Why::Unknown)? {
                EvaluationResult::Complete => return Ok(evaluation.result()),
                EvaluationResult::RequiresMemory { address, size, base_type, .. } => {
                    let bytes =
                        content::read(self.process, address, usize::from(size.min(8))).ok_or(Why::Unreadable)?;
                    let bits = bytes.iter().rev().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
                    let value = of_bits(typed(base_type)?, bits)?;
                    evaluation.resume_with_memory(value)
                }
                EvaluationResult::RequiresRegister { register, base_type } => {
                    let bits = self.register(register.0)?;
                    let value = of_bits(typed(base_type)?, bits)?;
                    evaluation.resume_with_register(value)
                }
                EvaluationResult::RequiresFrameBase => {
                    let function = self.function.clone();
                    let base = function.attribute(c::DW_AT_frame_base).ok_or(Why::Unknown)?;
                    let expression = match base.1.exprloc_value() {
                        Some(expression) => expression,
                        None => self.of_list(&base.0, base.1)?,
                    };
                    evaluation.resume_with_frame_base(self.number_of(&function, expression, depth)?)
                }
                EvaluationResult::RequiresCallFrameCfa => {
                    evaluation.resume_with_call_frame_cfa(self.state.cfa.ok_or(Why::Unknown)?)
                }
                EvaluationResult::RequiresEntryValue(expression) => {
                    let (register, kind) = register(expression, unit).ok_or(Why::Unknown)?;
                    let bits = self.passed(Passed::Register(register))?;
                    evaluation.resume_with_entry_value(of_bits(typed(kind)?, bits)?)
                }
                EvaluationResult::RequiresParameterRef(parameter) => {
                    let offset = at.section_offset(parameter).ok_or(Why::Unknown)?;
                    evaluation.resume_with_parameter_ref(self.passed(Passed::Parameter(offset))?)
                }
                EvaluationResult::RequiresRelocatedAddress(address) => {
                    evaluation.resume_with_relocated_address(address.wrapping_add(self.state.bias))
                }
                EvaluationResult::RequiresIndexedAddress { index, relocate } => {
                    let address = unit.address(index).map_err(|_| Why::Unknown)?;
                    let bias = if relocate { self.state.bias } else { 0 };
                    evaluation.resume_with_indexed_address(address.wrapping_add(bias))
                }
                EvaluationResult::RequiresBaseType(base) => evaluation.resume_with_base_type(typed(base)?),
                // Thread-local variables (DW_OP_form_tls_address), which need the loader's tables; DW_OP_call*, which compilers do
                // not write; and what a later gimli may add.
                _ => return Err(Why::Unknown),
            };
        }
        Err(Why::Unknown)
    }
}

/// A number in as many bytes as a variable may have.
fn wide(number: u64, is_negative: bool) -> [u8; 16] {
    let mut bytes = [if is_negative { 0xff } else { 0 }; 16];
    for (to, from) in bytes.iter_mut().zip(number.to_le_bytes()) {
        *to = from;
    }
    bytes
}

fn bits_of(value: Value) -> Option<u64> {
    match value {
        Value::F32(number) => Some(u64::from(number.to_bits())),
        Value::F64(number) => Some(number.to_bits()),
        Value::I8(number) => Some(i64::from(number).cast_unsigned()),
        Value::I16(number) => Some(i64::from(number).cast_unsigned()),
        Value::I32(number) => Some(i64::from(number).cast_unsigned()),
        other => other.to_u64(u64::MAX).ok(),
    }
}
