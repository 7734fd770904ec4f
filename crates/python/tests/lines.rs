//! Tables of line numbers: some by hand, and those of a few of Python's own modules beside what Python says of them.
//!
//! Debian's `python3` is asked; NOSIGPIPE_TEST_PYTHONS names others, as paths with colons between them.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test says what went wrong by panicking")]

use std::process::Command;

use python::{locations, numbers_3_8, numbers_3_10};

type Decode = fn(std::vec::IntoIter<u8>, i64, i64) -> Option<i64>;

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digit = |index: usize| hexadecimal.get(index..index + 2).map(|digits| u8::from_str_radix(digits, 16));
    (0..hexadecimal.len()).step_by(2).map(|index| digit(index).expect("two digits").expect("digits")).collect()
}

/// `runs`: offset of an instruction, and the line of it and of those up to the next.
fn judge(decode: Decode, table: &str, first: i64, size: i64, runs: &[(i64, Option<i64>)]) {
    for offset in (0..size).step_by(2) {
        let run = runs.iter().rfind(|(start, _)| *start <= offset).expect("a run");
        assert_eq!(decode(bytes(table).into_iter(), first, offset), run.1, "at {offset}");
    }
}

/// The same function in all of them: lines that go back, a gap of 300 lines, instructions without a line.
#[test]
fn lines_of_one_function() {
    judge(
        numbers_3_8,
        "0003020202fe04030c010401020102ff06020201060102ff06030c7f007f0030",
        41,
        66,
        &[
            (0, Some(44)),
            (2, Some(46)),
            (4, Some(44)),
            (8, Some(47)),
            (20, Some(48)),
            (24, Some(49)),
            (26, Some(50)),
            (28, Some(49)),
            (34, Some(51)),
            (36, Some(52)),
            (42, Some(53)),
            (44, Some(52)),
            (50, Some(55)),
            (62, Some(357)),
        ],
    );
    judge(
        numbers_3_10,
        "0203020204fe0c0304010201020104ff028002020601020106ff0403007f007f04300081008106d0",
        41,
        64,
        &[
            (0, Some(44)),
            (2, Some(46)),
            (4, Some(44)),
            (8, Some(47)),
            (20, Some(48)),
            (24, Some(49)),
            (26, Some(50)),
            (28, Some(49)),
            (32, None),
            (34, Some(51)),
            (36, Some(52)),
            (42, Some(53)),
            (44, Some(52)),
            (50, Some(55)),
            (54, Some(357)),
            (58, Some(55)),
        ],
    );
    judge(
        locations,
        "8000f006000a0be0090af00502090c8041f506000e13903189588c58f000030516f0000305168801d80b0cf000020916d81112d81314f1030112158841f8f\
         00404050ed808098f038a038841d80c0df10301090ff40001090ff00001090ff006000d0e88018801f8884188018805880588058805f05c09000c0d8048",
        41,
        130,
        &[
            (0, Some(41)),
            (2, Some(44)),
            (4, Some(46)),
            (6, Some(44)),
            (10, Some(47)),
            (44, Some(48)),
            (48, Some(49)),
            (50, Some(50)),
            (52, Some(49)),
            (58, None),
            (60, Some(51)),
            (62, Some(52)),
            (88, Some(53)),
            (90, Some(52)),
            (106, Some(55)),
            (112, None),
            (114, Some(55)),
            (126, Some(357)),
        ],
    );
}

#[test]
fn before_the_first_instruction_it_is_the_functions_line() {
    for (decode, table) in
        [(numbers_3_8 as Decode, "0203"), (numbers_3_10 as Decode, "0203"), (locations as Decode, "8000")]
    {
        assert_eq!(decode(bytes(table).into_iter(), 7, -2), Some(7));
        assert_eq!(decode(Vec::new().into_iter(), 7, -2), Some(7));
    }
}

#[test]
fn tables_that_end_early_or_are_none() {
    // The end of an lnotab is the end of its last line.
    assert_eq!(numbers_3_8(bytes("0201").into_iter(), 7, 1 << 20), Some(8));
    assert_eq!(numbers_3_10(bytes("0201").into_iter(), 7, 2), None);
    assert_eq!(numbers_3_10(bytes("02").into_iter(), 7, 0), None);
    for table in ["", "00", "7f7f", "f0", "e8ff", "e87f7f7f7f7f7f7f7f7f7f7f7f"] {
        assert_eq!(locations(bytes(table).into_iter(), 7, 0), None, "{table}");
    }
    // A line that has no number is none.
    assert_eq!(locations(bytes("f8").into_iter(), 7, 0), None);
    // Whatever bytes there are, they are looked at once.
    for seed in 0..=255u8 {
        let table: Vec<u8> = (0..4096u32).map(|index| (index as u8).wrapping_mul(seed) ^ (index >> 4) as u8).collect();
        for decode in [numbers_3_8 as Decode, numbers_3_10 as Decode, locations as Decode] {
            for offset in [0, 2, 1000, i64::MAX] {
                let _ = decode(table.clone().into_iter(), i64::from(i32::MAX), offset);
            }
        }
    }
}

/// Prints a line for each function: its table, its first line, and the line of each instruction, -1 for none.
const TELL: &str = r#"
import argparse, ast, dis, sys, threading, typing
def tell(code):
    if hasattr(code, "co_lines"):
        lines = []
        for start, end, line in code.co_lines():
            lines += [-1 if line is None else line] * ((end - start) // 2)
    else:
        starts, lines, line = dict(dis.findlinestarts(code)), [], code.co_firstlineno
        for offset in range(0, len(code.co_code), 2):
            line = starts.get(offset, line)
            lines.append(line)
    table = code.co_lnotab if sys.version_info < (3, 10) else code.co_linetable
    print(table.hex() or "-", code.co_firstlineno, *lines)
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            tell(constant)
print(sys.version_info[1])
for module in argparse, ast, threading, typing:
    with open(module.__file__, encoding="utf-8") as file:
        tell(compile(file.read(), "", "exec"))
"#;

#[test]
fn lines_of_pythons_own_modules() {
    let others = std::env::var("NOSIGPIPE_TEST_PYTHONS").unwrap_or_default();
    for program in ["/usr/bin/python3"].into_iter().chain(others.split(':').filter(|name| !name.is_empty())) {
        // With the columns of PEP 657 and without them.
        for columns in ["utf8=1", "no_debug_ranges"] {
            judge_modules(program, columns);
        }
    }
}

fn judge_modules(program: &str, option: &str) {
    let output = Command::new(program).args(["-X", option, "-W", "ignore", "-c", TELL]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let (version, functions) = text.split_once('\n').expect("a version");
    let decode: Decode = match version.parse().expect("a number") {
        0..=9 => numbers_3_8,
        10 => numbers_3_10,
        _ => locations,
    };
    let mut judged = 0;
    for function in functions.lines() {
        let fields: Vec<&str> = function.split(' ').collect();
        let table = if fields[0] == "-" { Vec::new() } else { bytes(fields[0]) };
        let first = fields[1].parse().expect("a line");
        for (index, line) in fields[2..].iter().enumerate() {
            let line = Some(line.parse().expect("a line")).filter(|&line| line != -1);
            assert_eq!(
                decode(table.clone().into_iter(), first, 2 * index as i64),
                line,
                "{program}: {index} {function}"
            );
            judged += 1;
        }
    }
    assert!(judged > 10_000, "{program}: {judged}\n{}", String::from_utf8_lossy(&output.stderr));
}
