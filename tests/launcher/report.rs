//! `nosigpipe report` on a report that was written on macOS, with a dSYM made here.

use std::fs;

use harness::{Scratch, bare, launcher};

const UUID: &str = "000102030405060708090a0b0c0d0e0f";
const OTHER_UUID: &str = "ff0102030405060708090a0b0c0d0e0f";
/// Where the crashed function starts, by the image's addresses, and its size.
const START: u64 = 0x1_0000_4000;
const SIZE: u64 = 0x40;

fn le(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn with_length(body: Vec<u8>) -> Vec<u8> {
    [le(&[body.len() as u32]), body].concat()
}

/// Debug information (DWARF 4): `handle_request`, line 77 of which calls `copy_header`, which was inlined there.
fn dwarf() -> [(&'static str, Vec<u8>); 3] {
    let range = [START.to_le_bytes(), SIZE.to_le_bytes()].concat();
    let abbreviations = [
        &b"\x01\x11\x01\x03\x08\x10\x17\x11\x01\x12\x07\0\0"[..], // unit: name, lines, low, size
        b"\x02\x2e\0\x03\x08\x20\x0b\0\0",                        // what is inlined: name, inline
        b"\x03\x2e\x01\x03\x08\x11\x01\x12\x07\0\0",              // function: name, low, size
        b"\x04\x1d\0\x31\x13\x11\x01\x12\x07\x58\x0b\x59\x0b\0\0", // where it is: origin, low, size, file, line
        b"\0",
    ]
    .concat();
    let unit = [b"\x01/src/server.c\0\0\0\0\0", &range[..]].concat();
    // Counted from the unit's length on, which with version, abbreviations and address size takes 11 bytes.
    let origin = (11 + unit.len() as u32).to_le_bytes();
    let info = [
        b"\x04\0\0\0\0\0\x08",
        &unit[..],
        b"\x02copy_header\0\x01",
        b"\x03handle_request\0",
        &range,
        b"\x04",
        &origin,
        &range,
        b"\x01\x4d\0\0",
    ]
    .concat();
    let head = b"\x01\x01\x01\xfb\x0e\x0d\0\x01\x01\x01\x01\0\0\0\x01\0\0\x01\0/src/server.c\0\0\0\0\0";
    let lines = [
        b"\x04\0",
        &(head.len() as u32).to_le_bytes()[..],
        head,
        b"\0\x09\x02", // from here on, line 33
        &START.to_le_bytes(),
        b"\x03\x20\x01\x02\x40\0\x01\x01",
    ]
    .concat();
    [("__debug_abbrev", abbreviations), ("__debug_info", with_length(info)), ("__debug_line", with_length(lines))]
}

fn name16(name: &str) -> Vec<u8> {
    let mut name = name.as_bytes().to_vec();
    name.resize(16, 0);
    name
}

fn dsym() -> Vec<u8> {
    let sections = dwarf();
    let commands = 72 + 80 * sections.len() as u32;
    let (mut content, mut headers) = (Vec::new(), Vec::new());
    for (name, bytes) in &sections {
        let offset = 32 + commands + 24 + content.len() as u32;
        headers.extend([name16(name), name16("__DWARF"), le(&[offset, 1, bytes.len() as u32, 0])].concat());
        headers.extend(le(&[offset, 0, 0, 0, 0, 0, 0, 0]));
        content.extend(bytes);
    }
    let size = content.len() as u32;
    [
        le(&[0xfeed_facf, 0x0100_000c, 0, 10, 2, commands + 24, 0, 0]),
        le(&[0x19, commands]),
        name16("__DWARF"),
        le(&[0, 1, size, 0, 32 + commands + 24, 0, size, 0, 3, 3, sections.len() as u32, 0]),
        headers,
        le(&[0x1b, 24]),
        (0..16).collect(),
        content,
    ]
    .concat()
}

fn report(uuid: &str) -> String {
    format!(
        r#"{{"nosigpipe_crash_report": 1, "program": "server", "pid": 7, "time": "2026-11-01T10:00:00.000Z", "uptime_ms": 5,
        "signal": {{"number": 10, "name": "SIGBUS", "code": 1, "address": "0x1"}},
        "crashed_thread": {{"tid": 7, "name": "", "registers": {{}}, "instructions_at": "0x0", "instructions": "",
            "frames": [{{"address": "0x104b04010", "module": 0, "offset": "0x100004010", "interrupted": true}}]}},
        "other_threads": [],
        "modules": [{{"path": "/opt/server", "build_id": "{uuid}", "start": "0x104b00000", "end": "0x104b10000",
            "bias": "0x4b00000"}}]}}"#
    )
    .replace('\n', " ")
}

