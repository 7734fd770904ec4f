//! The library's own memory: what Rust calls allocation, never malloc.
//!
//! Only a copy of a crashed process allocates. It has one thread, lives for a second and takes nothing with it, so
//! freed blocks only go to a list of their size. The first blocks come from a reserve made at load, for processes that
//! die because there is no more memory.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr;

use crate::platform;

/// Blocks of this many bytes or more are mappings of their own, given back when freed.
const LARGE: usize = 1 << 18;
/// How much is asked of the kernel at a time.
const CHUNK: usize = 1 << 20;
/// Sizes are powers of two from 16 on.
const CLASSES: usize = 15;

/// The allocator; there is one, [`STATE`], whatever value of this asks it.
pub struct Arena;

struct Shared(UnsafeCell<State>);

struct State {
    next: usize,
    end: usize,
    /// What was reserved at load and not used yet.
    reserve: usize,
    reserve_end: usize,
    free: [*mut u8; CLASSES],
}

// SAFETY: only the one thread of a copy allocates, or, where no copy could be made, the crashed thread, which
// holds the claim.
unsafe impl Sync for Shared {}

static STATE: Shared =
    Shared(UnsafeCell::new(State { next: 0, end: 0, reserve: 0, reserve_end: 0, free: [ptr::null_mut(); CLASSES] }));

/// Names inaccessible pages of ours that become memory when the kernel has no other. For the constructor.
pub fn keep_in_reserve(start: usize, size: usize) {
    // SAFETY: the constructor runs before anything allocates.
    let state = unsafe { &mut *STATE.0.get() };
    (state.reserve, state.reserve_end) = (start, start + size);
}

/// Forgets everything that was allocated. For a second attempt, whose first one was broken off.
pub fn start_anew() {
    // SAFETY: the caller holds the claim, and nobody uses what was allocated before.
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
        // SAFETY: the reserve is ours, and nothing is in it.
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
            // SAFETY: one thread at a time, see above. The reserve, too, is fresh from the kernel.
            return unsafe { &mut *STATE.0.get() }.bump(layout.size(), layout.align());
        }
        // SAFETY: one thread at a time, see above.
        let state = unsafe { &mut *STATE.0.get() };
        let class = class(&layout);
        match state.free.get_mut(class) {
            Some(first) if !first.is_null() && layout.align() <= 16 => {
                let block = *first;
                // SAFETY: a free block starts with the address of the next.
                *first = unsafe { block.cast::<*mut u8>().read() };
                block
            }
            _ => state.bump(16 << class, layout.align().max(16)),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        let block = unsafe { self.alloc(layout) };
        // Large blocks are fresh from the kernel.
        if !block.is_null() && layout.size() < LARGE {
            // SAFETY: a block of that size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // A large block may have come from the reserve: only whole pages of their own are given back.
        if layout.size() >= LARGE {
            return;
        }
        // SAFETY: one thread at a time, see above.
        let state = unsafe { &mut *STATE.0.get() };
        if let Some(first) = state.free.get_mut(class(&layout)) {
            // SAFETY: the block is free, aligned to 16 and at least 16 bytes long.
            unsafe { block.cast::<*mut u8>().write(*first) };
            *first = block;
        }
    }
}
