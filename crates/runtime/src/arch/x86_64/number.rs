//! The number of a system call that has just ended, where it is not an operand of the instruction right before
//! `syscall`. The result has overwritten the register that had it (rax), so it is looked for in the code and on the
//! stack.

use core::ops::Range;

use super::super::Registers;
use super::instruction::dwarf;

/// The calls that may find a pipe or a connection broken. No other value is taken for a call's number.
const WRITING: [i64; 12] = [
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_vmsplice,
    libc::SYS_io_uring_enter,
];
/// How many values of 8 bytes on the stack are searched: room for the frames of libc's functions for calls that are
/// cancellation points.
const SEARCHED: usize = 40;
/// How many bytes of code before a `call` are searched: there its arguments are put in place.
const BEFORE: usize = 48;
/// How many bytes of code before `syscall` are searched.
const NEAR: usize = 24;
/// Size of a page, in bytes.
const PAGE: usize = 4096;

/// Bytes of memory, which the caller knows to be readable.
fn code<const LENGTH: usize>(address: usize) -> [u8; LENGTH] {
    // SAFETY: all callers give addresses in libc's code, on the page of the program counter, or near a stack pointer in
    // use.
    unsafe { core::ptr::with_exposed_provenance::<[u8; LENGTH]>(address).read() }
}

/// Eight bytes near a stack pointer as a number. The page that the stack pointer points into is there; the one before or
/// behind it might not be, and where the stack pointer is at a page's start, the stack may be empty: then `read` looks.
fn word(address: usize, sp: usize, read: impl Fn(u64, &mut [u8]) -> bool) -> Option<u64> {
    let is_there = !sp.is_multiple_of(PAGE) && address / PAGE == sp / PAGE && (address + 7) / PAGE == sp / PAGE;
    let mut bytes = [0; 8];
    if is_there {
        bytes = code(address);
    } else if !read(address as u64, &mut bytes) {
        return None;
    }
    Some(u64::from_le_bytes(bytes))
}

/// The operand of 32 bits behind the last occurrence of `instruction` in code, as far as it is the number of a writing
/// call.
fn last_operand(code: &[u8], instruction: &[u8]) -> Option<i64> {
    let operand = |at: usize| {
        let bytes = code.get(at..)?.strip_prefix(instruction)?.first_chunk()?;
        Some(i64::from(i32::from_le_bytes(*bytes))).filter(|number| WRITING.contains(number))
    };
    (0..code.len()).rev().find_map(operand)
}

/// The number, by the instructions before `syscall`, which ends at the program counter and has not changed the stack
/// pointer. Known are:
/// - `mov rax, [rsp + N]`: the number was read from the stack. glibc does that since 2.41 in programs with one thread.
/// - `mov [rsp - N], rax`: the number was written to the stack. Our syscall(2) does that.
/// - `mov eax, REGISTER`: the number was in another register. musl has such loops.
/// - `mov eax, NUMBER` with other instructions behind it. glibc before 2.41 has these in functions that are
///   cancellation points.
///
/// A jump may have passed these instructions by, so memory that they use may not be there: `read` reads such memory.
#[inline(never)]
pub fn number_before(registers: &Registers, read: impl Fn(u64, &mut [u8]) -> bool) -> Option<i64> {
    let (end, sp) = (registers.pc() as usize - 2, registers.sp() as usize);
    // Only bytes on the same page: the page before might not be mapped.
    let mut before = [0; NEAR];
    for (distance, byte) in before.iter_mut().rev().enumerate().take(end % PAGE) {
        [*byte] = code(end - 1 - distance);
    }
    if let [.., 0x48, load_or_store @ (0x8b | 0x89), 0x44, 0x24, distance] = before {
        let distance = distance.cast_signed();
        // A load is taken from above the stack pointer, a store from the red zone below it, which signals leave as it
        // is.
        let is_usual = if load_or_store == 0x8b { (0..=64).contains(&distance) } else { (-64..0).contains(&distance) };
        let address = sp.wrapping_add_signed(isize::from(distance));
        return is_usual.then(|| word(address, sp, read)).flatten().map(u64::cast_signed);
    }
    // mov eax, REGISTER, of 64 bits, or 32
    if let [.., prefix, 0x89, operands] = before
        && operands & 0xc7 == 0xc0
    {
        let high = if matches!(prefix, 0x44 | 0x4c) { 8 } else { 0 };
        return Some(i64::from(registers.get(dwarf(operands >> 3 & 7 | high)) as u32));
    }
    // mov eax, NUMBER
    last_operand(&before, &[0xb8])
}

/// The number, by the stack frames of the functions of libc that have made the call. glibc since 2.41, and musl, have
/// one function for all calls that are cancellation points, and pass it the number: glibc as an argument on the stack,
/// musl as the first one.
///
/// `libc` is where libc's code is. `first` says whether the number is the first argument. A value counts only if the
/// instructions before the call have it as an operand. `read` reads memory that may not be there.
#[inline(never)]
pub fn number_of_callers(
    registers: &Registers,
    libc: &Range<usize>,
    first: bool,
    read: impl Fn(u64, &mut [u8]) -> bool,
) -> Option<i64> {
    const CALL: u8 = 0xe8;
    let sp = registers.sp() as usize;
    if !libc.contains(&(registers.pc() as usize)) {
        return None;
    }
    let mut stack = [0u8; SEARCHED * 8];
    // The rest of the stack pointer's page is mapped, since a return address of libc's is at the stack pointer or
    // above.
    let there = (PAGE - sp % PAGE).min(stack.len());
    let (near, far) = stack.split_at_mut_checked(there)?;
    for (index, byte) in near.iter_mut().enumerate() {
        [*byte] = code(sp + index);
    }
    if !far.is_empty() && !read((sp + there) as u64, far) {
        far.fill(0);
    }
    let (words, _) = stack.as_chunks::<8>();
    words.iter().zip(words.iter().skip(1)).find_map(|(target, argument)| {
        let target = u64::from_le_bytes(*target) as usize;
        let start = target.checked_sub(BEFORE + 5)?;
        if !libc.contains(&start) || !libc.contains(&target) || code::<1>(target - 5) != [CALL] {
            return None;
        }
        let before: [u8; BEFORE] = code(start);
        if first {
            // mov edi, NUMBER
            return last_operand(&before, &[0xbf]);
        }
        let argument = u64::from_le_bytes(*argument).cast_signed();
        let byte = i8::try_from(argument).unwrap_or(0).cast_unsigned();
        // push NUMBER, of either length; mov [rsp], NUMBER
        let is_pushed = last_operand(&before, &[0x68]) == Some(argument)
            || last_operand(&before, &[0xc7, 0x04, 0x24]) == Some(argument)
            || before.windows(2).any(|pair| pair == [0x6a, byte]);
        (is_pushed && WRITING.contains(&argument)).then_some(argument)
    })
}
