//! Stacks, from given registers to their ends.
//!
//! By framehop: compact unwind information, DWARF where that refers to it, and the function's own instructions where it was
//! interrupted in its prologue or epilogue. Only the registers that lead to the caller are restored; Apple's information has no
//! others. Where there is none, or the stack is damaged: what the calling convention promises, and at last a search of the stack.

use alloc::collections::BTreeSet;
use alloc::string::String;
use core::num::NonZeroU64;

use framehop::{CacheNative, ExplicitModuleSectionInfo, FrameAddress, UnwindRegsNative, Unwinder as _, UnwinderNative};

use processor::follows_call;

use crate::platform::{self, FRAME_POINTER, Registers, code_address};
use crate::process::{AskSymbols, Frame, FrameTrust, Map, Memory, Module, ReadMemory, Stack};

/// Addresses on the stack that a search looks at.
const SEARCH: u64 = 1024;
/// Largest frame that a saved frame pointer is believed for in a search, in bytes.
const LONGEST_FRAME: u64 = 16 << 20;

/// Unwinds stacks of the crashed process.
pub struct Unwinder<'a> {
    map: &'a Map,
    framehop: UnwinderNative<&'static [u8], framehop::MayAllocateDuringUnwind>,
    cache: CacheNative<framehop::MayAllocateDuringUnwind>,
    /// Indices of the modules that framehop has been given: those that a frame was in.
    known: BTreeSet<usize>,
    /// When to end, on the clock of [`platform::nanoseconds`].
    deadline: u64,
}

impl<'a> Unwinder<'a> {
    /// All information is in memory: nothing is looked for in files.
    pub fn new(map: &'a Map, deadline: u64, _ask: &AskSymbols) -> Self {
        let (framehop, cache) = (UnwinderNative::new(), CacheNative::new());
        Self { map, framehop, cache, known: BTreeSet::new(), deadline }
    }

    /// The whole stack of a thread with these registers; `memory` has its stack.
    pub fn stack(&mut self, memory: &mut Memory, registers: &Registers) -> Stack {
        let mut walk = Walk::new(registers);
        let first = Frame::interrupted(registers.pc());
        let deadline = self.deadline;
        Stack::walk(first, || platform::nanoseconds() > deadline, |frame| self.step(memory, &mut walk, frame))
    }

    /// From a frame to its caller's.
    fn step(&mut self, memory: &mut Memory, walk: &mut Walk, frame: &mut Frame) -> Option<Frame> {
        if frame.interrupted && !self.map.is_code(frame.pc) {
            // A call through a null pointer or a wild one has led here.
            let caller = walk.return_of_call(memory)?;
            return if self.is_return_address(memory, caller) {
                Some(Frame::caller(caller))
            } else {
                self.search(memory, walk)
            };
        }
        if self.is_signal_trampoline(frame.pc) {
            let (signal, interrupted) = interrupted_by_signal(memory, walk.sp())?;
            frame.signal = Some(signal);
            *walk = Walk::new(&interrupted);
            return Some(Frame::interrupted(interrupted.pc()));
        }
        if frame.interrupted
            && let Some(caller) = self.caller_of_leaf(memory, walk, frame.pc)
        {
            return Some(Frame::caller(caller));
        }
        let lookup = if frame.interrupted { frame.pc } else { frame.pc.wrapping_sub(1) };
        if let Some(index) = self.map.module(lookup)
            && self.known.insert(index)
            && let Some(module) = self.map.modules.get(index)
        {
            self.framehop.add_module(sections(self.map, module));
        }
        let address = match NonZeroU64::new(frame.pc) {
            Some(pc) if !frame.interrupted => FrameAddress::ReturnAddress(pc),
            _ => FrameAddress::InstructionPointer(frame.pc),
        };
        let before = walk.clone();
        let mut read = |address| memory.u64_at(address).ok_or(());
        match self.framehop.unwind_frame(address, &mut walk.registers, &mut self.cache, &mut read) {
            Ok(None) => None,
            Ok(Some(caller)) if self.map.is_code(code_address(caller)) => Some(Frame::caller(code_address(caller))),
            Ok(Some(0)) if !frame.interrupted => None,
            // What it found is no return address: the stack is damaged from here on.
            Ok(Some(_)) | Err(_) if frame.interrupted || frame.trust == FrameTrust::Reliable => {
                *walk = before;
                self.search(memory, walk)
            }
            Ok(Some(_)) | Err(_) => None,
        }
    }

