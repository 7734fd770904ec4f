//! Follows stacks from given registers to their ends.
//!
//! First by call frame information, with all registers: code that realigns its stack, or keeps the frame address in
//! another register, needs more than the frame pointer. Where there is none, or where it leads nowhere because the
//! stack is damaged, by what the calling convention promises, and at last by a search of the stack for return
//! addresses.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, DebugFrame, EhFrame, EhFrameHdr, EndianSlice, LittleEndian, RegisterRule,
    UnwindContext, UnwindContextStorage, UnwindSection, UnwindTableRow, Vendor,
};

use crate::expression;
use crate::{Frame, FrameTrust, ReadMemory, Stack};
use processor::{
    CALLS_PUSH, CONTEXT_IN_FRAME, FRAME_POINTER, INFO_FROM_CONTEXT, PROGRAM_COUNTER, RETURN_ADDRESS, Registers,
    SIGNAL_RETURN, STACK_POINTER, call_target, code_address, follows_call, link_of, registers_in,
};

/// The vendor whose own call frame instructions are understood, too: arm64's tell whether return addresses are signed.
const VENDOR: Vendor = if cfg!(target_arch = "aarch64") { Vendor::AArch64 } else { Vendor::Default };

type Slice = EndianSlice<'static, LittleEndian>;

/// How many values of 8 bytes on the stack a search looks at.
const SEARCH: u64 = 1024;
/// How many words are looked at from the first one that may be a return address, for one that is.
const NEARBY: u64 = 64;
/// Bytes that a function is taken to have at most.
const FUNCTION: u64 = 4096;
/// Largest frame that is believed without call frame information, in bytes.
const LONGEST_FRAME: u64 = 16 << 20;

/// What a row of call frame information says, kept for the next time that the same code is passed.
#[derive(Clone)]
struct Rules {
    cfa: Cfa,
    registers: Vec<(usize, Value)>,
}

