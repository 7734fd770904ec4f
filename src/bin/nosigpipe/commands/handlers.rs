//! What `status` says of reports and of each signal: whose handler it is, and whether the kernel has what the library
//! believes.
//!
//! /proc tells whether a signal is ignored or has a handler, but not the handler's address. So a library is noticed that bypasses the
//! hooks and sets the default action or SIG_IGN, or a handler where we have none. One that replaces our handler by its own is not.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::commands::status;
use crate::exit::Failure;
use crate::output;
use crate::platform::process::{self, Process};
use crate::snapshot::Snapshot;
use settings::layout::{Disposition, Stage};
use settings::options::{CRASH_SIGNALS, Crash, Format, Log, TARGETS};

/// Signals by the names of [`CRASH_SIGNALS`], in their order.
const NUMBERS: [libc::c_int; CRASH_SIGNALS.len()] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP, libc::SIGSYS];

/// A signal, as the library and the kernel have it.
pub struct Handled {
    name: String,
    /// Whether the library answers for the kernel when the program asks.
    owned: bool,
    /// What the program believes: `SIG_DFL` (0), `SIG_IGN` (1) or a handler's address; what the kernel has where the
    /// library leaves the signal alone, and no address then.
    belief: Disposition,
    handler: u64,
    kernel: Disposition,
    /// Blocked in the main thread, where the kernel tells.
    blocked: Option<bool>,
    /// What the kernel has to have for what the program believes.
    expected: Disposition,
    /// Whether crashes by this signal are reported, while all is as the library believes.
    is_crash: bool,
}

/// A disposition, in one word.
pub fn word(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Default => "default",
        Disposition::Ignore => "ignore",
        Disposition::Handler => "handler",
    }
}

/// Inspects a process. What the library believes and what the kernel has are read one after the other, and may change in between: only
/// a disagreement that is still there after several inspections counts.
pub fn inspect_until_stable(pid: u32) -> Result<Process, Failure> {
    const LOOKS: usize = 4;
    let mut process = process::inspect(pid)?;
    for _ in 1..LOOKS {
        if status::snapshot_of(&process).is_none_or(|snapshot| of(&process, snapshot).iter().all(Handled::agrees)) {
            break;
        }
        sleep(Duration::from_millis(20));
        process = process::inspect(pid)?;
    }
    Ok(process)
}

/// Every signal that the library may have a hand in.
pub fn of(process: &Process, snapshot: &Snapshot) -> Vec<Handled> {
    let kernels = |signal| process.signals.disposition(signal);
    let belief = status::belief(snapshot);
    let kernel = kernels(libc::SIGPIPE);
    let counting = crate::platform::UNCOUNTED_ONLY_WHILE_IGNORED && snapshot.log.is_some_and(|log| log != Log::Off);
    let pipe = Handled {
        name: "SIGPIPE".into(),
        owned: belief.is_some(),
        belief: belief.unwrap_or(kernel),
        handler: if belief == Some(Disposition::Handler) { snapshot.belief_handler } else { 0 },
        kernel,
        blocked: process.signals.blocks(libc::SIGPIPE),
        expected: match belief {
            None => kernel,
            Some(Disposition::Ignore) if !counting => Disposition::Ignore,
            Some(_) => Disposition::Handler,
        },
        is_crash: false,
    };
    let crash = NUMBERS.iter().zip(CRASH_SIGNALS).enumerate().map(|(index, (&number, name))| {
        let kernel = kernels(number);
        let owned = snapshot.stage == Some(Stage::Active) && snapshot.owned & 1 << index != 0;
        let value = snapshot.crash_beliefs.get(index).copied().unwrap_or(0);
        let (belief, handler) = match value {
            _ if !owned => (kernel, 0),
            0 => (Disposition::Default, 0),
            1 => (Disposition::Ignore, 0),
            handler => (Disposition::Handler, handler),
        };
        Handled {
            name: format!("SIG{}", name.to_uppercase()),
            owned,
            belief,
            handler,
            kernel,
            blocked: process.signals.blocks(number),
            expected: match belief {
                _ if !owned => kernel,
                Disposition::Ignore => Disposition::Ignore,
                Disposition::Default | Disposition::Handler => Disposition::Handler,
            },
            is_crash: true,
        }
    });
    std::iter::once(pipe).chain(crash).collect()
}

impl Handled {
    /// Whether the kernel has what the library believes.
    pub fn agrees(&self) -> bool {
        self.kernel == self.expected
    }

