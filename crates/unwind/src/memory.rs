//! Reads a process's memory into memory that is allocated for it.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use formats::ReadMemory;

/// More ways to read what [`ReadMemory`] reads, for code that may allocate.
pub trait ReadOwned: ReadMemory {
    /// `length` bytes; `None` if not all can be read.
    fn bytes(&mut self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        (self.read(address, &mut bytes) == length).then_some(bytes)
    }

    /// A string that ends in a zero byte, of which 1024 bytes are read at most; as much of it as can be read.
    fn text(&mut self, address: u64) -> String {
        let mut text = vec![0; 1024];
        let length = self.read(address, &mut text);
        let text = text.get(..length).and_then(|text| text.split(|&byte| byte == 0).next());
        String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
    }
}

impl<M: ReadMemory + ?Sized> ReadOwned for M {}
