//! `report`: prints a crash report that was written as JSON, as text for people. Functions, files and lines may come
//! from debug files that the crashed process did not have.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};

use crate::commands::{annotation, debuginfod, name, source};
use crate::exit::{Failure, OK};
use crate::output;
use report::{Frame, Module, Report, read, text};
use symbols::{DebugFiles, Name, elf, macho};

pub fn command() -> Command {
    Command::new("report")
        .about("Print a crash report that was written with NOSIGPIPE_FORMAT=json")
        .long_about(
            "Print a crash report that was written with NOSIGPIPE_FORMAT=json. With --debug-dir, functions, files and \
             lines are looked up again, in debug files found there by the modules' build ids; so they are, without being \
             asked for, in what this user's debuginfod clients have fetched. With --debuginfod, what is missing is fetched \
             from the servers in DEBUGINFOD_URLS (DEBUGINFOD_TIMEOUT, _MAXTIME, _MAXSIZE and _CACHE_PATH hold as in \
             debuginfod-client-config(7); https needs curl). Where the source file of \
             the program's own frame is on this machine, its lines are shown; on a terminal in colour, unless NO_COLOR is \
             set.",
        )
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_parser(name::text())
                .required_unless_present("schema")
                .value_hint(ValueHint::FilePath)
                .help("The report; - is standard input"),
        )
        .arg(
            Arg::new("schema")
                .long("schema")
                .action(ArgAction::SetTrue)
                .conflicts_with("file")
                .help("Print the JSON Schema of reports instead"),
        )
        .arg(
            Arg::new("annotate")
                .long("annotate")
                .action(ArgAction::SetTrue)
                .help("In a step of a GitHub workflow, print an annotation of the crashed line instead of the report"),
        )
        .arg(
            Arg::new("debug-dir")
                .long("debug-dir")
                .value_name("DIR")
                .value_parser(name::text())
                .value_hint(ValueHint::DirPath)
                .action(ArgAction::Append)
                .help(
                    "Directory with .build-id/xx/yyyy.debug files, as /usr/lib/debug, or with BUILDID/debuginfo, as a cache \
                     of debuginfod's; can be given several times",
                ),
        )
        .arg(
            Arg::new("debuginfod")
                .long("debuginfod")
                .value_name("URLS")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("")
                .value_hint(ValueHint::Url)
                .help("Fetch missing debug files from debuginfod servers: these, with spaces between, or DEBUGINFOD_URLS"),
        )
}

pub fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    if matches.get_flag("schema") {
        output::write(include_str!("../../../../docs/crash-report.schema.json"))?;
        return Ok(OK);
    }
    let file = matches.get_one::<String>("file").map_or("-", String::as_str);
    let content = if file == "-" {
        read_all(std::io::stdin()).map_err(|error| Failure::about("standard input", &error))?
    } else {
        let opened = File::open(file).and_then(read_all);
        opened.map_err(|error| Failure::about(output::path(Path::new(file)), &error))?
    };
    let mut report =
        read::parse(&content).map_err(|problem| Failure::refused(format!("{}: {problem}", output::name(file))))?;
    let mut directories: Vec<String> = matches.get_many("debug-dir").unwrap_or_default().cloned().collect();
    for directory in &directories {
        std::fs::read_dir(directory).map_err(|error| Failure::about(output::name(directory), &error))?;
    }
    let servers =
        matches.get_one::<String>("debuginfod").map(|urls| debuginfod::Servers::new(urls, map_file)).transpose()?;
    directories.extend(debuginfod::caches().into_iter().filter(|cache| debuginfod::has_any(cache, &report.modules)));
    if let Some(mut servers) = servers {
        directories.push(servers.cache());
        servers.fetch(&report, &directories);
    }
    if !directories.is_empty() {
        resolve_again(&mut report, &directories);
    }
    if report.sources.is_empty() {
        report.sources.extend(source::around(&report, map_file));
    }
    let text = text::whole(&report);
    let annotation = matches.get_flag("annotate").then(|| annotation::of(&report, &text)).flatten();
    match annotation {
        Some(annotation) => output::write(&annotation)?,
        None => output::write_coloured(&text, report::source::colour)?,
    }
    Ok(OK)
}

/// Reads a report, or a log with a report in it, up to a limit: the input may never end.
fn read_all(from: impl Read) -> std::io::Result<String> {
    /// In bytes.
    const MOST: u64 = 256 << 20;
    let mut content = Vec::new();
    from.take(MOST).read_to_end(&mut content)?;
    Ok(String::from_utf8_lossy(&content).into_owned())
}

