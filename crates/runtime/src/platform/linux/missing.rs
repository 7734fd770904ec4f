//! Memory that a copy of the process may lack, and cannot do without: the library's data, and the thread's control block.
//!
//! By madvise(2) a program can have its children not get some of its memory (MADV_DONTFORK, which RDMA and DPDK use for whole stacks and
//! heaps), or get it as zeros (MADV_WIPEONFORK).

use libc::{Elf64_Ehdr, Elf64_Phdr, PF_W, PT_LOAD, c_int, c_long, pid_t};

use crate::arch;

const MADV_DOFORK: c_int = 11;
const MADV_KEEPONFORK: c_int = 19;

unsafe extern "C" {
    /// The library's own ELF header (the linker's).
    static __ehdr_start: Elf64_Ehdr;
}

/// Makes sure that a copy gets the library's own data, even if the program has excluded all of its memory.
pub fn keep_own_data() {
    if super::is_forbidden(libc::SYS_madvise) {
        return;
    }
    // SAFETY: the loader has mapped the library's headers. madvise changes nothing in the memory, only whether children get it.
    unsafe {
        let header = &raw const __ehdr_start;
        let headers = core::slice::from_raw_parts(
            header.byte_add((*header).e_phoff as usize).cast::<Elf64_Phdr>(),
            usize::from((*header).e_phnum),
        );
        for segment in headers.iter().filter(|segment| segment.p_type == PT_LOAD && segment.p_flags & PF_W != 0) {
            let start = header.addr() + segment.p_vaddr as usize;
            let size = arch::page_size();
            let end = (start + segment.p_memsz as usize).next_multiple_of(size);
            let start = start & !(size - 1);
            for advice in [MADV_DOFORK, MADV_KEEPONFORK] {
                arch::system_call(
                    libc::SYS_madvise,
                    [start as c_long, (end - start) as c_long, advice.into(), 0, 0, 0],
                );
            }
        }
    }
}

/// In a copy: restores the thread's control block, with errno and other thread-local variables, if the copy has not got its memory. That
/// may be a stack that the program has allocated itself (pthread_attr_setstack(3)).
pub fn restore_thread(original: pid_t) {
    let needs = [libc::SYS_mmap, libc::SYS_process_vm_readv, libc::SYS_nanosleep];
    if needs.iter().any(|&call| super::is_forbidden(call)) {
        return;
    }
    let (below, above) = arch::THREAD_MEMORY;
    let size = arch::page_size();
    let thread = super::thread::thread_pointer();
    if thread == 0 || is_there(thread) {
        return;
    }
    let errno = thread.wrapping_add_signed(super::errno_offset());
    for page in ((thread - below).min(errno) & !(size - 1)..thread + above).step_by(size) {
        let is_readable = wait_for_permission(original, page);
        let is_needed = [thread, errno].iter().any(|address| (page..page + size).contains(address));
        if (is_readable || is_needed) && make_page(page) {
            // SAFETY: a page of the copy's own, in which nothing is in use yet.
            unsafe { transfer(original, page, page, size) };
        }
    }
    if arch::THREAD_NAMES_ITSELF && !is_there(thread) {
        // The original can't be read. At least the first eight bytes have to be there: the block's address, by which code finds
        // thread-local variables (ELF Handling For Thread-Local Storage, x86_64).
        // SAFETY: a page of the copy's own. Where it could not be mapped, this is a fault, which ends the copy.
        unsafe { core::ptr::with_exposed_provenance_mut::<usize>(thread).write(thread) };
    }
}

/// Whether the control block can be read and is not all zeros.
fn is_there(thread: usize) -> bool {
    let mut start = 0u64;
    // SAFETY: a variable of ours is written.
    let read = unsafe { transfer(super::pid(), thread, (&raw mut start).addr(), 8) };
    // Where process_vm_readv(2) is forbidden, the block is most probably there, as usual.
    read == 8 && start != 0 || read < 0 && read != c_long::from(-libc::EFAULT)
}

/// Maps a page unless there is one; whether there is one now.
fn make_page(page: usize) -> bool {
    const MAP_FIXED_NOREPLACE: c_int = 0x10_0000;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    let arguments = [page as c_long, arch::page_size() as c_long, protection.into(), flags.into(), -1, 0];
    // SAFETY: nothing that is mapped is replaced; before Linux 4.17 the page would be elsewhere, and stay unused.
    let made = unsafe { arch::system_call(libc::SYS_mmap, arguments) };
    made == page as c_long || made == c_long::from(-libc::EEXIST)
}

/// Whether the original can be read at an address. Where Yama restricts that, waits until the original has allowed it (PR_SET_PTRACER).
fn wait_for_permission(original: pid_t, address: usize) -> bool {
    /// How often that is tried, a millisecond apart.
    const TRIES: u32 = 20;
    let mut byte = 0u8;
    for _ in 0..TRIES {
        // SAFETY: a byte of ours is written.
        let read = unsafe { transfer(original, address, (&raw mut byte).addr(), 1) };
        if read != c_long::from(-libc::EPERM) {
            return read == 1;
        }
        let time = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        // SAFETY: only time passes.
        unsafe { arch::system_call(libc::SYS_nanosleep, [(&raw const time).addr() as c_long, 0, 0, 0, 0, 0]) };
    }
    false
}

/// process_vm_readv(2) of one range, to `to` in this process. Does not set errno, whose memory may not be there.
///
/// # Safety
/// `to` may be written.
unsafe fn transfer(process: pid_t, from: usize, to: usize, length: usize) -> c_long {
    let (local, remote) = ([to, length], [from, length]);
    // SAFETY: the caller promises that `to` may be written; struct iovec is an address and a length.
    unsafe {
        let (local, remote) = ((&raw const local).addr() as c_long, (&raw const remote).addr() as c_long);
        arch::system_call(libc::SYS_process_vm_readv, [process.into(), local, 1, remote, 1, 0])
    }
}
