//! The fingerprint: one number for crashes at the same place, whatever the build, the machine and the address are.
//!
//! docs/crash-reports.md describes it so that others can compute it from a report in JSON. What it says there must be
//! what is done here; a change is a new version of the report.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Frame, Report};

/// What compilers append to a function's name to name a variant of it that they have made (gcc: a clone).
const CLONES: [&str; 7] = [" [clone ", ".part.", ".constprop.", ".isra.", ".cold", ".lto_priv.", ".llvm."];

/// The fingerprint as 16 hexadecimal digits; empty where no frame is known.
#[must_use]
pub fn of(report: &Report) -> String {
    let names: Vec<String> = called(report).map(|frame| name(report, frame)).collect();
    if names.is_empty() {
        return String::new();
    }
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |name: &str| {
        // FNV-1a
        for byte in name.bytes().chain([b'\n']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    };
    let is_repeated = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    let mut is_folded = false;
    for name in &names {
        if !is_repeated(name) {
            add(name);
        } else if !is_folded {
            // Recursion. How deep it is when the stack overflows, and in which of its functions, is chance. So each of its
            // functions counts once, and they count in the order of their names.
            is_folded = true;
            let mut last = "";
            while let Some(next) = names.iter().filter(|name| name.as_str() > last && is_repeated(name)).min() {
                add(next);
                last = next;
            }
        }
    }
    format!("{hash:016x}")
}

/// The functions that were called, from the one that crashed to main().
fn called(report: &Report) -> impl Iterator<Item = &Frame> {
    let is_called = |frame: &&Frame| !frame.inlined && frame.found_by.is_empty() && frame.function != "nosigpipe";
    let mut is_over = false;
    report
        .interrupted()
        .iter()
        .filter(is_called)
        .take_while(move |frame| !core::mem::replace(&mut is_over, frame.function == "main"))
}

/// What stands for a frame: its function without what marks a clone, else the place in its module.
fn name(report: &Report, frame: &Frame) -> String {
    let function = CLONES.iter().filter_map(|clone| frame.function.find(clone)).min();
    let function = function.and_then(|end| frame.function.get(..end)).unwrap_or(&frame.function);
    if !function.is_empty() {
        return function.to_owned();
    }
    match frame.module.and_then(|index| report.modules.get(index as usize)) {
        Some(module) => {
            let id = if module.build_id.is_empty() { module.name() } else { &module.build_id };
            format!("{id}+{:#x}", frame.offset)
        }
        None => "?".to_owned(),
    }
}
