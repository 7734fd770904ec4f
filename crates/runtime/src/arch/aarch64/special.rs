//! Single instructions that Rust has no words for.

use core::arch::asm;

/// Stops the process, where the kernel has not: an instruction that is not allowed.
pub fn halt() {
    // SAFETY: the process is to end here.
    unsafe { asm!("udf #0", options(nomem, nostack)) };
}

/// Nanoseconds since the processor was started, or more of them: its counter has at most one tick for each.
pub fn about_nanoseconds() -> u64 {
    let (count, frequency): (u64, u64);
    // SAFETY: the registers only tell.
    unsafe {
        asm!("mrs {}, cntvct_el0", "mrs {}, cntfrq_el0", out(reg) count, out(reg) frequency, options(nomem, nostack, preserves_flags));
    }
    count.saturating_mul(1_000_000_000 / frequency.max(1)).max(1)
}

/// A request to Valgrind (valgrind.h); what it answers, 0 where there is none.
pub fn valgrind_request(request: &[usize; 6]) -> usize {
    let answer: usize;
    // SAFETY: what Valgrind knows a request by; on a processor all of it changes nothing.
    unsafe {
        asm!("ror x12, x12, #3", "ror x12, x12, #13", "ror x12, x12, #51", "ror x12, x12, #61", "orr x10, x10, x10",
            inlateout("x3") 0usize => answer, in("x4") request.as_ptr(), out("x12") _, options(nostack));
    }
    answer
}

/// Body of a function that is another one by a second name.
macro_rules! jump {
    ($to:path) => {
        ::core::arch::naked_asm!("b {to}", to = sym $to)
    };
}
pub(crate) use jump;
