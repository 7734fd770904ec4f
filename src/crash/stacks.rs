//! An alternate signal stack for every thread, so that a stack overflow can be told.
//!
//! One region for each: a guard page, then the stack. It is mapped by the thread that makes the new one, taken into use
//! by the new one, and given back when that ends: by the destructor of a thread-specific key which asks to be called
//! again until it is among the last, since other destructors may overflow the stack, too. Even then the thread keeps it
//! to its very end: it goes to a few that are kept for the next threads, and no thread gets it as long as the kernel
//! knows the one that had it.

use core::cell::UnsafeCell;
use core::num::NonZeroUsize;
use core::ptr;
use core::sync::atomic::{
    AtomicI32, AtomicPtr, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::{c_int, c_void};
use once_cell::race::OnceNonZeroUsize;

use super::arena;
use crate::platform::{self, PAGE};

/// What our handler and a program's handler need beside the kernel's frame; the same as for a program's own stack.
const ROOM: usize = 64 * 1024;
/// What the arena has when the kernel has nothing left.
const RESERVE: usize = 4 << 20;
/// Regions kept for the next threads.
const KEPT: usize = 16;
/// Threads that may be between pthread_create and their first instruction before a start needs memory of its own.
const STARTS: usize = 32;
/// How often destructors are called (PTHREAD_DESTRUCTOR_ITERATIONS).
const DESTRUCTOR_ROUNDS: usize = 4;

/// Size of a stack, without its guard.
static SIZE: OnceNonZeroUsize = OnceNonZeroUsize::new();
static KEY: AtomicU32 = AtomicU32::new(u32::MAX);
/// Regions, and the threads that had them: 0 for a thread that never used its.
static IDLE: [Idle; KEPT] = [const { Idle { region: AtomicPtr::new(ptr::null_mut()), user: AtomicI32::new(0) } }; KEPT];

struct Idle {
    /// Null for a free place, [`BUSY`] while somebody fills it.
    region: AtomicPtr<u8>,
    user: AtomicI32,
}

/// No region's address.
const BUSY: *mut u8 = ptr::dangling_mut();

/// What a program passes to pthread_create(3).
pub type Routine = extern "C" fn(*mut c_void) -> *mut c_void;

/// Gives the main thread its stack and keeps some memory in reserve, in one mapping. For the constructor.
pub fn start() {
    let size = (ROOM + platform::minimum_signal_stack()).next_multiple_of(PAGE);
    let _ = NonZeroUsize::new(size).map(|size| SIZE.set(size));
    KEY.store(platform::new_key(thread_ends), Relaxed);
    let region = platform::map(PAGE + size + RESERVE, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_NORESERVE);
    if region.is_null() {
        return;
    }
    let stack = region.wrapping_add(PAGE);
    // SAFETY: the pages are ours, fresh, and nobody's stack yet.
    unsafe {
        if platform::protect(stack, size, libc::PROT_READ | libc::PROT_WRITE) {
            platform::use_signal_stack_if_none(stack, size);
        }
    }
    arena::keep_in_reserve(stack.wrapping_add(size).expose_provenance(), RESERVE);
}

fn stack_size() -> usize {
    SIZE.get().map_or(0, NonZeroUsize::get)
}

/// A region for a new thread; null when there is none.
fn obtain() -> *mut u8 {
    let pid = platform::pid();
    for place in &IDLE {
        let region = place.region.load(Relaxed);
        if region.is_null() || region == BUSY || place.region.compare_exchange(region, BUSY, Acquire, Relaxed).is_err()
        {
            continue;
        }
        let user = place.user.load(Relaxed);
        let is_over = user == 0 || !platform::is_alive(pid, user);
        place.region.store(if is_over { ptr::null_mut() } else { region }, Release);
        if is_over {
            return region;
        }
    }
    let size = stack_size();
    let region =
        platform::map(PAGE + size, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_NORESERVE);
    // SAFETY: the first page of a fresh mapping of ours, which nobody uses if it goes again.
    unsafe {
        if !region.is_null() && !platform::protect(region, PAGE, libc::PROT_NONE) {
            platform::unmap(region, PAGE + size);
            return ptr::null_mut();
        }
    }
    region
}

/// Keeps a region for a later thread, if there is room. `user` has had it and may not have ended yet.
fn keep(region: *mut u8, user: c_int) -> bool {
    let free = |place: &&Idle| {
        place.region.load(Relaxed).is_null()
            && place.region.compare_exchange(ptr::null_mut(), BUSY, Acquire, Relaxed).is_ok()
    };
    let Some(place) = IDLE.iter().find(free) else { return false };
    place.user.store(user, Relaxed);
    place.region.store(region, Release);
    true
}

/// Gives a region back that no thread uses.
fn give_back(region: *mut u8) {
    if !region.is_null() && !keep(region, 0) {
        // SAFETY: no thread uses it any more.
        unsafe { platform::unmap(region, PAGE + stack_size()) };
    }
}

/// What a new thread is to do.
struct Start {
    taken: AtomicU32,
    what: UnsafeCell<(Option<Routine>, *mut c_void, *mut u8)>,
}

// SAFETY: whoever sets `taken` has the rest for itself until it is cleared.
unsafe impl Sync for Start {}

static PENDING: [Start; STARTS] =
    [const { Start { taken: AtomicU32::new(0), what: UnsafeCell::new((None, ptr::null_mut(), ptr::null_mut())) } };
        STARTS];

/// What the new thread runs instead of its routine, to be given to the real pthread_create; none when there is no place
/// for it, and the thread starts without us.
fn thread_stack(routine: Routine, argument: *mut c_void) -> Option<(Routine, *mut c_void)> {
    let start = PENDING
        .iter()
        .find(|start| start.taken.load(Relaxed) == 0 && start.taken.compare_exchange(0, 1, Acquire, Relaxed).is_ok())?;
    let region = obtain();
    if region.is_null() {
        start.taken.store(0, Release);
        return None;
    }
    // SAFETY: we have just taken it.
    unsafe { *start.what.get() = (Some(routine), argument, region) };
    Some((start_thread, (&raw const *start).cast_mut().cast()))
}

/// The thread was not made after all.
fn forget_thread(argument: *mut c_void) {
    let (_, _, region) = take(argument);
    give_back(region);
}

fn take(argument: *mut c_void) -> (Option<Routine>, *mut c_void, *mut u8) {
    // SAFETY: `argument` is an entry of PENDING that thread_stack has taken for this thread.
    unsafe {
        let start = &*argument.cast::<Start>();
        let what = *start.what.get();
        start.taken.store(0, Release);
        what
    }
}

/// First function of a new thread. It leaves no frame that would need to be unwound: the routine may end in
/// pthread_exit(3) or be cancelled.
extern "C" fn start_thread(argument: *mut c_void) -> *mut c_void {
    let (routine, argument, region) = take(argument);
    // SAFETY: the region is ours alone.
    let used = unsafe { platform::use_signal_stack_if_none(region.wrapping_add(PAGE), stack_size()) };
    if !used || !platform::set_key(KEY.load(Relaxed), region.wrapping_add(DESTRUCTOR_ROUNDS - 1)) {
        if used {
            platform::leave_signal_stack(region.wrapping_add(PAGE));
        }
        give_back(region);
    }
    routine.map_or(ptr::null_mut(), |routine| routine(argument))
}

/// The key's destructor. The value is the region's address, whose low bits count the rounds that are left.
unsafe extern "C" fn thread_ends(value: *mut c_void) {
    let rounds = value.addr() % PAGE;
    let region = value.cast::<u8>().wrapping_sub(rounds);
    if rounds > 0 && platform::set_key(KEY.load(Relaxed), region.wrapping_add(rounds - 1)) {
        return;
    }
    if !keep(region, platform::tid()) {
        platform::leave_signal_stack(region.wrapping_add(PAGE));
        give_back(region);
    }
}

/// For the hook: makes a thread with an alternate stack.
pub fn create(routine: Routine, argument: *mut c_void, create: impl Fn(Routine, *mut c_void) -> c_int) -> c_int {
    match thread_stack(routine, argument) {
        None => create(routine, argument),
        Some((first, start)) => {
            let error = create(first, start);
            if error != 0 {
                forget_thread(start);
            }
            error
        }
    }
}
