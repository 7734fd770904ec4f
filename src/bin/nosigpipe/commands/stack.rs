//! `stack`: the stacks of running processes, which go on.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::commands::wrong::Wrong;
use crate::commands::{debug_dir, debuginfod};
use crate::exit::{Failure, NO_PROCESS, OK};
use crate::output;
use crate::platform::{process, stacks};

pub fn command() -> Command {
    Command::new("stack")
        .about("Print the stacks of all threads of a running process, which goes on")
        .long_about(
            "Print the stacks of all threads of process PID, in the words of crash reports, and what each thread waits for: a \
             descriptor, a child, a lock and the thread that holds it. The process may have the library or not. It is stopped \
             for milliseconds, while its registers and stacks are copied, and goes on; what is stopped already stays stopped. \
             Debug files are looked for in /usr/lib/debug and in debuginfod's cache, too. One must be its user or root, and \
             where kernel.yama.ptrace_scope is 1, its parent or root. Linux only. \
             Ends with 0, or with the code of the first process that could not be looked into: 3 there is none, 4 no \
             permission.",
        )
        .arg(
            Arg::new("pid")
                .value_name("PID")
                .num_args(1..)
                .required_unless_present("schema")
                .value_parser(number)
                .help("The number of a process, or of several"),
        )
        .arg(
            Arg::new("all-children")
                .long("all-children")
                .action(ArgAction::SetTrue)
                .help("Each PID and every process below it"),
        )
        .arg(debug_dir::argument())
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON: an object for each process"))
        .arg(
            Arg::new("schema")
                .long("schema")
                .action(ArgAction::SetTrue)
                .conflicts_with("pid")
                .help("Print the JSON Schema of such an object instead"),
        )
}

/// Parses a process's number.
///
/// # Errors
/// What is allowed, in words.
pub fn number(text: &str) -> Result<u32, Box<dyn Error + Send + Sync>> {
    let number = text.parse().ok().filter(|number| (1..=i32::MAX.cast_unsigned()).contains(number));
    if let Some(number) = number {
        return Ok(number);
    }
    // What scripts give in place of one: `systemctl show -p MainPID`, `pidof` and `pgrep` in quotes.
    let wrong = match text.split_whitespace().count() {
        0 => "no PID was given".to_owned(),
        1 if text == "0" => "0 is no process: the service isn't running?".to_owned(),
        1 => return Err("it must be the number of a process, from 1 to 2147483647".into()),
        _ => format!("{text}: give each PID as a word of its own"),
    };
    Err(Box::new(Wrong(wrong)))
}

pub fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    if matches.get_flag("schema") {
        output::write(include_str!("../../../../docs/stacks.schema.json"))?;
        return Ok(OK);
    }
    let given: Vec<u32> = matches.get_many("pid").unwrap_or_default().copied().collect();
    let mut directories = debug_dir::given(matches)?;
    directories.extend(debuginfod::caches());
    let mut seen = HashSet::new();
    let all = if matches.get_flag("all-children") { with_children(&given) } else { given.clone() };
    let pids: Vec<u32> = all.into_iter().filter(|pid| seen.insert(*pid)).collect();
    // The exit code for the first process that could not be looked into.
    let mut first = None;
    for &pid in &pids {
        match stacks::look(pid, &directories) {
            Ok((stacks, remark)) => {
                if let Some(remark) = remark {
                    output::complain(&remark);
                }
                if matches.get_flag("json") {
                    output::write_json(&stacks.json())?;
                } else {
                    output::write_coloured(&stacks.text(), colour)?;
                }
            }
            // A process that --all-children found and that has ended since is no error.
            Err(failure) if failure.code == NO_PROCESS && !given.contains(&pid) => {}
            Err(failure) if pids.len() == 1 => return Err(failure),
            Err(failure) => {
                output::complain(&failure.message);
                first.get_or_insert(failure.code);
            }
        }
    }
    Ok(first.unwrap_or(OK))
}

/// These processes, each followed by those below it.
fn with_children(given: &[u32]) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in process::all() {
        if let Some(parent) = process::parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    let mut next: Vec<u32> = given.iter().rev().copied().collect();
    while let Some(pid) = next.pop() {
        if seen.insert(pid) {
            all.push(pid);
            next.extend(children.get(&pid).into_iter().flatten().rev());
        }
    }
    // Our own stacks are of interest to nobody, and nobody can trace itself.
    all.retain(|&pid| pid != std::process::id());
    all
}

/// The escape sequence for a line on a terminal: deadlocks are red, the lines that begin a stack bold, and what its
/// threads wait for yellow.
fn colour(line: &str) -> Option<&'static str> {
    const RED: &str = "\x1b[1;31m";
    const BOLD: &str = "\x1b[1m";
    const YELLOW: &str = "\x1b[33m";
    match line {
        _ if line.starts_with("deadlock:") => Some(RED),
        _ if line.starts_with("nosigpipe: ") || line.starts_with("stack of ") => Some(BOLD),
        _ if line.starts_with("  #") || line.starts_with("  ...") || !line.starts_with("  ") => None,
        _ => Some(YELLOW),
    }
}
