//! The command line: the table of commands, and what all of them share.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command};

use crate::commands::wrong::Wrong;
use crate::commands::{attempt, check, completions, demo, doctor, env, man, report, run, stack, status};
use crate::exit::{self, Failure};
use crate::{output, preflight};
use settings::options::SETTINGS;

/// A command: its part of the command line and what it does.
struct Entry {
    /// The heading of help under which it is listed.
    group: Group,
    command: fn() -> Command,
    run: fn(&ArgMatches) -> Result<u8, Failure>,
}

/// The groups into which help sorts the commands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Starting programs.
    Start,
    /// Looking at what runs or has crashed.
    Look,
    /// This installation.
    Installation,
    /// Started only by other commands of nosigpipe; neither help nor the manual page shows them.
    Internal,
}

/// The groups that help shows, with their headings.
const GROUPS: [(Group, &str); 3] = [
    (Group::Start, "Start a program"),
    (Group::Look, "Look at a process or a crash"),
    (Group::Installation, "This installation"),
];

/// Every command, in the order in which help shows them.
const COMMANDS: [Entry; 13] = [
    Entry { group: Group::Start, command: run::command, run: run::run },
    Entry { group: Group::Start, command: check::command, run: check::run },
    Entry { group: Group::Start, command: env::command, run: env::run },
    Entry { group: Group::Start, command: attempt::command, run: attempt::run },
    Entry { group: Group::Look, command: status::command, run: status::run },
    Entry { group: Group::Look, command: stack::command, run: stack::run },
    Entry { group: Group::Look, command: report::command, run: report::run },
    Entry { group: Group::Installation, command: doctor::command, run: doctor::run },
    Entry { group: Group::Internal, command: doctor::trial_command, run: doctor::trial },
    Entry { group: Group::Installation, command: demo::command, run: demo::run },
    Entry { group: Group::Internal, command: demo::server::command, run: demo::server::run },
    Entry { group: Group::Installation, command: man::command, run: man::run },
    Entry { group: Group::Installation, command: completions::command, run: completions::run },
];

/// The parser of the whole command line. Internal commands are accepted and hidden.
pub fn command() -> Command {
    bare_command().subcommands(COMMANDS.iter().map(|entry| (entry.command)().hide(entry.group == Group::Internal)))
}

/// The parser without any command.
fn bare_command() -> Command {
    Command::new("nosigpipe")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs a server so that clients that go away can't kill it by SIGPIPE, and crashes explain themselves")
        .max_term_width(120)
        .subcommand_required(true)
        .arg_required_else_help(false)
        // clap lists commands without groups, so the list is our own.
        .help_template(format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{}", overview()))
}

/// The parser without the internal commands, for the manual page and for completion in shells.
pub fn shown_command() -> Command {
    let shown = COMMANDS.iter().filter(|entry| entry.group != Group::Internal);
    bare_command().subcommands(shown.map(|entry| (entry.command)()))
}

/// The headings of help, each with the commands below it.
pub fn groups() -> impl Iterator<Item = (&'static str, Vec<Command>)> {
    GROUPS.into_iter().map(|(group, heading)| {
        let members = COMMANDS.iter().filter(|entry| entry.group == group).map(|entry| (entry.command)());
        (heading, members.collect())
    })
}

/// Parses the command line, whose first argument is the name of nosigpipe itself, and runs the command. Returns the
/// exit code.
pub fn run(arguments: impl Iterator<Item = OsString>) -> Result<u8, Failure> {
    let arguments: Vec<OsString> = arguments.collect();
    let matches = match command().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            output::write(&error.to_string())?;
            return Ok(exit::OK);
        }
        Err(error) => return Err(Failure::refused(usage_error(&error, &arguments))),
    };
    let Some((name, matches)) = matches.subcommand() else {
        return Err(Failure::refused("no command given; see nosigpipe --help"));
    };
    match COMMANDS.iter().find(|entry| (entry.command)().get_name() == name) {
        Some(entry) => (entry.run)(matches),
        None => Err(Failure::refused(format!("{name} is not a command"))),
    }
}

