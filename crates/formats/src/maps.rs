//! The lines of /proc/PID/maps (proc(5)).

/// A range of pages with the same rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// First address.
    pub start: u64,
    /// Last address + 1.
    pub end: u64,
    /// Whether it may be read.
    pub readable: bool,
    /// Whether it may be written.
    pub writable: bool,
    /// Whether it may be executed.
    pub executable: bool,
    /// Where it starts in its file, in bytes.
    pub offset: u64,
    /// Major and minor number of the device that its file is on; (0, 0) without a file.
    pub device: (u32, u32),
    /// Number of its file there; 0 without a file.
    pub inode: u64,
    /// Its file, or what it is for, such as `[stack]`; empty when neither is known. Any bytes but a line's end, for which there is
    /// another way to write it ([`with_line_ends`]).
    pub path: &'a [u8],
}

/// Reads a line, without its newline; `None` if it is not one of these.
pub fn line(line: &[u8]) -> Option<Line<'_>> {
    // 55e0c0a00000-55e0c0a02000 r--p 00000000 fe:00 1234   /usr/bin/true
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let (start, end) = pair(fields.next()?, b'-')?;
    let rights = fields.next()?;
    let offset = number(fields.next()?, 16)?;
    let (major, minor) = pair(fields.next()?, b':')?;
    let inode = number(fields.next()?, 10)?;
    Some(Line {
        start,
        end,
        readable: rights.first() == Some(&b'r'),
        writable: rights.get(1) == Some(&b'w'),
        executable: rights.get(2) == Some(&b'x'),
        offset,
        device: (u32::try_from(major).ok()?, u32::try_from(minor).ok()?),
        inode,
        path: fields.next().unwrap_or_default().trim_ascii_start(),
    })
}

/// How the kernel writes a line's end in a path.
const LINE_END: &[u8] = b"\\012";

/// A path with its line ends as they are in the file's name; `None` if there are none in it. The kernel leaves backslashes as they are:
/// so the name may also be the path as it is written, and only the file can tell. (A name with both is neither.)
pub fn with_line_ends(path: &[u8]) -> Option<impl Iterator<Item = u8>> {
    path.windows(LINE_END.len()).any(|part| part == LINE_END).then(|| {
        let mut rest = path;
        core::iter::from_fn(move || {
            if let Some(after) = rest.strip_prefix(LINE_END) {
                rest = after;
                return Some(b'\n');
            }
            let (&first, after) = rest.split_first()?;
            rest = after;
            Some(first)
        })
    })
}

/// Two hexadecimal numbers with a separator between them.
fn pair(field: &[u8], separator: u8) -> Option<(u64, u64)> {
    let middle = field.iter().position(|&byte| byte == separator)?;
    Some((number(field.get(..middle)?, 16)?, number(field.get(middle + 1..)?, 16)?))
}

/// A number that is written with digits alone, without a sign; `None` if it does not fit.
fn number(digits: &[u8], base: u32) -> Option<u64> {
    let add =
        |sum: u64, digit: &u8| sum.checked_mul(base.into())?.checked_add(char::from(*digit).to_digit(base)?.into());
    (!digits.is_empty()).then(|| digits.iter().try_fold(0, add))?
}
