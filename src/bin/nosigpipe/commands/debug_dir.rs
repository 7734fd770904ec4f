//! `--debug-dir`, a flag of `report` and `stack`.

use clap::builder::ValueHint;
use clap::{Arg, ArgAction, ArgMatches};

use crate::commands::name;
use crate::exit::Failure;
use crate::output;

const NAME: &str = "debug-dir";

pub fn argument() -> Arg {
    Arg::new(NAME)
        .long(NAME)
        .value_name("DIR")
        .value_parser(name::text())
        .value_hint(ValueHint::DirPath)
        .action(ArgAction::Append)
        .help(
            "Directory with .build-id/xx/yyyy.debug files, as /usr/lib/debug, or with BUILDID/debuginfo, as a cache \
             of debuginfod's; can be given several times",
        )
}

/// The directories that were given.
///
/// # Errors
/// When one of them can't be read.
pub fn given(matches: &ArgMatches) -> Result<Vec<String>, Failure> {
    let directories: Vec<String> = matches.get_many(NAME).unwrap_or_default().cloned().collect();
    for directory in &directories {
        std::fs::read_dir(directory).map_err(|error| Failure::about(output::name(directory), &error))?;
    }
    Ok(directories)
}
