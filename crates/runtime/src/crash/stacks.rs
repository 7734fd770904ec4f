//! An alternate signal stack for every thread, so that a stack overflow can be told.
//!
//! Only our own handler runs there: a program's handler is moved to where it would have run without us
//! (`platform/linux/delivery.rs`). So many of the stacks share one mapping, and there is no guard page in
//! front of each, which would be a mapping of its own: what the handler needs is known, and tested.
//!
//! The thread that creates another takes a stack out of a slab, and the new one makes it its own and gives it back when it ends. That
//! begins in the destructor of a thread-specific key, which asks to be called again until it is among the last; and the stack is free
//! only when the kernel does not know the thread any more, since other destructors may overflow the thread's stack, too. Where the
//! process has forbidden itself system calls, threads start without one, and threads that have one keep it.

use core::cell::UnsafeCell;
use core::num::NonZeroUsize;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use libc::{c_int, c_void};
use once_cell::race::OnceNonZeroUsize;

use super::reporter::reporter;
use crate::platform::{self, PAGE};

/// Bytes of address space that are kept for a report in a process that has no memory left.
const RESERVE: usize = 4 << 20;
/// Stacks in a slab, a bit for each.
const STACKS: u32 = 32;
/// The same when the process has called mlockall(2) with MCL_FUTURE: a mapping counts against RLIMIT_MEMLOCK until it is unlocked.
const STACKS_WHEN_LOCKED: u32 = 2;
/// Slabs, at most. Threads for which there is no stack start without one.
const SLABS: usize = 2048;
/// Slabs that stay mapped when no thread uses them.
const KEPT_SLABS: usize = 2;
/// Threads that may be between pthread_create(3) and their first instruction. One more starts without a stack of ours.
const PENDING_STARTS: usize = 32;
/// How often destructors are called (PTHREAD_DESTRUCTOR_ITERATIONS).
const DESTRUCTOR_ROUNDS: usize = 4;

/// Bytes of a stack, with its guard if it has one.
static SIZE: OnceNonZeroUsize = OnceNonZeroUsize::new();
/// The thread-specific key; or one of the following.
static KEY: AtomicU32 = AtomicU32::new(NOT_MADE);
/// There has been no thread yet that needs it. So a program without threads has all keys for itself.
const NOT_MADE: u32 = u32::MAX - 1;
/// There is none.
const NO_KEY: u32 = u32::MAX;
/// The main thread's stack, behind which the reserve lies.
static FIRST: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
/// Whether the process has asked for all its future memory to be locked.
static LOCKED: AtomicBool = AtomicBool::new(false);

/// One mapping of several stacks.
struct Slab {
    /// Its address; null when it is not mapped, [`BUSY`] while a thread maps or unmaps it.
    base: AtomicPtr<u8>,
    /// How many stacks it has.
    count: AtomicU32,
    /// A bit for each stack that nobody has. Who clears it has the stack.
    free: AtomicU32,
}

static POOL: [Slab; SLABS] =
    [const { Slab { base: AtomicPtr::new(ptr::null_mut()), count: AtomicU32::new(0), free: AtomicU32::new(0) } };
        SLABS];

/// A stack for whom holds the claim, where the program's own alternate stack may be too small. It stands here, where the linker puts it
/// beside the pool, which is not written at the start of a process either: elsewhere it would cost each process a page.
#[repr(align(16))]
struct Spare(UnsafeCell<[u8; 16384]>);

// SAFETY: only the thread that holds the claim uses it, while it does.
unsafe impl Sync for Spare {}

static SPARE: Spare = Spare(UnsafeCell::new([0; 16384]));

/// The upper end of that stack, for who holds the claim.
pub fn spare() -> *mut u8 {
    SPARE.0.get().cast::<u8>().wrapping_add(size_of::<Spare>())
}

/// Slabs of [`POOL`] from this index on have never been mapped.
static REACHED: AtomicUsize = AtomicUsize::new(0);

/// The slabs that are or were mapped.
fn slabs() -> impl Iterator<Item = &'static Slab> {
    POOL.iter().take(REACHED.load(Acquire))
}

/// No slab's address.
const BUSY: *mut u8 = ptr::dangling_mut();

/// What a program passes to pthread_create(3); or to thrd_create(3), whose routine returns an int, in the same register.
pub type Routine = extern "C" fn(*mut c_void) -> *mut c_void;

