//! Memory: looked at without the risk of a fault, and mapped without malloc.

use super::freestanding::own_call;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use libc::{c_int, c_void, pid_t};

use crate::arch;

/// Smallest size of a page, of which every other one is a multiple: so much aligned memory can be read as a whole or not at all.
pub const PAGE: usize = 4096;

pub use crate::arch::page_size;

/// In a copy of a crashed process, that process; 0 everywhere else.
static ORIGINAL: AtomicI32 = AtomicI32::new(0);

/// This process is a copy of another one: what its memory lacks is read from there.
pub fn set_original(thread: pid_t) {
    ORIGINAL.store(thread, Relaxed);
}

/// The process that this one is a copy of, by the number of its crashed thread: the kernel shows its memory by that, too, and no longer by the
/// process's own where the main thread has ended before the others.
pub fn original() -> Option<pid_t> {
    Some(ORIGINAL.load(Relaxed)).filter(|&process| process != 0)
}

/// Reads memory of a process, this one included; how many bytes could be read. Bad addresses are no fault.
///
/// In a copy of the crashed process, memory is as it was when the copy was made. What a copy does not get (madvise(2), MADV_DONTFORK), or
/// gets as zeros (MADV_WIPEONFORK), is read from the crashed process.
pub fn read_memory(pid: pid_t, address: u64, buffer: &mut [u8]) -> usize {
    let done = read_from(pid, address, buffer);
    let original = ORIGINAL.load(Relaxed);
    if original == 0 || pid == original || done == buffer.len() && buffer.iter().any(|&byte| byte != 0) {
        return done;
    }
    done.max(read_from(original, address, buffer))
}

fn read_from(pid: pid_t, address: u64, buffer: &mut [u8]) -> usize {
    let read = read_by_call(pid, address, buffer);
    // The main thread has ended before the others, and the kernel shows no memory by its number any more.
    let read = if read < 0 && super::errno() == libc::ESRCH && pid == super::pid() {
        read_by_call(super::tid(), address, buffer)
    } else {
        read
    };
    match usize::try_from(read) {
        Ok(read) => read,
        Err(_) if matches!(super::errno(), libc::EPERM | libc::ENOSYS | libc::EACCES) && pid == super::pid() => {
            read_by_pipe(address, buffer)
        }
        Err(_) => 0,
    }
}

/// process_vm_readv(2)
fn read_by_call(pid: pid_t, address: u64, buffer: &mut [u8]) -> isize {
    let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let remote = libc::iovec { iov_base: address as *mut c_void, iov_len: buffer.len() };
    // SAFETY: writes into `buffer` only.
    unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) }
}

