//! The bytes of a variable: in memory, or put together of registers and constants.

use alloc::vec;
use alloc::vec::Vec;

use super::Process;
use super::evaluate::Why;

/// Bytes of one variable that are read, at most.
pub const MOST: usize = 4096;

/// As many bytes of memory as this, if all can be read.
pub fn read(process: &mut dyn Process, address: u64, size: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; size.min(MOST)];
    (size <= MOST && process.read(address, &mut bytes) == size).then_some(bytes)
}

/// A variable's bytes: in memory, or put together of registers and constants.
#[derive(Default, Clone)]
pub struct Data {
    /// Where it is, if it is in memory.
    pub address: Option<u64>,
    /// Otherwise each byte, and a mask of the bits of it that are known.
    bytes: Vec<(u8, u8)>,
}

impl Data {
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut data = Self::default();
        data.push(bytes);
        data
    }

    pub fn of_memory(address: u64) -> Self {
        Self { address: Some(address), bytes: Vec::new() }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes.iter().map(|&byte| (byte, 0xff)));
    }

    /// One byte of which only some bits are known.
    pub fn push_bits(&mut self, byte: u8, known: u8) {
        self.bytes.push((byte, known));
    }

    pub fn push_missing(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len().saturating_add(count.min(MOST)), (0, 0));
    }

    /// Bytes of what is not in memory.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_all_missing(&self) -> bool {
        self.bytes.iter().all(|&(_, known)| known == 0)
    }

    /// A part of it, as another variable.
    pub fn part(&self, offset: usize) -> Self {
        Self {
            address: self.address.map(|address| address.wrapping_add(offset as u64)),
            bytes: self.bytes.get(offset..).unwrap_or_default().to_vec(),
        }
    }

    /// Its first bytes.
    pub fn bytes(&self, process: &mut dyn Process, size: usize) -> Result<Vec<u8>, Why> {
        let known = self.known(process, size)?;
        known
            .into_iter()
            .map(|(byte, known)| (known == 0xff).then_some(byte))
            .collect::<Option<_>>()
            .ok_or(Why::OptimizedOut)
    }

    /// Some of its bits, from `first` on, at most 64.
    pub fn bits(&self, process: &mut dyn Process, first: u64, count: u64) -> Result<u64, Why> {
        let start = usize::try_from(first / 8).map_err(|_| Why::Unknown)?;
        let shift = first % 8;
        let size = usize::try_from((shift + count).div_ceil(8)).map_err(|_| Why::Unknown)?;
        let known = self.part(start).known(process, size)?;
        let joined =
            |of: fn(&(u8, u8)) -> u8| known.iter().rev().fold(0u128, |all, byte| all << 8 | u128::from(of(byte)));
        let mask = (1u128 << count.min(64)) - 1;
        if joined(|byte| byte.1) >> shift & mask != mask {
            return Err(Why::OptimizedOut);
        }
        Ok((joined(|byte| byte.0) >> shift & mask) as u64)
    }

    fn known(&self, process: &mut dyn Process, size: usize) -> Result<Vec<(u8, u8)>, Why> {
        match self.address {
            Some(address) => {
                let bytes = read(process, address, size).ok_or(Why::Unreadable)?;
                Ok(bytes.into_iter().map(|byte| (byte, 0xff)).collect())
            }
            None => Ok(self.bytes.get(..size).ok_or(Why::Unknown)?.to_vec()),
        }
    }
}