/// Gives the main thread its stack and keeps some memory in reserve, in one mapping. For the constructor.
pub fn start() {
    platform::learn_errno();
    let size = platform::GUARD
        + (platform::HANDLER_ROOM + platform::minimum_signal_stack()).next_multiple_of(platform::page_size());
    let are_wanted = !platform::is_on_valgrind();
    if are_wanted {
        let _ = NonZeroUsize::new(size).map(|size| SIZE.set(size));
    }
    let region = platform::map(size + RESERVE, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_NORESERVE);
    if region.is_null() {
        return;
    }
    (reporter().keep_in_reserve)(region.wrapping_add(size).expose_provenance(), RESERVE);
    if !are_wanted {
        return;
    }
    // SAFETY: the mapping is ours and new, so that no thread uses it.
    unsafe {
        let stack = region.wrapping_add(platform::GUARD);
        platform::learn_empty_signal_stack();
        if platform::protect(stack, size - platform::GUARD, libc::PROT_READ | libc::PROT_WRITE) && take_into_use(region)
        {
            platform::set_own_stack(region);
        }
    }
    FIRST.store(region, Relaxed);
}

/// Whether that stack is the main thread's.
#[cfg(target_os = "linux")]
pub fn is_first(stack: *mut u8) -> bool {
    stack == FIRST.load(Relaxed)
}

fn size() -> usize {
    SIZE.get().map_or(0, NonZeroUsize::get)
}

/// The size of our stacks as the kernel is told it, in bytes: an odd number, by which they are told from a program's. 0 when there are
/// none.
pub fn told_size() -> usize {
    size().saturating_sub(platform::GUARD + platform::MARK)
}

/// Makes a stack the calling thread's, unless it has one.
///
/// # Safety
/// The stack is the thread's alone.
unsafe fn take_into_use(region: *mut u8) -> bool {
    // SAFETY: the caller promises that the stack is this thread's alone; it stays until the thread gives it back.
    unsafe { platform::use_signal_stack_if_none(region.wrapping_add(platform::GUARD), told_size()) }
}

/// A stack for a new thread; null when there is none.
fn obtain() -> *mut u8 {
    if let Some(stack) = of_ended_thread() {
        return stack;
    }
    for (index, slab) in POOL.iter().enumerate() {
        let base = slab.base.load(Acquire);
        if base.is_null() {
            REACHED.fetch_max(index + 1, AcqRel);
            return slab.map();
        }
        if base != BUSY
            && let Some(region) = slab.take()
        {
            return region;
        }
    }
    ptr::null_mut()
}

/// Gives a stack back that no thread uses.
fn give_back(region: *mut u8) {
    for (index, slab) in slabs().enumerate() {
        let base = slab.base.load(Acquire);
        let stack = region.addr().wrapping_sub(base.addr()) / size();
        if !base.is_null() && base != BUSY && stack < slab.count.load(Relaxed) as usize {
            slab.free.fetch_or(1 << stack, Release);
            if index >= KEPT_SLABS {
                slab.unmap_if_unused();
            }
            return;
        }
    }
}

impl Slab {
    /// Bits of all its stacks.
    fn all(&self) -> u32 {
        u32::MAX >> (u32::BITS - self.count.load(Relaxed).clamp(1, u32::BITS))
    }

    /// Makes a slab, and takes a stack out of it.
    fn map(&self) -> *mut u8 {
        if self.base.compare_exchange(ptr::null_mut(), BUSY, Acquire, Relaxed).is_err() {
            // Another thread is mapping it. This one starts without a stack, which matters only if it overflows its own.
            return ptr::null_mut();
        }
        let count = if LOCKED.load(Relaxed) { STACKS_WHEN_LOCKED } else { STACKS };
        let length = count as usize * size();
        let base = platform::map(length, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_NORESERVE);
        if !base.is_null() {
            self.count.store(count, Relaxed);
            for stack in (0..count as usize).filter(|_| platform::GUARD != 0) {
                // SAFETY: fresh pages of ours.
                unsafe { platform::protect(base.wrapping_add(stack * size()), platform::GUARD, libc::PROT_NONE) };
            }
            if LOCKED.load(Relaxed) {
                platform::unlock(base, length);
            }
        }
        self.base.store(base, Release);
        // Published after the address, which a thread that takes a stack reads.
        if !base.is_null() {
            self.free.store(self.all() & !1, Release);
        }
        base
    }

    fn take(&self) -> Option<*mut u8> {
        let mut free = self.free.load(Relaxed);
        while free != 0 {
            let lowest = free & free.wrapping_neg();
            match self.free.compare_exchange_weak(free, free & !lowest, AcqRel, Relaxed) {
                // With a stack taken, the slab stays mapped. Only now its address is read: it may have been another before.
                Ok(_) => {
                    let base = self.base.load(Acquire);
                    return Some(base.wrapping_add(lowest.trailing_zeros() as usize * size()));
                }
                Err(now) => free = now,
            }
        }
        None
    }

