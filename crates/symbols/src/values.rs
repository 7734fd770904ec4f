//! Arguments and local variables of functions, as debug information describes them and a debugger shows them.
//!
//! Everything here may be damaged or made to mislead: it is bounded in depth, in the number of entries that are looked at and in
//! what is written, and what can't be made out is said to be so, each value for itself.

mod content;
mod evaluate;
mod show;

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Deref;

use addr2line::{Context, LookupContinuation, LookupResult, SplitDwarfLoad};
use alloc::sync::Arc;
use gimli::{AttributeValue, DebugInfoOffset, DwAt, Dwarf, Unit, UnitOffset, UnitRef, UnitType, constants as c};

use super::Reader;

type Entry = gimli::DebuggingInformationEntry<Reader>;

/// Values of one function that are shown, at most.
const MOST_VALUES: usize = 24;
/// How deep blocks and inlined functions may be nested.
const DEPTH: usize = 48;
/// References from one entry to the next that are followed for one attribute.
const REFERENCES: usize = 32;
/// Entries of one unit that are looked at for one function.
const MOST_ENTRIES: usize = 4_000_000;

/// The crashed process.
pub trait Process {
    /// Reads its memory from an address on; returns how many bytes could be read.
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> usize;
    /// Whether there is no time left.
    fn is_late(&mut self) -> bool;
}

/// What is known of a frame.
pub struct State<'a> {
    /// The address that debug information is asked about, as the file counts: within the call that the frame has made, so one byte
    /// less than its return address; or the interrupted instruction.
    pub lookup: u64,
    /// Address in memory minus address in the file.
    pub bias: u64,
    /// Registers by their DWARF numbers; `None` where it is not known what one was.
    pub registers: &'a [Option<u64>],
    /// The canonical frame address.
    pub cfa: Option<u64>,
    /// What the function was called with, as far as the caller's debug information tells (DW_OP_entry_value).
    pub entry: &'a [(Passed, u64)],
}

/// How a parameter was passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passed {
    /// In a register, by its DWARF number.
    Register(u16),
    /// Not at all: the compiler has optimized this parameter away (DW_OP_GNU_parameter_ref). Its entry's offset in .debug_info.
    Parameter(usize),
}

/// A function that has code of its own.
#[derive(Clone)]
pub struct Function {
    entry: UnitOffset,
    /// Its first address, as the file counts.
    start: u64,
    /// DW_AT_linkage_name and DW_AT_name; empty where there is none.
    names: [String; 2],
}

/// A variable and its value, as text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Value {
    /// The variable's name.
    pub name: String,
    /// The value.
    pub text: String,
}

/// The variables of one function.
#[derive(Default)]
pub struct Variables {
    /// Its arguments, in their order.
    pub arguments: Vec<Value>,
    /// Its local variables, those of the innermost block last.
    pub locals: Vec<Value>,
}

/// A unit: one that addr2line has parsed, or one that was parsed for a reference to it.
#[derive(Clone)]
enum SharedUnit<'a> {
    Borrowed(&'a Unit<Reader>),
    Owned(Rc<Unit<Reader>>),
}

impl Deref for SharedUnit<'_> {
    type Target = Unit<Reader>;

    fn deref(&self) -> &Unit<Reader> {
        match self {
            Self::Borrowed(unit) => unit,
            Self::Owned(unit) => unit,
        }
    }
}

/// A reference to an entry.
#[derive(Clone)]
struct At<'a> {
    dwarf: &'a Dwarf<Reader>,
    unit: SharedUnit<'a>,
    entry: UnitOffset,
}

