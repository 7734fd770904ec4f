//! Collects the report and writes it, the most important part first.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::sync::atomic::Ordering::{Relaxed, Release};

mod address;
mod output;
mod python;
mod targets;

use output::Output;
use python::Pythons;
use targets::Shelf;

use crate::platform::{self, Cause, DEBUG_DIRECTORIES, FLAGS_NAME, REGISTER_NAMES, Registers, Symbols, Unwinder};
use crate::process::{FrameTrust, Map, Memory, Module, ReadMemory, Stack, Thread};
use report::source::Source;
use report::{Frame, Group, Python, Report};
use runtime::crash::reporter::{self, progress};
use runtime::crash::{self, Incident, header, incident, options, program};
use settings::options::{Format, Threads, Values};
use symbols::{DebugFiles, hex};
use wording::words;

/// Bytes of code that are shown before and from the program counter on.
const CODE_BEFORE: u64 = 16;
const CODE: usize = 40;

/// Writes the report. `lines` says whether to read debug information, `others` whether the other threads can be shown, or why not.
pub fn write(stderr: i32, lines: bool, others: Result<(), &str>) {
    let output = Output::new(stderr);
    let incident = incident();
    let is_for_copy = header::is_for_copy();
    let memory = RefCell::new(Memory::own());
    let map = platform::read_map(&mut memory.borrow_mut());
    let has_values = lines && options().values == Values::On;
    let directories: Vec<String> = DEBUG_DIRECTORIES.iter().map(|&directory| directory.to_owned()).collect();
    let debug_files = DebugFiles { directories: &directories, open, variables: has_values };
    let now = platform::nanoseconds();
    let left = incident.deadline.saturating_sub(now);
    // What is left after that is for writing: a report without some names is better than none.
    let deadline = now + left / 4 * 3;
    let symbolizer =
        Symbolizer { map: &map, debug_files, lines, deadline, loaded: RefCell::default(), unnamed: Cell::new(0) };
    let ask = |module: &Module, question: &mut dyn FnMut(&Symbols)| symbolizer.ask(module, question);
    let mut unwinder = Unwinder::new(&map, now + left / 2, &ask);

    let is_searched = others.is_ok() && header::is_for_copy();
    let is_wanted = options().threads == Threads::All;
    let is_shown = others.is_ok() && is_wanted;
    let why_not = others.err().filter(|_| is_wanted);
    let (mut others, mut note) =
        if is_shown || is_searched { platform::stop_threads(incident.pid, incident.tid) } else { Default::default() };

    let mut registers = incident.raised.registers;
    let mut stack = None;
    if is_searched && let Some((thread, found)) = crashed_thread(&mut others, &mut unwinder, now + left / 4) {
        (registers, stack) = (thread, Some(found));
    }
    if !is_shown {
        (others, note) = Default::default();
    }
    if let Some(why) = why_not {
        note = platform::missing_threads(incident.pid, incident.tid, why);
    }
    // Looking for the thread whose handler has raised the signal may have corrected the incident.
    let incident = crash::incident();
    let stack = stack.unwrap_or_else(|| unwinder.stack(&mut memory.borrow_mut(), &registers));
    publish(&stack);

    let mut report = describe_crash(&map, &mut memory.borrow_mut(), &stack, &symbolizer);
    if is_for_copy && (options().format == Format::Text || !options().is_on_stderr()) {
        output.say_lines(&report::text::head(&report));
        if let Some(progress) = progress() {
            progress.header.store(1, Relaxed);
        }
    }
    if incident.is_raised_again && !stack.cut && !stack.has_interrupted(incident.fault.registers.pc()) {
        report.address_description = "an older fault, perhaps: its handler is not on the stack".to_owned();
    }
    let directory = options().report.map(String::from_utf8_lossy);
    // A report that is not done in time is kept as it was then.
    let keep_draft = |report: &Report| {
        if let Some(directory) = directory.as_ref().filter(|_| platform::MAKES_COPIES) {
            let (ending, text) = whole(report);
            output.keep_draft(directory, ending, &time_in_names(report), &text);
        }
    };
    details(&mut report, &mut memory.borrow_mut());
    report.threads_note = UNFINISHED.to_owned();
    // At first without names, for the draft that is kept if looking for them takes too long or crashes.
    (report.frames, report.omitted) = Symbolizer { deadline: 0, ..symbolizer.anew() }.frames(&stack);
    report.cut = stack.cut;
    report.names_note = NAMES_UNFINISHED.to_owned();
    keep_draft(&report);
    (report.frames, report.omitted) = symbolizer.frames(&stack);
    report.names_note = symbolizer.take_unnamed("");
    let pythons = Pythons::find(&map, &mut memory.borrow_mut());
    let threads = pythons.threads(&mut memory.borrow_mut());
    report.python = threads.stack(&mut memory.borrow_mut(), incident.tid, deadline);
    report.python_note = threads.note();
    if has_values {
        let deadline = platform::nanoseconds() + left / 8;
        let memory = &mut memory.borrow_mut();
        platform::add_values(&mut report.frames, &registers, (&map, &ask), &mut unwinder, memory, deadline);
    }
    if incident.fault.signal == libc::SIGABRT {
        let calls = |function: &str| report.frames.iter().any(|frame| frame.function.starts_with(function));
        // What has been thrown and has not arrived is on its way to the end. libc++abi's functions there have no names.
        let on_the_way =
            ["std::terminate", "__cxxabiv1::__terminate", "__cxa_call_terminate", "__clang_call_terminate"];
        let throwing = ["__cxa_throw", "__cxa_rethrow", "std::rethrow_exception"];
        report.is_handled = !on_the_way.into_iter().chain(throwing).any(calls);
        let is_rethrown = calls("__cxa_rethrow");
        report.exceptions = platform::exceptions(&mut memory.borrow_mut(), registers.sp());
        if let Some(exception) = report.exceptions.first_mut() {
            exception.is_rethrown |= is_rethrown;
        }
        if report.message.is_empty() {
            // That no exception was on its way is not known: the runtime's record of it may be damaged.
            report.message = if !report.exceptions.is_empty() {
                report.exception_line()
            } else if calls("__cxa_pure_virtual") {
                "a pure virtual function was called".to_owned()
            } else if calls("std::terminate") {
                "std::terminate() was called".to_owned()
            } else {
                String::new()
            };
        }
    }
    if report.address_description.is_empty()
        && let Some(note) = report.frames.iter().rev().find(|frame| !frame.note.is_empty())
    {
        report.address_description = format!("after the program's own {}", note.note);
    }

    report.fingerprint = report::fingerprint::of(&report);

    let shelf = directory.as_ref().map(|directory| Shelf::of(directory, &output::program_in_names()));
    report.occurrence = shelf.as_ref().map(|shelf| shelf.occurrence(&report.fingerprint, &report.time));
    let stream = options().format == Format::Text && options().is_on_stderr();
    if !stream {
        // What is known of it so far, before there is time for more to fail.
        if !options().is_on_stderr() {
            output.say_lines(&report::text::findings(&report));
        }
    } else {
        output.say_lines(&report::text::findings(&report));
        output.say_lines(&report::text::crashed_thread(&report));
    }
    keep_draft(&report);
    let is_told = targets::tell(&report, &output);
    if lines && platform::nanoseconds() < deadline {
        report.sources = sources(&report);
        if stream {
            output.say_lines(&report::source::text(&report.sources));
        }
    }
    let late;
    (report.threads, late) = groups(&others, now + left / 2, &mut unwinder, &symbolizer, &pythons);
    let late = match late {
        0 => String::new(),
        1 => "1 thread was not looked at: there was no time left".to_owned(),
        _ => format!("{late} threads were not looked at: there was no time left"),
    };
    let notes = [note, late, symbolizer.take_unnamed(" of other threads")];
    report.threads_note = notes.into_iter().filter(|note| !note.is_empty()).collect::<Vec<_>>().join("; ");
    if stream {
        output.say_lines(&report::text::other_threads(&report));
    }
    report.context = platform::context(incident.pid, &map);
    report.modules_note = symbols::elf::not_read().to_owned();
    if stream {
        output.say_lines(&report::text::details(&report));
        output.say_lines(&report::text::context(&report));
        output.say_lines(&report::text::summary(&report));
    }
    let mut is_missing = !is_told;
    if let (Some(directory), Some(shelf)) = (&directory, shelf) {
        let (ending, text) = whole(&report);
        let is_saved = output.save(directory, ending, &time_in_names(&report), &text);
        is_missing |= !is_saved && !stream;
        if is_saved {
            // The new one is one of those that are kept.
            shelf.prune(options().report_keep - 1);
        }
    }
    if options().format == Format::Json && (options().is_on_stderr() || is_missing) {
        output.say(&whole(&report).1);
    } else if is_missing {
        // Its first lines are there already.
        output.say_lines(&report::text::stacks(&report));
    }
}

