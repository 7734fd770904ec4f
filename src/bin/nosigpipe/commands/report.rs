//! `report`: prints a crash report that was written as JSON, as text for people. Functions, files and lines may come
//! from debug files that the crashed process did not have.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};

use crate::commands::{annotation, debug_dir, debuginfod, name, source};
use crate::exit::{Failure, OK};
use crate::output;
use report::{Frame, Module, Report, read, text};
use symbols::{DebugFiles, Name, elf, macho};

pub fn command() -> Command {
    Command::new("report")
        .about("Print crash reports that were written with NOSIGPIPE_FORMAT=json")
        .long_about(
            "Print crash reports that were written with NOSIGPIPE_FORMAT=json: every report in every FILE. With --debug-dir, functions, files and \
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
                .num_args(1..)
                .value_parser(name::text())
                .required_unless_present("schema")
                .value_hint(ValueHint::FilePath)
                .help("A file with reports, or a directory, for its *.json files from the oldest on; - is standard input"),
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
                .help("In a step of a GitHub workflow, print an annotation of the crashed line instead of each report"),
        )
        .arg(debug_dir::argument())
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
    let directories = debug_dir::given(matches)?;
    let servers =
        matches.get_one::<String>("debuginfod").map(|urls| debuginfod::Servers::new(urls, map_file)).transpose()?;
    let mut printer = Printer { directories, servers, annotates: matches.get_flag("annotate"), is_first: true };
    let mut code = OK;
    for given in matches.get_many::<String>("file").unwrap_or_default() {
        let files = files(given).unwrap_or_else(|failure| vec![Err(failure)]);
        for file in files {
            let reports = match file.and_then(|file| Ok((read(&file)?, file))) {
                Ok((content, file)) => reports_in(&content, &file),
                Err(failure) => vec![Err(failure)],
            };
            for report in reports {
                match report {
                    Ok(report) => printer.print(report)?,
                    Err(failure) => {
                        output::complain(&failure.message);
                        code = failure.code;
                    }
                }
            }
        }
    }
    Ok(code)
}

/// The file of this name; of a directory, its *.json files, the oldest first.
fn files(given: &str) -> Result<Vec<Result<String, Failure>>, Failure> {
    if given == "-" || !Path::new(given).is_dir() {
        return Ok(vec![Ok(given.to_owned())]);
    }
    let about = |error| Failure::about(output::name(given), &error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(given).map_err(about)? {
        let path = entry.map_err(about)?.path();
        // Opening a pipe could block.
        let Some(file) = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file) else { continue };
        if path.extension().is_some_and(|extension| extension == "json") {
            found.push((file.modified().ok(), path));
        }
    }
    if found.is_empty() {
        let line = "there is no *.json file in this directory (NOSIGPIPE_FORMAT=json writes such reports)";
        return Err(Failure::refused(format!("{}: {line}", output::name(given))));
    }
    found.sort();
    let name = |path: PathBuf| {
        let not_utf8 = |path| Failure::refused(format!("{}: the name is not UTF-8", output::name(&path)));
        path.into_os_string().into_string().map_err(not_utf8)
    };
    Ok(found.into_iter().map(|(_, path)| name(path)).collect())
}

/// The content of a file, or of standard input.
fn read(file: &str) -> Result<String, Failure> {
    if file == "-" {
        return read_all(std::io::stdin()).map_err(|error| Failure::about("standard input", &error));
    }
    File::open(file).and_then(read_all).map_err(|error| Failure::about(output::name(file), &error))
}

/// The reports in a file, and what is wrong with those that can't be read.
fn reports_in(content: &str, file: &str) -> Vec<Result<Report, Failure>> {
    let failure = |problem: &str| Failure::refused(format!("{}: {problem}", output::name(file)));
    let found: Vec<_> = read::all(content).map(|report| report.map_err(|problem| failure(&problem))).collect();
    if found.is_empty() { vec![Err(failure(read::none_in(content)))] } else { found }
}