    /// The return address of a function that has not saved it: it is still in the link register. Compact unwind information may have
    /// no entry for such a function, and framehop would use that of the function in front.
    #[cfg(target_arch = "aarch64")]
    fn caller_of_leaf(&self, memory: &mut Memory, walk: &mut Walk, pc: u64) -> Option<u64> {
        /// Instructions of a function that are looked at.
        const MOST: u64 = 4096;
        let module = self.map.modules.get(self.map.module(pc)?)?;
        let start = module.parts.file.function_start(pc.wrapping_sub(module.bias))?.wrapping_add(module.bias);
        // stp x29, x30, [sp, ...]; str x30, [sp, ...]!; str x30, [sp, ...]
        let saves_link = |code: u32| {
            code & 0xfe40_7fff == 0xa800_7bfd || code & 0xffe0_0fff == 0xf800_0ffe || code & 0xffc0_03ff == 0xf900_03fe
        };
        if pc - start > MOST * 4 || (start..pc).step_by(4).any(|at| memory.u32_at(at).is_none_or(saves_link)) {
            return None;
        }
        let caller = walk.return_of_call(memory)?;
        self.is_return_address(memory, caller).then_some(caller)
    }

    /// On x86_64 a call pushes the return address, so that every function has it on the stack.
    #[cfg(target_arch = "x86_64")]
    fn caller_of_leaf(&self, _memory: &mut Memory, _walk: &mut Walk, _pc: u64) -> Option<u64> {
        None
    }

    /// Searches the stack for the next return address.
    fn search(&mut self, memory: &mut Memory, walk: &mut Walk) -> Option<Frame> {
        let from = walk.sp().next_multiple_of(8);
        for slot in (0..SEARCH).map(|word| from.wrapping_add(word * 8)) {
            let address = code_address(memory.u64_at(slot)?);
            if !self.is_return_address(memory, address) {
                continue;
            }
            // A saved frame pointer is just below it, unless it was overwritten.
            let fp = memory.u64_at(slot.wrapping_sub(8)).filter(|&fp| fp > slot && fp - slot < LONGEST_FRAME);
            walk.go_on(slot + 8, fp);
            return Some(Frame { trust: FrameTrust::Scan, ..Frame::caller(address) });
        }
        None
    }

    fn is_return_address(&self, memory: &mut Memory, address: u64) -> bool {
        self.map.is_code(address) && follows_call(|at, code| memory.read(at, code), address)
    }

    /// Whether this is the function that the kernel has call a signal handler.
    fn is_signal_trampoline(&self, pc: u64) -> bool {
        let module = self.map.module(pc).and_then(|index| self.map.modules.get(index));
        module.is_some_and(|module| {
            module.path.ends_with("/libsystem_platform.dylib")
                && (module.parts.file.functions())
                    .and_then(|functions| functions.symbol(pc - module.bias))
                    .is_some_and(|(name, _)| name == b"_sigtramp")
        })
    }
}

/// What framehop keeps of a thread's registers from frame to frame.
#[derive(Clone)]
struct Walk {
    registers: UnwindRegsNative,
}

#[cfg(target_arch = "aarch64")]
impl Walk {
    const LINK: usize = 30;

    fn new(registers: &Registers) -> Self {
        let mask = framehop::aarch64::PtrAuthMask(code_address(u64::MAX));
        let (link, sp, fp) = (registers.get(Self::LINK), registers.sp(), registers.get(FRAME_POINTER));
        Self { registers: UnwindRegsNative::new_with_ptr_auth_mask(mask, link, sp, fp) }
    }

    fn sp(&self) -> u64 {
        self.registers.sp()
    }

    /// The return address of a call that has just been made: it is still in the link register.
    fn return_of_call(&mut self, _memory: &mut Memory) -> Option<u64> {
        Some(code_address(self.registers.lr()))
    }

