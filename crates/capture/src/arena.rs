//! The library's allocator, which never calls malloc.
//!
//! Only what writes a report allocates: a copy of the crashed process, or, where there are no copies, the crashed thread. Either is
//! one thread, so freed blocks go to a list of their size. Where there is no copy, the process may live on after its report
//! (NOSIGPIPE_CRASH=first): so all that was mapped is noted, and goes back to the kernel when the report is done. For processes that
//! die because there is no more memory, some address space is reserved at load.

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
    /// The chunks; each begins with its own entry.
    chunks: *mut Mapping,
    /// Large blocks, and files. Their entries are blocks of the chunks.
    mappings: *mut Mapping,
}

/// An entry of a list of what was mapped.
struct Mapping {
    next: *mut Mapping,
    start: usize,
    /// In bytes.
    size: usize,
}

/// Nothing is mapped.
const EMPTY: State = State {
    next: 0,
    end: 0,
    reserve: 0,
    reserve_end: 0,
    free: [ptr::null_mut(); CLASSES],
    chunks: ptr::null_mut(),
    mappings: ptr::null_mut(),
};

// SAFETY: one thread at a time uses it. In a copy there is only one. Where there is no copy, the thread that holds the claim writes
// the report, and never two do. A crash in a report enters the handler again on this thread, and the interrupted code is never
// resumed: a second attempt calls `start_anew` first.
unsafe impl Sync for Shared {}

static STATE: Shared = Shared(UnsafeCell::new(EMPTY));

/// Takes an inaccessible mapping of ours, which becomes memory when the kernel has no other.
pub fn keep_in_reserve(start: usize, size: usize) {
    // SAFETY: the constructor calls this before it installs a crash handler, and so before any report allocates. Other threads
    // that may run by then do not allocate here.
    let state = unsafe { &mut *STATE.0.get() };
    (state.reserve, state.reserve_end) = (start, start + size);
}

/// Gives back everything that was allocated and every file that was mapped. For the end of a report, and for the beginning of one,
/// where an earlier one was broken off.
pub fn start_anew() {
    // SAFETY: the caller holds the claim, and the first attempt, in which a reference to the state may have been alive, is never
    // resumed.
    let state = unsafe { &mut *STATE.0.get() };
    // The entries of the first list are in the chunks.
    for list in [state.mappings, state.chunks] {
        let mut entry = list;
        // SAFETY: an entry stays until what it is in is unmapped, after it was read.
        while let Some(&Mapping { next, start, size }) = unsafe { entry.as_ref() } {
            // SAFETY: as above; it was mapped for this.
            unsafe { platform::unmap(ptr::with_exposed_provenance_mut(start), size) };
            entry = next;
        }
    }
    *state = State { reserve: state.reserve, reserve_end: state.reserve_end, ..EMPTY };
}

/// Notes a file that was mapped for the report.
pub fn keep(file: &'static [u8]) {
    // SAFETY: who maps files for a report is its one thread.
    unsafe { &mut *STATE.0.get() }.note(file.as_ptr().expose_provenance(), file.len());
}

impl State {
    fn chunk(&mut self, size: usize) -> Option<()> {
        let size = (size + size_of::<Mapping>()).max(CHUNK);
        let memory = platform::map(size, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE);
        if !memory.is_null() {
            let (entry, start) = (memory.cast::<Mapping>(), memory.expose_provenance());
            // SAFETY: fresh pages, whose first bytes are for this.
            unsafe { entry.write(Mapping { next: self.chunks, start, size }) };
            self.chunks = entry;
            (self.next, self.end) = (start + size_of::<Mapping>(), start + size);
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

    /// A block of a size class.
    fn block(&mut self, class: usize, align: usize) -> *mut u8 {
        match self.free.get_mut(class) {
            Some(first) if !first.is_null() && align <= 16 => {
                let block = *first;
                // SAFETY: a free block starts with the address of the next.
                *first = unsafe { block.cast::<*mut u8>().read() };
                block
            }
            _ => self.bump(16 << class, align.max(16)),
        }
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// It is one of that size class, and nobody uses it.
    unsafe fn free(&mut self, block: *mut u8, class: usize) {
        if let Some(first) = self.free.get_mut(class) {
            // SAFETY: the block is free, aligned to 16 and at least 16 bytes long.
            unsafe { block.cast::<*mut u8>().write(*first) };
            *first = block;
        }
    }

    /// Notes what was mapped. Without memory for the note it stays mapped.
    fn note(&mut self, start: usize, size: usize) {
        let entry = self.block(class(&Layout::new::<Mapping>()), 16).cast::<Mapping>();
        if !entry.is_null() {
            // SAFETY: a block of that size.
            unsafe { entry.write(Mapping { next: self.mappings, start, size }) };
            self.mappings = entry;
        }
    }

    /// Gives a large block back; not what has come from the reserve.
    ///
    /// # Safety
    /// Nobody uses it.
    unsafe fn unmap(&mut self, block: *mut u8) {
        let mut link = &raw mut self.mappings;
        // SAFETY: the entries are ours, each in a block of its own; the block was mapped by itself if there is one for it.
        unsafe {
            while let Some(entry) = (*link).as_mut() {
                if entry.start == block.addr() {
                    platform::unmap(block, entry.size);
                    let freed = *link;
                    *link = entry.next;
                    return self.free(freed.cast(), class(&Layout::new::<Mapping>()));
                }
                link = &raw mut entry.next;
            }
        }
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
        // SAFETY: one thread at a time (`unsafe impl Sync`), and no other reference is alive in it here.
        let state = unsafe { &mut *STATE.0.get() };
        if layout.size() < LARGE {
            return state.block(class(&layout), layout.align());
        }
        let memory = platform::map(layout.size(), libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE);
        if memory.is_null() {
            // The reserve, too, is fresh from the kernel.
            return state.bump(layout.size(), layout.align());
        }
        state.note(memory.expose_provenance(), layout.size());
        memory
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
        // SAFETY: one thread at a time (`unsafe impl Sync`), and no other reference is alive in it here. The caller gives the block up.
        unsafe {
            let state = &mut *STATE.0.get();
            if layout.size() >= LARGE { state.unmap(block) } else { state.free(block, class(&layout)) }
        }
    }
}