/// Prints one report after another.
struct Printer {
    /// Those of --debug-dir.
    directories: Vec<String>,
    servers: Option<debuginfod::Servers>,
    annotates: bool,
    /// Whether none has been printed yet.
    is_first: bool,
}

impl Printer {
    fn print(&mut self, mut report: Report) -> Result<(), Failure> {
        let mut directories = self.directories.clone();
        let caches = debuginfod::caches().into_iter();
        directories.extend(caches.filter(|cache| debuginfod::has_any(cache, &report.modules)));
        if let Some(servers) = &mut self.servers {
            directories.push(servers.cache());
            servers.fetch(&report, &directories);
        }
        if !directories.is_empty() {
            let before = lines_known(&report);
            resolve_again(&mut report, &directories);
            let has_more = lines_known(&report) > before;
            if let Some(line) = not_found(&report, &directories, has_more).filter(|_| !self.directories.is_empty()) {
                output::complain(&line);
            }
        }
        if report.sources.is_empty() {
            report.sources.extend(source::around(&report, map_file));
        }
        let text = text::whole(&report);
        let annotation = self.annotates.then(|| annotation::of(&report, &text)).flatten();
        let is_first = core::mem::replace(&mut self.is_first, false);
        match annotation {
            Some(annotation) => output::write(&annotation),
            None if is_first => output::write_coloured(&text, report::source::colour),
            None => output::write_coloured(&format!("\n{text}"), report::source::colour),
        }
    }
}

/// How many of the crashed thread's frames have a line of source.
fn lines_known(report: &Report) -> usize {
    report.frames.iter().filter(|frame| !frame.file.is_empty()).count()
}

/// Which debug files would have been of use and are in none of the directories: those of modules that have a frame without a
/// line in the crashed thread. `None` where the program's own has been found, or its lines were there already, and others have
/// been found.
fn not_found(report: &Report, directories: &[String], has_more: bool) -> Option<String> {
    /// Modules that are named.
    const MOST: usize = 3;
    let is_lacking = |(index, module): &(u64, &Module)| {
        let of_it = |frame: &&Frame| frame.module == Some(*index) && frame.file.is_empty() && frame.note.is_empty();
        report.frames.iter().any(|frame| of_it(&frame)) && !is_there(module, directories)
    };
    let is_own = |module: &Module| module.path == report.executable || module.name() == report.program;
    let mut lacking: Vec<&Module> = (0..).zip(&report.modules).filter(is_lacking).map(|(_, module)| module).collect();
    lacking.sort_by_key(|module| !is_own(module));
    let first = lacking.first()?;
    if !is_own(first) && (has_more || report.modules.iter().any(|module| is_there(module, directories))) {
        return None;
    }
    let wanted = |module: &&Module| match debug_file(&module.build_id) {
        Some(file) => format!("{} (build id {}): {file}", module.name(), module.build_id),
        None => format!("{}, which has no build id", module.name()),
    };
    let names: Vec<String> = lacking.iter().take(MOST).map(wanted).collect();
    let more = lacking.len().saturating_sub(MOST);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Some(format!("--debug-dir: no debug file there for {}{more}", names.join("; ")))
}

/// Where a directory for debug files has the one of this build id.
fn debug_file(build_id: &str) -> Option<String> {
    let (start, rest) = build_id.split_at_checked(2).filter(|(_, rest)| !rest.is_empty())?;
    Some(format!(".build-id/{start}/{rest}.debug"))
}

/// Whether a directory has a debug file of this module's build id.
fn is_there(module: &Module, directories: &[String]) -> bool {
    let id = &module.build_id;
    let Some(file) = debug_file(id).filter(|_| debuginfod::is_build_id(id)) else { return false };
    let names = [file, format!("{id}/debuginfo")];
    directories.iter().any(|directory| names.iter().any(|name| Path::new(directory).join(name).exists()))
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
