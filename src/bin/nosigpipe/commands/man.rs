//! `man`: the manual page, made from the definitions of the command line.

use clap::{Arg, ArgMatches, Command};
use roff::{Inline, Roff, bold, italic, roman};

use crate::exit::{self, Failure, OK};
use crate::{cli, output, platform};
use settings::options::SETTINGS;

/// The variable with the time that the page shows, in seconds since 1970. Packagers set it so that builds are
/// reproducible (reproducible-builds.org).
const EPOCH: &str = "SOURCE_DATE_EPOCH";

pub fn command() -> Command {
    Command::new("man")
        .about("Print the manual page, for man(1)")
        .long_about("Print the manual page: nosigpipe man | man -l -. Packages have it installed as nosigpipe(1).")
}

pub fn run(_: &ArgMatches) -> Result<u8, Failure> {
    output::write(&page())?;
    Ok(OK)
}

/// The examples: a command line, and what it is for.
const EXAMPLES: [(&str, &str); 10] = [
    ("nosigpipe try -- ./server --port 8080", "What do vanishing clients do to it, bare and with the library?"),
    ("nosigpipe run -- tritonserver --model-repository=/models", "A server that no vanishing client ends."),
    (
        "nosigpipe run --report=/var/log/nosigpipe --format=json -- ./server",
        "Its crash reports are files, one for each crash, for programs to read.",
    ),
    ("nosigpipe run --log=summary -- ./server", "It says when it ends how many broken pipes it has survived."),
    (
        "nosigpipe run --only=server -- ./start.sh",
        "The library acts in the server that the script starts, and in nothing else.",
    ),
    ("eval \"$(nosigpipe env)\"", "Everything that is started from this shell has the library in it."),
    ("nosigpipe env --for=systemd --report=/var/log/nosigpipe", "The lines for a drop-in of a systemd unit."),
    ("nosigpipe check ./server", "Would it work, and how is each of the server's calls covered?"),
    ("nosigpipe status \"$(pidof server)\"", "What is the library doing there now?"),
    (
        "nosigpipe report --debug-dir=/usr/lib/debug report.json",
        "A report with the lines that debug files have for it.",
    ),
];

/// The whole page, in roff.
fn page() -> String {
    let mut root = cli::shown_command();
    root.build();
    let about = |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();

    let mut page = Roff::new();
    let version = format!("nosigpipe {}", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["NOSIGPIPE", "1", date().as_str(), version.as_str(), "User Commands"]);
    page.control("SH", ["NAME"]);
    // whatis(1) wants it short, and on one line.
    page.text([roman("nosigpipe - keep vanishing clients from killing a server, and have its crashes explained")]);
    page.control("SH", ["SYNOPSIS"]);
    let groups: Vec<_> = cli::groups().collect();
    let built = |name: &str| root.get_subcommands().find(|command| command.get_name() == name);
    let commands = groups.iter().flat_map(|(_, commands)| commands).filter_map(|command| built(command.get_name()));
    for (index, command) in commands.enumerate() {
        if index > 0 {
            page.control("br", []);
        }
        let mut line = vec![bold(format!("nosigpipe {}", command.get_name()))];
        let rest = synopsis(command);
        if !rest.is_empty() {
            line.extend([roman(" "), roman(rest)]);
        }
        page.text(line);
    }
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(
        "When a client has gone away, the next write to its connection raises SIGPIPE, whose default action ends the \
         server with exit code 141 and no word. A library that is loaded before the others keeps SIGPIPE away from the \
         server, to which the write is an error (EPIPE) then, and writes a report when the server crashes, which then \
         ends as it would have ended anyway. nosigpipe starts a program with this library in it, says beforehand why \
         that could not work, and shows what the library is doing.",
    )]);
    page.control("PP", []);
    page.text([roman(
        "A program that is linked statically, or made for another kind of processor, can't have it. nosigpipe check \
         says so beforehand.",
    )]);
    page.control("SH", ["COMMANDS"]);
    for (heading, commands) in &groups {
        page.control("SS", [*heading]);
        for command in commands {
            page.control("TP", []).text([bold(command.get_name())]).text([roman(about(command))]);
        }
    }
    for command in groups.iter().flat_map(|(_, commands)| commands).filter_map(|command| built(command.get_name())) {
        page.control("SH", [format!("NOSIGPIPE {}", command.get_name()).to_uppercase().as_str()]);
        let long = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
        page.text([roman(long)]);
        for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
            page.control("TP", []);
            page.text(tag(argument));
            page.text([roman(meaning(argument))]);
        }
    }
    page.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit::TABLE {
        let tag = if code.is_empty() { roman("\u{a0}") } else { bold(code) };
        page.control("TP", []).text([tag]).text([roman(meaning)]);
    }
    environment(&mut page);
    page.control("SH", ["FILES"]);
    page.text([roman(
        "The library is the first of these that is there, from the directory of nosigpipe's executable:",
    )]);
    for near in crate::library::near() {
        let place = if near == "." { platform::LIBRARY.to_owned() } else { format!("{near}/{}", platform::LIBRARY) };
        page.control("br", []).text([italic(place)]);
    }
    page.control("TP", []).text([italic("DIR/PROGRAM.PID.TIME.txt, .json")]);
    page.text([roman("Crash reports, one file each, where NOSIGPIPE_REPORT names a directory.")]);
    page.control("SH", ["EXAMPLES"]);
    for (line, what) in EXAMPLES {
        page.control("TP", []).text([bold(line)]).text([roman(what)]);
    }
    page.control("SH", ["NOTES"]);
    page.text([roman(
        "Set-user-ID programs: the loader takes preloads from system directories only, or not at all, and the library \
         reads no settings in them. In containers, the library's file must be in the container.",
    )]);
    page.control("SH", ["SEE ALSO"]);
    let see_also = ["signal(7)", "send(2)", "write(2)", "ld.so(8)", "env(1)", "core(5)", "systemd.exec(5)"];
    let mut line = Vec::new();
    for (index, entry) in see_also.iter().enumerate() {
        let (name, section) = entry.split_once('(').unwrap_or((entry, ""));
        let comma = if index + 1 == see_also.len() { "" } else { ", " };
        line.extend([bold(name), roman(format!("({section}{comma}"))]);
    }
    page.text(line);
    page.render()
}

