//! Lines of /proc/PID/maps.

use formats::maps::{Line, line, with_line_ends};

#[test]
fn what_the_kernel_writes() {
    let with_file = line(b"55e0c0a00000-55e0c0a02000 r-xp 00001000 fe:0a 1234                       /a b (deleted)");
    let wanted = Line {
        start: 0x55e0_c0a0_0000,
        end: 0x55e0_c0a0_2000,
        readable: true,
        writable: false,
        executable: true,
        offset: 0x1000,
        device: (0xfe, 10),
        inode: 1234,
        path: b"/a b (deleted)",
    };
    assert_eq!(with_file, Some(wanted));
    let without = line(b"7f00-8000 rw-p 00000000 00:00 0 ");
    assert_eq!(without.map(|line| (line.writable, line.path)), Some((true, &b""[..])));
    let last = line(b"ffffffffff600000-ffffffffffffffff --xp 00000000 00:00 0                  [vsyscall]");
    assert_eq!(last.map(|line| (line.end, line.path)), Some((u64::MAX, &b"[vsyscall]"[..])));
    // A path need not be text.
    assert_eq!(line(b"1-2 r--p 0 00:00 5 /\xff").map(|line| line.path), Some(&b"/\xff"[..]));
}

#[test]
fn line_ends_in_paths() {
    let name = |path: &[u8]| with_line_ends(path).map(|name| String::from_utf8(name.collect()).unwrap());
    assert_eq!(name(b"/a\\012b\\\\012/c\\012").as_deref(), Some("/a\nb\\\n/c\n"));
    assert_eq!(name(b"/a\\01"), None);
    assert_eq!(name(b"/usr/bin/true"), None);
    assert_eq!(name(b""), None);
}

#[test]
fn what_is_no_line() {
    for text in [
        "",
        "x",
        "1-2",
        "1-2 r--p",
        "1-2 r--p 0 0:0",
        "1-2 r--p 0 00 0",
        "1-g r--p 0 0:0 0",
        "-2 r--p 0 0:0 0",
        "1-2 r--p 0 0:0 +1",
        "1-2 r--p 0 0:0 99999999999999999999",
        "1-10000000000000000 r--p 0 0:0 0",
        "1-2 r--p 0 100000000:0 0",
    ] {
        assert_eq!(line(text.as_bytes()), None, "{text}");
    }
}
