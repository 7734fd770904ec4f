//! Single instructions that Rust has no words for.

use core::arch::asm;

/// Stops the process, where the kernel has not: an instruction that is not allowed.
pub fn halt() {
    // SAFETY: the process is to end here.
    unsafe { asm!("hlt", options(nomem, nostack)) };
}

/// Nanoseconds since the processor was started, or more of them: it counts two to five in each.
pub fn about_nanoseconds() -> u64 {
    // SAFETY: only the counter is read.
    unsafe { core::arch::x86_64::_rdtsc() / 2 }
}

/// A request to Valgrind (valgrind.h); what it answers, 0 where there is none.
pub fn valgrind_request(request: &[usize; 6]) -> usize {
    let answer: usize;
    // SAFETY: what Valgrind knows a request by; on a processor all of it changes nothing but flags.
    unsafe {
        asm!("rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") request.as_ptr(), inlateout("rdx") 0usize => answer, out("rdi") _, options(nostack));
    }
    answer
}

/// Body of a function that is another one by a second name.
macro_rules! jump {
    ($to:path) => {
        ::core::arch::naked_asm!("jmp {to}", to = sym $to)
    };
}
pub(crate) use jump;
