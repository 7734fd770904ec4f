//! Every command in README.md, CONTRIBUTING.md and docs/ is run, here or by what its mark names, or it is said why not.
//!
//! A mark is a comment in front of a block:
//!
//! | `<!-- ... -->` | |
//! |---|---|
//! | `run` | here, in a shell that has nosigpipe; what it stands for is in [`STAND_INS`] |
//! | `run until FILE` | the same, for what does not end: until the file is there |
//! | `run in the sources` | the same, in this repository |
//! | `run by FILE` | by a script that names the page, or has each of the block's lines |
//! | `not run: WHY` | why must be one of [`REASONS`], and true |
//! | `output`, `code`, `picture` | no commands |

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Running, Scratch, bare, launcher, preloaded, root};

/// What stands for what in a page's commands; TREE is where the test has put a release's files, BUILT where cargo has.
const STAND_INS: [(&str, &str); 13] = [
    ("[FLAGS] [--]", "--scope=sockets --"),
    ("PROGRAM [ARGS...]", "/bin/echo hello"),
    ("PROGRAM", "/bin/cat"),
    ("try -- SERVER ARGS", "try --clients 4 -- BUILT demo-server"),
    ("SERVICE", "server"),
    (" PID", " $PID"),
    ("--debug-dir DIR", "--debug-dir ."),
    (" FILE", " TREE/report.json"),
    ("/usr/lib/nosigpipe/libnosigpipe.so", "TREE/lib/nosigpipe/libnosigpipe.so"),
    ("/var/lib/prometheus/node-exporter", "TREE"),
    ("demo\n", "demo --clients 100\n"),
    ("target/release/nosigpipe", "BUILT"),
    // Not those that are being tested in parallel.
    ("status --all --watch=15", "status --watch=15 $PID"),
];

/// What a page may say, and whether it is so.
type Reason = (&'static str, fn() -> bool);

/// Why a command is not run anywhere, and whether that is so: a program that the tests do not install, or another system.
const REASONS: [Reason; 2] = [
    ("needs docker", || !read("scripts/install-test-deps").contains("docker")),
    ("needs a Mac", || cfg!(not(target_os = "macos"))),
];

/// Words with which a line of a shell begins that is a command.
const COMMANDS: [&str; 14] = [
    "nosigpipe ",
    "cargo ",
    "scripts/",
    "target/",
    "pip ",
    "apt ",
    "dpkg ",
    "rpm ",
    "tar ",
    "docker ",
    "kubectl ",
    "systemctl ",
    "LD_PRELOAD=",
    "eval ",
];

/// A block of a page: its mark, if it has one, and its lines.
struct Block {
    page: String,
    number: usize,
    mark: Option<String>,
    text: String,
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The pages, by their names from the repository's root.
fn pages() -> Vec<String> {
    let mut names = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned(), "SECURITY.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
            names.push(format!("docs/{name}"));
        }
    }
    names
}

/// How far a line is indented, and whether it can begin or go on with a block: in a list, blocks are indented further.
fn is_code(line: &str, is_in_list: bool) -> bool {
    let indent = line.len() - line.trim_start().len();
    !line.trim().is_empty() && indent >= if is_in_list { 7 } else { 4 }
}

/// The blocks of a page, between fences or indented.
fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let (mut mark, mut fence, mut is_going_on, mut is_in_list) = (None, false, false, false);
    for (index, line) in text.lines().enumerate() {
        let new = |mark: &mut Option<String>| Block {
            page: page.to_owned(),
            number: index + 1,
            mark: mark.take(),
            text: String::new(),
        };
        if line.trim_start().starts_with("```") {
            fence = !fence;
            if fence {
                found.push(new(&mut mark));
            }
        } else if fence || is_code(line, is_in_list) {
            if !fence && !is_going_on {
                found.push(new(&mut mark));
            }
            is_going_on = !fence;
            let block = found.last_mut().unwrap();
            block.text += if fence { line } else { line.get(4..).unwrap() };
            block.text += "\n";
        } else if let Some(text) = line.trim().strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
            mark = Some(text.to_owned());
            is_going_on = false;
        } else if !line.trim().is_empty() {
            (mark, is_going_on) = (None, false);
            // A paragraph without indentation ends a list.
            is_in_list = line.trim_start().starts_with(|first: char| first.is_ascii_digit() || first == '-')
                || (is_in_list && line.starts_with(' '));
        } else {
            is_going_on = false;
        }
    }
    found
}

