//! What is read of a process's memory into memory of our own.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use formats::ReadMemory;

/// More of what [`ReadMemory`] can do, for who may allocate.
pub trait ReadOwned: ReadMemory {
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

impl<M: ReadMemory + ?Sized> ReadOwned for M {}
