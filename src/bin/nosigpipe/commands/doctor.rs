//! `doctor`: what is installed, whether it works on this machine, and what will not.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use crate::commands::run::library_flag;
use crate::exit::{Failure, NO_PERMISSION, NOT_WELL, OK, reason};
use crate::library::{self, Library};
use crate::output;
use crate::platform::{self, process};
use settings::layout::Stage;
use settings::options::{LIBRARY, Options, PROCESS, SETTINGS};

/// Name of the hidden command that is the trial program.
pub const TRIAL: &str = "doctor-trial";
/// What it can be told to do.
const TRIALS: [&str; 2] = [CONNECTION, CRASH];
const CONNECTION: &str = "connection";
const CRASH: &str = "crash";
/// How long a trial may take. On a machine where all works it takes milliseconds.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(15);

pub fn command() -> Command {
    Command::new("doctor")
        .about("Say what is installed, whether it works on this machine, and what will not")
        .long_about(
            "Say which library would be used, whether it loads in a trial program here, what of this machine matters \
             to it, and what will not work. Two programs of nosigpipe's own are started for it: one writes to a \
             broken connection, one ends by SIGABRT without leaving a core file.",
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object"))
        .arg(library_flag())
}

pub fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let given = matches.get_one::<OsString>("library").map(OsString::as_os_str);
    let report = Report::new(given)?;
    if matches.get_flag("json") {
        output::write_json(&report.as_json())
    } else {
        output::write_lines(&report.as_text())
    }?;
    Ok(if report.is_well() { OK } else { NOT_WELL })
}

/// The trial program.
pub fn trial_command() -> Command {
    Command::new(TRIAL)
        .about("The program that doctor starts")
        .hide(true)
        .arg(Arg::new("what").required(true).value_parser(TRIALS))
}

/// Writes to a connection that is broken, says so if it is still there, and waits; or ends by SIGABRT.
pub fn trial(matches: &ArgMatches) -> Result<u8, Failure> {
    if matches.get_one::<String>("what").is_some_and(|what| what == CRASH) {
        // The two limits under which Linux leaves no core file anywhere, and others none in a file.
        let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
        // SAFETY: the structure is ours; abort ends this process.
        unsafe {
            libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
            libc::abort();
        }
    }
    let fail = |error| Failure::about("trial", &error);
    let (ours, theirs) = UnixStream::pair().map_err(fail)?;
    drop(theirs);
    // As a file: std sends to sockets with MSG_NOSIGNAL, and most programs do not.
    let written = File::from(OwnedFd::from(ours)).write(b"x");
    let word = match written {
        Err(error) if error.raw_os_error() == Some(libc::EPIPE) => "EPIPE".to_owned(),
        Err(error) => reason(&error),
        Ok(_) => "no error".to_owned(),
    };
    output::write(&format!("{word}\n"))?;
    let mut rest = Vec::new();
    let _ = io::stdin().read_to_end(&mut rest);
    Ok(OK)
}

/// An answer: good or not, and in words.
struct Answer {
    is_good: bool,
    text: String,
}

impl Answer {
    fn good(text: impl Into<String>) -> Self {
        Self { is_good: true, text: text.into() }
    }

    fn bad(text: impl Into<String>) -> Self {
        Self { is_good: false, text: text.into() }
    }
}

struct Report {
    executable: PathBuf,
    library: Result<Library, String>,
    /// Other files that are the library, too, where installations put it.
    others: Vec<PathBuf>,
    /// What was tried, with the answers.
    trials: Vec<(&'static str, Answer)>,
    /// Settings in the environment, with what is wrong with them.
    settings: Vec<(String, Option<String>)>,
    facts: Vec<platform::Fact>,
}

impl Report {
    fn new(given: Option<&OsStr>) -> Result<Self, Failure> {
        let executable = env::current_exe().map_err(|error| Failure::about("own executable", &error))?;
        let library = library::find(given).map_err(|failure| failure.message);
        let used = library.as_ref().ok().map(|library| library.path.clone());
        let mut others: Vec<PathBuf> = Vec::new();
        let usual = ["/usr/lib", "/usr/lib/nosigpipe", "/usr/local/lib", "/usr/local/lib/nosigpipe"];
        let usual = usual.iter().map(|directory| Path::new(directory).join(platform::LIBRARY));
        for path in library::candidates()?.into_iter().chain(usual).filter_map(|path| fs::canonicalize(path).ok()) {
            if used.as_ref() != Some(&path) && !others.contains(&path) && library::check(&path).is_ok() {
                others.push(path);
            }
        }
        let trials = library.as_ref().map(|library| trials(&executable, library)).unwrap_or_default();
        Ok(Self { executable, library, others, trials, settings: given_settings(), facts: platform::facts() })
    }