fn all_blocks() -> Vec<Block> {
    pages().iter().flat_map(|page| blocks(page, &read(page))).collect()
}

/// A release's files where they are unpacked, with what the pages' commands name.
struct Place {
    tree: Scratch,
    subject: Running,
}

impl Place {
    fn new() -> Self {
        let tree = Scratch::with_release();
        let path = tree.path();
        fs::create_dir(path.join("stand-ins")).unwrap();
        // A server that is started with the library, or with an error; on the line for macOS nothing is preloaded here.
        let server = "#!/bin/bash\n[ -n \"$DYLD_INSERT_LIBRARIES\" ] || grep -q libnosigpipe.so /proc/self/maps\n";
        let subject = preloaded("sleep").arg("1000").start();
        let systemctl = format!("#!/bin/bash\necho {}\n", subject.pid());
        for (name, text) in [("tritonserver", server), ("systemctl", &systemctl)] {
            let file = path.join("stand-ins").join(name);
            fs::write(path.join("text"), text).unwrap();
            bare("install").args(["-m", "755"]).arg(path.join("text")).arg(file).run().assert_silent_success();
        }
        let crash = bare(path.join("bin/nosigpipe"))
            .args(["run", "--format=json", "--", "sh", "-c", "kill -SEGV $$"])
            .run()
            .assert_killed_by(harness::SIGSEGV)
            .stderr();
        fs::write(path.join("report.json"), crash).unwrap();
        Self { tree, subject }
    }

    /// A block's commands as they are run here: without remarks, with what stands for its words.
    fn script(&self, text: &str) -> String {
        let line = |line: &str| line.split("   ").next().unwrap().to_owned() + "\n";
        let mut script: String = text.lines().map(|text| line(text.trim_start())).collect();
        for (word, instead) in STAND_INS {
            script = script.replace(word, instead);
        }
        let tree = self.tree.path().display().to_string();
        script.replace("TREE", &tree).replace("BUILT", &launcher().display().to_string())
    }

    /// A shell that will run a script.
    fn shell(&self, directory: &Path, script: &str) -> harness::Subject {
        let tree = self.tree.path().display();
        let cargo = std::env::var_os("CARGO").map(PathBuf::from);
        let cargo = cargo.as_deref().and_then(Path::parent).unwrap_or(Path::new("/usr/bin")).display();
        bare("bash")
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(directory)
            .env("PATH", format!("{tree}/bin:{tree}/stand-ins:{cargo}:/usr/bin:/bin"))
            .env("PID", self.subject.pid().to_string())
            .limit(Duration::from_secs(300))
    }

    /// Runs commands that end.
    fn run(&self, block: &Block, directory: &Path) {
        let script = self.script(&block.text);
        let outcome = self.shell(directory, &script).run();
        assert_eq!(outcome.code(), Some(0), "{}:{}:\n{script}\n{outcome}", block.page, block.number);
    }

