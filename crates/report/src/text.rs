//! A report for people: what failed and where comes first, and what only helps some comes last.

mod stack;

pub(crate) use stack::{frames, many, python};

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use super::{Frame, Group, Report, source};
use wording::line::Shown;

/// The whole report.
#[must_use]
pub fn whole(report: &Report) -> String {
    let mut text = head(report);
    text.push_str(&findings(report));
    text.push_str(&stacks(report));
    text
}

/// The first lines: the program, the signal, the thread and the time. The library writes them before it collects anything.
#[must_use]
pub fn head(report: &Report) -> String {
    let mut text = String::new();
    let _ = report.head().write(&mut text);
    text.push('\n');
    text
}

/// The last line.
#[must_use]
pub fn summary(report: &Report) -> String {
    format!("nosigpipe: in short: {}\n", report.summary())
}

/// Characters that are shown of one name, path or message, at most: four times PATH_MAX, and demangled C++ names are as long.
const LONGEST_TEXT: usize = 16384;

/// Text that came from the crashed process, as a terminal can bear it.
pub(crate) fn shown(text: &str) -> Shown<'_> {
    Shown(text.as_bytes(), LONGEST_TEXT)
}

/// Everything below the findings.
#[must_use]
pub fn stacks(report: &Report) -> String {
    let mut text = crashed_thread(report);
    text.push_str(&source::text(&report.sources));
    text.push_str(&other_threads(report));
    text.push_str(&details(report));
    text.push_str(&context(report));
    text.push_str(&summary(report));
    text
}

/// The lines below the head, for which the report has to be collected: the address, the message, the function and the
/// fingerprint.
#[must_use]
pub fn findings(report: &Report) -> String {
    let mut text = String::new();
    if !report.address_description.is_empty() {
        let _ = writeln!(text, "  {}", shown(&report.address_description));
    }
    if !report.message.is_empty() {
        let _ = writeln!(text, "  message: {}", shown(&report.message.trim_end().replace('\n', " ")));
    }
    let culprit = report.culprit();
    if let Some(frame) = culprit {
        let _ = write!(text, "  in {}", shown(&frame.function));
        if !frame.file.is_empty() {
            let _ = write!(text, " at {}:{}", shown(&frame.file), frame.line);
        }
    }
    // On the same line, so that the stack's first frames are among the first ten lines of the report.
    if !report.fingerprint.is_empty() {
        let separator = if culprit.is_some() { "," } else { " " };
        let _ = write!(text, "{separator} fingerprint {}", shown(&report.fingerprint));
        if let Some((count, first)) = &report.occurrence {
            let _ = write!(text, ", the {count}{} crash with it since {}", ordinal(*count), shown(first));
        }
    }
    if culprit.is_some() || !report.fingerprint.is_empty() {
        text.push('\n');
    }
    if let Some(frame) = report.python.culprit() {
        text.push_str("  in Python function ");
        stack::python_frame(&mut text, frame);
    }
    text
}

/// The suffix that makes an ordinal number of a number.
fn ordinal(number: u64) -> &'static str {
    match (number % 10, number % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    }
}

/// The stack of the thread that crashed.
#[must_use]
pub fn crashed_thread(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "stack of thread {} \"{}\", which crashed:", report.tid, shown(&report.thread));
    frames(&mut text, &report.frames, (report.omitted, report.cut), &report.modules, true);
    if !report.names_note.is_empty() {
        let _ = writeln!(text, "  {}", shown(&report.names_note));
    }
    python(&mut text, &report.python);
    if !report.python_note.is_empty() {
        let _ = writeln!(text, "  {}", shown(&report.python_note));
    }
    text
}

/// The stacks of the other threads, equal ones once.
#[must_use]
pub fn other_threads(report: &Report) -> String {
    let mut text = String::new();
    for Group { threads, frames: stack, omitted, cut, python: python_stack } in &report.threads {
        if let [(tid, name)] = threads.as_slice() {
            let _ = writeln!(text, "stack of thread {tid} \"{}\":", shown(name));
        } else {
            let _ = write!(text, "stack of {} threads:", threads.len());
            many(&mut text, threads);
            text.push('\n');
        }
        frames(&mut text, stack, (*omitted, *cut), &report.modules, false);
        python(&mut text, python_stack);
    }
    if !report.threads_note.is_empty() {
        let _ = writeln!(text, "{}", shown(&report.threads_note));
    }
    text
}

/// Registers, instructions and modules.
#[must_use]
pub fn details(report: &Report) -> String {
    let mut text = String::new();
    if !report.registers.is_empty() {
        text.push_str("registers:\n");
        for row in report.registers.chunks(4) {
            for (name, value) in row {
                let _ = write!(text, "  {:>3} {value:016x}", shown(name));
            }
            text.push('\n');
        }
    }
    let (start, bytes) = &report.instructions;
    if !bytes.is_empty() {
        let counter = report.program_counter();
        let _ = write!(text, "instructions at {start:#x}, the next one in <>:\n ");
        for (address, byte) in (*start..).zip(bytes) {
            let _ = if Some(address) == counter { write!(text, " <{byte:02x}>") } else { write!(text, " {byte:02x}") };
        }
        text.push('\n');
    }
    let used = |index: usize| {
        let of = |frame: &Frame| frame.module == Some(index as u64);
        report.frames.iter().any(of) || report.threads.iter().any(|group| group.frames.iter().any(of))
    };
    let mut rest = 0;
    if !report.modules.is_empty() {
        text.push_str("modules on these stacks:\n");
    }
    for (index, module) in report.modules.iter().enumerate() {
        if used(index) {
            let id = if module.build_id.is_empty() { "none" } else { &module.build_id };
            let _ = writeln!(
                text,
                "  {:012x}-{:012x} {} build id {}",
                module.start,
                module.end,
                shown(&module.path),
                shown(id)
            );
        } else {
            rest += 1;
        }
    }
    if rest > 0 {
        let _ = writeln!(text, "  and {rest} more");
    }
    if !report.modules_note.is_empty() {
        let _ = writeln!(text, "  {}", shown(&report.modules_note));
    }
    text
}

/// The state of the process and of the system.
#[must_use]
pub fn context(report: &Report) -> String {
    let mut text = String::new();
    let context = &report.context;
    if context.kernel.is_empty() {
        return text;
    }
    text.push_str("around it:\n");
    let _ = writeln!(text, "  command: {}", shown(&report.command));
    let _ = writeln!(text, "  directory: {}", shown(&context.directory));
    let _ = writeln!(
        text,
        "  system: {}, up {} s; {}",
        shown(&context.kernel),
        context.system_uptime,
        shown(&context.libc)
    );
    let _ = writeln!(text, "  threads: {}, open descriptors: {}", context.threads, context.descriptors);
    for (name, used, limit) in &context.limits {
        let _ = writeln!(text, "  near its limit: {}, {used} of {limit}", shown(name));
    }
    if let Some(memory) = &context.memory {
        let _ = write!(text, "  memory of the control group: {} kB used", memory.used / 1024);
        if let Some(limit) = memory.limit {
            let _ = write!(text, " of {} kB", limit / 1024);
        }
        if let Some(kills) = memory.kills {
            let _ = write!(text, ", {kills} killed for want of it");
        }
        text.push('\n');
    }
    for (name, value) in &context.environment {
        let _ = writeln!(text, "  {}={}", shown(name), shown(value));
    }
    text
}