/// What a report says of the other threads, and of what comes behind them, as long as it is not done.
const UNFINISHED: &str = "the other threads, and more, are missing: the report was not done in the time that it may take (NOSIGPIPE_CRASH_TIMEOUT)";

/// What a report says of its frames as long as they have no names.
const NAMES_UNFINISHED: &str =
    "names are missing: they were not found in the time that the report may take (NOSIGPIPE_CRASH_TIMEOUT)";

/// Lines of source around the native function that is the program's own, and around Python's.
fn sources(report: &Report) -> Vec<Source> {
    let native = report.culprit().and_then(|frame| {
        let module = frame.module.and_then(|module| report.modules.get(module as usize));
        platform::source(&frame.file, frame.line, module.map_or("", |module| &module.path))
    });
    let python = report.python.culprit().and_then(|frame| platform::source(&frame.file, frame.line, ""));
    native.into_iter().chain(python).collect()
}

/// The report in the format that was asked for, and how a file's name ends in that.
fn whole(report: &Report) -> (&'static str, String) {
    match options().format {
        Format::Text => ("txt", report::text::whole(report)),
        Format::Json => ("json", report::json::whole(report)),
    }
}

fn time_in_names(report: &Report) -> String {
    report.time.replace(':', "")
}

/// The thread that a signal is about which the process has sent itself: where a handler of the program for a fault has not
/// returned, if that is so in one thread only. The report is about it from here on; the one that got the signal is among
/// the others.
fn crashed_thread(others: &mut [Thread], unwinder: &mut Unwinder, deadline: u64) -> Option<(Registers, Stack)> {
    let incident = *incident();
    let mut memory = Memory::of(incident.pid);
    let mut found = None;
    for (index, thread) in others.iter().enumerate() {
        let Some(registers) = thread.registers.filter(|_| platform::nanoseconds() < deadline) else { continue };
        let Some(fault) = platform::fault_on_stack(registers.sp(), incident.raised.signal) else { continue };
        let stack = unwinder.stack(&mut memory, &registers);
        if stack.has_interrupted(fault.registers.pc())
            && (fault.signal == incident.raised.signal || incident.raised.signal == libc::SIGABRT)
            && found.replace((index, fault, registers, stack)).is_some()
        {
            return None;
        }
    }
    let (index, fault, registers, stack) = found?;
    let thread = others.get_mut(index)?;
    let mut name = [0; 16];
    for (to, from) in name.iter_mut().zip(thread.name.bytes()) {
        *to = from;
    }
    crash::correct_incident(Incident {
        fault,
        cause: platform::cause(&fault),
        is_raised_again: true,
        tid: thread.tid,
        thread: name,
        ..incident
    });
    *thread = Thread { tid: incident.tid, name: text(&incident.thread), registers: Some(incident.raised.registers) };
    Some((registers, stack))
}

