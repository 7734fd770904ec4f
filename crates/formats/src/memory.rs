//! How memory of a process is read, which may be this one or another.

/// Memory that is read without the risk of a fault.
pub trait ReadMemory {
    /// Reads bytes from `address` on, as many as can be read and fit into `buffer`. Returns how many that were.
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize;

    /// Fills all of `buffer` from `address` on, or says that this can't be done; then the buffer may hold anything.
    fn read_exact(&mut self, address: u64, buffer: &mut [u8]) -> bool {
        self.read(address, buffer) == buffer.len()
    }

    /// Eight bytes as a number.
    fn u64_at(&mut self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read_exact(address, &mut bytes).then(|| u64::from_le_bytes(bytes))
    }

    /// Four bytes as a number.
    fn u32_at(&mut self, address: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        self.read_exact(address, &mut bytes).then(|| u32::from_le_bytes(bytes))
    }

    /// One byte.
    fn u8_at(&mut self, address: u64) -> Option<u8> {
        let mut bytes = [0; 1];
        self.read_exact(address, &mut bytes).then(|| u8::from_le_bytes(bytes))
    }
}

/// Four bytes of a structure as a number.
pub(crate) fn u32_in(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Eight bytes of a structure as a number.
pub(crate) fn u64_in(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
