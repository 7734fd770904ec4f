//! `run`: becomes the program, with the library in it.

use std::env;
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use clap::builder::{OsStringValueParser, PossibleValue, TypedValueParser};
use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};

use crate::commands::name;
use crate::commands::wrong::Wrong;
use crate::exit::{Failure, NOT_EXECUTABLE, NOT_FOUND, reason};
use crate::{library, output, platform, preflight};
use settings::options::{ONLY, Options, PROCESS, SETTINGS, Setting};

pub fn command() -> Command {
    Command::new("run")
        .about("Run a program with the library in it")
        .long_about(
            "Become PROGRAM, with the library preloaded: the process, its exit status and its signals are the \
             program's own. Says why and does nothing where the library could not be loaded.",
        )
        .args(SETTINGS.iter().map(flag))
        .arg(library_flag())
        .arg(program_argument().help("The program and its arguments"))
}

/// `PROGRAM...`: everything from the first word on that is no flag of ours.
pub fn program_argument() -> Arg {
    Arg::new("program")
        .value_name("PROGRAM")
        .num_args(1..)
        .required(true)
        .trailing_var_arg(true)
        .value_parser(value_parser!(OsString))
        .value_hint(ValueHint::CommandWithArguments)
}

/// `--library`
pub fn library_flag() -> Arg {
    Arg::new("library")
        .long("library")
        .value_name("FILE")
        .help("The library, if it is not beside or near this executable [NOSIGPIPE_LIBRARY]")
        .value_parser(name::file())
        .value_hint(ValueHint::FilePath)
}

/// The flag of a setting.
pub fn flag(setting: &'static Setting) -> Arg {
    let default = if setting.default.is_empty() { "none" } else { setting.default };
    let (help, allowed, variable) = (setting.help, setting.allowed, setting.variable);
    Arg::new(setting.flag)
        .long(setting.flag)
        .value_name("VALUE")
        .value_parser(Value(setting))
        .hide_possible_values(true)
        .help_heading(heading(setting))
        .help(format!("{help}. VALUE is {allowed} [default: {default}; {variable}]"))
}

/// The heading of help under which a setting's flag is listed.
fn heading(setting: &Setting) -> &'static str {
    match setting.flag {
        "scope" | "only" | "log" => "SIGPIPE",
        _ => "Crash reports",
    }
}