/// How the canonical frame address (CFA) is found: the stack pointer before the call (DWARF 5, 6.4).
#[derive(Clone, Copy)]
enum Cfa {
    /// A register, by its DWARF number, plus an offset.
    Register(usize, i64),
    /// The value of an expression.
    Expression(&'static [u8]),
}

/// How a register's value in the caller is found (DWARF 5, 6.4.1).
#[derive(Clone, Copy)]
enum Value {
    /// It is lost.
    Undefined,
    /// It is stored at the CFA plus this.
    At(i64),
    /// It is the CFA plus this.
    Is(i64),
    /// It is in another register.
    Register(usize),
    /// It is stored at the address that this expression has as its value.
    AtExpression(&'static [u8]),
    /// It is the value of this expression.
    IsExpression(&'static [u8]),
}

/// How many registers there are.
const REGISTERS: usize = processor::REGISTER_NAMES.len();

/// A frame's registers.
pub struct FrameRegisters {
    /// The address of the next instruction.
    pub pc: u64,
    /// Whether the thread was interrupted at `pc`; otherwise that is a return address.
    pub interrupted: bool,
    /// False where a signal handler returns to the kernel.
    pub is_function: bool,
    /// By their DWARF numbers; `None` for those that are not known any more.
    pub known: Vec<Option<u64>>,
    /// The canonical frame address, where call frame information tells it.
    pub cfa: Option<u64>,
}

/// Where a module's call frame information is.
enum Frames {
    /// .eh_frame with the table of .eh_frame_hdr.
    Table { header: gimli::ParsedEhFrameHdr<Slice>, frames: EhFrame<Slice>, bases: BaseAddresses },
    /// .eh_frame alone.
    List { frames: EhFrame<Slice>, bases: BaseAddresses },
    /// .debug_frame
    Debug { frames: DebugFrame<Slice>, bias: u64 },
}

/// What unwinding needs to know of what is mapped in the process. The bytes are those of files and of memory that does
/// not change.
pub trait Image {
    /// Whether code can be at an address.
    fn is_code(&self, address: u64) -> bool;
    /// The number of the module (program or library) that an address is in.
    fn module(&self, address: u64) -> Option<usize>;
    /// Address and content of a module's .eh_frame_hdr.
    fn unwind_table(&self, module: usize) -> Option<(u64, &'static [u8])>;
    /// The bytes from an address on, at least to the end of its mapping.
    fn from(&self, address: u64) -> Option<&'static [u8]>;
    /// Address and content of a module's .eh_frame, where that is known without an .eh_frame_hdr; static programs have
    /// none.
    fn call_frames(&self, _module: usize) -> Option<(u64, &'static [u8])> {
        None
    }
    /// A module's .debug_frame, and the bias that has to be added to addresses in it.
    fn debug_frame(&self, module: usize) -> Option<(&'static [u8], u64)>;
}

/// A clock and a deadline.
#[derive(Clone, Copy)]
pub struct Clock {
    /// The time now, in nanoseconds.
    pub now: fn() -> u64,
    /// When there is no time left, on the same clock.
    pub deadline: u64,
}

impl Clock {
    fn is_late(self) -> bool {
        (self.now)() > self.deadline
    }
}

/// Unwinds the stacks of one process. `S` is where gimli keeps rows of call frame information.
pub struct Unwinder<I: Image, S: UnwindContextStorage<usize>> {
    image: I,
    frames: BTreeMap<usize, Vec<Frames>>,
    /// By code address: what was found, or that there is nothing, since the same code is passed often.
    known: BTreeMap<u64, Option<Rules>>,
    context: UnwindContext<usize, S>,
    clock: Clock,
    /// How many frames in a row may be found by a search.
    most_guesses: u32,
    /// How many frames in a row were found by a search.
    guesses: u32,
    /// Whether the call behind the last guess leads to the function that it is taken to have called.
    is_called: bool,
}

impl<I: Image, S: UnwindContextStorage<usize>> Unwinder<I, S> {
    /// An unwinder of the process with this image, which ends at the clock's deadline.
    pub fn new(image: I, clock: Clock) -> Self {
        let context = UnwindContext::new_in();
        Self {
            image,
            frames: BTreeMap::new(),
            known: BTreeMap::new(),
            context,
            clock,
            most_guesses: 1,
            guesses: 0,
            is_called: false,
        }
    }

    /// Sets how many frames in a row are searched for on the stack, where code has neither call frame information
    /// (musl's) nor frame pointers. Each of them may be wrong.
    #[must_use]
    pub fn with_guesses(self, most_guesses: u32) -> Self {
        Self { most_guesses, ..self }
    }

    /// The whole stack of a thread with these registers; `memory` has its stack.
    pub fn stack(&mut self, memory: &mut impl ReadMemory, registers: &Registers) -> Stack {
        let mut registers = *registers;
        let first = Frame::interrupted(registers.pc());
        let clock = self.clock;
        self.guesses = 0;
        self.is_called = false;
        Stack::walk(first, || clock.is_late(), |frame| self.step(memory, &mut registers, frame))
    }

    /// The registers of the innermost frames, as far as they are known.
    pub fn registers(
        &mut self,
        memory: &mut impl ReadMemory,
        registers: &Registers,
        most: usize,
    ) -> Vec<FrameRegisters> {
        let mut found: Vec<FrameRegisters> = Vec::new();
        let mut registers = *registers;
        let mut frame = Frame::interrupted(registers.pc());
        let mut is_known = [true; REGISTERS];
        while found.len() < most {
            let known = registers.general.iter().zip(is_known).map(|(&value, known)| known.then_some(value)).collect();
            found.push(FrameRegisters {
                pc: frame.pc,
                interrupted: frame.interrupted,
                is_function: true,
                known,
                cfa: None,
            });
            let lookup = if frame.interrupted { frame.pc } else { frame.pc.wrapping_sub(1) };
            let Some(caller) = self.step(memory, &mut registers, &mut frame) else { break };
            let is_by_rules = frame.signal.is_none() && caller.trust == FrameTrust::Reliable;
            let rules = self.rules(lookup).filter(|_| is_by_rules);
            if let Some(last) = found.last_mut() {
                last.is_function = frame.signal.is_none();
                // The CFA is the caller's stack pointer.
                last.cfa = rules.is_some().then(|| registers.sp());
            }
            if frame.signal.is_some() {
                is_known = [true; REGISTERS];
            } else {
                for (number, known) in is_known.iter_mut().enumerate() {
                    // A function may change other registers without saving them.
                    let is_saved = |rules: &Rules| rules.registers.iter().any(|(register, _)| *register == number);
                    *known = match &rules {
                        Some(rules) => is_saved(rules) || *known && processor::is_kept_by_calls(number),
                        None => false,
                    } || number == STACK_POINTER
                        || number == PROGRAM_COUNTER
                        || number == FRAME_POINTER && caller.trust == FrameTrust::Reliable;
                }
            }
            frame = caller;
        }
        found
    }

    /// The frame of a frame's caller, whose registers replace the given ones; `None` at the stack's end.
    fn step(&mut self, memory: &mut impl ReadMemory, registers: &mut Registers, frame: &mut Frame) -> Option<Frame> {
        if is_signal_return(memory, frame.pc) {
            let context = registers.sp().wrapping_add(CONTEXT_IN_FRAME);
            frame.signal = Some(signal_of(memory, context));
            let interrupted = registers_in(|address| memory.u64_at(address), context)?;
            *registers = interrupted;
            return Some(Frame::interrupted(registers.pc()));
        }
        let lookup = if frame.interrupted { frame.pc } else { frame.pc.wrapping_sub(1) };
        if self.image.is_code(frame.pc)
            && let Some(rules) = self.rules(lookup)
        {
            match follow(memory, registers, &rules, frame.interrupted) {
                Step::End => return None,
                Step::Caller(caller) => {
                    if self.image.is_code(caller.pc()) {
                        *registers = caller;
                        return Some(Frame::caller(caller.pc()));
                    }
                    if is_signal_return(memory, caller.pc()) {
                        *registers = caller;
                        return Some(Frame::caller(caller.pc()));
                    }
                    // What it found is no return address: the stack is damaged from here on.
                    if caller.pc() == 0 && !frame.interrupted {
                        return None;
                    }
                    // If the stack pointer is wrong, so is what call frame information computes from it. A frame record
                    // may still be right.
                    if !CALLS_PUSH && let Some(frame) = self.by_frame_pointer(memory, registers) {
                        return Some(frame);
                    }
                    return self.search(memory, registers, caller.sp());
                }
                Step::Lost => return self.search(memory, registers, registers.sp()),
            }
        }
        self.without_information(memory, registers, frame)
    }

    /// The caller without call frame information: by the return address of a call just made, by the frame pointer, or
    /// by a search.
    fn without_information(
        &mut self,
        memory: &mut impl ReadMemory,
        registers: &mut Registers,
        frame: &Frame,
    ) -> Option<Frame> {
        let sp = registers.sp();
        if frame.interrupted
            && let Some(address) = self.return_of_call(memory, registers)
            && self.is_return_address(memory, address)
        {
            // A call has led here: through a null pointer, or to code that has not made its frame yet.
            set(registers, PROGRAM_COUNTER, address);
            set(registers, STACK_POINTER, if CALLS_PUSH { sp + 8 } else { sp });
            return Some(Frame::caller(address));
        }
        if let Some(frame) = self.by_frame_pointer(memory, registers) {
            return Some(frame);
        }
        self.guesses = if frame.trust == FrameTrust::Scan && !self.is_called { self.guesses + 1 } else { 0 };
        if frame.interrupted || self.guesses < self.most_guesses { self.search(memory, registers, sp) } else { None }
    }

    /// The return address of a call, if one was made just before.
    fn return_of_call(&self, memory: &mut impl ReadMemory, registers: &Registers) -> Option<u64> {
        // Once a function has called another one, the link register has an address within the function itself, and its own return address is
        // in the frame record.
        let Some(link) = link_of(registers) else { return memory.u64_at(registers.sp()) };
        let saved = memory.u64_at(registers.get(FRAME_POINTER).wrapping_add(8)).map(code_address);
        let is_new = saved != Some(link) && link.abs_diff(registers.pc()) > FUNCTION;
        (!self.image.is_code(registers.pc()) || is_new).then_some(link)
    }

    /// The caller by the frame pointer, which points to the caller's frame pointer and the return address behind that.
    fn by_frame_pointer(&self, memory: &mut impl ReadMemory, registers: &mut Registers) -> Option<Frame> {
        let (fp, sp) = (registers.get(FRAME_POINTER), registers.sp());
        if fp < sp || fp - sp >= LONGEST_FRAME {
            return None;
        }
        let (caller, address) = (memory.u64_at(fp)?, code_address(memory.u64_at(fp.wrapping_add(8))?));
        if !self.is_return_address(memory, address) {
            return None;
        }
        set(registers, PROGRAM_COUNTER, address);
        set(registers, STACK_POINTER, fp + 16);
        set(registers, FRAME_POINTER, caller);
        Some(Frame::caller(address))
    }

    /// Searches the stack for the next return address.
    fn search(&mut self, memory: &mut impl ReadMemory, registers: &mut Registers, from: u64) -> Option<Frame> {
        let slots = |count: u64, from: u64| (0..count).map(move |index| from.wrapping_add(index * 8));
        let mut found = None;
        for slot in slots(SEARCH, from.next_multiple_of(8)) {
            let address = code_address(memory.u64_at(slot)?);
            if self.is_return_address(memory, address) {
                found = Some((slot, address));
                break;
            }
        }
        let (mut slot, mut address) = found?;
        // It may have been left there by an earlier call, in a frame that does not use all its memory. A call that leads to where we are is none
        // such.
        let pc = registers.pc();
        self.is_called = false;
        for other in slots(NEARBY, slot) {
            let Some(candidate) = memory.u64_at(other).map(code_address) else { break };
            if self.image.is_code(candidate)
                && let Some(target) = call_target(|at, code| memory.read(at, code), candidate)
                && (target..target.saturating_add(FUNCTION)).contains(&pc)
            {
                (slot, address, self.is_called) = (other, candidate, true);
                break;
            }
        }
        set(registers, PROGRAM_COUNTER, address);
        set(registers, STACK_POINTER, slot + 8);
        // A saved frame pointer is just below the return address, unless it was overwritten.
        if let Some(fp) = memory.u64_at(slot.wrapping_sub(8)).filter(|&fp| fp > slot && fp - slot < LONGEST_FRAME) {
            set(registers, FRAME_POINTER, fp);
        }
        Some(Frame { trust: FrameTrust::Scan, ..Frame::caller(address) })
    }

    /// Whether an address is in code and right behind a call instruction.
    fn is_return_address(&self, memory: &mut impl ReadMemory, address: u64) -> bool {
        self.image.is_code(address) && follows_call(|at, code| memory.read(at, code), address)
    }

    /// What call frame information says of an address.
    fn rules(&mut self, pc: u64) -> Option<Rules> {
        if let Some(known) = self.known.get(&pc) {
            return known.clone();
        }
        let rules = self.image.module(pc).and_then(|index| {
            let image = &self.image;
            let frames = self.frames.entry(index).or_insert_with(|| all_frames(image, index));
            let context = &mut self.context;
            frames.iter().find_map(|frames| look_up(frames, context, pc))
        });
        self.known.insert(pc, rules.clone());
        rules
    }
}

/// The sources of call frame information for a module, the one in memory first.
fn all_frames(image: &impl Image, module: usize) -> Vec<Frames> {
    let mut all = Vec::new();
    if let Some((address, table)) = image.unwind_table(module) {
        let bases = BaseAddresses::default().set_eh_frame_hdr(address);
        if let Ok(header) = EhFrameHdr::new(table, LittleEndian).parse(&bases, 8)
            && let Ok(start) = header.eh_frame_ptr().direct()
            && let Some(frames) = image.from(start)
        {
            let bases = bases.set_eh_frame(start);
            let mut frames = EhFrame::new(frames, LittleEndian);
            frames.set_vendor(VENDOR);
            all.push(Frames::Table { header, frames, bases });
        }
    }
    if all.is_empty()
        && let Some((address, content)) = image.call_frames(module)
    {
        let mut frames = EhFrame::new(content, LittleEndian);
        frames.set_vendor(VENDOR);
        all.push(Frames::List { frames, bases: BaseAddresses::default().set_eh_frame(address) });
    }
    if let Some((section, bias)) = image.debug_frame(module) {
        let mut frames = DebugFrame::new(section, LittleEndian);
        frames.set_address_size(8);
        frames.set_vendor(VENDOR);
        all.push(Frames::Debug { frames, bias });
    }
    all
}

fn look_up<S: UnwindContextStorage<usize>>(
    frames: &Frames,
    context: &mut UnwindContext<usize, S>,
    pc: u64,
) -> Option<Rules> {
    match frames {
        Frames::Table { header, frames, bases } => {
            let table = header.table()?;
            let pointer = table.lookup(pc, bases).ok()?;
            // gimli subtracts one from the other without comparing them, which could overflow in a damaged file.
            pointer.direct().ok()?.checked_sub(header.eh_frame_ptr().direct().ok()?)?;
            let offset = table.pointer_to_offset(pointer).ok()?;
            let entry = frames.fde_from_offset(bases, offset, EhFrame::cie_from_offset).ok()?;
            if !entry.contains(pc) {
                return None;
            }
            let row = entry.unwind_info_for_address(frames, bases, context, pc).ok()?;
            rules_of(row, frames)
        }
        Frames::List { frames, bases } => search_list(frames, bases, EhFrame::cie_from_offset, context, pc),
        Frames::Debug { frames, bias } => {
            let bases = BaseAddresses::default();
            search_list(frames, &bases, DebugFrame::cie_from_offset, context, pc.wrapping_sub(*bias))
        }
    }
}

/// Goes through all entries, where no table leads to one.
fn search_list<S: UnwindContextStorage<usize>, F: UnwindSection<Slice>>(
    frames: &F,
    bases: &BaseAddresses,
    cie: impl Fn(&F, &BaseAddresses, F::Offset) -> gimli::Result<gimli::CommonInformationEntry<Slice>> + Copy,
    context: &mut UnwindContext<usize, S>,
    pc: u64,
) -> Option<Rules> {
    let mut entries = frames.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let Ok(entry) = partial.parse(cie) else { continue };
        if entry.contains(pc) {
            let row = entry.unwind_info_for_address(frames, bases, context, pc).ok()?;
            return rules_of(row, frames);
        }
    }
    None
}

fn rules_of<R: UnwindContextStorage<usize>, S: UnwindSection<Slice>>(
    row: &UnwindTableRow<usize, R>,
    section: &S,
) -> Option<Rules> {
    let expression = |expression: &gimli::UnwindExpression<usize>| Some(expression.get(section).ok()?.0.slice());
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => Cfa::Register(usize::from(register.0), *offset),
        CfaRule::Expression(at) => Cfa::Expression(expression(at)?),
    };
    let registers = row
        .registers()
        .filter_map(|(register, rule)| {
            let value = match rule {
                RegisterRule::Undefined => Value::Undefined,
                RegisterRule::Offset(offset) => Value::At(*offset),
                RegisterRule::ValOffset(offset) => Value::Is(*offset),
                RegisterRule::Register(other) => Value::Register(usize::from(other.0)),
                RegisterRule::Expression(at) => Value::AtExpression(expression(at)?),
                RegisterRule::ValExpression(at) => Value::IsExpression(expression(at)?),
                _ => return None,
            };
            Some((usize::from(register.0), value))
        })
        .collect();
    Some(Rules { cfa, registers })
}

/// What following call frame information has led to.
enum Step {
    /// The caller's registers.
    Caller(Registers),
    /// The outermost function.
    End,
    /// The rules can't be right here: the stack or the registers are damaged.
    Lost,
}

/// The registers of the caller, by the rules for where a function was interrupted or has called another one.
fn follow(memory: &mut impl ReadMemory, registers: &Registers, rules: &Rules, interrupted: bool) -> Step {
    let cfa = match rules.cfa {
        Cfa::Register(register, offset) => Some(registers.get(register).wrapping_add_signed(offset)),
        Cfa::Expression(code) => expression::evaluate(code, memory, registers, None),
    };
    let Some(cfa) = cfa else { return Step::Lost };
    // The stack grows downwards, so the caller's stack pointer is above the function's own. The two may be equal only
    // where the thread was interrupted: a function that calls no other may use no stack.
    if cfa < registers.sp() || cfa == registers.sp() && !interrupted {
        return Step::Lost;
    }
    let mut caller = *registers;
    set(&mut caller, STACK_POINTER, cfa);
    let mut found = false;
    for &(register, value) in &rules.registers {
        let value = match value {
            Value::Undefined if register == RETURN_ADDRESS => return Step::End,
            Value::Undefined => continue,
            Value::At(offset) => memory.u64_at(cfa.wrapping_add_signed(offset)),
            Value::Is(offset) => Some(cfa.wrapping_add_signed(offset)),
            Value::Register(other) => Some(registers.get(other)),
            Value::AtExpression(code) => {
                expression::evaluate(code, memory, registers, Some(cfa)).and_then(|address| memory.u64_at(address))
            }
            Value::IsExpression(code) => expression::evaluate(code, memory, registers, Some(cfa)),
        };
        match value {
            Some(value) => set(&mut caller, register, value),
            None if register == RETURN_ADDRESS => return Step::Lost,
            None => {}
        }
        found |= register == RETURN_ADDRESS;
    }
    if RETURN_ADDRESS != PROGRAM_COUNTER {
        // A function that has called none need not have saved the link register: no rule is needed.
        found |= interrupted;
        let address = code_address(caller.get(RETURN_ADDRESS));
        set(&mut caller, PROGRAM_COUNTER, address);
    }
    if found { Step::Caller(caller) } else { Step::Lost }
}

fn set(registers: &mut Registers, number: usize, value: u64) {
    if let Some(register) = registers.general.get_mut(number) {
        *register = value;
    }
}

/// Whether this is where a signal handler returns to: by its code, which debuggers recognize, too.
fn is_signal_return(memory: &mut impl ReadMemory, pc: u64) -> bool {
    let mut code = [0; SIGNAL_RETURN.len()];
    memory.read(pc, &mut code) == code.len() && code == SIGNAL_RETURN
}

/// A signal's number, `si_code` and `si_addr`, from the siginfo that belongs to a ucontext.
fn signal_of(memory: &mut impl ReadMemory, context: u64) -> (i32, i32, u64) {
    let info = context.wrapping_add_signed(INFO_FROM_CONTEXT);
    let mut number = |at: u64| memory.u32_at(info.wrapping_add(at)).unwrap_or(0).cast_signed();
    (number(0), number(8), memory.u64_at(info.wrapping_add(16)).unwrap_or(0))
}
