//! A report for people: what failed and where comes first, and what only helps some comes last.

use std::fmt::Write;

use super::{Frame, Group, Module, Report};
use crate::crash::words;

/// The whole report.
#[must_use]
pub fn whole(report: &Report) -> String {
    let mut text = head(report);
    text.push_str(&body(report));
    text
}

/// What happened to whom, as the library writes it first of all.
#[must_use]
pub fn head(report: &Report) -> String {
    let mut text = String::new();
    let (signal, meaning) = words::signal(report.signal as i32);
    let (code, reason) = words::code(report.signal as i32, report.code as i32);
    let _ = write!(text, "nosigpipe: {} (pid {}) crashed: {signal}, {meaning}", report.program, report.pid);
    if let Some(call) = report.call {
        let _ = write!(text, ": system call {call} ({code}: {reason})");
    } else if let Some(address) = report.address {
        let access = if report.access.is_empty() { "at" } else { &report.access };
        let _ = write!(text, " {access} {address:#x}: {reason} ({code})");
    } else if let Some((pid, uid)) = report.sender {
        if pid == report.pid {
            let _ = write!(text, ", raised by the process itself ({code})");
        } else if pid == 0 {
            let _ = write!(text, ", sent by somebody whom the system does not name ({code})");
        } else {
            let _ = write!(text, ", sent by pid {pid} of uid {uid} ({code})");
        }
    } else {
        let _ = write!(text, ": {reason} ({code} {})", report.code);
    }
    let seconds = report.uptime / 1000;
    let _ = writeln!(
        text,
        "\n  thread {} \"{}\", {}, {}.{:03} s after its start",
        report.tid,
        report.thread,
        report.time,
        seconds,
        report.uptime % 1000
    );
    text
}

/// Everything below the head.
#[must_use]
pub fn body(report: &Report) -> String {
    let mut text = crashed_thread(report);
    text.push_str(&other_threads(report));
    text.push_str(&details(report));
    text
}

/// The stack of the thread that crashed.
#[must_use]
pub fn crashed_thread(report: &Report) -> String {
    let mut text = String::new();
    if !report.address_is.is_empty() {
        let _ = writeln!(text, "  {}", report.address_is);
    }
    if !report.message.is_empty() {
        let _ = writeln!(text, "  libc said: {}", report.message.trim_end());
    }
    if let Some(frame) = report.culprit() {
        let _ = write!(text, "  in {}", frame.function);
        if !frame.file.is_empty() {
            let _ = write!(text, " at {}:{}", frame.file, frame.line);
        }
        text.push('\n');
    }
    let _ = writeln!(text, "stack of thread {} \"{}\", which crashed:", report.tid, report.thread);
    frames(&mut text, &report.frames, report.omitted, &report.modules, true);
    text
}

/// The stacks of the others, equal ones once.
#[must_use]
pub fn other_threads(report: &Report) -> String {
    let mut text = String::new();
    for Group { threads, frames: stack, omitted } in &report.threads {
        if let [(tid, name)] = threads.as_slice() {
            let _ = writeln!(text, "stack of thread {tid} \"{name}\":");
        } else {
            let _ = write!(text, "stack of {} threads:", threads.len());
            many(&mut text, threads);
            text.push('\n');
        }
        frames(&mut text, stack, *omitted, &report.modules, false);
    }
    if !report.threads_note.is_empty() {
        let _ = writeln!(text, "{}", report.threads_note);
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
                let _ = write!(text, "  {name:>3} {value:016x}");
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
            let _ = writeln!(text, "  {:012x}-{:012x} {} build id {id}", module.start, module.end, module.path);
        } else {
            rest += 1;
        }
    }
    if rest > 0 {
        let _ = writeln!(text, "  and {rest} more");
    }
    text
}

/// Threads of the same name whose ids follow each other as a range.
fn many(text: &mut String, threads: &[(i64, String)]) {
    let mut rest = threads;
    let mut separator = "";
    while let Some(((first, name), _)) = rest.split_first() {
        let follows =
            |index: usize| rest.get(index).is_some_and(|(tid, other)| *tid == first + index as i64 && other == name);
        let length = (1..).take_while(|&index| follows(index)).count() + 1;
        let _ = match length {
            1 => write!(text, "{separator} {first} \"{name}\""),
            _ => write!(text, "{separator} {first} to {} \"{name}\"", first + length as i64 - 1),
        };
        separator = ",";
        rest = rest.get(length..).unwrap_or_default();
    }
}

fn frames(text: &mut String, frames: &[Frame], omitted: Option<(u64, u64)>, modules: &[Module], ids: bool) {
    if frames.is_empty() {
        text.push_str("  unknown\n");
    }
    let mut repeated = 0;
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
            let _ = writeln!(text, "  ...  {} times the same", core::mem::take(&mut repeated));
        }
        let mut number = index as u64;
        if let Some((count, before)) = omitted {
            if number == before {
                let _ = writeln!(text, "  ...  {count} more frames");
            }
            if number >= before {
                number += count;
            }
        }
        let _ = write!(text, "  #{number:<3}");
        if !frame.note.is_empty() {
            let _ = writeln!(text, "<{}>", frame.note);
            continue;
        }
        if frame.function.is_empty() {
            let _ = write!(text, "{:#x}", frame.address);
        } else {
            text.push_str(&frame.function);
        }
        if !frame.file.is_empty() {
            let _ = write!(text, " at {}:{}", frame.file, frame.line);
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
                let _ = write!(text, " [{}+{:#x}", module.name(), frame.offset);
                // Enough to find the module in the list below, which has it in full.
                if let (true, Some(id)) = (ids, module.build_id.get(..8)) {
                    let _ = write!(text, " {id}");
                }
                text.push(']');
            }
            None if !frame.function.is_empty() => {}
            None => text.push_str(" [no file]"),
        }
        text.push('\n');
    }
}