    fn unmap_if_unused(&self) {
        let all = self.all();
        if self.free.compare_exchange(all, 0, AcqRel, Relaxed).is_err() {
            return;
        }
        // All bits are cleared: no thread can take a stack of it now.
        let base = self.base.swap(BUSY, Acquire);
        // SAFETY: all its stacks were free, and no thread can take one.
        unsafe { platform::unmap(base, self.count.load(Relaxed) as usize * size()) };
        self.base.store(ptr::null_mut(), Release);
    }
}

/// In a forked child, which has one thread: frees the stacks of all others.
pub fn adopt_forked_child() {
    let own = platform::own_stack();
    for slab in slabs() {
        let base = slab.base.load(Relaxed);
        if base.is_null() || base == BUSY {
            continue;
        }
        let stack = own.addr().wrapping_sub(base.addr()) / size().max(1);
        let taken = u32::try_from(stack).ok().and_then(|stack| 1u32.checked_shl(stack)).unwrap_or(0);
        slab.free.store(slab.all() & !taken, Relaxed);
    }
    for start in &PENDING {
        start.taken.store(0, Relaxed);
    }
    for ending in &ENDING {
        ending.stack.store(ptr::null_mut(), Relaxed);
    }
}

/// Around mlockall(2): unlocks our memory again, which is not what the program wants locked, and which would count against its limit.
#[cfg(target_os = "linux")]
pub fn lock_all(flags: c_int, lock: impl FnOnce() -> c_int) -> c_int {
    let first = FIRST.load(Relaxed);
    if first.is_null() {
        return lock();
    }
    let reserve = first.wrapping_add(size());
    // The kernel compares the size of all mappings with the limit, so the reserve is unmapped for the time of the call. Only a report
    // would use it, which can do without.
    // SAFETY: the reserve is ours, and nothing is in it.
    let is_away = flags & libc::MCL_CURRENT != 0 && unsafe { platform::unmap_reserve(reserve, RESERVE) };
    let result = lock();
    platform::keeping_errno(|| {
        if result == 0 {
            LOCKED.store(flags & libc::MCL_FUTURE != 0, Relaxed);
            platform::unlock(first, size());
            for slab in slabs() {
                let base = slab.base.load(Acquire);
                if !base.is_null() && base != BUSY {
                    platform::unlock(base, slab.count.load(Relaxed) as usize * size());
                }
            }
        }
        if is_away && !platform::map_reserve(reserve, RESERVE) {
            (reporter().keep_in_reserve)(0, 0);
        }
    });
    result
}

/// What a new thread is to do: its routine, the routine's argument, and its alternate stack.
struct Start {
    /// 1 from when the creating thread takes this entry until the new thread has read it.
    taken: AtomicU32,
    what: UnsafeCell<(Option<Routine>, *mut c_void, *mut u8)>,
}

// SAFETY: the thread that sets `taken` (Acquire) has the rest for itself, and hands it to the thread that it creates; that one reads
// it and clears `taken` (Release).
unsafe impl Sync for Start {}

static PENDING: [Start; PENDING_STARTS] =
    [const { Start { taken: AtomicU32::new(0), what: UnsafeCell::new((None, ptr::null_mut(), ptr::null_mut())) } };
        PENDING_STARTS];

/// The key, which the first caller makes. Several may at once: one of them is first, and the others delete theirs.
fn key() -> u32 {
    let key = KEY.load(Relaxed);
    if key != NOT_MADE {
        return key;
    }
    let new = platform::new_key(thread_ends).unwrap_or(NO_KEY);
    match KEY.compare_exchange(NOT_MADE, new, Relaxed, Relaxed) {
        Ok(_) => new,
        Err(first) => {
            if new != NO_KEY {
                platform::delete_key(new);
            }
            first
        }
    }
}

/// Routine and argument for the real pthread_create(3), which make a thread that has an alternate stack; `None` when there is none for
/// it.
fn thread_stack(routine: Routine, argument: *mut c_void) -> Option<(Routine, *mut c_void)> {
    if platform::is_filtered() || size() == 0 || key() == NO_KEY {
        return None;
    }
    let start = PENDING
        .iter()
        .find(|start| start.taken.load(Relaxed) == 0 && start.taken.compare_exchange(0, 1, Acquire, Relaxed).is_ok())?;
    let region = platform::keeping_errno(obtain);
    if region.is_null() {
        start.taken.store(0, Release);
        return None;
    }
    // SAFETY: we have just taken the entry, and no thread has been given it yet.
    unsafe { *start.what.get() = (Some(routine), argument, region) };
    Some((start_thread, (&raw const *start).cast_mut().cast()))
}