impl<'a> At<'a> {
    fn unit(&self) -> UnitRef<'_, Reader> {
        self.unit.unit_ref(self.dwarf)
    }

    fn read(&self) -> Option<Entry> {
        self.unit.entry(self.entry).ok()
    }

    /// The offset in .debug_info of an entry of the same unit.
    fn section_offset(&self, entry: UnitOffset) -> Option<usize> {
        self.unit.header.debug_info_offset()?.0.checked_add(entry.0)
    }

    /// Another entry of the same unit.
    fn sibling(&self, entry: UnitOffset) -> Self {
        Self { entry, ..self.clone() }
    }

    /// The entry that a reference leads to.
    fn follow(&self, value: &AttributeValue<Reader>) -> Option<At<'a>> {
        match *value {
            AttributeValue::UnitRef(entry) => Some(self.sibling(entry)),
            AttributeValue::DebugInfoRef(offset) => Self::in_section(self.dwarf, offset),
            AttributeValue::DebugInfoRefSup(offset) => Self::in_section(self.dwarf.sup()?, offset),
            AttributeValue::DebugTypesRef(signature) => self.type_unit(signature),
            _ => None,
        }
    }

    fn in_section(dwarf: &'a Dwarf<Reader>, offset: DebugInfoOffset) -> Option<At<'a>> {
        let mut headers = dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            let Some(start) = header.debug_info_offset() else { continue };
            if start <= offset && offset.0 - start.0 < header.length_including_self() {
                let entry = UnitOffset(offset.0 - start.0);
                return Some(At { dwarf, unit: SharedUnit::Owned(Rc::new(dwarf.unit(header).ok()?)), entry });
            }
        }
        None
    }

    fn type_unit(&self, wanted: gimli::DebugTypeSignature) -> Option<At<'a>> {
        let mut types = self.dwarf.type_units();
        let mut units = self.dwarf.units();
        loop {
            let header = match types.next() {
                Ok(Some(header)) => header,
                _ => units.next().ok()??,
            };
            if let UnitType::Type { type_signature, type_offset } | UnitType::SplitType { type_signature, type_offset } =
                header.type_()
                && type_signature == wanted
            {
                let unit = SharedUnit::Owned(Rc::new(self.dwarf.unit(header).ok()?));
                return Some(At { dwarf: self.dwarf, unit, entry: type_offset });
            }
        }
    }

    /// An attribute of the entry, or of the one that it completes (DW_AT_abstract_origin, DW_AT_specification, DW_AT_signature),
    /// with the entry that has it.
    fn attribute(&self, name: DwAt) -> Option<(At<'a>, AttributeValue<Reader>)> {
        let mut at = self.clone();
        for _ in 0..REFERENCES {
            let entry = at.read()?;
            if let Some(value) = entry.attr_value(name) {
                return Some((at, value));
            }
            let other = entry
                .attr_value(c::DW_AT_abstract_origin)
                .or_else(|| entry.attr_value(c::DW_AT_specification))
                .or_else(|| entry.attr_value(c::DW_AT_signature))?;
            at = at.follow(&other)?;
        }
        None
    }

    fn text(&self, name: DwAt) -> String {
        let text = self.attribute(name).and_then(|(at, value)| {
            let text = at.unit().attr_string(value).ok()?;
            Some(String::from_utf8_lossy(text.slice()).into_owned())
        });
        text.unwrap_or_default()
    }

    fn number(&self, name: DwAt) -> Option<u64> {
        self.attribute(name)?.1.udata_value()
    }

    fn name(&self) -> String {
        self.text(c::DW_AT_name)
    }

    /// The entry of its type.
    fn kind(&self) -> Option<At<'a>> {
        let (at, value) = self.attribute(c::DW_AT_type)?;
        at.follow(&value)
    }

    /// The entries just below this one.
    fn children(&self) -> Vec<(At<'a>, Entry)> {
        const MOST: usize = 1024;
        let mut children = Vec::new();
        let Ok(mut tree) = self.unit.entries_tree(Some(self.entry)) else { return children };
        let Ok(root) = tree.root() else { return children };
        let mut iterator = root.children();
        while let Ok(Some(child)) = iterator.next() {
            let entry = child.entry();
            children.push((self.sibling(entry.offset()), entry.clone()));
            if children.len() == MOST {
                break;
            }
        }
        children
    }
}

/// Whether an address lies in an entry's code.
fn contains(unit: UnitRef<Reader>, entry: &Entry, address: u64) -> bool {
    let Ok(mut ranges) = unit.die_ranges(entry) else { return false };
    while let Ok(Some(range)) = ranges.next() {
        if range.begin <= address && address < range.end {
            return true;
        }
    }
    false
}

/// The unit that an address lies in. `split` finds the parts of debug information that are in files of their own.
fn unit_of<'a>(
    lines: &'a Context<Reader>,
    address: u64,
    split: impl Fn(&SplitDwarfLoad<Reader>) -> Option<Dwarf<Reader>>,
) -> Option<UnitRef<'a, Reader>> {
    let mut result = lines.find_dwarf_and_unit(address);
    loop {
        match result {
            LookupResult::Output(unit) => return unit,
            LookupResult::Load { load, continuation } => result = continuation.resume(split(&load).map(Arc::new)),
        }
    }
}