    /// Runs commands until a file is there.
    fn run_until(&self, block: &Block, file: &str) {
        let (script, file) = (self.script(&block.text), self.script(file));
        let running = self.shell(self.tree.path(), &script).start();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !Path::new(file.trim()).exists() {
            assert!(running.is_alive() && Instant::now() < deadline, "{}:{}: no {file}", block.page, block.number);
            sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn every_command_is_run_or_it_is_said_why_not() {
    let place = Place::new();
    let mut run = 0;
    for block in all_blocks() {
        let at = format!("{}:{}", block.page, block.number);
        let Some(mark) = &block.mark else { panic!("{at}: a block without a mark:\n{}", block.text) };
        if mark == "run" {
            place.run(&block, place.tree.path());
        } else if mark == "run in the sources" {
            place.run(&block, root());
        } else if let Some(file) = mark.strip_prefix("run until ") {
            place.run_until(&block, file);
        } else if let Some(file) = mark.strip_prefix("run by ") {
            let script = read(file);
            let lines = || block.text.lines().filter_map(|line| line.trim().split("  ").next());
            let is_run = script.contains(&block.page)
                || lines().all(|line| script.lines().any(|own| own.trim().ends_with(line)));
            assert!(is_run, "{at}: {file} does not run\n{}", block.text);
        } else if let Some(why) = mark.strip_prefix("not run: ") {
            let Some((_, is_so)) = REASONS.iter().find(|(reason, _)| *reason == why) else { panic!("{at}: {why}?") };
            assert!(is_so(), "{at}: {why} is not so");
            continue;
        } else {
            assert!(["output", "code", "picture"].contains(&mark.as_str()), "{at}: {mark}?");
            let command = block.text.lines().find(|line| COMMANDS.iter().any(|word| line.trim().starts_with(word)));
            assert!(command.is_none(), "{at}: {command:?} is a command");
            continue;
        }
        run += 1;
    }
    assert!(run >= 12, "only {run} blocks are run");
}

/// A command line in a text: which of the launcher's commands it is, and its flags up to a program's own.
fn flags(line: &str) -> Option<(&str, Vec<&str>)> {
    let mut words = line.strip_prefix("nosigpipe ")?.split(|end: char| end.is_whitespace() || end == ',' || end == ';');
    let name = words.next()?;
    let own = words.take_while(|word| *word != "--" && !word.contains('$'));
    let flags = own.filter(|word| word.starts_with("--") && word.len() > 2);
    Some((name, flags.map(|flag| flag.split('=').next().unwrap()).collect()))
}

#[test]
fn every_command_and_flag_that_is_named_exists() {
    let help = bare(launcher()).arg("help").run().stdout();
    let is_command = |name: &str| {
        help.lines().any(|line| line.strip_prefix("  ").is_some_and(|rest| rest.starts_with(&format!("{name} "))))
    };
    let mut seen = 0;
    for page in pages() {
        let text = read(&page);
        let spans = text.split('`').skip(1).step_by(2);
        let blocks = blocks(&page, &text);
        let lines = blocks.iter().flat_map(|block| block.text.lines()).map(str::trim_start);
        for (name, flags) in spans.chain(lines).filter_map(flags) {
            if !is_command(name) {
                assert!(!name.chars().all(|letter| letter.is_ascii_lowercase()) || name == "help", "{page}: {name}?");
                continue;
            }
            let about = bare(launcher()).args(["help", name]).run();
            let about = about.stdout();
            let known: Vec<&str> = about
                .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'))
                .filter(|word| word.starts_with("--"))
                .collect();
            for flag in flags {
                assert!(known.contains(&flag), "{page}: nosigpipe {name} {flag}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} were found");
}

#[test]
fn a_block_without_a_mark_and_a_wrong_one_are_seen() {
    let page = "Text\n\n    a\n    b\n\n<!-- run -->\n    c\n\n<!-- code -->\n\n```\nd\n\n    e\n```\n\n1. item\n     \n       f\n   on\n";
    let found: Vec<_> = blocks("page", page).into_iter().map(|block| (block.number, block.mark, block.text)).collect();
    let mark = |text: &str| Some(text.to_owned());
    let expected = [
        (3, None, "a\nb\n".to_owned()),
        (7, mark("run"), "c\n".to_owned()),
        (11, mark("code"), "d\n\n    e\n".to_owned()),
        (19, None, "   f\n".to_owned()),
    ];
    assert_eq!(found, expected);
}
