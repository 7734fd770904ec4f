//! `man`: the manual page, made of the command line's own table.

use clap::{Arg, ArgMatches, Command};
use roff::{Roff, bold, italic, roman};

use crate::exit::{self, Failure, OK};
use crate::{cli, output};

pub fn command() -> Command {
    Command::new("man").about("Print the manual page, for man(1)").hide(true)
}

pub fn run(_: &ArgMatches) -> Result<u8, Failure> {
    output::write(&page())?;
    Ok(OK)
}

fn page() -> String {
    let mut root = cli::command();
    root.build();
    let commands: Vec<_> = root.get_subcommands().filter(|command| !command.is_hide_set()).collect();
    let commands = commands.into_iter().filter(|command| command.get_name() != "help");
    let about = |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();

    let mut page = Roff::new();
    let version = format!("nosigpipe {}", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["NOSIGPIPE", "1", "", version.as_str()]);
    page.control("SH", ["NAME"]).text([roman(format!("nosigpipe - {}", about(&root)))]);
    page.control("SH", ["SYNOPSIS"]);
    for command in commands.clone() {
        page.text([bold(format!("nosigpipe {}", command.get_name())), roman(" "), roman(synopsis(command))]);
        page.control("br", []);
    }
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(
        "When a client has gone away, the next write to its connection raises SIGPIPE, whose default action ends the \
         server with exit code 141 and no word. A library that is loaded before the others keeps SIGPIPE away from the \
         server and writes a report when the server crashes. nosigpipe starts a program with this library in it.",
    )]);
    for command in commands {
        page.control("SH", [format!("NOSIGPIPE {}", command.get_name()).to_uppercase().as_str()]);
        let long = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
        page.text([roman(long)]);
        for argument in
            command.get_arguments().filter(|argument| !argument.is_positional() && argument.get_id() != "help")
        {
            page.control("TP", []);
            page.text(flag(argument));
            page.text([roman(argument.get_help().map(ToString::to_string).unwrap_or_default())]);
        }
    }
    page.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit::TABLE {
        page.control("TP", []).text([bold(code)]).text([roman(meaning)]);
    }
    page.control("SH", ["ENVIRONMENT"]);
    page.text([roman(
        "Each setting of nosigpipe run has the variable that stands with its flag, which the library reads. Variables \
         do the same without nosigpipe, with LD_PRELOAD set to the library's absolute path. A flag comes before its \
         variable. NOSIGPIPE_PROCESS is the library's own: it names the process that was started with the library.",
    )]);
    page.control("SH", ["SEE ALSO"]).text([roman("signal(7), send(2), ld.so(8)")]);
    page.render()
}

fn synopsis(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    usage
        .split_once(&format!("nosigpipe {} ", command.get_name()))
        .map(|(_, rest)| rest.trim().to_owned())
        .unwrap_or_default()
}

fn flag(argument: &Arg) -> Vec<roff::Inline> {
    let long = argument.get_long().unwrap_or_default();
    let mut text = vec![bold(format!("--{long}"))];
    if argument.get_action().takes_values() {
        let value = argument.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
        text.extend([roman("="), italic(value)]);
    }
    text
}
