//! Stacks, one frame on a line, and lists of threads.

use alloc::string::String;
use core::fmt::Write;

use super::shown;
use crate::{Frame, Module, Python, PythonFrame};
use wording::words::plural;

/// A list of threads; those of the same name whose ids follow each other are shown as a range.
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

/// What is missing of a stack: [`Report::omitted`](crate::Report::omitted) and [`Report::cut`](crate::Report::cut).
pub(crate) type Gaps = (Option<(u64, u64)>, bool);

/// The frames of a stack. `ids` says whether a module is followed by the start of its build id.
pub(crate) fn frames(text: &mut String, frames: &[Frame], (omitted, cut): Gaps, modules: &[Module], ids: bool) {
    if frames.is_empty() {
        text.push_str("  unknown\n");
    }
    numbered(text, "  ", frames, omitted, |text, frame| native_frame(text, frame, modules, ids));
    if cut {
        text.push_str("  ...  and its callers: there was no time to follow the stack to its end\n");
    }
}

/// A thread's Python stack; nothing where it has none.
pub(crate) fn python(text: &mut String, stack: &Python) {
    if stack.frames.is_empty() && !stack.cut {
        return;
    }
    text.push_str("  in Python:\n");
    numbered(text, "    ", &stack.frames, stack.omitted, python_frame);
    if stack.cut {
        text.push_str("    ...  and the rest of it can't be read\n");
    }
}

/// Frames with their numbers, by `show`, which ends the line. Of equal frames in a row, as a recursion makes them, the first and the
/// last are shown, and the others counted. The numbers go on behind the omitted frames as if those were there.
fn numbered<T: PartialEq>(
    text: &mut String,
    indent: &str,
    frames: &[T],
    omitted: Option<(u64, u64)>,
    show: impl Fn(&mut String, &T),
) {
    let mut repeated = 0u64;
    for (index, frame) in frames.iter().enumerate() {
        let is_gap_before = |index: usize| omitted.is_some_and(|(_, before)| before == index as u64);
        let is_same = |other: Option<usize>| other.is_some_and(|other| frames.get(other) == Some(frame));
        let is_within = !is_gap_before(index) && !is_gap_before(index + 1);
        if is_within && is_same(index.checked_sub(1)) && is_same(Some(index + 1)) {
            repeated += 1;
            continue;
        }
        if repeated > 0 {
            let _ = writeln!(text, "{indent}...  {repeated} time{} the same", plural(repeated));
            repeated = 0;
        }
        let mut number = index as u64;
        if let Some((count, before)) = omitted {
            if number == before {
                let _ = writeln!(text, "{indent}...  {count} more frame{}", plural(count));
            }
            if number >= before {
                number += count;
            }
        }
        let _ = write!(text, "{indent}#{number:<2} ");
        show(text, frame);
    }
}

/// A frame's function, arguments, line and module, the end of the line, and its local variables on lines of their own.
fn native_frame(text: &mut String, frame: &Frame, modules: &[Module], ids: bool) {
    if !frame.note.is_empty() {
        let _ = writeln!(text, "<{}>", shown(&frame.note));
        return;
    }
    let is_named = !frame.function.is_empty();
    let _ = if is_named { write!(text, "{}", shown(&frame.function)) } else { write!(text, "{:#x}", frame.address) };
    for (index, argument) in frame.arguments.iter().enumerate() {
        let before = if index == 0 { " (" } else { ", " };
        let _ = write!(text, "{before}{}={}", shown(&argument.name), shown(&argument.value));
    }
    if !frame.arguments.is_empty() {
        text.push(')');
    }
    if !frame.file.is_empty() {
        let _ = write!(text, " at {}:{}", shown(&frame.file), frame.line);
    } else if let (true, Some(offset)) = (is_named, frame.function_offset) {
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
            // Enough to find the module in the list of modules, which has the whole id.
            if let (true, Some(id)) = (ids, module.build_id.get(..8)) {
                let _ = write!(text, " {}", shown(id));
            }
            text.push(']');
        }
        None if is_named => {}
        None => text.push_str(" [no file]"),
    }
    text.push('\n');
    for local in &frame.locals {
        let _ = writeln!(text, "        {} = {}", shown(&local.name), shown(&local.value));
    }
}

/// A Python function with its file and line, and the end of the line.
pub(super) fn python_frame(text: &mut String, frame: &PythonFrame) {
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