    fn is_well(&self) -> bool {
        self.library.is_ok() && self.trials.iter().all(|(_, answer)| answer.is_good)
    }

    /// What will not work here.
    fn limits(&self) -> Vec<String> {
        let mut limits: Vec<String> = self.library.as_ref().err().cloned().into_iter().collect();
        limits.extend(self.trials.iter().filter(|(_, answer)| !answer.is_good).map(|(_, answer)| answer.text.clone()));
        limits
            .extend(self.settings.iter().filter_map(|(name, problem)| Some(format!("{name}: {}", problem.as_ref()?))));
        limits.extend(self.facts.iter().flat_map(|fact| fact.limits.iter().cloned()));
        limits.extend(platform::ALWAYS.iter().map(|&limit| limit.to_owned()));
        limits
    }

    fn as_json(&self) -> String {
        let trials: serde_json::Map<_, _> = self
            .trials
            .iter()
            .map(|(name, answer)| ((*name).to_owned(), json!({ "good": answer.is_good, "what": answer.text })))
            .collect();
        let settings: Vec<_> =
            self.settings.iter().map(|(name, problem)| json!({ "variable": name, "problem": problem })).collect();
        let facts: serde_json::Map<_, _> =
            self.facts.iter().map(|fact| (fact.name.to_owned(), json!(fact.value))).collect();
        let library = self.library.as_ref().ok();
        let report = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "executable": output::path(&self.executable),
            "well": self.is_well(),
            "library": library.map(|library| output::path(&library.path)),
            "library_entry": library.map(|library| output::name(&library.entry)),
            "library_named_by": library.map(|library| library.named_by),
            "library_problem": self.library.as_ref().err(),
            "other_libraries": self.others.iter().map(|path| output::path(path)).collect::<Vec<_>>(),
            "trials": trials,
            "settings": settings,
            "machine": facts,
            "limits": self.limits(),
        });
        format!("{report:#}\n")
    }

    fn as_text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<10} {value}");
        };
        line("nosigpipe", &format!("{}, {}", env!("CARGO_PKG_VERSION"), output::path(&self.executable)));
        match &self.library {
            Ok(library) => {
                line("library", &format!("{}, {}", output::path(&library.path), named(library)));
                if library.entry != library.path {
                    line("", &format!("{} has {}", platform::PRELOAD, output::name(&library.entry)));
                }
            }
            Err(problem) => line("library", &format!("none: {problem}")),
        }
        for other in &self.others {
            line("", &format!("{} is another, and not used", output::path(other)));
        }
        for (name, answer) in &self.trials {
            line(name, &answer.text);
        }
        for fact in &self.facts {
            line(fact.name, &fact.value);
        }
        for (name, problem) in &self.settings {
            line("setting", &problem.as_ref().map_or_else(|| name.clone(), |problem| format!("{name}: {problem}")));
        }
        text += "\nWhat will not work here:\n";
        for limit in self.limits() {
            let _ = writeln!(text, "- {limit}");
        }
        text
    }
}

fn named(library: &Library) -> String {
    if library.named_by == LIBRARY || library.named_by.starts_with("--") {
        format!("named by {}", library.named_by)
    } else {
        library.named_by.to_owned()
    }
}

/// What is set in our environment, and would be in that of a program.
fn given_settings() -> Vec<(String, Option<String>)> {
    let ours = env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NOSIGPIPE_"));
    let mut found: Vec<_> = ours
        .filter(|(name, _)| name != PROCESS && name != LIBRARY)
        .map(|(name, value)| {
            let text = format!("{}={}", output::name(&name), output::name(&value));
            let Some(setting) = SETTINGS.iter().find(|setting| name == setting.variable) else {
                return (text, Some("no setting has this name".to_owned()));
            };
            // The table's checks are made for an environment that stays.
            let kept: &'static [u8] = value.into_encoded_bytes().leak();
            let is_allowed = kept.is_empty() || Options::DEFAULT.clone().set(setting, kept).is_some();
            (
                text,
                (!is_allowed)
                    .then(|| format!("not allowed, so that the default holds: it must be {}", setting.allowed)),
            )
        })
        .collect();
    found.sort();
    found
}

/// Starts the trial program with the library in it, once for connections and once for crashes.
fn trials(executable: &Path, library: &Library) -> Vec<(&'static str, Answer)> {
    let mut answers = Vec::new();
    match Trial::start(executable, library, CONNECTION) {
        Ok(trial) => trial.connection(&mut answers),
        Err(error) => {
            answers.push(("loads", Answer::bad(format!("the trial program did not start: {}", reason(&error)))))
        }
    }
    if answers.iter().all(|(_, answer)| answer.is_good) {
        let answer = match Trial::start(executable, library, CRASH) {
            Ok(trial) => trial.crash(),
            Err(error) => Answer::bad(format!("the trial program did not start: {}", reason(&error))),
        };
        answers.push(("crash", answer));
    }
    answers
}

