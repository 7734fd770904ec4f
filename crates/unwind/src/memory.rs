//! Memory of the process that is looked at.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// Memory that is read without the risk of a fault.
pub trait ReadMemory {
    /// Reads as many bytes as are there, from the first on.
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

    /// Bytes, if all are there.
    fn bytes(&mut self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        (self.read(address, &mut bytes) == length).then_some(bytes)
    }

    /// A string that ends in a zero byte, as far as it is there and reasonably long.
    fn text(&mut self, address: u64) -> String {
        let mut text = vec![0; 1024];
        let length = self.read(address, &mut text);
        let text = text.get(..length).and_then(|text| text.split(|&byte| byte == 0).next());
        String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
    }
}
