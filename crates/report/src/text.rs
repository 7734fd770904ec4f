//! A report for people: what failed and where comes first, and what only helps some comes last.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use super::{Frame, Group, Module, Python, PythonFrame, Report, source};
use wording::line::Shown;
use wording::words::plural;

/// The whole report.
#[must_use]
pub fn whole(report: &Report) -> String {
    let mut text = head(report);
    text.push_str(&findings(report));
    text.push_str(&stacks(report));
    text
}

/// What happened to whom, as the library writes it first of all.
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

/// Most characters of one text from outside: longer than every name that anybody has given.
const MOST: usize = 16384;

/// Text from outside as it is shown.
pub(crate) fn shown(text: &str) -> Shown<'_> {
    Shown(text.as_bytes(), MOST)
}

/// Everything below the head.
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

/// What else is known about the crash: the last lines of the head, for which the report has to be collected.
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
        python_frame(&mut text, frame);
    }
    text
}

/// What a number ends in that says which of several something is.
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

/// The stacks of the others, equal ones once.
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
        let pc = report.registers.iter().find(|(name, _)| name == "rip" || name == "pc").map_or(0, |(_, pc)| *pc);
        let _ = write!(text, "instructions at {start:#x}, the next one in <>:\n ");
        for (index, byte) in bytes.iter().enumerate() {
            let _ =
                if start + index as u64 == pc { write!(text, " <{byte:02x}>") } else { write!(text, " {byte:02x}") };
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

/// What was around the crash.
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

/// Threads of the same name whose ids follow each other as a range.
pub(crate) fn many(text: &mut String, threads: &[(i64, String)]) {
    let mut rest = threads;
    let mut separator = "";
    while let Some(((first, name), _)) = rest.split_first() {
        let follows =
            |index: usize| rest.get(index).is_some_and(|(tid, other)| *tid == first + index as i64 && other == name);
        let length = (1..).take_while(|&index| follows(index)).count() + 1;
        let _ = match length {
            1 => write!(text, "{separator} {first} \"{}\"", shown(name)),
            _ => write!(text, "{separator} {first} to {} \"{}\"", first + length as i64 - 1, shown(name)),
        };
        separator = ",";
        rest = rest.get(length..).unwrap_or_default();
    }
}

pub(crate) type Gaps = (Option<(u64, u64)>, bool);

pub(crate) fn frames(text: &mut String, frames: &[Frame], (omitted, cut): Gaps, modules: &[Module], ids: bool) {
    if frames.is_empty() {
        text.push_str("  unknown\n");
    }
    let mut repeated = 0u64;
    for (index, frame) in frames.iter().enumerate() {
        // A recursion's frames differ in nothing that is shown.
        let again = index > 0
            && omitted.is_none_or(|(_, before)| before != index as u64)
            && frames.get(index - 1) == Some(frame)
            && frames.get(index + 1) == Some(frame)
            && omitted.is_none_or(|(_, before)| before != index as u64 + 1);
        if again {
            repeated += 1;
            continue;
        }
        if repeated > 0 {
            let _ = writeln!(text, "  ...  {repeated} time{} the same", plural(repeated));
            repeated = 0;
        }
        let mut number = index as u64;
        if let Some((count, before)) = omitted {
            if number == before {
                let _ = writeln!(text, "  ...  {count} more frame{}", plural(count));
            }
            if number >= before {
                number += count;
            }
        }
        let _ = write!(text, "  #{number:<2} ");
        if !frame.note.is_empty() {
            let _ = writeln!(text, "<{}>", shown(&frame.note));
            continue;
        }
        if frame.function.is_empty() {
            let _ = write!(text, "{:#x}", frame.address);
        } else {
            let _ = write!(text, "{}", shown(&frame.function));
        }
        for (index, argument) in frame.arguments.iter().enumerate() {
            let before = if index == 0 { " (" } else { ", " };
            let _ = write!(text, "{before}{}={}", shown(&argument.name), shown(&argument.value));
        }
        if !frame.arguments.is_empty() {
            text.push(')');
        }
        if !frame.file.is_empty() {
            let _ = write!(text, " at {}:{}", shown(&frame.file), frame.line);
        } else if let (false, Some(offset)) = (frame.function.is_empty(), frame.function_offset) {
            let _ = write!(text, " + {offset}");
        }
        if frame.inlined {
            text.push_str(" (inlined)");
        }
        if frame.found_by == "scan" {
            text.push_str(" (a guess)");
        }
        match frame.module.and_then(|module| modules.get(module as usize)) {
            _ if frame.inlined => {}
            Some(module) => {
                let _ = write!(text, " [{}+{:#x}", shown(module.name()), frame.offset);
                // Enough to find the module in the list below, which has it in full.
                if let (true, Some(id)) = (ids, module.build_id.get(..8)) {
                    let _ = write!(text, " {}", shown(id));
                }
                text.push(']');
            }
            None if !frame.function.is_empty() => {}
            None => text.push_str(" [no file]"),
        }
        text.push('\n');
        for local in &frame.locals {
            let _ = writeln!(text, "        {} = {}", shown(&local.name), shown(&local.value));
        }
    }
    if cut {
        text.push_str("  ...  and its callers: there was no time to follow the stack to its end\n");
    }
}

/// What Python has called in a thread.
pub(crate) fn python(text: &mut String, stack: &Python) {
    if stack.frames.is_empty() && !stack.cut {
        return;
    }
    text.push_str("  in Python:\n");
    let mut repeated = 0u64;
    for (index, frame) in stack.frames.iter().enumerate() {
        let is_gap = |at: usize| stack.omitted.is_some_and(|(_, before)| before == at as u64);
        let is_same = |other: Option<usize>| other.is_some_and(|other| stack.frames.get(other) == Some(frame));
        // As with the native frames: of a recursion the first and the last are shown.
        if is_same(index.checked_sub(1)) && is_same(Some(index + 1)) && !is_gap(index) && !is_gap(index + 1) {
            repeated += 1;
            continue;
        }
        if repeated > 0 {
            let _ = writeln!(text, "    ...  {repeated} time{} the same", plural(repeated));
            repeated = 0;
        }
        let mut number = index as u64;
        if let Some((count, before)) = stack.omitted {
            if number == before {
                let _ = writeln!(text, "    ...  {count} more frame{}", plural(count));
            }
            if number >= before {
                number += count;
            }
        }
        let _ = write!(text, "    #{number:<2} ");
        python_frame(text, frame);
    }
    if stack.cut {
        text.push_str("    ...  and the rest of it can't be read\n");
    }
}

/// One of its functions, and the end of the line.
fn python_frame(text: &mut String, frame: &PythonFrame) {
    let function = if frame.function.is_empty() { "unknown" } else { &frame.function };
    let _ = write!(text, "{}", shown(function));
    if !frame.file.is_empty() {
        let _ = write!(text, " at {}", shown(&frame.file));
        if frame.line != 0 {
            let _ = write!(text, ":{}", frame.line);
        }
    }
    if frame.interpreter != 0 {
        let _ = write!(text, " (interpreter {})", frame.interpreter);
    }
    text.push('\n');
}
