//! Names for the frames of a stack.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use report::Frame;
use runtime::crash;
use symbols::DebugFiles;
use wording::words;

use crate::platform::{self, Symbols};
use crate::process::{FrameTrust, Map, Module, Stack};

/// Names the frames of stacks. A module's symbols are looked for when the first of its addresses is met.
pub struct Symbolizer<'a> {
    pub map: &'a Map,
    pub debug_files: DebugFiles<'a>,
    /// Whether to read debug information.
    pub lines: bool,
    /// From then on addresses are not named any more, on the clock of [`platform::nanoseconds`].
    pub deadline: u64,
    /// Symbols of the modules that have been met, by the module's start.
    pub loaded: RefCell<BTreeMap<u64, Symbols>>,
    /// How many frames have only an address since there was no time left to look for their names.
    pub unnamed: Cell<usize>,
}

impl<'a> Symbolizer<'a> {
    /// Another one of the same settings, which has loaded nothing yet.
    pub fn anew(&self) -> Symbolizer<'a> {
        Symbolizer { loaded: RefCell::default(), unnamed: Cell::new(0), ..*self }
    }

    /// What a report says of the frames since the last call whose names there was no time to look for; empty if there were none. `whose`
    /// follows the word for them.
    pub fn take_unnamed(&self, whose: &str) -> String {
        match self.unnamed.take() {
            0 => String::new(),
            1 => format!("the name of 1 frame{whose} is missing: there was no time left to look for it"),
            count => format!("the names of {count} frames{whose} are missing: there was no time left to look for them"),
        }
    }

    /// As [`AskSymbols`](crate::process::AskSymbols).
    pub fn ask(&self, module: &Module, question: &mut dyn FnMut(&Symbols)) {
        self.with(module, question);
    }

    /// Has something done with a module's symbols; `None` while this very thread looks for them.
    fn with<T>(&self, module: &Module, action: impl FnOnce(&Symbols) -> T) -> Option<T> {
        let mut loaded = self.loaded.try_borrow_mut().ok()?;
        let symbols = loaded
            .entry(module.start)
            .or_insert_with(|| platform::symbols(self.map, module, self.debug_files, self.lines));
        Some(action(symbols))
    }

    /// The frames with their names, and [`Report::omitted`](report::Report::omitted), for which the frames of inlined functions count.
    pub fn frames(&self, stack: &Stack) -> (Vec<Frame>, Option<(u64, u64)>) {
        stack.expand(|frame| self.frame(frame))
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
        if let Some(signal) = raw.signal {
            return vec![Frame { note: signal_note(signal), ..frame }];
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

/// What is said of a signal frame: by which signal the handler was called, with the code and the address of a fault, or the sender.
fn signal_note((signal, code, address): (i32, i32, u64)) -> String {
    let (name, _) = words::signal(signal);
    let (code_name, _) = words::code(signal, code);
    let mut note = "signal handler called".to_owned();
    // The kernel writes a siginfo only for handlers that asked for it (SA_SIGINFO).
    if name != "a signal" {
        note = format!("{note} by {name}");
        if words::has_address(signal, code) {
            note.push_str(&format!(", {code_name} at {address:#x}"));
        } else if let Some(sender) = platform::sender_of(code, address) {
            note.push_str(&format!(", sent by process {sender}"));
        }
    }
    note
}