/// The same for this process, where a sandbox forbids process_vm_readv(2), by write(2) to a pipe: that, too, returns an error for a bad
/// address.
fn read_by_pipe(address: u64, buffer: &mut [u8]) -> usize {
    let mut ends: [c_int; 2] = [-1; 2];
    // SAFETY: the kernel writes two descriptors, both closed below.
    if unsafe { own_call(libc::SYS_pipe2, ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } != 0 {
        return 0;
    }
    let [from, to] = ends;
    let mut done = 0;
    while done < buffer.len() {
        let at = address.wrapping_add(done as u64);
        // Up to the end of a page: what is behind it may not be there.
        let length = (buffer.len() - done).min(PAGE - at as usize % PAGE);
        let Some(part) = buffer.get_mut(done..done + length) else { break };
        // SAFETY: the kernel checks the address that it reads from, and writes into `part` only.
        unsafe {
            if own_call(libc::SYS_write, to, at, length) != length as isize as libc::c_long
                || own_call(libc::SYS_read, from, part.as_mut_ptr(), length) != length as libc::c_long
            {
                break;
            }
        }
        done += length;
    }
    // SAFETY: both are ours.
    unsafe {
        libc::close(from);
        libc::close(to);
    }
    done
}

/// What the kernel needs on a signal stack (AT_MINSIGSTKSZ, getauxval(3)).
pub fn minimum_signal_stack() -> usize {
    // SAFETY: getauxval reads the auxiliary vector and has no preconditions.
    let size = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    size.clamp(libc::MINSIGSTKSZ, 1 << 20)
}

/// Runs with the alternate stack disabled, so that signals come to the stack that the thread is on. Where that is the alternate stack
/// itself they do anyway, and the kernel refuses to change it.
pub fn without_alternate_stack(run: impl FnOnce()) {
    if super::is_forbidden(libc::SYS_sigaltstack) {
        return run();
    }
    let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    let mut old = none;
    let changed = exchange_signal_stack(&raw const none, &raw mut old) == 0;
    run();
    if changed {
        exchange_signal_stack(&raw const old, ptr::null_mut());
    }
}

/// Calls a function on the stack that ends at `spare` where the thread is on an alternate stack that may be too small for it: those of
/// Rust's programs have 8 KiB, of which a processor with AVX-512 takes more than 3 KiB for each signal.
///
/// # Safety
/// That of the function. `spare` is aligned to 16, and what lies below it is used for nothing else meanwhile and suffices.
pub unsafe fn call_with_room(spare: *mut u8, function: unsafe extern "C" fn(*mut c_void), argument: *mut c_void) {
    /// Bytes of stack that suffice for a report, up to where it is on a stack made for it.
    const ROOM: usize = 4096;

    /// The function and its argument.
    struct Call(unsafe extern "C" fn(*mut c_void), *mut c_void);

    unsafe extern "C" fn on_spare(call: *mut c_void) {
        // SAFETY: it is the address of a `Call` of the function below, which waits for us.
        let call = unsafe { &*call.cast::<Call>() };
        // A signal would come to the alternate stack's upper end otherwise, where the frames are that we return to.
        // SAFETY: the caller of `call_with_room` promises what the function demands.
        without_alternate_stack(|| unsafe { (call.0)(call.1) });
    }

    let mut stack = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    let here = (&raw const stack).addr();
    let is_small = !super::is_forbidden(libc::SYS_sigaltstack)
        && exchange_signal_stack(ptr::null(), &raw mut stack) == 0
        && stack.ss_flags & libc::SS_ONSTACK != 0
        && here.saturating_sub(stack.ss_sp.addr()) < ROOM;
    // SAFETY: the caller promises it.
    unsafe {
        if is_small {
            let call = Call(function, argument);
            arch::call_on_stack(spare, on_spare, (&raw const call).cast_mut().cast());
        } else {
            function(argument);
        }
    }
}

/// Bytes of inaccessible pages below an alternate stack of ours: none, since each would be a mapping of its own.
pub const GUARD: usize = 0;
/// Bytes of an alternate stack for handlers, besides what the kernel needs. Our handler needs 4 KiB; Go's handlers, which use our stacks
/// as theirs, usually have 32 KiB. Pages that are not touched take no memory.
pub const HANDLER_ROOM: usize = 60 * 1024;
/// By how many bytes an alternate stack of ours is larger than the kernel is told: no program's stack has such a size, so that ours are
/// known by it.
pub const MARK: usize = 59;

/// Whether the process runs under Valgrind. That reports stack overflows itself, and takes the moving of a signal's frame from one stack
/// to another for an error of the program.
pub fn is_on_valgrind() -> bool {
    const RUNNING_ON_VALGRIND: usize = 0x1001;
    arch::valgrind_request(&[RUNNING_ON_VALGRIND, 0, 0, 0, 0, 0]) != 0
}

/// Whether the kernel would accept a sigaltstack(2) of all zeros from the main thread, although its size is too small: since Linux 5.16
/// it does not check a stack that equals the one in force, and a process starts with all zeros.
static ZEROS_CHANGE_NOTHING: AtomicBool = AtomicBool::new(false);

/// Finds out whether that is so. For the constructor, before the thread gets a stack of ours.
pub fn learn_empty_signal_stack() {
    let zeros = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    ZEROS_CHANGE_NOTHING.store(exchange_signal_stack(&raw const zeros, ptr::null_mut()) == 0, Relaxed);
}

/// Whether sigaltstack(2) of all zeros succeeds in the main thread.
pub fn zeros_change_nothing() -> bool {
    ZEROS_CHANGE_NOTHING.load(Relaxed)
}

/// To be called when the program has set an alternate stack: zeros are an error from then on.
pub fn signal_stack_was_changed() {
    ZEROS_CHANGE_NOTHING.store(false, Relaxed);
}

/// sigaltstack(2) itself.
pub fn exchange_signal_stack(new: *const libc::stack_t, old: *mut libc::stack_t) -> c_int {
    // SAFETY: the kernel checks both addresses.
    unsafe {
        let arguments = [new.expose_provenance() as _, old.expose_provenance() as _, 0, 0, 0, 0];
        super::system_call(libc::SYS_sigaltstack, arguments) as c_int
    }
}

/// Makes this the calling thread's alternate signal stack, unless it has one; whether it was made so.
///
/// # Safety
/// The memory stays for as long as the thread uses it.
pub unsafe fn use_signal_stack_if_none(stack: *mut u8, size: usize) -> bool {
    let new = libc::stack_t { ss_sp: stack.cast(), ss_flags: 0, ss_size: size };
    let mut old = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    if exchange_signal_stack(&raw const new, &raw mut old) != 0 {
        return false;
    }
    if old.ss_flags & libc::SS_DISABLE == 0 {
        exchange_signal_stack(&raw const old, ptr::null_mut());
        return false;
    }
    true
}

/// Takes this stack out of the calling thread's use, unless the program has replaced it.
pub fn leave_signal_stack(stack: *mut u8) {
    let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    let mut old = none;
    if exchange_signal_stack(&raw const none, &raw mut old) == 0
        && old.ss_flags & libc::SS_DISABLE == 0
        && old.ss_sp != stack.cast()
    {
        exchange_signal_stack(&raw const old, ptr::null_mut());
    }
}

/// The calling thread's alternate stack of ours; null when it has none.
pub fn own_stack() -> *mut u8 {
    arch::thread_local()
}

/// Notes the calling thread's alternate stack of ours.
pub fn set_own_stack(stack: *mut u8) {
    arch::set_thread_local(stack);
}

/// Takes memory of ours out of what the process has locked.
pub(crate) fn unlock(memory: *mut u8, size: usize) {
    // SAFETY: only whether the pages may be written to disk changes.
    unsafe { own_call(libc::SYS_munlock, memory, size) };
}

/// Unmaps a reserve; whether that worked.
///
/// # Safety
/// Nobody uses it.
pub unsafe fn unmap_reserve(memory: *mut u8, size: usize) -> bool {
    // SAFETY: the caller promises that nobody uses it.
    unsafe { libc::munmap(memory.cast(), size) == 0 }
}

/// Maps a reserve again where it was; whether that worked.
pub fn map_reserve(memory: *mut u8, size: usize) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_NORESERVE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: nothing that is mapped is replaced. A kernel older than 4.17 may map elsewhere; that is unmapped at once.
    unsafe {
        let found = libc::mmap(memory.cast(), size, libc::PROT_NONE, flags, -1, 0);
        if found == libc::MAP_FAILED || found != memory.cast() {
            if found != libc::MAP_FAILED {
                libc::munmap(found, size);
            }
            return false;
        }
    }
    unlock(memory, size);
    true
}

