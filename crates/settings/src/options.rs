//! The settings table: for each setting the environment variable, the launcher's flag, what is allowed, the default
//! and the help text.
//!
//! No dependencies, no allocation: the library parses the environment with it before `main`, and the launcher
//! makes its flags, its help and its man page from it.

/// Longest list of names that `NOSIGPIPE_ONLY` may carry, in bytes.
pub const ONLY_MAX: usize = 1024;
/// Longest directory name that `NOSIGPIPE_REPORT` may carry, in bytes; the rest of `PATH_MAX` is for the file's name.
pub const REPORT_MAX: usize = 3072;
/// Longest path that `NOSIGPIPE_TERMINATION_LOG` may carry, in bytes.
pub const TERMINATION_LOG_MAX: usize = 1024;

/// Bit of [`Options::targets`]: standard error.
pub const TO_STDERR: u8 = 1;
/// Bit of [`Options::targets`]: the system's log, as syslog(3) writes to it.
pub const TO_SYSLOG: u8 = 2;
/// Bit of [`Options::targets`]: systemd's journal.
pub const TO_JOURNAL: u8 = 4;
/// What `NOSIGPIPE_REPORT` calls its targets, but for directories.
pub const TARGETS: [(&str, u8); 3] = [("stderr", TO_STDERR), ("syslog", TO_SYSLOG), ("journal", TO_JOURNAL)];

/// One setting.
pub struct Setting {
    /// Environment variable.
    pub variable: &'static str,
    /// Flag of `nosigpipe run`, without the dashes.
    pub flag: &'static str,
    /// What is allowed, as it is shown in help and in the line about a wrong value.
    pub allowed: &'static str,
    /// What holds when the variable is unset, empty or wrong.
    pub default: &'static str,
    /// One sentence for help and man page.
    pub help: &'static str,
    /// Reads the value into the options; `None` when it is not allowed.
    parse: fn(&mut Options, &'static [u8]) -> Option<()>,
}

/// Every setting, in the order in which help shows them.
pub static SETTINGS: [Setting; 13] = [
    Setting {
        variable: "NOSIGPIPE_SCOPE",
        flag: "scope",
        allowed: "process, sockets, tree or off",
        default: "process",
        help: "Where SIGPIPE is kept away: in the whole started process and from the sockets of what it starts; \
               from sockets only; from the whole process tree; nowhere",
        parse: |o, v| keyword(&mut o.scope, v, Scope::WORDS),
    },
    Setting {
        variable: "NOSIGPIPE_CRASH",
        flag: "crash",
        allowed: "last, first or off",
        default: "last",
        help: "Report a crash when the program's own handler has given up, before that handler runs, or never",
        parse: |o, v| keyword(&mut o.crash, v, Crash::WORDS),
    },
    Setting {
        variable: "NOSIGPIPE_CRASH_SIGNALS",
        flag: "crash-signals",
        allowed: "a comma-separated list of segv, bus, ill, fpe, abrt, trap and sys",
        default: "segv,bus,ill,fpe,abrt,trap,sys",
        help: "Signals whose default action becomes a report, then the default action",
        parse: |o, v| crash_signals(v).map(|set| o.crash_signals = set),
    },
    Setting {
        variable: "NOSIGPIPE_CRASH_TIMEOUT",
        flag: "crash-timeout",
        allowed: "a number of seconds from 1 to 3600",
        default: "10",
        help: "Seconds that a crash report may take before the process dies without the rest of it",
        parse: |o, v| {
            o.crash_timeout = u32::try_from(number(v)?).ok().filter(|s| (1..=3600).contains(s))?;
            Some(())
        },
    },
    Setting {
        variable: "NOSIGPIPE_THREADS",
        flag: "threads",
        allowed: "all or crashed",
        default: "all",
        help: "Threads whose stacks a crash report shows",
        parse: |o, v| keyword(&mut o.threads, v, Threads::WORDS),
    },
    Setting {
        variable: "NOSIGPIPE_VALUES",
        flag: "values",
        allowed: "off or on",
        default: "off",
        help: "Show arguments and local variables of the crashed stack, where there is debug information. They may have \
               secrets in them",
        parse: |o, v| keyword(&mut o.values, v, Values::WORDS),
    },
    Setting {
        variable: "NOSIGPIPE_REPORT",
        flag: "report",
        allowed: "stderr, syslog, journal or an absolute directory of at most 3072 bytes, or several with commas between",
        default: "stderr",
        help: "Where a crash report goes: standard error, the system's log, systemd's journal, or one new file for each \
               crash in this directory",
        parse: targets,
    },
    Setting {
        variable: "NOSIGPIPE_REPORT_KEEP",
        flag: "report-keep",
        allowed: "all or a number from 1 to 1000000",
        default: "20",
        help: "How many reports of one program are kept in the directory; older ones are removed",
        parse: |o, v| {
            o.report_keep = match v {
                b"all" => u32::MAX,
                _ => u32::try_from(number(v)?).ok().filter(|n| (1..=1_000_000).contains(n))?,
            };
            Some(())
        },
    },
    Setting {
        variable: "NOSIGPIPE_TERMINATION_LOG",
        flag: "termination-log",
        allowed: "the absolute path of a file, at most 1024 bytes",
        default: "",
        help: "File that a crash's summary and stack are written to, such as Kubernetes's /dev/termination-log",
        parse: |o, v| {
            o.termination_log = Some(v).filter(|v| v.starts_with(b"/") && v.len() <= TERMINATION_LOG_MAX);
            o.termination_log.map(|_| ())
        },
    },
    Setting {
        variable: "NOSIGPIPE_FORMAT",
        flag: "format",
        allowed: "text or json",
        default: "text",
        help: "Format of a crash report",
        parse: |o, v| keyword(&mut o.format, v, Format::WORDS),
    },
    Setting {
        variable: "NOSIGPIPE_CORE",
        flag: "core",
        allowed: "keep, unlimited or a number of bytes",
        default: "keep",
        help: "Core file size limit (RLIMIT_CORE) to set at load; never above the hard limit",
        parse: |o, v| {
            o.core = match v {
                b"keep" => Core::Keep,
                b"unlimited" => Core::Unlimited,
                _ => Core::Bytes(number(v)?),
            };
            Some(())
        },
    },
    Setting {
        variable: ONLY,
        flag: "only",
        allowed: "a comma-separated list of program names without slashes, at most 1024 bytes",
        default: "",
        help: "Programs to act in; in every other program of the process tree the library is inert",
        parse: |o, v| {
            let well_formed =
                v.len() <= ONLY_MAX && !v.contains(&b'/') && v.split(|&c| c == b',').all(|name| !name.is_empty());
            o.only = well_formed.then_some(v)?;
            Some(())
        },
    },
    Setting {
        variable: "NOSIGPIPE_LOG",
        flag: "log",
        allowed: "off, broken-pipes or summary",
        default: "off",
        help: "What to tell on standard error: nothing, each broken pipe that was survived, or their number at exit",
        parse: |o, v| keyword(&mut o.log, v, Log::WORDS),
    },
];

/// Names the programs to act in.
pub const ONLY: &str = "NOSIGPIPE_ONLY";

/// Names the process that was started with the library, by its pid; written by the constructor where it is not there
/// yet. A process that finds another pid than its own in it is a child.
pub const PROCESS: &str = "NOSIGPIPE_PROCESS";

/// Names the library for the launcher; of no meaning to the library.
pub const LIBRARY: &str = "NOSIGPIPE_LIBRARY";

/// `NOSIGPIPE_SCOPE`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Scope {
    /// SIG_IGN in the started process, [`Scope::Sockets`] in what it starts and in shells.
    Process,
    /// No socket raises SIGPIPE; everything else is as without the library.
    Sockets,
    /// SIG_IGN in the started process and in what it starts.
    Tree,
    /// SIGPIPE is left alone.
    Off,
}

