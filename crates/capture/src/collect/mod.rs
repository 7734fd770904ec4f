//! Collects the report and writes it, the most important part first.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::sync::atomic::Ordering::{Relaxed, Release};

mod address;
mod output;
mod python;
mod symbolizer;
mod targets;

use output::Output;
use python::Pythons;
use symbolizer::Symbolizer;

use crate::platform::{self, Cause, DEBUG_DIRECTORIES, FLAGS_NAME, REGISTER_NAMES, Registers, Symbols, Unwinder};
use crate::process::{Map, Memory, Module, ReadMemory, Stack, Thread};
use report::source::Source;
use report::{Group, Python, Report};
use runtime::crash::reporter::{self, progress};
use runtime::crash::{self, Incident, header, incident, options, program};
use settings::options::{Format, Threads, Values};
use symbols::{DebugFiles, hex};
use wording::words;

/// Bytes of code that are shown in front of the program counter.
const CODE_BEFORE: u64 = 16;
/// Bytes of code that are shown in all.
const CODE: usize = 40;
/// How long a report waits for those of other processes that crash at the same moment to be counted, in nanoseconds.
const TURN: u64 = 500_000_000;

/// Writes the report. `lines` says whether to read debug information; `others` whether the other threads can be stopped, or why not.
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
    // If the report is not finished, the crashed process makes the draft the report.
    let keep_draft = |report: &Report| {
        if let Some(directory) = directory.as_ref().filter(|_| platform::MAKES_COPIES) {
            let (ending, text) = whole(report);
            output.keep_draft(directory, ending, &time_in_names(report), &text);
        }
    };
    details(&mut report, &mut memory.borrow_mut());
    report.threads_note = UNFINISHED.to_owned();
    // The first draft has no names: looking for them may take too long, or crash.
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
        add_exceptions(&mut report, &mut memory.borrow_mut(), registers.sp());
    }
    if report.address_description.is_empty()
        && let Some(note) = report.frames.iter().rev().find(|frame| !frame.note.is_empty())
    {
        report.address_description = format!("after the program's own {}", note.note);
    }

    report.fingerprint = report::fingerprint::of(&report);

    {
        // One after another, so that those who crash at the same moment are counted, too: the next one finds our draft.
        let until = deadline.min(platform::nanoseconds() + TURN);
        let _turn = directory.as_ref().and_then(|directory| platform::take_turn(directory, until));
        report.occurrence = directory.as_ref().map(|directory| targets::occurrence(directory, &report));
        keep_draft(&report);
    }
    let stream = is_streamed();
    // These lines go to standard error even if the report goes elsewhere.
    if stream || !options().is_on_stderr() {
        output.say_lines(&report::text::findings(&report));
    }
    if stream {
        output.say_lines(&report::text::crashed_thread(&report));
    }
    let is_taken = targets::send(&report, &output);
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
    report.context = platform::context(incident.tid, &map);
    report.modules_note = symbols::elf::not_read().to_owned();
    if stream {
        output.say_lines(&report::text::details(&report));
        output.say_lines(&report::text::context(&report));
        output.say_lines(&report::text::summary(&report));
    }
    deliver(&report, &output, directory.as_deref(), is_taken);
}

/// Writes the finished report into the directory for reports, and to standard error unless it is there already: as JSON where that
/// was asked for, or whatever is not there yet if it was not taken elsewhere (`is_taken` says whether the logs have it).
fn deliver(report: &Report, output: &Output, directory: Option<&str>, is_taken: bool) {
    let is_streamed = is_streamed();
    let mut is_missing = !is_taken;
    if let Some(directory) = directory {
        let (ending, text) = whole(report);
        let is_saved = output.save(directory, ending, &time_in_names(report), &text);
        is_missing |= !is_saved && (!is_streamed || output.is_unread());
        if is_saved {
            targets::prune(directory, options().report_keep);
        }
    }
    if options().format == Format::Json && (options().is_on_stderr() || is_missing) {
        output.say(&whole(report).1);
    } else if is_missing {
        // Its first lines are there already.
        output.say_lines(&report::text::stacks(report));
    }
    if is_missing && output.is_unread() && !options().is_in_logs() {
        targets::tell_a_log(report);
    }
}

/// Whether the report goes to standard error as text, where each part is written as soon as it is known.
fn is_streamed() -> bool {
    options().format == Format::Text && options().is_on_stderr()
}

/// Adds the C++ exceptions of an aborted thread, and a message where the thread's stack tells why the C++ runtime has aborted. `sp` is
/// the thread's stack pointer.
fn add_exceptions(report: &mut Report, memory: &mut Memory, sp: u64) {
    let calls = |function: &str| report.frames.iter().any(|frame| frame.function.starts_with(function));
    // Where one of these is on the stack, the exception was not caught: it was being thrown, or the runtime had found that nothing
    // catches it. Those of libc++abi in between have no names.
    let terminating = ["std::terminate", "__cxxabiv1::__terminate", "__cxa_call_terminate", "__clang_call_terminate"];
    let throwing = ["__cxa_throw", "__cxa_rethrow", "std::rethrow_exception"];
    report.is_handled = !terminating.into_iter().chain(throwing).any(calls);
    let is_rethrown = calls("__cxa_rethrow");
    report.exceptions = platform::exceptions(memory, sp);
    if let Some(exception) = report.exceptions.first_mut() {
        exception.is_rethrown |= is_rethrown;
    }
    if report.message.is_empty() {
        // That there was no exception is not said: the runtime's record of it may be damaged.
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

/// What a draft says in place of the other threads and of what follows them.
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

/// The report in the format that was asked for, with the extension of a file in that format.
fn whole(report: &Report) -> (&'static str, String) {
    match options().format {
        Format::Text => ("txt", report::text::whole(report)),
        Format::Json => ("json", report::json::whole(report)),
    }
}

/// The report's time as names of files have it.
fn time_in_names(report: &Report) -> String {
    report.time.replace(':', "")
}

/// Of a signal that the process has sent itself from a handler for a fault: the thread that had the fault, which may be another than
/// the one that the kernel has given the signal to. It is the one whose stack has such a handler, if only one has. From here on the
/// incident is that fault, and the thread that got the signal is among `others` instead.
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

/// Text up to the first zero byte.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
}

/// Maps a file, for [`DebugFiles`].
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

/// Everything about the crash but stacks, registers and context.
fn describe_crash(map: &Map, memory: &mut Memory, stack: &Stack, symbolizer: &Symbolizer) -> Report {
    let incident = incident();
    let fault = &incident.fault;
    let mut time = String::new();
    header::push_time(&mut time, incident.time);
    let address = header::address(incident);
    Report {
        program: text(program()),
        executable: platform::executable_path(),
        command: platform::command_line(incident.tid),
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
    platform::abort_message(incident().fault.signal, map, memory, &|module, question| symbolizer.ask(module, question))
}

/// Adds registers and instructions.
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

/// A thread's id and name.
type IdAndName = (i64, String);

/// The other threads' stacks, equal ones once, in the order of each stack's first thread; and how many threads there was no time for.
fn groups(
    threads: &[Thread],
    deadline: u64,
    unwinder: &mut Unwinder,
    symbolizer: &Symbolizer,
    pythons: &Pythons,
) -> (Vec<Group>, usize) {
    // They stand still, but have run on since the copy was made: their stacks are read where they are.
    let mut memory = Memory::of(incident().pid);
    let mut found: Vec<((Stack, Python), Vec<IdAndName>)> = Vec::new();
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
