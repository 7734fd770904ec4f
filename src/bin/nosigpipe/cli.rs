//! The command line: the table of commands, and what all of them share.

use clap::error::ErrorKind;
use clap::{ArgMatches, Command};

use crate::commands::{check, demo, doctor, env, man, report, run, status};
use crate::exit::{self, Failure};
use crate::output;

/// A command: its part of the command line and what it does.
struct Entry {
    command: fn() -> Command,
    run: fn(&ArgMatches) -> Result<u8, Failure>,
}

/// Every command, in the order in which help shows them.
const COMMANDS: [Entry; 10] = [
    Entry { command: run::command, run: run::run },
    Entry { command: check::command, run: check::run },
    Entry { command: status::command, run: status::run },
    Entry { command: report::command, run: report::run },
    Entry { command: env::command, run: env::run },
    Entry { command: doctor::command, run: doctor::run },
    Entry { command: doctor::trial_command, run: doctor::trial },
    Entry { command: demo::command, run: demo::run },
    Entry { command: demo::server::command, run: demo::server::run },
    Entry { command: man::command, run: man::run },
];

/// The whole command line.
pub fn command() -> Command {
    Command::new("nosigpipe")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs a server so that clients that go away can't kill it by SIGPIPE, and crashes explain themselves")
        .subcommand_required(true)
        .arg_required_else_help(false)
        .after_help(exit_status())
        .subcommands(COMMANDS.iter().map(|entry| (entry.command)()))
}

/// Does what the command line says.
pub fn run() -> Result<u8, Failure> {
    let matches = match command().try_get_matches_from(std::env::args_os()) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            output::write(&error.to_string())?;
            return Ok(exit::OK);
        }
        Err(error) => return Err(Failure::refused(usage_error(&error))),
    };
    let Some((name, matches)) = matches.subcommand() else {
        return Err(Failure::refused("no command given; see nosigpipe --help"));
    };
    match COMMANDS.iter().find(|entry| (entry.command)().get_name() == name) {
        Some(entry) => (entry.run)(matches),
        None => Err(Failure::refused(format!("{name} is not a command"))),
    }
}

/// clap's message as one line: what is wrong, without usage and hints.
fn usage_error(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::MissingSubcommand {
        return "no command given; see nosigpipe --help".into();
    }
    let text = error.to_string();
    let problem: Vec<_> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let problem = problem.join(" ");
    format!("{}; see nosigpipe --help", problem.strip_prefix("error: ").unwrap_or(&problem))
}

fn exit_status() -> String {
    let mut text = String::from("Exit status:\n");
    for (code, meaning) in exit::TABLE {
        text += &format!("  {code:<7} {meaning}\n");
    }
    text
}