#[test]
fn a_report_from_macos_is_resolved_by_a_dsym_of_the_same_uuid_and_by_no_other() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("server.dSYM/Contents/Resources/DWARF");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("server"), dsym()).unwrap();
    let shown = |uuid: &str| {
        let file = scratch.path().join("report.json");
        fs::write(&file, report(uuid)).unwrap();
        let outcome = bare(launcher()).arg("report").arg(file).arg("--debug-dir").arg(scratch.path()).run();
        outcome.assert_code(0);
        (outcome.stdout(), outcome.stderr())
    };
    let (with, remark) = shown(UUID);
    assert_eq!(remark, "");
    assert!(with.contains("copy_header at /src/server.c:33"), "{with}");
    assert!(with.contains("handle_request") && with.contains("/src/server.c:77"), "{with}");
    let (without, remark) = shown(OTHER_UUID);
    let wanted = format!("server (build id {OTHER_UUID}): .build-id/ff/{}.debug", &OTHER_UUID[2..]);
    assert_eq!(remark, format!("nosigpipe: --debug-dir: no debug file there for {wanted}\n"));
    assert!(without.contains("[server+0x100004010 ") && !without.contains("server.c"), "{without}");
}

/// A report whose crashed frame is at this place of a file.
fn report_at(file: &str, line: u64) -> String {
    let frame = format!(
        r#"{{"address": "0x1010", "module": 0, "offset": "0x10", "function": "query", "file": "{file}", "line": {line}, "interrupted": true}}"#
    );
    report(UUID)
        .replace(r#"{"address": "0x104b04010", "module": 0, "offset": "0x100004010", "interrupted": true}"#, &frame)
}

/// What `report` shows of a crash in the third line of a file of this name and content.
fn shown_at(scratch: &Scratch, name: &str, content: &str) -> String {
    let source = scratch.path().join(name);
    fs::write(&source, content).unwrap();
    let json = scratch.path().join("report.json");
    fs::write(&json, report_at(source.to_str().unwrap(), 3)).unwrap();
    let outcome = bare(launcher()).arg("report").arg(json).run();
    outcome.assert_silent_success();
    outcome.stdout()
}

#[test]
fn the_lines_around_the_own_frame_are_shown_where_the_source_is_there() {
    let scratch = Scratch::new();
    let content = "one\n\ttwo\nthree \x1b[2J\nfour\nfive\nsix\n";
    let text = shown_at(&scratch, "server.c", content);
    let at = format!("source at {}:3:\n", scratch.path().join("server.c").display());
    let (_, source) = text.split_once(&at).unwrap_or_else(|| panic!("{at}\n{text}"));
    let lines: Vec<&str> = source.lines().take(5).collect();
    assert_eq!(&lines[..2], ["          1  one", "          2      two"], "{text}");
    assert!(lines[2].starts_with("    >     3  three ") && !text.contains('\x1b'), "{text}");
    assert_eq!(&lines[3..], ["          4  four", "          5  five"], "{text}");
    assert!(!source.lines().nth(5).unwrap().contains("six"), "{text}");

    // A report that others have written gets nothing out of files that are no sources, that have no such line, or that never end.
    assert!(!shown_at(&scratch, "shadow", content).contains("source at"));
    assert!(!shown_at(&scratch, "secrets.conf", content).contains("source at"));
    assert!(!shown_at(&scratch, "short.c", "one\n").contains("source at"));
    let endless = scratch.path().join("endless.c");
    std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
    let json = scratch.path().join("report.json");
    fs::write(&json, report_at(endless.to_str().unwrap(), 3)).unwrap();
    let outcome = bare(launcher()).arg("report").arg(json).run();
    outcome.assert_silent_success();
    assert!(!outcome.stdout().contains("source at"), "{outcome}");
}

#[test]
fn a_report_has_colours_on_a_terminal_and_nowhere_else() {
    let scratch = Scratch::new();
    shown_at(&scratch, "server.c", "one\ntwo\nthree\n");
    let json = scratch.path().join("report.json");
    let on_terminal = |name: &str, value: &str| {
        let script = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]))";
        let outcome = bare("python3")
            .args(["-c", script])
            .arg(launcher())
            .arg("report")
            .arg(&json)
            .env("TERM", "xterm")
            .env("NO_COLOR", "")
            .env(name, value)
            .run();
        outcome.assert_code(0);
        outcome.stdout()
    };
    let coloured = on_terminal("TERM", "xterm");
    assert!(
        coloured.starts_with("\x1b[1;31m") && coloured.contains("\x1b[1;33m    >     3  three\x1b[m"),
        "{coloured}"
    );
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = on_terminal(name, value);
        assert!(!plain.contains('\x1b') && plain.contains("    >     3  three"), "{name} {plain:?}");
    }
}

