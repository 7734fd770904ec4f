//! Single instructions that Rust can't express.

use core::arch::asm;

/// Ends the process by an instruction that is not allowed: for when all else that should have ended it has returned.
pub fn halt() {
    // SAFETY: the process is to end here.
    unsafe { asm!("udf #0", options(nomem, nostack)) };
}

/// A clock for where the kernel's can't be asked: roughly the nanoseconds since the processor was started. The
/// counter's frequency is 1 GHz or less (Arm Architecture Reference Manual, CNTFRQ_EL0). The nanoseconds of a tick are
/// rounded down, so time may seem to pass more slowly.
pub fn about_nanoseconds() -> u64 {
    let (count, frequency): (u64, u64);
    // SAFETY: reads two registers, which Linux lets programs read, and no memory.
    unsafe {
        asm!("mrs {}, cntvct_el0", "mrs {}, cntfrq_el0", out(reg) count, out(reg) frequency, options(nomem, nostack, preserves_flags));
    }
    count.saturating_mul(1_000_000_000 / frequency.max(1)).max(1)
}

/// A request to Valgrind (valgrind.h): its number and five arguments. Returns Valgrind's answer, or 0 where there is no
/// Valgrind.
pub fn valgrind_request(request: &[usize; 6]) -> usize {
    let answer: usize;
    // SAFETY: Valgrind recognizes these instructions. A processor rotates x12 by 128 bits, so not at all, and ors x10
    // with itself. Valgrind reads the request, which is borrowed.
    unsafe {
        asm!("ror x12, x12, #3", "ror x12, x12, #13", "ror x12, x12, #51", "ror x12, x12, #61", "orr x10, x10, x10",
            inlateout("x3") 0usize => answer, in("x4") request.as_ptr(), out("x12") _, options(nostack));
    }
    answer
}

/// Body of a function that is a second name for another one.
macro_rules! jump {
    ($to:path) => {
        ::core::arch::naked_asm!("b {to}", to = sym $to)
    };
}
pub(crate) use jump;