/// The section about variables: settings, and what else nosigpipe and the library read.
fn environment(page: &mut Roff) {
    page.control("SH", ["ENVIRONMENT"]);
    page.text([roman(format!(
        "The library reads its settings from these variables, also without nosigpipe, with {} set to its absolute \
         path. A flag of nosigpipe run comes before its variable. A wrong value is one line on standard error, and the \
         default holds.",
        platform::PRELOAD
    ))]);
    for setting in &SETTINGS {
        let default = if setting.default.is_empty() { "none" } else { setting.default };
        page.control("TP", []).text([bold(setting.variable)]);
        page.text([roman(format!("{}. Allowed: {}. Default: {default}.", setting.help, setting.allowed))]);
    }
    let others = [
        (settings::options::LIBRARY, "The library's file, for nosigpipe, as --library.".to_owned()),
        (platform::PRELOAD, "nosigpipe run puts the library in front of what is in it.".to_owned()),
        (
            settings::options::PROCESS,
            "The library's own: it names the process that was started with the library.".to_owned(),
        ),
    ];
    for (name, what) in others {
        page.control("TP", []).text([bold(name)]).text([roman(what)]);
    }
}

/// The date in the page's footer; empty where SOURCE_DATE_EPOCH is not set: today's date would say nothing about the
/// page.
fn date() -> String {
    let seconds = std::env::var(EPOCH).ok().and_then(|text| text.parse::<i64>().ok());
    seconds.and_then(day).unwrap_or_default()
}

/// The day of a time in seconds since 1970, as YYYY-MM-DD; `None` where its year is no number that a `tm` can have.
fn day(seconds: i64) -> Option<String> {
    // SAFETY: a tm has numbers, and on some systems a pointer that may be null: all zeros is valid.
    let mut time: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to variables of this function, which live until the call returns.
    let result = unsafe { libc::gmtime_r(&raw const seconds, &raw mut time) };
    (!result.is_null())
        .then(|| format!("{:04}-{:02}-{:02}", i64::from(time.tm_year) + 1900, time.tm_mon + 1, time.tm_mday))
}

/// What follows a command's name on its usage line.
fn synopsis(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    usage
        .split_once(&format!("nosigpipe {} ", command.get_name()))
        .map(|(_, rest)| rest.trim().to_owned())
        .unwrap_or_default()
}

/// An argument as the page shows it: `--NAME=VALUE`, or `VALUE` alone.
fn tag(argument: &Arg) -> Vec<Inline> {
    let value = argument.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
    let Some(long) = argument.get_long() else { return vec![italic(value)] };
    let mut text = vec![bold(format!("--{long}"))];
    if argument.get_action().takes_values() {
        text.extend([roman("="), italic(value)]);
    }
    text
}

/// What an argument is for, its values and its default. Those of settings stand in their help already.
fn meaning(argument: &Arg) -> String {
    let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default();
    if !argument.get_action().takes_values() {
        return text;
    }
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|value| match value.get_help() {
            Some(help) => format!("{} ({help})", value.get_name()),
            None => value.get_name().to_owned(),
        })
        .collect();
    if !values.is_empty() {
        text = format!(
            "{text}. {} is one of: {}",
            argument.get_value_names().and_then(<[_]>::first).map_or("It", |name| name),
            values.join("; ")
        );
    }
    for default in argument.get_default_values() {
        text = format!("{text} [default: {}]", default.to_string_lossy());
    }
    text
}
