//! The library's allocator, which never calls malloc.
//!
//! Only what writes a report allocates: a copy of the crashed process, or, where there are no copies, the crashed thread. Either is
//! one thread that lives for a second, so no memory goes back to the kernel: freed blocks go to a list of their size, larger ones
//! are lost. For processes that die because there is no more memory, some address space is reserved at load.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr;

use crate::platform;

/// Blocks of this many bytes or more are mappings of their own.
const LARGE: usize = 1 << 18;
/// Bytes that are mapped at a time for smaller blocks.
const CHUNK: usize = 1 << 20;
/// Smaller blocks have sizes of powers of two, from 16 bytes (class 0) to `LARGE` (class 14).
const CLASSES: usize = 15;

/// The allocator; there is one, [`STATE`], whatever value of this asks it.
pub struct Arena;

struct Shared(UnsafeCell<State>);

struct State {
    /// The rest of the chunk that blocks are cut from.
    next: usize,
    end: usize,
    /// What was reserved at load and is not used yet.
    reserve: usize,
    reserve_end: usize,
    /// The first free block of each class; each free block begins with the address of the next.
    free: [*mut u8; CLASSES],
}

// SAFETY: one thread at a time uses it. In a copy there is only one. Where there is no copy, the thread that holds the claim writes
// the report, and never two do. A crash in a report enters the handler again on this thread, and the interrupted code is never
// resumed: a second attempt calls `start_anew` first.
unsafe impl Sync for Shared {}

static STATE: Shared =
    Shared(UnsafeCell::new(State { next: 0, end: 0, reserve: 0, reserve_end: 0, free: [ptr::null_mut(); CLASSES] }));

/// Takes an inaccessible mapping of ours, which becomes memory when the kernel has no other.
pub fn keep_in_reserve(start: usize, size: usize) {
    // SAFETY: the constructor calls this before it installs a crash handler, and so before any report allocates. Other threads
    // that may run by then do not allocate here.
    let state = unsafe { &mut *STATE.0.get() };
    (state.reserve, state.reserve_end) = (start, start + size);
}

/// Forgets everything that was allocated: before a second attempt at a report, where a crash has ended the first.
pub fn start_anew() {
    // SAFETY: the caller holds the claim, and the first attempt, in which a reference to the state may have been alive, is never
    // resumed.
    let state = unsafe { &mut *STATE.0.get() };
    (state.next, state.end) = (0, 0);
    state.free = [ptr::null_mut(); CLASSES];
}

impl State {
    fn chunk(&mut self, size: usize) -> Option<()> {
        let size = size.max(CHUNK);
        let memory = platform::map(size, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE);
        if !memory.is_null() {
            (self.next, self.end) = (memory.addr(), memory.addr() + size);
            return Some(());
        }
        let (start, end) = (self.reserve, self.reserve_end);
        // SAFETY: `keep_in_reserve` was given a mapping that nobody else uses.
        let usable = end > start
            && unsafe {
                platform::protect(
                    ptr::with_exposed_provenance_mut(start),
                    end - start,
                    libc::PROT_READ | libc::PROT_WRITE,
                )
            };
        (self.reserve, self.reserve_end) = (0, 0);
        usable.then(|| (self.next, self.end) = (start, end))
    }

    fn bump(&mut self, size: usize, align: usize) -> *mut u8 {
        for _ in 0..2 {
            let start = self.next.next_multiple_of(align);
            if self.next != 0 && start + size <= self.end {
                self.next = start + size;
                return ptr::with_exposed_provenance_mut(start);
            }
            if self.chunk(size + align).is_none() {
                break;
            }
        }
        ptr::null_mut()
    }
}

fn class(layout: &Layout) -> usize {
    let size = layout.size().max(16).next_power_of_two();
    size.trailing_zeros() as usize - 4
}

// SAFETY: blocks never overlap: they are cut off a chunk once, and a freed one is given only to the next who asks for
// its size.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            let memory = platform::map(layout.size(), libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE);
            if !memory.is_null() {
                return memory;
            }
            // SAFETY: one thread at a time (`unsafe impl Sync`), and no other reference is alive in it here.
            return unsafe { &mut *STATE.0.get() }.bump(layout.size(), layout.align());
        }
        // SAFETY: one thread at a time (`unsafe impl Sync`), and no other reference is alive in it here.
        let state = unsafe { &mut *STATE.0.get() };
        let class = class(&layout);
        match state.free.get_mut(class) {
            Some(first) if !first.is_null() && layout.align() <= 16 => {
                let block = *first;
                // SAFETY: `dealloc` has written the address of the next free block, or null, there.
                *first = unsafe { block.cast::<*mut u8>().read() };
                block
            }
            _ => state.bump(16 << class, layout.align().max(16)),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a layout that is not empty.
        let block = unsafe { self.alloc(layout) };
        // Large blocks come from the kernel, a mapping or the reserve, and are never used twice.
        if !block.is_null() && layout.size() < LARGE {
            // SAFETY: `alloc` has returned a block of that size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() >= LARGE {
            return;
        }
        // SAFETY: one thread at a time (`unsafe impl Sync`), and no other reference is alive in it here.
        let state = unsafe { &mut *STATE.0.get() };
        if let Some(first) = state.free.get_mut(class(&layout)) {
            // SAFETY: the caller gives the block up; `alloc` has aligned it to 16 and made it at least 16 bytes long.
            unsafe { block.cast::<*mut u8>().write(*first) };
            *first = block;
        }
    }
}
