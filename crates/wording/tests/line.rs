//! One line in a fixed buffer, whatever comes into it.

use core::fmt::Write;

use wording::line::{Line, Shown};

#[test]
fn what_does_not_fit_is_forgotten_and_the_line_still_ends() {
    let mut line = Line::<16>::empty();
    line.push(b"0123456789");
    line.push(b"abcdefghij");
    assert_eq!(line.finish(), b"0123456789abcde\n");
    // A line that has been finished can be written again.
    assert_eq!(line.finish(), b"0123456789abcde\n");
    line.push(b"more");
    assert_eq!(line.finish(), b"0123456789abcde\n");
}

#[test]
fn a_buffer_of_nothing_holds_nothing() {
    let mut line = Line::<0>::empty();
    line.push(b"x");
    assert_eq!(line.finish(), b"");
    let mut line = Line::<1>::empty();
    assert!(write!(line, "x").is_ok());
    assert_eq!(line.finish(), b"\n");
}

#[test]
fn text_from_outside_can_not_command_a_terminal() {
    let shown = |bytes: &[u8]| Shown(bytes, 40).to_string();
    assert_eq!(shown(b"plain"), "plain");
    assert_eq!(shown("gr\u{fc}n \u{65e5}\u{672c}".as_bytes()), "gr\u{fc}n \u{65e5}\u{672c}");
    assert_eq!(shown(b"a\nb\x1b[2Jc\0d\x7f"), "a?b?[2Jc?d?");
    assert_eq!(shown(b"\xff\xfe\xe2\x82"), "???");
    // Right to left, zero width, line separator, C1 control, private use.
    assert_eq!(shown("\u{202e}\u{200b}\u{2028}\u{9b}\u{10fffd}".as_bytes()), "?????");
}

#[test]
fn a_limit_counts_characters_and_says_that_it_was_reached() {
    assert_eq!(Shown("\u{e4}\u{e4}\u{e4}".as_bytes(), 3).to_string(), "\u{e4}\u{e4}\u{e4}");
    assert_eq!(Shown("\u{e4}\u{e4}\u{e4}".as_bytes(), 2).to_string(), "\u{e4}\u{e4}...");
    assert_eq!(Shown(b"", 0).to_string(), "");
    assert_eq!(Shown(b"x", 0).to_string(), "...");
}