/// A module's debug information, at one address.
pub(super) struct Code<'a> {
    dwarf: &'a Dwarf<Reader>,
    unit: &'a Unit<Reader>,
    address: u64,
}

impl<'a> Code<'a> {
    pub fn new(
        lines: &'a Context<Reader>,
        address: u64,
        split: impl Fn(&SplitDwarfLoad<Reader>) -> Option<Dwarf<Reader>>,
    ) -> Option<Self> {
        let unit = unit_of(lines, address, split)?;
        Some(Self { dwarf: unit.dwarf, unit: unit.unit, address })
    }

    fn at(&self, entry: UnitOffset) -> At<'a> {
        At { dwarf: self.dwarf, unit: SharedUnit::Borrowed(self.unit), entry }
    }

    /// The function that the address is in.
    pub fn function(&self, process: &mut dyn Process) -> Option<Function> {
        let unit = self.unit.unit_ref(self.dwarf);
        let mut entries = self.unit.entries();
        for count in 0..MOST_ENTRIES {
            if count % 4096 == 0 && process.is_late() {
                return None;
            }
            let entry = entries.next_dfs().ok()??;
            if entry.tag() == c::DW_TAG_subprogram && contains(unit, entry, self.address) {
                let start = start_of(unit, entry)?;
                let at = self.at(entry.offset());
                let linkage = at.text(c::DW_AT_linkage_name);
                return Some(Function { entry: at.entry, start, names: [linkage, at.name()] });
            }
        }
        None
    }

    /// The variables of the function and of those that are inlined into it at the address, the innermost first.
    pub fn variables(&self, function: &Function, state: &State, process: &mut dyn Process) -> Vec<Variables> {
        let mut scopes = Vec::from([Scope::default()]);
        let function_at = self.at(function.entry);
        if let Ok(mut tree) = self.unit.entries_tree(Some(function.entry))
            && let Ok(root) = tree.root()
        {
            self.collect(root, 0, &mut scopes, DEPTH);
        }
        let mut reading = evaluate::Reading { state, process, function: function_at, left: evaluate::MOST_STEPS };
        let mut values = |entries: Vec<UnitOffset>| {
            let value = |entry: &UnitOffset| {
                let at = self.at(*entry);
                let name = at.name();
                // Clang names the length of a variable-length array so: no variable of the program's.
                if name.is_empty() || name.starts_with("__vla_expr") || reading.process.is_late() {
                    return None;
                }
                let text = show::value(&mut reading, &at);
                Some(Value { name, text })
            };
            entries.iter().take(MOST_VALUES).filter_map(value).collect()
        };
        let variables = scopes.into_iter().rev().map(|scope| {
            let arguments = values(scope.arguments);
            Variables { arguments, locals: values(scope.locals) }
        });
        variables.collect()
    }

    /// Adds the variables below an entry to `scopes[scope]`, and those of inlined functions to scopes of their own.
    fn collect(&self, node: gimli::EntriesTreeNode<Reader>, scope: usize, scopes: &mut Vec<Scope>, depth: usize) {
        let unit = self.unit.unit_ref(self.dwarf);
        let mut children = node.children();
        while let Ok(Some(child)) = children.next() {
            let entry = child.entry();
            let (tag, offset) = (entry.tag(), entry.offset());
            match tag {
                c::DW_TAG_formal_parameter => {
                    if let Some(scope) = scopes.get_mut(scope) {
                        scope.arguments.push(offset);
                    }
                }
                // A declaration is of a variable elsewhere; an artificial one is the compiler's.
                c::DW_TAG_variable if !entry.has_attr(c::DW_AT_declaration) && !entry.has_attr(c::DW_AT_artificial) => {
                    if let Some(scope) = scopes.get_mut(scope) {
                        scope.locals.push(offset);
                    }
                }
                c::DW_TAG_lexical_block if depth > 0 && contains(unit, entry, self.address) => {
                    self.collect(child, scope, scopes, depth - 1);
                }
                c::DW_TAG_inlined_subroutine if depth > 0 && contains(unit, entry, self.address) => {
                    scopes.push(Scope::default());
                    let inner = scopes.len() - 1;
                    self.collect(child, inner, scopes, depth - 1);
                }
                _ => {}
            }
        }
    }

    /// See [`elf::Symbols::entry_values`](crate::elf::Symbols::entry_values). Nothing if another function than `callee` is called
    /// there: that one has ended by a jump to `callee` (a tail call), and what it has passed is not known.
    pub fn entry_values(
        &self,
        function: &Function,
        return_address: u64,
        callee: (&Function, u64),
        state: &State,
        process: &mut dyn Process,
    ) -> Vec<(Passed, u64)> {
        let Some(call) = self.call(function, return_address) else { return Vec::new() };
        let mut reading =
            evaluate::Reading { state, process, function: self.at(function.entry), left: evaluate::MOST_STEPS };
        if !calls(&mut reading, &call, callee) {
            return Vec::new();
        }
        let mut values = Vec::new();
        for (at, entry) in call.children() {
            if !matches!(entry.tag(), c::DW_TAG_call_site_parameter | c::DW_TAG_GNU_call_site_parameter) {
                continue;
            }
            let location = entry.attr_value(c::DW_AT_location).and_then(|location| location.exprloc_value());
            let value =
                entry.attr_value(c::DW_AT_call_value).or_else(|| entry.attr_value(c::DW_AT_GNU_call_site_value));
            let parameter =
                || entry.attr_value(c::DW_AT_call_parameter).or_else(|| entry.attr_value(c::DW_AT_abstract_origin));
            let passed = match location {
                Some(location) => {
                    evaluate::register(location, at.unit()).map(|(register, _)| Passed::Register(register))
                }
                None => parameter()
                    .and_then(|parameter| at.follow(&parameter))
                    .and_then(|parameter| parameter.section_offset(parameter.entry))
                    .map(Passed::Parameter),
            };
            if let Some(passed) = passed
                && let Some(value) = value.and_then(|value| value.exprloc_value())
                && let Some(value) = reading.number(&at, value)
            {
                values.push((passed, value));
            }
        }
        values
    }

    /// The entry of the call that returns to this address.
    fn call(&self, function: &Function, return_address: u64) -> Option<At<'a>> {
        const MOST: usize = 1 << 16;
        let unit = self.unit.unit_ref(self.dwarf);
        let mut entries = self.unit.entries_at_offset(function.entry).ok()?;
        entries.next_dfs().ok()??;
        for _ in 0..MOST {
            let entry = entries.next_dfs().ok()??;
            if entry.depth() <= 0 {
                return None;
            }
            let attribute = match entry.tag() {
                c::DW_TAG_call_site => c::DW_AT_call_return_pc,
                c::DW_TAG_GNU_call_site => c::DW_AT_low_pc,
                _ => continue,
            };
            if let Some(value) = entry.attr_value(attribute)
                && unit.attr_address(value).ok()? == Some(return_address)
            {
                return Some(self.at(entry.offset()));
            }
        }
        None
    }
}