/// A zero-padded text.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
}

fn open(path: &str) -> Option<&'static [u8]> {
    platform::map_file(format!("{path}\0").as_bytes())
}

/// Publishes the frames found so far, so that the process can print them if the copy dies from here on.
fn publish(stack: &Stack) {
    let Some(progress) = progress() else { return };
    for (slot, frame) in progress.frames.iter().zip(&stack.frames) {
        slot.store(frame.pc, Relaxed);
    }
    let known = stack.frames.len().min(reporter::FRAMES);
    progress.known.store(known as u32, Release);
}

struct Symbolizer<'a> {
    map: &'a Map,
    debug_files: DebugFiles<'a>,
    lines: bool,
    /// When addresses have to do, on the clock of [`platform::nanoseconds`].
    deadline: u64,
    /// By the module's start.
    loaded: RefCell<BTreeMap<u64, Symbols>>,
    /// Frames that have only an address since there was no time left to look for names.
    unnamed: Cell<usize>,
}

impl<'a> Symbolizer<'a> {
    /// One that has loaded nothing yet.
    fn anew(&self) -> Symbolizer<'a> {
        Symbolizer { loaded: RefCell::default(), unnamed: Cell::new(0), ..*self }
    }

    /// What a report says of the frames since the last call for whose names there was no time; nothing if there were none. `whose`
    /// follows the word for them.
    fn take_unnamed(&self, whose: &str) -> String {
        match self.unnamed.take() {
            0 => String::new(),
            1 => format!("the name of 1 frame{whose} is missing: there was no time left to look for it"),
            count => format!("the names of {count} frames{whose} are missing: there was no time left to look for them"),
        }
    }

    /// [`AskSymbols`](crate::process::AskSymbols)
    fn ask(&self, module: &Module, question: &mut dyn FnMut(&Symbols)) {
        self.with(module, question);
    }

    fn with<T>(&self, module: &Module, action: impl FnOnce(&Symbols) -> T) -> Option<T> {
        let mut loaded = self.loaded.try_borrow_mut().ok()?;
        let symbols = loaded
            .entry(module.start)
            .or_insert_with(|| platform::symbols(self.map, module, self.debug_files, self.lines));
        Some(action(symbols))
    }

    /// The frames with their names, and which were left out.
    fn frames(&self, stack: &Stack) -> (Vec<Frame>, Option<(u64, u64)>) {
        let mut frames = Vec::new();
        let mut omitted = None;
        for (index, frame) in stack.frames.iter().enumerate() {
            if let Some((count, _)) = stack.omitted.filter(|&(_, before)| before == index as u64) {
                omitted = Some((count, frames.len() as u64));
            }
            frames.extend(self.frame(frame));
        }
        (frames, omitted)
    }

    /// One frame, and before it what was inlined into it.
    fn frame(&self, raw: &crate::process::Frame) -> Vec<Frame> {
        let index = self.map.module(raw.pc);
        let module = index.and_then(|index| self.map.modules.get(index));
        let frame = Frame {
            address: raw.pc,
            module: index.map(|index| index as u64),
            offset: module.map_or(0, |module| raw.pc.wrapping_sub(module.bias)),
            interrupted: raw.interrupted,
            found_by: if raw.trust == FrameTrust::Scan { "scan".to_owned() } else { String::new() },
            ..Frame::default()
        };
        if let Some((signal, code, address)) = raw.signal {
            let (name, _) = words::signal(signal);
            let (code_name, _) = words::code(signal, code);
            let mut note = "signal handler called".to_owned();
            // The kernel writes a siginfo only for handlers that asked for it.
            if name != "a signal" {
                note = format!("{note} by {name}");
                if words::has_address(signal, code) {
                    note.push_str(&format!(", {code_name} at {address:#x}"));
                } else if let Some(sender) = platform::sender_of(code, address) {
                    note.push_str(&format!(", sent by process {sender}"));
                }
            }
            return vec![Frame { note, ..frame }];
        }
        let Some(module) = module else { return vec![frame] };
        let is_ours = module.contains(crash::own_code() as u64);
        let is_in_time = platform::nanoseconds() < self.deadline;
        if !is_in_time && !is_ours {
            self.unnamed.set(self.unnamed.get() + 1);
        }
        let lookup = frame.offset.wrapping_sub(u64::from(!raw.interrupted));
        let is_asked = is_in_time && !is_ours;
        let names = is_asked.then(|| self.with(module, |symbols| symbols.names(lookup))).flatten().unwrap_or_default();
        if names.is_empty() {
            // The library is stripped, and of its functions only that they are ours is of interest.
            let function = if is_ours { "nosigpipe".to_owned() } else { String::new() };
            return vec![Frame { function, ..frame }];
        }
        names
            .into_iter()
            .map(|name| Frame {
                function: name.function,
                function_offset: name.function_offset.map(|offset| offset + u64::from(!raw.interrupted)),
                file: name.file,
                line: name.line,
                inlined: name.inlined,
                ..frame.clone()
            })
            .collect()
    }
}

