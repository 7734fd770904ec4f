//! One line of text in a fixed buffer, for places where nothing may be allocated.

use core::fmt;

/// Collects text and forgets what does not fit; always ends in a newline.
pub struct Line<const N: usize = 512> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Line<N> {
    /// Starts with nothing.
    pub const fn empty() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// Starts a line with our name in front.
    pub fn new() -> Self {
        let mut line = Self::empty();
        line.start();
        line
    }

    /// Forgets everything and starts anew with our name in front.
    pub fn start(&mut self) {
        self.len = 0;
        self.push(b"nosigpipe: ");
    }

    /// Adds bytes as they are.
    pub fn push(&mut self, bytes: &[u8]) {
        // One byte is kept for the newline.
        let room = N.saturating_sub(self.len + 1);
        let take = bytes.len().min(room);
        if let (Some(to), Some(from)) = (self.bytes.get_mut(self.len..self.len + take), bytes.get(..take)) {
            to.copy_from_slice(from);
            self.len += take;
        }
    }

    /// Adds at most `max` bytes that came from outside, with everything that is not printable ASCII shown as `?`.
    pub fn push_foreign(&mut self, bytes: &[u8], max: usize) {
        for &byte in bytes.iter().take(max) {
            self.push(&[if byte == b' ' || byte.is_ascii_graphic() { byte } else { b'?' }]);
        }
        if bytes.len() > max {
            self.push(b"...");
        }
    }

    /// What has been added so far.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The line with its newline.
    pub fn finish(&mut self) -> &[u8] {
        if let Some(end) = self.bytes.get_mut(self.len) {
            *end = b'\n';
        }
        self.bytes.get(..=self.len).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}
