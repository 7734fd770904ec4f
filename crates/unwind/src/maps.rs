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
    /// Its file, or what it is for, such as `[stack]`; empty when neither is known.
    pub path: &'a str,
}

/// Reads a line; `None` where it is none.
pub fn line(line: &str) -> Option<Line<'_>> {
    // 55e0c0a00000-55e0c0a02000 r--p 00000000 fe:00 1234   /usr/bin/true
    let mut fields = line.splitn(6, ' ');
    let long = |text| u64::from_str_radix(text, 16).ok();
    let short = |text| u32::from_str_radix(text, 16).ok();
    let (start, end) = fields.next()?.split_once('-')?;
    let rights = fields.next()?.as_bytes();
    let offset = long(fields.next()?)?;
    let (major, minor) = fields.next()?.split_once(':')?;
    let inode = fields.next()?.parse().ok()?;
    Some(Line {
        start: long(start)?,
        end: long(end)?,
        readable: rights.first() == Some(&b'r'),
        writable: rights.get(1) == Some(&b'w'),
        executable: rights.get(2) == Some(&b'x'),
        offset,
        device: (short(major)?, short(minor)?),
        inode,
        path: fields.next().unwrap_or_default().trim_start(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes() {
        let with_file = line("55e0c0a00000-55e0c0a02000 r-xp 00001000 fe:0a 1234                       /a b (deleted)");
        let wanted = Line {
            start: 0x55e0_c0a0_0000,
            end: 0x55e0_c0a0_2000,
            readable: true,
            writable: false,
            executable: true,
            offset: 0x1000,
            device: (0xfe, 10),
            inode: 1234,
            path: "/a b (deleted)",
        };
        assert_eq!(with_file, Some(wanted));
        let without = line("7f00-8000 rw-p 00000000 00:00 0 ");
        assert_eq!(without.map(|line| (line.writable, line.path)), Some((true, "")));
    }

    #[test]
    fn what_is_no_line() {
        for text in ["", "x", "1-2", "1-2 r--p", "1-2 r--p 0 0:0", "1-2 r--p 0 00 0", "1-g r--p 0 0:0 0"] {
            assert_eq!(line(text), None, "{text}");
        }
    }
}