/// The value of a setting's flag. The settings table checks it, and errors are in its words. Shells complete the possible values.
#[derive(Clone)]
struct Value(&'static Setting);

impl TypedValueParser for Value {
    type Value = OsString;

    fn parse_ref(&self, command: &Command, flag: Option<&Arg>, value: &OsStr) -> Result<OsString, clap::Error> {
        let setting = self.0;
        let checked = OsStringValueParser::new().try_map(move |value| checked(setting, value));
        checked.parse_ref(command, flag, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let words = self.0.allowed.split(", ").flat_map(|part| part.split(" or "));
        // A part of several words describes a number or a list, and is no value.
        let words: Vec<_> = words.filter(|word| !word.contains(' ')).map(PossibleValue::new).collect();
        (!words.is_empty()).then(|| Box::new(words.into_iter()) as Box<_>)
    }
}

pub fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let words: Vec<OsString> = matches.get_many("program").unwrap_or_default().cloned().collect();
    let (program, arguments) = words.split_first().ok_or_else(|| Failure::refused("no program given"))?;
    let settings = settings(matches);
    let plan = preflight::examine(program, arguments)?;
    let library = library::find(matches.get_one::<OsString>("library").map(OsString::as_os_str))?;
    plan.fits(&library.path)?;
    for remark in &plan.remarks {
        output::complain(&format!("{} is {remark}", output::path(&plan.file)));
    }
    preflight::remarks(&settings).iter().for_each(|remark| output::complain(remark));

    let mut environment: Vec<CString> =
        inherited().filter(|entry| stays(entry, &settings)).map(CStr::to_owned).collect();
    let preload = platform::preload_list(&library.entry, &library.path, env::var_os(platform::PRELOAD).as_deref());
    let own = settings.iter().map(|(setting, value)| (setting.variable, value)).chain([(platform::PRELOAD, &preload)]);
    for (name, value) in own {
        let entry = [name.as_bytes(), b"=", value.as_bytes()].concat();
        environment.push(CString::new(entry).map_err(|_| Failure::refused(format!("{name} has a zero byte in it")))?);
    }
    // The library's constructor sets this variable, too. But a program that reads its environment from its stack, as
    // Go's do, does not see that and does not hand it on: each process that it starts would then take itself for the
    // one that was started with the library. With NOSIGPIPE_ONLY that may be true, so the constructor is left to
    // decide.
    let only = [ONLY.as_bytes(), b"="].concat();
    if !environment.iter().any(|entry| entry.to_bytes().starts_with(&only) && entry.to_bytes() != only) {
        environment.extend(CString::new(format!("{PROCESS}={}", std::process::id())));
    }

    let failure = if plan.needs_shell {
        // As execvp(3) does when the kernel does not know the file's format (ENOEXEC).
        let mut shell_words = vec![OsString::from(preflight::SHELL), plan.file.clone().into_os_string()];
        shell_words.extend_from_slice(arguments);
        exec(Path::new(preflight::SHELL), &shell_words, &environment)
    } else {
        exec(&plan.file, &words, &environment)
    };
    let code = if failure.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
    Err(Failure::new(code, format!("{}: {}", output::path(&plan.file), reason(&failure))))
}

/// The value, if the setting may have it.
fn checked(setting: &Setting, value: OsString) -> Result<OsString, Wrong> {
    // `Options` keeps references to values, which are the environment's elsewhere and last as long as the process.
    let kept: &'static [u8] = value.clone().into_vec().leak();
    let mut options = Options::DEFAULT;
    if kept.is_empty() || options.set(setting, kept).is_none() {
        let (flag, value, allowed) = (setting.flag, output::name(&value), setting.allowed);
        return Err(Wrong(format!("--{flag}={value} is not allowed: it must be {allowed}")));
    }
    Ok(value)
}

/// The settings that were given as flags, with their values.
pub fn settings(matches: &ArgMatches) -> Vec<(&'static Setting, OsString)> {
    let value = |setting: &'static Setting| Some((setting, matches.get_one::<OsString>(setting.flag)?.clone()));
    SETTINGS.iter().filter_map(value).collect()
}

/// The environment that we were started with, entry by entry. std's iterator leaves out entries without `=`, which the
/// program is to get, too.
fn inherited() -> impl Iterator<Item = &'static CStr> {
    unsafe extern "C" {
        /// environ(7)
        static environ: *const *const c_char;
    }
    // SAFETY: a null-terminated array of strings; nothing here changes it or starts a thread that could.
    let mut entry = unsafe { environ };
    std::iter::from_fn(move || {
        // SAFETY: as above, and `entry` has not passed the null pointer.
        unsafe {
            let text = entry.as_ref().copied().filter(|text| !text.is_null())?;
            entry = entry.add(1);
            Some(CStr::from_ptr(text))
        }
    })
}

/// Whether the program gets an inherited entry: those that we set ourselves would be there twice.
fn stays(entry: &CStr, settings: &[(&Setting, OsString)]) -> bool {
    let name = entry.to_bytes().split(|&byte| byte == b'=').next().unwrap_or_default();
    // This variable has the pid of a process that was started with the library before; now it is this one.
    name != PROCESS.as_bytes()
        && name != platform::PRELOAD.as_bytes()
        && settings.iter().all(|(setting, _)| name != setting.variable.as_bytes())
}

/// execve(2), which only returns when it fails. std's own `exec` would set SIGPIPE to its default action first, and the
/// program is to start with the signals as we were started with them.
fn exec(file: &Path, words: &[OsString], environment: &[CString]) -> io::Error {
    let string = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::other);
    let words: io::Result<Vec<_>> = words.iter().map(|word| string(word)).collect();
    let (file, words) = match string(file.as_os_str()).and_then(|file| Ok((file, words?))) {
        Ok(prepared) => prepared,
        Err(error) => return error,
    };
    let pointers = |strings: &[CString]| -> Vec<_> {
        strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
    };
    // SAFETY: a string, and two null-terminated arrays of strings, all of which live until the call returns.
    unsafe { libc::execve(file.as_ptr(), pointers(&words).as_ptr(), pointers(environment).as_ptr()) };
    io::Error::last_os_error()
}