/// The entries of one function's variables.
#[derive(Default)]
struct Scope {
    arguments: Vec<UnitOffset>,
    locals: Vec<UnitOffset>,
}

/// Where a function's code begins.
fn start_of(unit: UnitRef<Reader>, entry: &Entry) -> Option<u64> {
    if let Some(low) = entry.attr_value(c::DW_AT_low_pc) {
        return unit.attr_address(low).ok()?;
    }
    Some(unit.die_ranges(entry).ok()?.next().ok()??.begin)
}

/// Whether a call goes to this function, which is in a module with this bias.
fn calls<'a>(reading: &mut evaluate::Reading<'a, '_>, call: &At<'a>, (callee, bias): (&Function, u64)) -> bool {
    let Some(entry) = call.read() else { return false };
    let origin = entry.attr_value(c::DW_AT_call_origin).or_else(|| entry.attr_value(c::DW_AT_abstract_origin));
    if let Some(origin) = origin.and_then(|origin| call.follow(&origin)) {
        let is_name = |name: &String| !name.is_empty() && callee.names.contains(name);
        let linkage = origin.text(c::DW_AT_linkage_name);
        return if linkage.is_empty() { is_name(&origin.name()) } else { is_name(&linkage) };
    }
    let target = entry.attr_value(c::DW_AT_call_target).or_else(|| entry.attr_value(c::DW_AT_GNU_call_site_target));
    let target = target.and_then(|target| target.exprloc_value()).and_then(|target| reading.number(call, target));
    target == Some(callee.start.wrapping_add(bias))
}
