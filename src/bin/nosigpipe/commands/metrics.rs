//! What `status` says, as metrics: Prometheus's text format, by its conventions for names.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches};

use crate::commands::name;
use crate::commands::status::{kernel_word, not_counted, snapshot_of, stage_word};
use crate::exit::Failure;
use crate::output;
use crate::platform::process;
use settings::layout::{CALLS, Stage};
use settings::options::Scope;

/// The flags of `status` that ask for metrics.
pub fn flags() -> [Arg; 2] {
    [
        Arg::new("prometheus")
            .long("prometheus")
            .action(ArgAction::SetTrue)
            .conflicts_with("json")
            .help("Print metrics in Prometheus's text format"),
        Arg::new("textfile")
            .long("textfile")
            .value_name("FILE")
            .value_parser(name::file())
            .conflicts_with("json")
            .help("Write metrics into a file for node_exporter's textfile collector: aside, and then renamed"),
    ]
}

/// Where metrics go.
pub enum Target {
    Stdout,
    File(PathBuf),
}

impl Target {
    /// Where the command line wants metrics to go; `None` if it asks for none.
    pub fn asked_for(matches: &ArgMatches) -> Option<Self> {
        let file = matches.get_one::<OsString>("textfile").map(|file| Self::File(file.into()));
        file.or_else(|| matches.get_flag("prometheus").then_some(Self::Stdout))
    }

    /// Writes the text. A file is replaced as a whole, or stays as it was on an error.
    pub fn write(&self, text: &str) -> Result<(), Failure> {
        match self {
            Self::Stdout => output::write(text),
            Self::File(path) => replace(path, text).map_err(|error| Failure::about(output::path(path), &error)),
        }
    }
}

/// Writes a new file beside `path` and renames it to that: a reader gets all of the old content or all of the new. The
/// collector skips the new file meanwhile, since its name does not end in .prom.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A path that ends in no name is that of a directory.
    let name = path.file_name().filter(|_| !path.is_dir()).ok_or(io::ErrorKind::IsADirectory)?;
    let mut aside = OsString::from(".");
    aside.push(name);
    aside.push(format!(".{}", std::process::id()));
    let aside = path.with_file_name(aside);
    // A file of this name was left by a process that had our pid and ended before the rename.
    let _ = fs::remove_file(&aside);
    let write = |mut file: File| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)
    };
    let written = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&aside).and_then(write);
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

/// One metric. The format has all its samples together, below its HELP and TYPE lines.
struct Metric {
    name: &'static str,
    /// Its type: `gauge` or `counter`.
    kind: &'static str,
    help: &'static str,
    /// Its samples, a line each.
    samples: String,
}

impl Metric {
    const fn new(name: &'static str, kind: &'static str, help: &'static str) -> Self {
        Self { name, kind, help, samples: String::new() }
    }

    /// Adds a sample: labels by name and value, and the number.
    fn add(&mut self, labels: &[(&str, &str)], value: u64) {
        let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
        let _ = writeln!(self.samples, "{}{{{}}} {value}", self.name, labels.join(","));
    }
}

/// The metrics of these processes as text, and whether any of them could be looked into.
pub fn of(pids: &[u32]) -> (String, bool) {
    let mut up = Metric::new("nosigpipe_up", "gauge", "Whether the library is in force in the process.");
    let mut info = Metric::new("nosigpipe_info", "gauge", "How the library is in force, in labels; always 1.");
    let mut all_counted = Metric::new(
        "nosigpipe_counts_every_call",
        "gauge",
        "Whether broken pipes are counted by every call; see docs.",
    );
    let mut sockets = Metric::new("nosigpipe_sockets_created_total", "counter", "Sockets made.");
    let mut accepted = Metric::new("nosigpipe_sockets_accepted_total", "counter", "Connections accepted.");
    let mut broken = Metric::new("nosigpipe_broken_pipes_total", "counter", "Broken pipes survived, by call.");
    let mut crashes = Metric::new("nosigpipe_crash_reports_total", "counter", "Crash reports begun.");
    let mut is_there = false;
    for pid in pids {
        let inspected = process::inspect(*pid);
        is_there |= inspected.is_ok();
        let pid = pid.to_string();
        let name = inspected.as_ref().map_or(String::new(), |process| output::name(&process.name));
        let process = [("pid", pid.as_str()), ("name", name.as_str())];
        let state = inspected.as_ref().ok().and_then(|process| Some((process, snapshot_of(process)?)));
        let Some((inspected, snapshot)) = state else {
            up.add(&process, 0);
            continue;
        };
        up.add(&process, u64::from(snapshot.stage == Some(Stage::Active)));
        let scope = snapshot.scope.map_or("unknown", Scope::word);
        let how = [("stage", stage_word(snapshot)), ("scope", scope), ("kernel", kernel_word(inspected))];
        info.add(&[&process[..], &how].concat(), 1);
        all_counted.add(&process, u64::from(not_counted(inspected).is_empty()));
        sockets.add(&process, snapshot.sockets);
        accepted.add(&process, snapshot.accepted);
        for (call, count) in CALLS.into_iter().zip(&snapshot.broken_pipes) {
            broken.add(&[&process[..], &[("call", call)]].concat(), *count);
        }
        crashes.add(&process, snapshot.crash_reports);
    }
    let mut text = String::new();
    for metric in [up, info, all_counted, sockets, accepted, broken, crashes] {
        if !metric.samples.is_empty() {
            let Metric { name, kind, help, samples } = metric;
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}");
        }
    }
    (text, is_there)
}
