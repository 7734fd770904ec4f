//! Whether a signal was raised by abort(3).
//!
//! Which functions are running is told by call frame information. A search of the stack would also find return addresses of an
//! earlier abort that the program has left by siglongjmp(3).

use core::mem::size_of;
use core::ptr;

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, LittleEndian, Register, RegisterRule, UnwindContext,
    UnwindContextStorage, UnwindSection, UnwindTableRow, Vendor,
};
use hooktable::Missing;

use super::image::{Image, image_of};
use super::real::Real;
use crate::arch::{self, PROGRAM_COUNTER, RETURN_ADDRESS, Registers, STACK_POINTER, code_address};

/// Functions between abort and the system call that sends the signal: raise and what it consists of. Twice what any
/// glibc has.
const CALLS: usize = 8;
/// Largest distance on the stack between them and abort's caller, in bytes.
const DEPTH: u64 = 64 * 1024;

/// Whose extensions of call frame instructions gimli has to know.
pub const VENDOR: Vendor = if cfg!(target_arch = "aarch64") { Vendor::AArch64 } else { Vendor::Default };

/// Room for call frame information without allocation: the registers that a function can have saved, and the rows that
/// DW_CFA_remember_state nests.
pub struct Room;

impl UnwindContextStorage<usize> for Room {
    type Rules = [(Register, RegisterRule<usize>); arch::SAVED_REGISTERS];
    type Stack = [UnwindTableRow<usize, Self>; 3];
}

/// libc's abort(3), behind our hook; looked up when it is first needed.
pub static ABORT: Real = Real::new(ptr::null(), "abort\0");

/// Whether the thread with these registers is in abort(3), or in what abort calls.
///
/// Reads the stack of the calling thread, which is intact: the signal was raised by a call. Takes 2 KiB of stack.
#[inline(never)]
pub fn is_in_abort(registers: &Registers) -> bool {
    let abort = ABORT.address_or_refusal(Missing::Ends) as u64;
    // If a library in front of libc defines abort, raise is in another library than abort.
    let images = [image_of(abort), image_of(registers.pc())];
    let mut registers = *registers;
    let limit = registers.sp().saturating_add(DEPTH);
    for call in 0..CALLS {
        // A return address may be that of the next function, when the call never returns.
        let lookup = registers.pc().wrapping_sub(u64::from(call > 0));
        let Some(image) = images.iter().flatten().find(|image| image.contains(lookup)) else { return false };
        match caller(image, lookup, abort, &registers, limit) {
            Step::Abort => return true,
            Step::Caller(next) => registers = next,
            Step::Unknown => return false,
        }
    }
    false
}

enum Step {
    /// This is abort itself.
    Abort,
    /// The registers of the function that called this one.
    Caller(Registers),
    Unknown,
}

/// The function at `lookup`, by its library's call frame information: abort itself, or what its caller's registers were.
#[inline(never)]
fn caller(image: &Image, lookup: u64, abort: u64, registers: &Registers, limit: u64) -> Step {
    let find = || {
        let (address, size) = image.frame_table?;
        let bases = BaseAddresses::default().set_eh_frame_hdr(address);
        let table = EhFrameHdr::new(bytes(address, size), LittleEndian).parse(&bases, 8).ok()?;
        let start = table.eh_frame_ptr().direct().ok()?;
        let bases = bases.set_eh_frame(start);
        let mut frames = EhFrame::new(bytes(start, image.end_of_segment(start)?.checked_sub(start)?), LittleEndian);
        frames.set_vendor(VENDOR);
        let entry = table.table()?.fde_for_address(&frames, &bases, lookup, EhFrame::cie_from_offset).ok()?;
        if entry.contains(abort) {
            return Some(Step::Abort);
        }
        let mut context = UnwindContext::<usize, Room>::new_in();
        let row = entry.unwind_info_for_address(&frames, &bases, &mut context, lookup).ok()?;
        next(row, registers, limit).map(Step::Caller)
    };
    find().unwrap_or(Step::Unknown)
}

/// The caller's registers, by a row with the rules that compilers write: the frame address is a register plus an offset, and registers
/// are saved at offsets from it.
#[inline(never)]
fn next(row: &UnwindTableRow<usize, Room>, registers: &Registers, limit: u64) -> Option<Registers> {
    let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else { return None };
    let cfa = registers.get(usize::from(register.0)).wrapping_add_signed(*offset);
    if cfa < registers.sp() || cfa == registers.sp() && arch::CALLS_PUSH || cfa > limit || !cfa.is_multiple_of(8) {
        return None;
    }
    let mut caller = *registers;
    for (register, rule) in row.registers() {
        if let (RegisterRule::Offset(offset), Some(value)) = (rule, caller.general.get_mut(usize::from(register.0))) {
            let address = cfa.wrapping_add_signed(*offset);
            if address < registers.sp() || address >= cfa || !address.is_multiple_of(8) {
                return None;
            }
            // SAFETY: between the stack pointer and the frame's upper end, in a frame that is in use.
            *value = unsafe { ptr::with_exposed_provenance::<u64>(address as usize).read() };
        }
    }
    *caller.general.get_mut(STACK_POINTER)? = cfa;
    if RETURN_ADDRESS != PROGRAM_COUNTER {
        *caller.general.get_mut(PROGRAM_COUNTER)? = code_address(caller.get(RETURN_ADDRESS));
    }
    (caller.get(PROGRAM_COUNTER) != registers.get(PROGRAM_COUNTER)).then_some(caller)
}

/// Bytes of a library at an address.
fn bytes(address: u64, size: u64) -> &'static [u8] {
    const { assert!(size_of::<usize>() == size_of::<u64>()) }; // signal-safe: at compile time
    // SAFETY: within a segment of libc, or of the library whose code the thread is in; both stay while it is in that code.
    unsafe { core::slice::from_raw_parts(ptr::with_exposed_provenance(address as usize), size as usize) }
}