/// A thread-specific key (pthread_key_create(3)), if there is one left for which [`set_key`] needs no malloc. Not 0, which is what a
/// program has in a variable before it makes its key: to set, read or delete that must fail as without us.
pub fn new_key(destructor: unsafe extern "C" fn(*mut c_void)) -> Option<u32> {
    let create = || {
        let mut key = 0;
        // SAFETY: the library, and so the destructor, is never unloaded.
        (unsafe { real_key_create::real()(&raw mut key, Some(destructor)) } == 0).then_some(key)
    };
    let mut key = create()?;
    if key == 0 {
        let another = create();
        delete_key(key);
        key = another?;
    }
    if key >= FIRST_KEYS {
        delete_key(key);
        return None;
    }
    Some(key)
}

/// How many keys of a process need no malloc for a value: PTHREAD_KEY_2NDLEVEL_SIZE (glibc, nptl/descr.h). musl needs none
/// for any of its 128; that is not told apart.
const FIRST_KEYS: u32 = 32;

/// Sets the calling thread's value of a key.
pub fn set_key(key: u32, value: *mut u8) -> bool {
    // SAFETY: setting a value dereferences nothing; a key that does not exist is an error.
    super::optional::pthread_setspecific().is_some_and(|set| unsafe { set(key, value.cast()) == 0 })
}

/// pthread_key_create(3), behind our hook.
pub mod real_key_create {
    use core::ffi::{c_int, c_void};

    super::super::real_function! { Number pthread_key_create(key: *mut libc::pthread_key_t, destructor: Option<unsafe extern "C" fn(*mut c_void)>) -> c_int }
    super::super::looked_up_at_load! {}
}

mod real_key_delete {
    super::super::real_function! { Number pthread_key_delete(key: libc::pthread_key_t) -> libc::c_int }
}

/// Deletes a thread-specific key; whether it was one.
pub fn delete_key(key: u32) -> bool {
    // SAFETY: a key that does not exist is an error.
    unsafe { real_key_delete::real()(key) == 0 }
}