/// Everything about the crash but the stacks.
fn describe_crash(map: &Map, memory: &mut Memory, stack: &Stack, symbolizer: &Symbolizer) -> Report {
    let incident = incident();
    let fault = &incident.fault;
    let mut time = String::new();
    header::push_time(&mut time, incident.time);
    let address = header::address(incident);
    Report {
        program: text(program()),
        executable: platform::executable_path(),
        command: platform::command_line(incident.pid),
        pid: i64::from(incident.pid),
        tid: i64::from(incident.tid),
        thread: text(&incident.thread),
        time,
        uptime: incident.uptime / 1_000_000,
        signal: i64::from(fault.signal),
        code: i64::from(fault.code),
        address,
        access: header::access(incident).to_owned(),
        cause: header::cause(incident.cause).to_owned(),
        address_description: address
            .filter(|_| incident.cause == Cause::Unknown)
            .map_or_else(String::new, |_| address::describe(map, memory, fault, stack)),
        raised: incident.is_raised_again.then(|| (i64::from(incident.raised.signal), i64::from(incident.raised.code))),
        sender: words::was_sent(fault.code).then(|| (i64::from(fault.sender), i64::from(fault.user))),
        call: (fault.signal == libc::SIGSYS && fault.code > 0).then(|| i64::from(fault.call)),
        message: message(map, memory, symbolizer).unwrap_or_default(),
        modules: modules(map),
        ..Report::default()
    }
}

