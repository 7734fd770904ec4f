//! The number of a system call that has just ended, where it is no operand of the instruction before `syscall`.

use core::ops::Range;

use super::super::Registers;
use super::instruction::dwarf;

/// The calls that may break a pipe or a connection. Nothing else is of interest, and taken for a number.
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
/// How many words of the stack are searched: the frames of libc's functions for calls that are cancellation points.
const SEARCHED: usize = 40;
/// How many bytes before a call are looked at: where arguments are put in place.
const BEFORE: usize = 48;
/// How many before `syscall`.
const NEAR: usize = 24;
const PAGE: usize = 4096;

fn code<const LENGTH: usize>(address: usize) -> [u8; LENGTH] {
    // SAFETY: the callers' addresses are readable.
    unsafe { core::ptr::with_exposed_provenance::<[u8; LENGTH]>(address).read() }
}

fn word(address: usize) -> u64 {
    u64::from_le_bytes(code(address))
}

/// The last 32-bit number in code that an instruction starts with these bytes, if it is a writing call's.
fn last_operand(code: &[u8], instruction: &[u8]) -> Option<i64> {
    let operand = |at: usize| {
        let bytes = code.get(at..)?.strip_prefix(instruction)?.first_chunk()?;
        Some(i64::from(i32::from_le_bytes(*bytes))).filter(|number| WRITING.contains(number))
    };
    (0..code.len()).rev().find_map(operand)
}

/// The number, by the instructions before `syscall`, which ends at `pc` and has not changed the stack pointer:
/// - One has read it from the stack. glibc does that since 2.41 in programs of one thread.
/// - Or has written it there: our syscall(3).
/// - Or it was in another register: loops of musl.
/// - Or there are others between the one that has it as its operand and `syscall`: where a thread can be cancelled, before 2.41.
#[inline(never)]
pub fn number_before(registers: &Registers) -> Option<i64> {
    let (end, sp) = (registers.pc() as usize - 2, registers.sp() as usize);
    // The page before might not be there.
    let mut before = [0; NEAR];
    for (distance, byte) in before.iter_mut().rev().enumerate().take(end % PAGE) {
        [*byte] = code(end - 1 - distance);
    }
    if let [.., 0x48, load_or_store @ (0x8b | 0x89), 0x44, 0x24, distance] = before {
        let distance = distance.cast_signed();
        // A load may be from anywhere above; a store below the stack pointer is ours, where a signal leaves all as it is.
        let is_usual = if load_or_store == 0x8b { (0..=64).contains(&distance) } else { (-64..0).contains(&distance) };
        return is_usual.then(|| word(sp.wrapping_add_signed(isize::from(distance))).cast_signed());
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

/// The number in the frames of the functions of libc that have made the call: since 2.41 glibc's hand it on to one function
/// for all cancellation points, as the argument that is on the stack, and musl's as the first. `libc` is where its code is,
/// and `first` whether the first argument is meant. Only what the caller's instructions say is taken. `read` reads memory that may
/// not be there.
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
    // Up to the end of a page all is there.
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