/// `NOSIGPIPE_CRASH`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Crash {
    /// The program's own handler comes first; the report when it has given up.
    Last,
    /// The report comes first, then the program's own handler.
    First,
    /// Crash signals are left alone.
    Off,
}

/// `NOSIGPIPE_THREADS`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threads {
    /// The crashing thread and all others.
    All,
    /// The crashing thread.
    Crashed,
}

/// `NOSIGPIPE_VALUES`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Values {
    /// Names and lines only.
    Off,
    /// With arguments and local variables.
    On,
}

/// `NOSIGPIPE_FORMAT`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Format {
    /// For people.
    Text,
    /// For programs; the schema is in docs/crash-reports.md.
    Json,
}

/// `NOSIGPIPE_CORE`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Core {
    /// The limit stays as it was inherited.
    Keep,
    /// As high as the hard limit lets it.
    Unlimited,
    /// Bytes, or the hard limit if that is lower.
    Bytes(u64),
}

/// `NOSIGPIPE_LOG`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Log {
    /// Silence.
    Off,
    /// A line for each broken pipe survived.
    BrokenPipes,
    /// A line at exit.
    Summary,
}

/// The words for the values of settings: in the environment, and in what `nosigpipe status` shows.
macro_rules! words {
    ($($setting:ident { $($value:ident = $word:literal),* })*) => {$(
        impl $setting {
            /// Every value with its word.
            pub const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$value)),*];

            /// The word for this value.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)*
                }
            }

            /// The value that a process has shown as this number; `None` for one that is unknown here.
            #[must_use]
            pub fn of_number(number: u32) -> Option<Self> {
                Self::WORDS.iter().map(|(_, value)| *value).find(|value| *value as u32 == number)
            }
        }
    )*};
}

words! {
    Scope { Process = "process", Sockets = "sockets", Tree = "tree", Off = "off" }
    Crash { Last = "last", First = "first", Off = "off" }
    Threads { All = "all", Crashed = "crashed" }
    Values { Off = "off", On = "on" }
    Format { Text = "text", Json = "json" }
    Log { Off = "off", BrokenPipes = "broken-pipes", Summary = "summary" }
}

/// Names that `NOSIGPIPE_CRASH_SIGNALS` knows, in the order of the bits of [`Options::crash_signals`].
pub const CRASH_SIGNALS: [&str; 7] = ["segv", "bus", "ill", "fpe", "abrt", "trap", "sys"];