/// A running trial program; killed if it is dropped before it has ended.
struct Trial {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    /// Reads all of standard error.
    stderr: Option<thread::JoinHandle<String>>,
}

impl Trial {
    fn start(executable: &Path, library: &Library, what: &str) -> io::Result<Self> {
        let mut command = Process::new(executable);
        command.arg(TRIAL).arg(what).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // What is set for others is not what is tried here.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NOSIGPIPE_")) {
            command.env_remove(name);
        }
        let inherited = env::var_os(platform::PRELOAD);
        command.env(platform::PRELOAD, platform::preload_list(&library.entry, &library.path, inherited.as_deref()));
        let mut child = command.process_group(0).spawn()?;
        let missing = || io::Error::other("no pipe");
        let stdout = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let mut stderr = child.stderr.take().ok_or_else(missing)?;
        let stderr = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Ok(Self { child, stdout, stderr: Some(stderr) })
    }

    fn connection(mut self, answers: &mut Vec<(&'static str, Answer)>) {
        let mut word = String::new();
        // It writes a line or dies, either at once.
        let _ = self.stdout.read_line(&mut word);
        let survived = word.trim() == "EPIPE";
        let inspected = process::inspect(self.child.id());
        drop(self.child.stdin.take());
        let end = self.end();
        let said = self.said();
        // The loader's own words, where it has any.
        let complaint = said.lines().next().map(output::name);
        let why = complaint.as_ref().map(|line| format!(": {line}")).unwrap_or_default();

        let (loads, status) = match inspected {
            Ok(found) => {
                let stage = found.library.map(|library| library.snapshot.map(|snapshot| snapshot.stage));
                let loads = match stage {
                    Some(Ok(Some(Stage::Active))) => Answer::good("yes: it is in force in a trial program"),
                    Some(Ok(_)) => Answer::bad("the library is loaded into a trial program but is not in force there"),
                    Some(Err(problem)) => Answer::bad(format!("the library is of another version: {problem}")),
                    None => Answer::bad(format!("the library does not load in a trial program{why}")),
                };
                (Some(loads), Answer::good("nosigpipe status can look into what one has started"))
            }
            Err(failure) if failure.code == NO_PERMISSION => {
                let loads = if survived {
                    Some(Answer::good("yes: a trial program survives with it"))
                } else {
                    Some(Answer::bad(format!("the library is not in force in a trial program{why}")))
                };
                // Nothing is wrong with the library then.
                (loads, Answer::good(format!("nosigpipe status: {}", failure.message)))
            }
            // It has died of the write.
            Err(_) => (None, Answer::good("not tried")),
        };
        if let Some(loads) = loads {
            answers.push(("loads", loads));
        }
        let connection = match (survived, end) {
            (true, _) => Answer::good("a write to a broken connection is an error (EPIPE), as it should be"),
            (false, Some(end)) if end.signal() == Some(libc::SIGPIPE) => {
                Answer::bad(format!("a trial program dies of SIGPIPE, since the library is not in force in it{why}"))
            }
            (false, Some(end)) => {
                Answer::bad(format!("a trial program ends before it has said anything, with {end}{why}"))
            }
            (false, None) => Answer::bad("a trial program hangs"),
        };
        answers.push(("connection", connection));
        answers.push(("status", status));
    }

    fn crash(mut self) -> Answer {
        let end = self.end();
        let said = self.said();
        let has_report = said.contains("crashed: SIGABRT") && said.contains("stack of thread");
        match end {
            Some(end) if end.signal() != Some(libc::SIGABRT) => {
                Answer::bad(format!("a trial program that aborts ends otherwise with the library: {end}"))
            }
            Some(_) if has_report => Answer::good("reported with its stack, and the signal is the program's own"),
            // What stands in a report that breaks off.
            Some(_) if said.contains("could not be completed") => Answer::bad(
                "the report of a trial program's crash broke off: if it took all of its 10 seconds, as on a very busy machine, try again",
            ),
            Some(_) => Answer::bad("a crash of a trial program is not reported"),
            None => Answer::bad("a trial program that crashes hangs"),
        }
    }

    /// Waits for its end, for so long; then it is killed.
    fn end(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + TRIAL_TIMEOUT;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
                _ => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    return None;
                }
            }
        }
    }

    fn said(&mut self) -> String {
        self.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default()
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // Without effect on one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
