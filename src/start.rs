//! The constructor. It looks up the real functions, reads the options, and puts the policy for SIGPIPE and the crash
//! handlers in force, in that order.
//!
//! It runs before `main`, but the constructors of other libraries may run earlier, call hooks, and have started
//! threads. The hooks work before it has run: calls on sockets raise no SIGPIPE then, and a signal's action goes
//! straight to the kernel.

use core::ffi::CStr;
use core::fmt::Write;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering::Relaxed;

use runtime::state::{STATE, Stage};
use runtime::{crash, fork, hooks, platform, sigpipe};
use settings::options::{LIBRARY, Log, Options, PROCESS, SETTINGS, Scope};
use wording::line::Line;

/// Names of shells: their purpose is to start other programs, so they are never the server themselves.
const SHELLS: [&[u8]; 14] = [
    b"sh", b"bash", b"rbash", b"dash", b"ash", b"zsh", b"ksh", b"ksh93", b"mksh", b"fish", b"csh", b"tcsh", b"busybox",
    b"toybox",
];

#[ctor::ctor(unsafe)]
fn start() {
    platform::keeping_errno(|| {
        hooks::resolve();
        platform::learn_stderr();
        // If there are two files of the library in one process, both have this exported state, and the second stays out
        // of it: each would take what the other sets for the program's.
        if STATE.stage.load(Relaxed) != Stage::Loaded as u32 {
            sigpipe::keep_out();
            return;
        }
        let pid = platform::pid();
        STATE.pid.store(pid as u32, Relaxed);
        platform::set_own_process(pid);
        fork::watch();

        let mut path: platform::PathBuffer = [MaybeUninit::uninit(); _];
        let executable = platform::executable_name(&mut path);
        let invocation = platform::invocation_name();

        let trusted = !platform::is_secure();
        let mut environment = Environment::read(trusted);
        let is_shell = SHELLS.iter().any(|&shell| shell == executable || shell == invocation);
        if is_shell && environment.process.is_none() {
            // libc has started the shell for its caller (system, popen, wordexp), with an environment that no hook has
            // added to.
            environment.process = platform::parent_with_library();
        }
        let is_child = environment.process.is_some_and(|started| started != pid);
        let complain = trusted && !is_child;
        let options = environment.options(complain);

        if !options.acts_in(executable) && !options.acts_in(invocation) {
            STATE.stage.store(Stage::Inert as u32, Relaxed);
            sigpipe::start(Scope::Off, Log::Off);
            return;
        }
        if !environment.has_process {
            tell_programs(environment.process.unwrap_or(pid));
        }
        let scope = match options.scope {
            Scope::Process if is_child || is_shell => Scope::Sockets,
            scope => scope,
        };
        sigpipe::start(scope, options.log);
        crash::start(
            &options,
            if executable.is_empty() { invocation } else { executable },
            complain,
            &capture::REPORTER,
        );
        let interposing = platform::is_interposing();
        let stage = if interposing { Stage::Active } else { Stage::NotInterposing };
        STATE.stage.store(stage as u32, Relaxed);
        if !interposing && options.log != Log::Off {
            let mut line = Line::<512>::new();
            line.push(b"loaded, but the program's calls bypass it: SIGPIPE is ignored, and that is all");
            platform::write_stderr(line.finish());
        }
    });
}

/// What the environment says to the library.
struct Environment {
    /// Value of each setting's variable, in the table's order.
    values: [Option<&'static CStr>; SETTINGS.len()],
    /// An entry whose name begins with NOSIGPIPE_ and is not a setting's.
    unknown: Option<&'static CStr>,
    /// The pid of the process that was started with the library, of which this one may be a descendant, where that is
    /// known.
    process: Option<i32>,
    /// Whether [`PROCESS`] is set.
    has_process: bool,
}

impl Environment {
    /// Reads the process's environment. Where it is not `trusted`, since the program has more rights than its caller,
    /// settings do not count.
    fn read(trusted: bool) -> Self {
        let mut found = Self { values: [None; SETTINGS.len()], unknown: None, process: None, has_process: false };
        for entry in platform::environment(b"NOSIGPIPE_") {
            let Some(rest) = entry.to_bytes().strip_prefix(b"NOSIGPIPE_") else { continue };
            let Some(equals) = rest.iter().position(|&c| c == b'=') else { continue };
            let (name, value) = (rest.get(..equals).unwrap_or_default(), rest.get(equals + 1..).unwrap_or_default());
            let is = |variable: &str| variable.as_bytes().strip_prefix(b"NOSIGPIPE_") == Some(name);
            if is(PROCESS) {
                found.has_process = true;
                found.process = core::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            } else if trusted && !is(LIBRARY) {
                let setting = SETTINGS.iter().position(|setting| is(setting.variable));
                match setting.and_then(|index| found.values.get_mut(index)) {
                    Some(entry_of) => *entry_of = CStr::from_bytes_with_nul(entry.to_bytes_with_nul()).ok(),
                    None => found.unknown = Some(entry),
                }
            }
        }
        found
    }

    /// The options that hold. `complain` says whether to write a line about each value that is not allowed.
    fn options(&self, complain: bool) -> Options {
        let mut options = Options::DEFAULT;
        for (setting, entry) in SETTINGS.iter().zip(self.values) {
            let value = entry.and_then(|entry| entry.to_bytes().get(setting.variable.len() + 1..)).unwrap_or_default();
            if options.set(setting, value).is_none() && complain {
                let mut line = Line::<512>::new();
                let _ = write!(line, "{}=", setting.variable);
                line.push_foreign(value, 64);
                let default = if setting.default.is_empty() { "unset" } else { setting.default };
                let _ = write!(line, " is not allowed: it must be {}; using {default}", setting.allowed);
                platform::write_stderr(line.finish());
            }
        }
        if let Some(unknown) = self.unknown.filter(|_| complain) {
            let mut line = Line::<512>::new();
            line.push_foreign(unknown.to_bytes().split(|&c| c == b'=').next().unwrap_or_default(), 64);
            line.push(b" is not a setting: the settings are");
            for (index, setting) in SETTINGS.iter().enumerate() {
                let _ = write!(line, "{} {}", if index == 0 { "" } else { "," }, setting.variable);
            }
            platform::write_stderr(line.finish());
        }
        options
    }
}

/// Has [`PROCESS`], the pid of the process that was started with the library, added to the environment of programs that
/// this one starts.
fn tell_programs(started: i32) {
    /// The entry. It has to exist as long as the process, since hooks pass its address on.
    static mut ENTRY: Line<32> = Line::empty();
    let entry = &raw mut ENTRY;
    // SAFETY: only the constructor writes it, once. Hooks read it through the address that `hand_on` publishes
    // (Release) when it is complete.
    let line = unsafe { &mut *entry };
    let _ = write!(line, "{PROCESS}={started}\0");
    if let Ok(entry) = CStr::from_bytes_until_nul(line.bytes()) {
        platform::hand_on(entry);
    }
}