/// Maps a regular file for the rest of the run; `None` where that can't be done. The path stands in the report, whose
/// author may want us to hang: opening a pipe or a device could block, so nothing is opened before it is known to be a
/// regular file. Of a large file, only the pages that are looked at are read.
fn map_file(path: &str) -> Option<&'static [u8]> {
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()?;
    let file_is = file.metadata().ok()?;
    let size = usize::try_from(file_is.len()).ok().filter(|&size| size > 0 && file_is.is_file())?;
    // SAFETY: the kernel chooses a free address for the mapping, which is for reading and never undone.
    let memory =
        unsafe { libc::mmap(core::ptr::null_mut(), size, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
    // SAFETY: mapped above, in this size, for the rest of the run. Should the file shrink meanwhile, this run ends by
    // SIGBUS.
    (memory != libc::MAP_FAILED).then(|| unsafe { core::slice::from_raw_parts(memory.cast::<u8>(), size) })
}

/// The symbols of one module, both as ELF and as Mach-O: the report may come from another system.
struct Symbols {
    elf: elf::Symbols,
    macho: macho::Symbols,
}

impl Symbols {
    fn find(module: &Module, debug_files: DebugFiles) -> Self {
        Self {
            elf: elf::Symbols::find(&module.path, &module.build_id, None, debug_files, true),
            macho: macho::Symbols::find(&module.path, &module.build_id, None, debug_files, true),
        }
    }

    /// The function at an address of the module, after those that were inlined into it there.
    fn names(&self, address: u64) -> Vec<Name> {
        let known = |names: &Vec<Name>| names.iter().any(|name| !name.function.is_empty() || !name.file.is_empty());
        Some(self.macho.names(address)).filter(known).unwrap_or_else(|| self.elf.names(address))
    }
}

/// Looks up every frame again, with these directories for debug files; where nothing is found, what the report says
/// stays.
fn resolve_again(report: &mut Report, directories: &[String]) {
    let open = |path: &str| map_file(path);
    let debug_files = DebugFiles { directories, open, variables: false };
    let mut symbols = BTreeMap::new();
    let modules = report.modules.clone();
    let mut resolve = |frames: &mut Vec<Frame>, omitted: &mut Option<(u64, u64)>| {
        let (before, mut after) = (core::mem::take(frames), Vec::new());
        let mut inlined: Vec<Frame> = Vec::new();
        for (index, frame) in before.into_iter().enumerate() {
            if let Some((_, at)) = omitted.as_mut().filter(|(_, at)| *at == index as u64) {
                *at = after.len() as u64;
            }
            if frame.inlined {
                inlined.push(frame);
                continue;
            }
            let module = frame.module.and_then(|index| Some((index, modules.get(index as usize)?)));
            let names = module.map_or_else(Vec::new, |(index, module)| {
                let symbols = symbols.entry(index).or_insert_with(|| Symbols::find(module, debug_files));
                // A return address may belong to the line after the call, so the byte before it is looked up.
                symbols.names(frame.offset.wrapping_sub(u64::from(!frame.interrupted)))
            });
            if !frame.note.is_empty() || names.iter().all(|name| name.file.is_empty() && !frame.function.is_empty()) {
                after.append(&mut inlined);
                after.push(frame);
                continue;
            }
            // Arguments and locals are in the report by function, inlined ones included. If the lookup finds as many
            // functions as the report names here, it is taken to mean the same ones; else nobody knows whose the values
            // are, and they are dropped.
            inlined.push(frame.clone());
            let mut values: Vec<_> = inlined.drain(..).map(|frame| (frame.arguments, frame.locals)).collect();
            if values.len() != names.len() {
                values = vec![Default::default(); names.len()];
            }
            after.extend(names.into_iter().zip(values).map(|(name, (arguments, locals))| Frame {
                arguments,
                locals,
                function: name.function,
                function_offset: name.function_offset.map(|offset| offset + u64::from(!frame.interrupted)),
                file: name.file,
                line: name.line,
                inlined: name.inlined,
                ..frame.clone()
            }));
        }
        *frames = after;
    };
    resolve(&mut report.frames, &mut report.omitted);
    for group in &mut report.threads {
        resolve(&mut group.frames, &mut group.omitted);
    }
    if report.frames.iter().all(|frame| frame.module.is_none() || !frame.function.is_empty() || !frame.note.is_empty())
    {
        report.names_note.clear();
    }
}
