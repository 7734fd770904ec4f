//! One line of text in a fixed buffer, for places where nothing may be allocated.

use core::fmt;

/// A line of at most N bytes, of which the last is its newline. What does not fit is left out.
pub struct Line<const N: usize = 512> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Line<N> {
    /// An empty line.
    pub const fn empty() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// A line that starts with `nosigpipe: `.
    #[expect(clippy::new_without_default, reason = "a default line would be an empty one")]
    pub fn new() -> Self {
        let mut line = Self::empty();
        line.start();
        line
    }

    /// Empties the line and starts it with `nosigpipe: `.
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

    /// Adds at most `max` characters of a text that came from outside, as [`Shown`] shows it.
    pub fn push_foreign(&mut self, bytes: &[u8], max: usize) {
        let _ = fmt::Write::write_fmt(self, format_args!("{}", Shown(bytes, max)));
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

/// Text from outside, of which at most so many characters are shown, on one line: what is not UTF-8, what a terminal would obey,
/// and what would hide or reorder the text beside it is shown as `?`.
pub struct Shown<'a>(pub &'a [u8], pub usize);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        let mut left = self.1;
        for chunk in self.0.utf8_chunks() {
            let damaged = (!chunk.invalid().is_empty()).then_some('?');
            for character in chunk.valid().chars().chain(damaged) {
                if left == 0 {
                    return to.write_str("...");
                }
                left -= 1;
                to.write_char(if is_harmless(character) { character } else { '?' })?;
            }
        }
        Ok(())
    }
}

/// Whether a character can be shown as it is. Not so control characters, marks of direction, line separators, invisible ones,
/// those for private use, and U+FFFD, which stands for damaged text.
#[must_use]
pub fn is_harmless(character: char) -> bool {
    !matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{fff0}'..='\u{fffd}' | '\u{e0000}'..='\u{10ffff}'
    )
}