fn modules(map: &Map) -> Vec<report::Module> {
    map.modules
        .iter()
        .map(|module| report::Module {
            path: module.path.clone(),
            build_id: hex(&module.build_id),
            start: module.start,
            end: module.end,
            bias: module.bias,
        })
        .collect()
}

/// What the system's libraries said before they aborted.
fn message(map: &Map, memory: &mut Memory, symbolizer: &Symbolizer) -> Option<String> {
    platform::last_words(incident().fault.signal, map, memory, &|module, question| symbolizer.ask(module, question))
}

fn details(report: &mut Report, memory: &mut Memory) {
    let registers = &incident().fault.registers;
    report.registers =
        REGISTER_NAMES.iter().zip(registers.general).map(|(name, value)| ((*name).to_owned(), value)).collect();
    report.registers.push((FLAGS_NAME.to_owned(), registers.flags));
    let start = registers.pc().saturating_sub(CODE_BEFORE);
    let mut code = vec![0; CODE];
    let length = memory.read(start, &mut code);
    code.truncate(length);
    report.instructions = (start, code);
}

type NumberAndName = (i64, String);

/// The other threads' stacks, equal ones once, those of many threads first; and how many threads there was no time for.
fn groups(
    threads: &[Thread],
    deadline: u64,
    unwinder: &mut Unwinder,
    symbolizer: &Symbolizer,
    pythons: &Pythons,
) -> (Vec<Group>, usize) {
    // They stand still, but have run on since the copy was made: their stacks are read where they are.
    let mut memory = Memory::of(incident().pid);
    let mut found: Vec<((Stack, Python), Vec<NumberAndName>)> = Vec::new();
    let mut late = 0;
    let in_python = pythons.threads(&mut memory);
    for thread in threads {
        if platform::nanoseconds() > deadline {
            late += 1;
            continue;
        }
        let stack = thread.registers.map(|registers| unwinder.stack(&mut memory, &registers)).unwrap_or_default();
        let who = (i64::from(thread.tid), thread.name.clone());
        let stacks = (stack, in_python.stack(&mut memory, thread.tid, deadline));
        match found.iter_mut().find(|(known, _)| *known == stacks) {
            Some((_, threads)) => threads.push(who),
            None => found.push((stacks, vec![who])),
        }
    }
    let groups = found.into_iter().map(|((stack, python), threads)| {
        let (frames, omitted) = symbolizer.frames(&stack);
        Group { threads, frames, omitted, cut: stack.cut, python }
    });
    (groups.collect(), late)
}
