//! `env`: what to set so that everything that is started from here has the library in it.

use std::env;
use std::ffi::{OsStr, OsString};

use clap::builder::PossibleValue;
use clap::{Arg, ArgMatches, Command, ValueEnum, value_parser};

use crate::commands::run::{flag, library_flag, settings};
use crate::exit::{Failure, OK};
use crate::{library, output, platform};
use settings::options::SETTINGS;

/// What a line is written for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Sh,
    Fish,
    Csh,
    Dockerfile,
    Systemd,
    Github,
    Plain,
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Sh, Self::Fish, Self::Csh, Self::Dockerfile, Self::Systemd, Self::Github, Self::Plain]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        // clap_complete puts these between quotes of several kinds: none may be in them, nor what a shell expands.
        let (name, help) = match self {
            Self::Sh => ("sh", "commands for sh, bash, zsh, ksh"),
            Self::Fish => ("fish", "commands for fish"),
            Self::Csh => ("csh", "commands for csh, tcsh"),
            Self::Dockerfile => ("dockerfile", "an ENV instruction"),
            Self::Systemd => ("systemd", "an Environment= line of a unit"),
            Self::Github => ("github", "NAME=value, for the file that GITHUB_ENV names"),
            Self::Plain => ("plain", "NAME=value, for docker --env-file and EnvironmentFile= of systemd"),
        };
        let aliases: &[&str] = match self {
            Self::Sh => &["bash", "zsh", "ksh", "dash"],
            Self::Csh => &["tcsh"],
            _ => &[],
        };
        Some(PossibleValue::new(name).help(help).aliases(aliases))
    }
}

impl Format {
    /// Whether it is for what is started from here, where something may be preloaded already.
    fn is_for_here(self) -> bool {
        matches!(self, Self::Sh | Self::Fish | Self::Csh | Self::Github)
    }

    /// Sets one variable.
    fn line(self, name: &str, value: &str) -> String {
        match self {
            Self::Sh => format!("export {name}={}", quoted(value, &[("'", "'\\''")])),
            Self::Fish => format!("set -gx {name} {};", quoted(value, &[("\\", "\\\\"), ("'", "\\'")])),
            Self::Csh => format!("setenv {name} {};", quoted(value, &[("'", "'\\''"), ("!", "\\!")])),
            Self::Dockerfile => {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
                format!("ENV {name}=\"{value}\"")
            }
            Self::Systemd => {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
                format!("Environment=\"{name}={value}\"")
            }
            Self::Github | Self::Plain => format!("{name}={value}"),
        }
    }
}

/// In single quotes, unless nothing in it has a meaning to any shell.
fn quoted(value: &str, escapes: &[(&str, &str)]) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:,@%".contains(&byte);
    if !value.is_empty() && value.bytes().all(is_plain) {
        return value.to_owned();
    }
    let escaped = escapes.iter().fold(value.to_owned(), |text, (from, to)| text.replace(from, to));
    format!("'{escaped}'")
}

pub fn command() -> Command {
    Command::new("env")
        .about("Print the line that preloads the library into what is started from a shell, a container or a service")
        .long_about(
            "Print what sets LD_PRELOAD (on macOS DYLD_INSERT_LIBRARIES), and the settings that are given, for a \
             shell or a file: eval \"$(nosigpipe env)\" in sh and its like, nosigpipe env --for=fish | source in fish, \
             eval `nosigpipe env --for=csh` in csh. For shells, what is preloaded already stays behind the library. \
             Unlike run, this looks at no program beforehand.",
        )
        .arg(
            Arg::new("for")
                .long("for")
                .value_name("WHAT")
                .default_value("sh")
                .help("What the lines are for")
                .value_parser(value_parser!(Format)),
        )
        .args(SETTINGS.iter().map(flag))
        .arg(library_flag())
}

pub fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let format = matches.get_one("for").copied().unwrap_or(Format::Sh);
    let settings = settings(matches);
    let library = library::find(matches.get_one::<OsString>("library").map(OsString::as_os_str))?;
    let inherited = env::var_os(platform::PRELOAD).filter(|_| format.is_for_here());
    let preload = platform::preload_list(&library.entry, &library.path, inherited.as_deref());
    let mut text = String::new();
    let settings = settings.iter().map(|(setting, value)| (setting.variable, value.as_os_str()));
    for (name, value) in [(platform::PRELOAD, preload.as_os_str())].into_iter().chain(settings) {
        text += &format.line(name, writable(name, value)?);
        text.push('\n');
    }
    output::write(&text)?;
    Ok(OK)
}

/// A value as text of one line, which is what all these files and shells can carry.
fn writable<'a>(name: &str, value: &'a OsStr) -> Result<&'a str, Failure> {
    let text = value.to_str().filter(|text| !text.contains(char::is_control));
    text.ok_or_else(|| Failure::refused(format!("{name} has characters in it that no line can carry")))
}