    /// Whose handler the kernel has, in one word; nothing where it has none. Our trampoline counts as the program's handler, which it
    /// calls.
    fn whose(&self) -> Option<&'static str> {
        match (self.kernel, self.belief) {
            (Disposition::Handler, _) if !self.agrees() => Some("unknown"),
            (Disposition::Handler, _) if !self.owned => Some("program"),
            (Disposition::Handler, Disposition::Handler) if self.is_crash => Some("program"),
            (Disposition::Handler, _) => Some("library"),
            _ => None,
        }
    }

    pub fn json(&self, process: &Process) -> Value {
        json!({
            "signal": self.name,
            "owned": self.owned,
            "program": word(self.belief),
            "handler": (self.handler != 0).then(|| format!("{:#x}", self.handler)),
            "handler_in": (self.handler != 0).then(|| process.module_offset(self.handler)).flatten(),
            "kernel": word(self.kernel),
            "kernels_handler": self.whose(),
            "blocked": self.blocked,
            "agrees": self.agrees(),
        })
    }

    /// What is said of it after its name.
    fn words(&self, process: &Process) -> String {
        if !self.agrees() {
            let has = match self.kernel {
                Disposition::Default => "the default action",
                Disposition::Ignore => "SIG_IGN",
                Disposition::Handler => "a handler",
            };
            let believed = match self.belief {
                Disposition::Default => "the default action",
                Disposition::Ignore => "SIG_IGN",
                Disposition::Handler => "the program's handler",
            };
            let effect = match (self.is_crash, self.kernel) {
                (true, Disposition::Handler) => "",
                (true, _) => ", and no crash by it is reported",
                (false, Disposition::Default) => ", and the next broken pipe may end the process",
                (false, _) => "",
            };
            return format!(
                "DISAGREES: the kernel has {has}, and the library was last told of {believed}. Something went past its hooks, \
                 such as a library loaded by dlmopen or with RTLD_DEEPBIND{effect}"
            );
        }
        let blocked = if self.blocked == Some(true) { "; blocked in the main thread" } else { "" };
        let in_module = || {
            let module_offset = process.module_offset(self.handler).map(|name| format!(" in {}", output::name(&name)));
            format!("{:#x}{}", self.handler, module_offset.unwrap_or_default())
        };
        let what = match (self.owned, self.belief) {
            (false, Disposition::Default) => "left alone: the default action".to_owned(),
            (false, Disposition::Ignore) => "left alone: ignored".to_owned(),
            (false, Disposition::Handler) => "left alone: the program's handler".to_owned(),
            (true, Disposition::Handler) if self.is_crash => format!("the program's handler, {}", in_module()),
            (true, Disposition::Handler) => format!("the library's handler, before the program's, {}", in_module()),
            (true, Disposition::Default) if self.is_crash => "the library's handler: reported".to_owned(),
            (true, _) if self.kernel == Disposition::Handler => "the library's handler".to_owned(),
            (true, _) => "ignored".to_owned(),
        };
        what + blocked
    }
}

/// A line for all signals of which the same is to be said.
pub fn text(process: &Process, snapshot: &Snapshot) -> Vec<String> {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for signal in of(process, snapshot) {
        let words = signal.words(process);
        match lines.iter_mut().find(|(known, _)| *known == words) {
            Some((_, names)) => names.push(signal.name),
            None => lines.push((words, vec![signal.name])),
        }
    }
    lines.into_iter().map(|(words, names)| format!("{}: {words}", names.join(", "))).collect()
}

/// The targets by their names, without the directory.
fn targets(snapshot: &Snapshot) -> Vec<&'static str> {
    TARGETS.iter().filter(|(_, bit)| snapshot.targets & u32::from(*bit) != 0).map(|(name, _)| *name).collect()
}

fn directory(process: &Process) -> Option<&String> {
    process.library.as_ref()?.directory.as_ref()
}

/// What the settings say of crash reports.
pub fn reports_json(process: &Process, snapshot: &Snapshot) -> Value {
    json!({
        "crash": snapshot.crash.map(Crash::word),
        "format": snapshot.format.map(Format::word),
        "targets": targets(snapshot),
        "directory": directory(process),
    })
}

pub fn reports_text(process: &Process, snapshot: &Snapshot) -> String {
    let when = match snapshot.crash {
        Some(Crash::Last) => "after the program's own handler",
        Some(Crash::First) => "before the program's own handler",
        Some(Crash::Off) => return "off".into(),
        None => return "unknown".into(),
    };
    let format = if snapshot.format == Some(Format::Json) { "JSON" } else { "text" };
    let mut to: Vec<String> = targets(snapshot).into_iter().map(str::to_owned).collect();
    to.extend(directory(process).map(output::name));
    let to = if to.is_empty() { "stderr, or the system's log where nobody reads that".into() } else { to.join(", ") };
    format!("{format} to {to}; {when}")
}