/// The settings that hold in this process. The slices point into the environment that it was started with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// `NOSIGPIPE_SCOPE`
    pub scope: Scope,
    /// `NOSIGPIPE_CRASH`
    pub crash: Crash,
    /// `NOSIGPIPE_CRASH_SIGNALS`: bit n is entry n of [`CRASH_SIGNALS`].
    pub crash_signals: u8,
    /// `NOSIGPIPE_CRASH_TIMEOUT`, in seconds.
    pub crash_timeout: u32,
    /// `NOSIGPIPE_THREADS`
    pub threads: Threads,
    /// `NOSIGPIPE_VALUES`
    pub values: Values,
    /// `NOSIGPIPE_REPORT`: the directory, where one is named.
    pub report: Option<&'static [u8]>,
    /// `NOSIGPIPE_REPORT`: what else is named, as bits; see [`TARGETS`].
    pub targets: u8,
    /// `NOSIGPIPE_REPORT_KEEP`; `u32::MAX` for all.
    pub report_keep: u32,
    /// `NOSIGPIPE_TERMINATION_LOG`
    pub termination_log: Option<&'static [u8]>,
    /// `NOSIGPIPE_FORMAT`
    pub format: Format,
    /// `NOSIGPIPE_CORE`
    pub core: Core,
    /// `NOSIGPIPE_ONLY`: names with commas between them; empty for every program.
    pub only: &'static [u8],
    /// `NOSIGPIPE_LOG`
    pub log: Log,
}

impl Options {
    /// What holds when nothing is set.
    pub const DEFAULT: Self = Self {
        scope: Scope::Process,
        crash: Crash::Last,
        crash_signals: 0x7f,
        crash_timeout: 10,
        threads: Threads::All,
        values: Values::Off,
        report: None,
        targets: 0,
        report_keep: 20,
        termination_log: None,
        format: Format::Text,
        core: Core::Keep,
        only: b"",
        log: Log::Off,
    };

    /// Sets one setting. An empty value is no value: the default stays. `None` when the value is not allowed; nothing
    /// is changed then.
    pub fn set(&mut self, setting: &Setting, value: &'static [u8]) -> Option<()> {
        if value.is_empty() { Some(()) } else { (setting.parse)(self, value) }
    }

    /// Whether the whole report is on standard error, if there is one: where that is named, and where nothing is.
    #[must_use]
    pub fn is_on_stderr(&self) -> bool {
        self.targets & TO_STDERR != 0 || self.is_default()
    }

    /// Whether the system's log or the journal is named.
    #[must_use]
    pub fn is_in_logs(&self) -> bool {
        self.targets & (TO_SYSLOG | TO_JOURNAL) != 0
    }

    /// Whether no target is named.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.targets == 0 && self.report.is_none()
    }

    /// Whether `NOSIGPIPE_ONLY` lets the library act in a program of this name.
    #[must_use]
    pub fn acts_in(&self, program: &[u8]) -> bool {
        self.only.is_empty() || self.only.split(|&c| c == b',').any(|name| name == program)
    }
}

/// Sets `target` to the value that has this word; `None` where none has.
fn keyword<T: Copy>(target: &mut T, value: &[u8], words: &[(&str, T)]) -> Option<()> {
    let (_, meaning) = words.iter().find(|(word, _)| word.as_bytes() == value)?;
    *target = *meaning;
    Some(())
}

/// Targets with commas between them. Since a directory may have commas in its name, the other targets are taken from both ends, and what
/// remains is the directory.
fn targets(options: &mut Options, value: &'static [u8]) -> Option<()> {
    let (mut rest, mut set) = (value, 0);
    while !rest.is_empty() {
        let found = TARGETS.iter().find_map(|(word, bit)| {
            let word = word.as_bytes();
            let other = if rest == word {
                b"".as_slice()
            } else if let Some(other) = rest.strip_prefix(word).and_then(|rest| rest.strip_prefix(b",")) {
                other
            } else {
                rest.strip_suffix(word)?.strip_suffix(b",")?
            };
            // A comma with nothing behind or in front of it is not allowed.
            (rest == word || !other.is_empty()).then_some((other, *bit))
        });
        let Some((other, bit)) = found else { break };
        (rest, set) = (other, set | bit);
    }
    let directory = (!rest.is_empty()).then_some(rest);
    if directory.is_some_and(|directory| !directory.starts_with(b"/") || directory.len() > REPORT_MAX) {
        return None;
    }
    (options.report, options.targets) = (directory, set);
    Some(())
}

fn crash_signals(value: &[u8]) -> Option<u8> {
    value.split(|&c| c == b',').try_fold(0, |set, name| {
        let bit = CRASH_SIGNALS.iter().position(|known| known.as_bytes() == name)?;
        Some(set | 1 << bit)
    })
}

fn number(value: &[u8]) -> Option<u64> {
    (!value.is_empty() && value.len() <= 20)
        .then(|| {
            value.iter().try_fold(0u64, |sum, digit| match digit {
                b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
                _ => None,
            })
        })
        .flatten()
}