/// clap's error as one line: what is wrong, what may have been meant, and where to read on.
fn usage_error(error: &clap::Error, arguments: &[OsString]) -> String {
    if let Some(Wrong(message)) = error.source().and_then(|source| source.downcast_ref()) {
        return message.clone();
    }
    if error.kind() == ErrorKind::MissingSubcommand {
        return "no command given; see nosigpipe --help".into();
    }
    let text = error.to_string();
    let problem: Vec<_> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let problem = problem.join(" ");
    let problem = problem.strip_prefix("error: ").unwrap_or(&problem);
    let meant = meant(error).unwrap_or_default();
    let is_given = |command: &Command| arguments.get(1).is_some_and(|word| word == command.get_name());
    let page = match groups().flat_map(|(_, commands)| commands).find(is_given) {
        Some(command) => format!("help {}", command.get_name()),
        None => "--help".into(),
    };
    format!("{problem}{meant}; see nosigpipe {page}")
}

/// A suggestion for the end of the error, ` (did you mean 'X'?)`; `None` where nothing is similar.
fn meant(error: &clap::Error) -> Option<String> {
    let kinds = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let suggestions = kinds.into_iter().filter_map(|kind| error.get(kind)).flat_map(|value| match value {
        ContextValue::String(one) => vec![one.clone()],
        ContextValue::Strings(several) => several.clone(),
        _ => Vec::new(),
    });
    let word = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => Some(word),
        _ => None,
    };
    // clap's most similar suggestion comes last.
    let similar = suggestions.last().or_else(|| closest_command(word?));
    // A program's name where a command should be: `run --` has probably been forgotten.
    let program = word.filter(|word| preflight::path::find(OsStr::new(word)).is_ok());
    let program = program.map(|word| format!("nosigpipe run -- {word}"));
    let meant: Vec<_> = [similar, program].into_iter().flatten().map(|word| format!("'{word}'")).collect();
    (!meant.is_empty()).then(|| format!(" (did you mean {}?)", meant.join(" or ")))
}

/// The only command that begins with this word, else the only one that is one typing mistake away from it; `None` where
/// there is none or there are several. clap's own measure of similarity misses two swapped letters in a short word.
fn closest_command(word: &str) -> Option<String> {
    let names: Vec<String> =
        groups().flat_map(|(_, commands)| commands).map(|command| command.get_name().to_owned()).collect();
    let is_begun = |name: &&String| !word.is_empty() && name.starts_with(word);
    let is_mistyped = |name: &&String| is_one_change_away(word.as_bytes(), name.as_bytes());
    for fits in [&is_begun as &dyn Fn(&&String) -> bool, &is_mistyped] {
        if let [only] = names.iter().filter(fits).collect::<Vec<_>>().as_slice() {
            return Some((*only).clone());
        }
    }
    None
}

/// Whether two words differ by one replaced, missing or additional letter, or by two neighbouring letters that are
/// swapped.
fn is_one_change_away(typed: &[u8], name: &[u8]) -> bool {
    let same = typed.iter().zip(name).take_while(|(left, right)| left == right).count();
    let (typed, name) = (typed.get(same..).unwrap_or_default(), name.get(same..).unwrap_or_default());
    let swapped =
        matches!((typed, name), ([a, b, ..], [c, d, ..]) if (a, b) == (d, c)) && typed.get(2..) == name.get(2..);
    swapped || typed.get(1..) == name.get(1..) || typed.get(1..) == Some(name) || Some(typed) == name.get(1..)
}

/// The part of help below the usage line: all commands, settings, and exit codes.
fn overview() -> String {
    let mut text = String::new();
    for (heading, commands) in groups() {
        let _ = writeln!(text, "\n{heading}:");
        for command in commands {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {:<12} {about}", command.get_name());
        }
    }
    let _ = writeln!(text, "\nnosigpipe help COMMAND says everything about one of them.");
    let _ = writeln!(text, "\nSettings, each also a flag of run (explained by nosigpipe help run):");
    for pair in SETTINGS.chunks(2) {
        let names: String = pair.iter().map(|setting| format!("  {:<28}", setting.variable)).collect();
        let _ = writeln!(text, "{}", names.trim_end());
    }
    let _ = writeln!(text, "\nExit status:");
    for (code, meaning) in exit::TABLE {
        let _ = writeln!(text, "  {code:<12} {meaning}");
    }
    text
}
