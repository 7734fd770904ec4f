//! Names for the addresses of another process.

use std::cell::RefCell;
use std::collections::BTreeMap;

use report::Frame;
use symbols::elf::Symbols;
use symbols::{DebugFiles, hex};
use unwind::{FrameTrust, Image, Stack};
use wording::words;

use super::map::{Map, Module};
use super::memory::map_file;

/// Where distributions put separate debug files.
const DEBUG_DIRECTORIES: [&str; 1] = ["/usr/lib/debug"];

/// The names of one process's functions. Each module's symbols are read when they are first needed.
pub struct Names<'a> {
    map: &'a Map,
    /// Directories with debug files.
    directories: Vec<String>,
    /// Symbols that were read already, by the module's index.
    loaded: RefCell<BTreeMap<usize, Symbols>>,
}

impl<'a> Names<'a> {
    pub fn new(map: &'a Map, directories: &[String]) -> Self {
        // The debug files of the container that the process is in come after ours; only those with the module's build
        // id are taken.
        let inside = DEBUG_DIRECTORIES.map(|directory| format!("/proc/{}/root{directory}", map.pid));
        let usual = DEBUG_DIRECTORIES.map(str::to_owned).into_iter().chain(inside);
        let directories = directories.iter().cloned().chain(usual).collect();
        Self { map, directories, loaded: RefCell::default() }
    }

    /// Does something with the symbols of the module with this index.
    fn with<T>(&self, index: usize, action: impl FnOnce(&Symbols, &Module) -> T) -> Option<T> {
        let module = self.map.modules.get(index)?;
        let mut loaded = self.loaded.try_borrow_mut().ok()?;
        let symbols = loaded.entry(index).or_insert_with(|| self.find(module));
        Some(action(symbols, module))
    }

    /// Reads the symbols of a module.
    fn find(&self, module: &Module) -> Symbols {
        let debug_files = DebugFiles { directories: &self.directories, open: map_file, variables: false };
        let (start, end) = (module.loaded.start, module.loaded.end);
        // The vdso, which the kernel maps, has no file: it is read from the process.
        let image = (module.path == "[vdso]").then(|| self.map.content(start, end - start)).flatten();
        let path = module.first.open_path(self.map.pid).unwrap_or_else(|| module.path.clone());
        Symbols::find(&path, &hex(&module.loaded.build_id), image, debug_files, true)
    }

    /// The frames with their names; and if some were left out, how many, and before which one.
    pub fn frames(&self, stack: &Stack) -> (Vec<Frame>, Option<(u64, u64)>) {
        stack.expand(|frame| self.frame(frame))
    }

    /// One frame, and before it what was inlined into it.
    fn frame(&self, raw: &unwind::Frame) -> Vec<Frame> {
        let index = self.map.module(raw.pc);
        let bias = index.and_then(|index| self.map.modules.get(index)).map(|module| module.loaded.bias);
        let frame = Frame {
            address: raw.pc,
            module: index.map(|index| index as u64),
            offset: bias.map_or(0, |bias| raw.pc.wrapping_sub(bias)),
            interrupted: raw.interrupted,
            found_by: if raw.trust == FrameTrust::Scan { "scan".to_owned() } else { String::new() },
            ..Frame::default()
        };
        if let Some((signal, ..)) = raw.signal {
            let (name, _) = words::signal(signal);
            let by = if name == "a signal" { String::new() } else { format!(" by {name}") };
            return vec![Frame { note: format!("signal handler called{by}"), ..frame }];
        }
        // A return address may belong to the line after the call, so the byte before it is looked up.
        let lookup = frame.offset.wrapping_sub(u64::from(!raw.interrupted));
        let names = index.and_then(|index| self.with(index, |symbols, _| symbols.names(lookup))).unwrap_or_default();
        if names.is_empty() {
            return vec![frame];
        }
        let named = |name: symbols::Name| Frame {
            function: name.function,
            function_offset: name.function_offset.map(|offset| offset + u64::from(!raw.interrupted)),
            file: name.file,
            line: name.line,
            inlined: name.inlined,
            ..frame.clone()
        };
        names.into_iter().map(named).collect()
    }

    /// Every file with code in it.
    pub fn modules(&self) -> Vec<report::Module> {
        let module = |module: &Module| report::Module {
            path: module.path.clone(),
            build_id: hex(&module.loaded.build_id),
            start: module.loaded.start,
            end: module.loaded.end,
            bias: module.loaded.bias,
        };
        self.map.modules.iter().map(module).collect()
    }
}

/// What the unwinder asks of a process: what is mapped, and the sections of the modules' files.
pub struct Mapped<'a> {
    pub map: &'a Map,
    pub names: &'a Names<'a>,
}

impl Image for Mapped<'_> {
    fn is_code(&self, address: u64) -> bool {
        self.map.is_code(address)
    }

    fn module(&self, address: u64) -> Option<usize> {
        self.map.module(address)
    }

    fn unwind_table(&self, module: usize) -> Option<(u64, &'static [u8])> {
        let (address, size) = self.map.modules.get(module)?.loaded.unwind_table?;
        Some((address, self.map.content(address, size)?))
    }

    fn from(&self, address: u64) -> Option<&'static [u8]> {
        self.map.content(address, u64::MAX)
    }

    fn call_frames(&self, module: usize) -> Option<(u64, &'static [u8])> {
        self.names.with(module, |symbols, module| {
            let (address, content) = symbols.section_with_address(".eh_frame")?;
            Some((module.loaded.bias.wrapping_add(address), content))
        })?
    }

    fn debug_frame(&self, module: usize) -> Option<(&'static [u8], u64)> {
        self.names.with(module, |symbols, module| Some((symbols.section(".debug_frame")?, module.loaded.bias)))?
    }
}