#[test]
fn several_reports_are_shown_one_after_another() {
    let scratch = Scratch::new();
    let report_of = |name: &str| report(UUID).replace(r#""program": "server""#, &format!(r#""program": "{name}""#));
    let write = |name: &str, content: String, age: u64| {
        let path = scratch.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let first = write("all/b.json", report_of("first"), 100);
    let second = write("all/a.json", report_of("second"), 50);
    write("all/notes.txt", "no report".to_owned(), 10);
    let folder = scratch.path().join("all").to_str().unwrap().to_owned();
    let log = format!("starting\n{}\nstarting again\n{}\n", report_of("first"), report_of("second"));
    let log = write("container.log", log, 0);
    let shown = |files: &[&str]| {
        let outcome = bare(launcher()).arg("report").args(files).run();
        outcome.assert_silent_success();
        outcome.stdout()
    };
    let both = format!("{}\n{}", shown(&[&first]), shown(&[&second]));
    assert!(both.starts_with("nosigpipe: first (pid 7) crashed: "), "{both}");
    assert!(both.contains("\n\nnosigpipe: second (pid 7) crashed: "), "{both}");
    for files in [&[first.as_str(), &second][..], &[&folder], &[&log]] {
        assert_eq!(shown(files), both, "{files:?}");
    }
    let annotated = bare(launcher()).args(["report", "--annotate", &folder]).env("GITHUB_ACTIONS", "true").run();
    let titles: Vec<_> = annotated.stdout().lines().map(|line| line.split("::").nth(1).unwrap().to_owned()).collect();
    assert_eq!(titles, ["error title=first crashed", "error title=second crashed"], "{annotated}");

    // What can be read is shown, whatever the others are.
    let damaged = write("damaged.json", format!("{}\n{}", &report_of("cut")[..300], report_of("second")), 0);
    for files in [[&damaged[..], "/nonexistent"], ["/nonexistent", &damaged]] {
        let outcome = bare(launcher()).arg("report").args(files).run();
        outcome.assert_code(125).assert_stdout(&shown(&[&second]));
        assert_eq!(outcome.stderr().lines().count(), 2, "{outcome}");
        assert!(outcome.stderr().contains(&format!("nosigpipe: {damaged}: the report is damaged: ")), "{outcome}");
    }
    let empty = scratch.path().join("none");
    fs::create_dir(&empty).unwrap();
    let outcome = bare(launcher()).arg("report").arg(&empty).run();
    outcome.assert_code(125).assert_stdout("");
    let line = "there is no *.json file in this directory (NOSIGPIPE_FORMAT=json writes such reports)";
    assert_eq!(outcome.stderr(), format!("nosigpipe: {}: {line}\n", empty.display()));
}

#[test]
fn a_report_as_text_is_called_so_and_one_with_other_spaces_is_read() {
    let scratch = Scratch::new();
    let file = scratch.path().join("report");
    fs::write(&file, report(UUID)).unwrap();
    let shown = bare(launcher()).arg("report").arg(&file).run();
    let value: serde_json::Value = serde_json::from_str(&report(UUID)).unwrap();
    fs::write(&file, format!("{value:#}\n")).unwrap();
    let again = bare(launcher()).arg("report").arg(&file).run();
    again.assert_silent_success().assert_stdout(&shown.stdout());
    fs::write(&file, shown.stdout()).unwrap();
    let text = bare(launcher()).arg("report").arg(&file).run();
    text.assert_code(125).assert_stdout("");
    let line = "this is a report as text, to be read as it is; JSON is needed here (NOSIGPIPE_FORMAT=json)";
    assert_eq!(text.stderr(), format!("nosigpipe: {}: {line}\n", file.display()));
}

#[test]
fn an_annotation_is_of_the_python_line_where_no_other_is_in_the_repository() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path().join(".venv/lib/python3.12/site-packages")).unwrap();
    let names = [".venv/lib/python3.12/site-packages/numbers.py", "price.py", "main.py"];
    let mut frames = r#"{"function": "loads", "file": "/usr/lib/python3.12/json.py", "line": 3}"#.to_owned();
    for (name, line) in names.into_iter().zip(10..) {
        let file = scratch.path().join(name);
        fs::write(&file, "").unwrap();
        frames += &format!(r#", {{"function": "f", "file": "{}", "line": {line}}}"#, file.display());
    }
    let python = format!(r#""registers": {{}}, "python": {{"frames": [{frames}]}}"#);
    let content =
        report(UUID).replace(r#""registers": {}"#, &python).replace(r#": "server""#, r#": "a\u001b[31m\u0007""#);
    let file = scratch.path().join("report.json");
    fs::write(&file, content).unwrap();
    let annotate = bare(launcher()).args(["report", "--annotate"]).arg(&file);
    let outcome = annotate.env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", scratch.path()).run();
    outcome.assert_silent_success();
    let start = "::error file=price.py,line=11,title=a?[31m? crashed::nosigpipe: a?[31m? (pid 7) crashed: ";
    assert!(outcome.stdout().starts_with(start), "{outcome}");
}
