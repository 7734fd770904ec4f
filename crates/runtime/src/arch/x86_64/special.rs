//! Single instructions that Rust can't express.

use core::arch::asm;

/// Ends the process by an instruction that is not allowed: for when all else that should have ended it has returned.
pub fn halt() {
    // SAFETY: the process is to end here.
    unsafe { asm!("hlt", options(nomem, nostack)) };
}

/// A clock for where the kernel's can't be asked: roughly the nanoseconds since the processor was started. The time
/// stamp counter is taken to count 2 in each. Most count up to 5, so time seems to pass faster than it does; below 2
/// GHz it seems to pass more slowly.
pub fn about_nanoseconds() -> u64 {
    // SAFETY: reads the time stamp counter, which every x86_64 has, and no memory.
    unsafe { core::arch::x86_64::_rdtsc() / 2 }
}

/// A request to Valgrind (valgrind.h): its number and five arguments. Returns Valgrind's answer, or 0 where there is no
/// Valgrind.
pub fn valgrind_request(request: &[usize; 6]) -> usize {
    let answer: usize;
    // SAFETY: Valgrind recognizes these instructions. A processor rotates rdi by 128 bits, so not at all, and changes
    // only flags. Valgrind reads the request, which is borrowed.
    unsafe {
        asm!("rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") request.as_ptr(), inlateout("rdx") 0usize => answer, out("rdi") _, options(nostack));
    }
    answer
}

/// Body of a function that is a second name for another one.
macro_rules! jump {
    ($to:path) => {
        ::core::arch::naked_asm!("jmp {to}", to = sym $to)
    };
}
pub(crate) use jump;
