//! Memory of the process that is looked at.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// Memory that is read without the risk of a fault.
pub trait ReadMemory {
    /// Reads as many bytes as are there, from the first on.
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize;

    /// The word at an address.
    fn word(&mut self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        (self.read(address, &mut bytes) == 8).then(|| u64::from_le_bytes(bytes))
    }

    /// The half word at an address.
    fn half(&mut self, address: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        (self.read(address, &mut bytes) == 4).then(|| u32::from_le_bytes(bytes))
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