/// To be called when the thread could not be created: gives back what `thread_stack` has taken.
fn forget_thread(argument: *mut c_void) {
    let (_, _, region) = take(argument);
    platform::keeping_errno(|| give_back(region));
}

/// What the entry of [`PENDING`] at this address says; frees the entry.
fn take(argument: *mut c_void) -> (Option<Routine>, *mut c_void, *mut u8) {
    // SAFETY: `thread_stack` has taken that entry for this thread, and pthread_create(3) orders what it wrote before what we read.
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
    // A filter may have been installed for all threads meanwhile.
    // SAFETY: the stack was taken for this thread alone.
    let is_used = !platform::is_filtered() && unsafe { take_into_use(region) };
    if is_used && platform::set_key(KEY.load(Relaxed), region.wrapping_add(DESTRUCTOR_ROUNDS - 1)) {
        platform::set_own_stack(region);
    } else {
        if is_used {
            platform::leave_signal_stack(region.wrapping_add(platform::GUARD));
        }
        give_back(region);
    }
    routine.map_or(ptr::null_mut(), |routine| routine(argument))
}

/// The key's destructor. The value is the stack's address, whose low bits count the rounds that are left.
unsafe extern "C" fn thread_ends(value: *mut c_void) {
    let rounds = value.addr() % PAGE;
    let region = value.cast::<u8>().wrapping_sub(rounds);
    if rounds > 0 && platform::set_key(KEY.load(Relaxed), region.wrapping_add(rounds - 1)) {
        return;
    }
    // Under a filter nobody can find out when the stack is free.
    if !platform::is_filtered() && !keep_to_the_end(region) {
        platform::set_own_stack(ptr::null_mut());
        platform::leave_signal_stack(region.wrapping_add(platform::GUARD));
        give_back(region);
    }
}

/// An alternate stack whose thread is about to end. Destructors that are called after ours may still overflow the thread's own stack.
struct Ending {
    stack: AtomicPtr<u8>,
    tid: AtomicI32,
}

/// Threads that end at the same time. If there are more, the others lose their alternate stack before their last destructors.
static ENDING: [Ending; 16] = [const { Ending { stack: AtomicPtr::new(ptr::null_mut()), tid: AtomicI32::new(0) } }; 16];

/// Takes a stack whose thread has ended.
fn of_ended_thread() -> Option<*mut u8> {
    let pid = platform::pid();
    ENDING.iter().find_map(|ending| {
        let stack = ending.stack.load(Acquire);
        if stack.is_null() || stack == BUSY || ending.stack.compare_exchange(stack, BUSY, AcqRel, Relaxed).is_err() {
            return None;
        }
        let is_over = !platform::is_alive(pid, ending.tid.load(Relaxed));
        ending.stack.store(if is_over { ptr::null_mut() } else { stack }, Release);
        is_over.then_some(stack)
    })
}

/// Leaves the stack to the calling thread until the kernel does not know the thread any more; false where [`ENDING`] is full.
fn keep_to_the_end(stack: *mut u8) -> bool {
    let free = |ending: &&Ending| {
        ending.stack.load(Relaxed).is_null()
            && ending.stack.compare_exchange(ptr::null_mut(), BUSY, AcqRel, Relaxed).is_ok()
    };
    let Some(ending) = ENDING.iter().find(free) else { return false };
    ending.tid.store(platform::tid(), Relaxed);
    ending.stack.store(stack, Release);
    true
}

/// Deletes our thread-specific key, so that the program can have it when there is none left; whether we had one. Threads that are
/// created from now on have no alternate stack of ours, and those that have one keep it.
#[cfg(target_os = "linux")]
pub fn release_key() -> bool {
    let key = KEY.swap(NO_KEY, Relaxed);
    key < NOT_MADE && platform::delete_key(key)
}

/// Creates a thread with an alternate stack, by `create`, which is the real function. Returns what that returns.
pub fn create(routine: Routine, argument: *mut c_void, create: impl Fn(Routine, *mut c_void) -> c_int) -> c_int {
    let Some((first, start)) = thread_stack(routine, argument) else { return create(routine, argument) };
    let error = create(first, start);
    if error == 0 {
        return 0;
    }
    forget_thread(start);
    // It may have failed for want of the memory that our stack takes.
    create(routine, argument)
}