    fn go_on(&mut self, sp: u64, fp: Option<u64>) {
        self.registers.set_sp(sp);
        if let Some(fp) = fp {
            self.registers.set_fp(fp);
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Walk {
    fn new(registers: &Registers) -> Self {
        let (pc, sp, fp) = (registers.pc(), registers.sp(), registers.get(FRAME_POINTER));
        Self { registers: UnwindRegsNative::new(pc, sp, fp) }
    }

    fn sp(&self) -> u64 {
        self.registers.sp()
    }

    /// The return address of a call that has just been made: it is on top of the stack.
    fn return_of_call(&mut self, memory: &mut Memory) -> Option<u64> {
        let sp = self.sp();
        let address = memory.u64_at(sp)?;
        self.registers.set_sp(sp + 8);
        Some(address)
    }

    fn go_on(&mut self, sp: u64, fp: Option<u64>) {
        self.registers.set_sp(sp);
        if let Some(fp) = fp {
            self.registers.set_bp(fp);
        }
    }
}

/// The sections of an image that framehop needs; all of them are in memory.
fn sections(map: &Map, module: &Module) -> framehop::Module<&'static [u8]> {
    let file = &module.parts.file;
    let bytes = |range: Option<core::ops::Range<u64>>| {
        let range = range?;
        map.in_memory(range.start.wrapping_add(module.bias), range.end - range.start)
    };
    let text = file.segment(b"__TEXT").map(|text| text.address..text.address + text.size);
    let info = ExplicitModuleSectionInfo {
        base_svma: module.start.wrapping_sub(module.bias),
        text_svma: file.section(b"__text"),
        text: bytes(file.section(b"__text")),
        stubs_svma: file.section(b"__stubs"),
        stub_helper_svma: file.section(b"__stub_helper"),
        got_svma: file.section(b"__got"),
        unwind_info: bytes(file.section(b"__unwind_info")),
        eh_frame_svma: file.section(b"__eh_frame"),
        eh_frame: bytes(file.section(b"__eh_frame")),
        text_segment: bytes(text.clone()),
        text_segment_svma: text,
        ..ExplicitModuleSectionInfo::default()
    };
    framehop::Module::new(String::new(), module.start..module.end, module.start, info)
}

/// What a signal handler has interrupted: the signal, its code and its address, and the interrupted registers. `sp` is the stack
/// pointer of `_sigtramp`, above which the kernel has put a siginfo and, behind that, a ucontext (sys/_types/_ucontext.h).
fn interrupted_by_signal(memory: &mut Memory, sp: u64) -> Option<((i32, i32, u64), Registers)> {
    use crate::platform::{THREAD_STATE_WORDS, code_and_address, registers_of_state};
    /// How far to look, in units of 8 bytes: behind the frame of `_sigtramp` and, on x86_64, the vector registers.
    const REACH: u64 = 1024;
    /// Offset of `uc_link` in a ucontext; it is always null.
    const LINK: u64 = 32;
    /// Offset of `uc_mcsize`, the size of the machine context, in a ucontext; `uc_mcontext`, its address, is behind it.
    const SIZE: u64 = 40;
    /// Size of a siginfo.
    const SIGINFO: u64 = 104;
    /// Offset of `si_code` in a siginfo.
    const CODE: u64 = 8;
    /// Offset of `si_addr` in a siginfo.
    const ADDRESS: u64 = 24;
    /// Offset of the registers in a machine context, behind the state of the exception.
    const STATE: u64 = 16;
    /// Sizes of a machine context that are believed, in bytes.
    const SIZES: core::ops::Range<u64> = 0x100..0x2000;
    const SIGNALS: core::ops::Range<u32> = 1..32;
    let found = (0..REACH).map(|word| sp.wrapping_add(word * 8)).find_map(|slot| {
        let size = memory.u64_at(slot).filter(|size| SIZES.contains(size))?;
        let machine = memory.u64_at(slot + 8)?;
        let context = slot.wrapping_sub(SIZE);
        // With the vector registers of some processors the size is no multiple of 8.
        let is_near = machine.is_multiple_of(4) && machine.abs_diff(context) < REACH * 8 && size.is_multiple_of(4);
        let is_context = is_near
            && memory.u64_at(context.wrapping_add(LINK)) == Some(0)
            && memory.u32_at(context).is_some_and(|on_stack| on_stack <= 1)
            && memory.u32_at(context.wrapping_sub(SIGINFO)).is_some_and(|signal| SIGNALS.contains(&signal));
        is_context.then_some((context, machine))
    });
    let (context, machine) = found?;
    let exception = [memory.u64_at(machine)?, memory.u64_at(machine + 8)?];
    let mut state = [0; THREAD_STATE_WORDS];
    for (slot, word) in (machine + STATE..).step_by(8).zip(&mut state) {
        *word = memory.u64_at(slot)?;
    }
    let info = context.wrapping_sub(SIGINFO);
    let signal = memory.u32_at(info)?.cast_signed();
    let code = memory.u32_at(info + CODE)?.cast_signed();
    let address = memory.u64_at(info + ADDRESS)?;
    let registers = registers_of_state(&state);
    let (code, address) = code_and_address(signal, (code, address), exception, registers.pc());
    Some(((signal, code, address), registers))
}
