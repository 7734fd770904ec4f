//! The copy of the process that writes the report.
//!
//! It is made by the bare system call and shares nothing with the process but one page, in which it says how far it
//! is. It may take its time, allocate and crash: its parent waits, bounded, and writes what it can itself if this fails.
//! Where no copy can be made, the same runs in the crashed thread on a stack of its own.

mod address;
mod collect;
mod expression;
mod memory;
mod modules;
mod output;
pub mod report;
mod symbols;
mod system;
mod threads;
mod unwind;

use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::c_void;

use super::{arena, handler::incident, ownership};
use crate::platform;
use modules::Map;

/// What the copy tells its parent.
#[repr(C)]
pub struct Progress {
    /// One of the values below.
    state: AtomicU32,
    /// How many of `frames` are known.
    pub known: AtomicU32,
    /// The crashed thread's program counter and return addresses.
    pub frames: [AtomicU64; FRAMES],
}

/// Frames that fit into the shared page.
pub const FRAMES: usize = 256;

const AT_WORK: u32 = 0;
const DONE: u32 = 1;

static PROGRESS: AtomicPtr<Progress> = AtomicPtr::new(ptr::null_mut());
static CHILD: AtomicI32 = AtomicI32::new(0);
/// How much the next copy dares.
static LEVEL: AtomicU32 = AtomicU32::new(FULL);

/// Set from before the copy is made; in the copy, for good.
static COPYING: AtomicBool = AtomicBool::new(false);

/// Whether we are a copy of that process: what goes wrong here is no crash to be reported.
pub fn is_copy_of(pid: libc::pid_t) -> bool {
    COPYING.load(Relaxed) && platform::pid() != pid
}

const FULL: u32 = 0;
/// Without debug information and without the other threads.
const CAREFUL: u32 = 1;

/// What is known from the copy, if any of it is.
pub fn progress() -> Option<&'static Progress> {
    // SAFETY: null, or a page that stays.
    unsafe { PROGRESS.load(Acquire).as_ref() }
}

/// Has the report written; whether it was.
pub fn write() -> bool {
    let page = platform::map(platform::PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    const { assert!(size_of::<Progress>() <= platform::PAGE) };
    PROGRESS.store(page.cast(), Release);
    for level in [FULL, CAREFUL] {
        LEVEL.store(level, Relaxed);
        match in_a_copy() {
            End::Done => return true,
            End::Crashed => {}
            End::TookTooLong => return false,
            End::NoCopy => {
                // SAFETY: fresh memory for nothing else, or the stack that we are on, which is all there is.
                unsafe {
                    match new_stack() {
                        Some((stack, size)) => {
                            platform::call_on_stack(stack.wrapping_add(size), without_copy, ptr::null_mut());
                        }
                        None => without_copy(ptr::null_mut()),
                    }
                }
                return true;
            }
        }
    }
    false
}

/// Lets the other threads go on, which the copy has stopped.
pub fn let_go() {
    let child = CHILD.swap(0, Relaxed);
    if child > 0 {
        platform::end(child);
    }
    let page = PROGRESS.swap(ptr::null_mut(), Relaxed);
    if !page.is_null() {
        // SAFETY: the copy has ended, and nobody else knows the page.
        unsafe { platform::unmap(page.cast(), platform::PAGE) };
    }
}

enum End {
    Done,
    Crashed,
    TookTooLong,
    NoCopy,
}

fn in_a_copy() -> End {
    let stack = new_stack();
    let top = stack.map_or(ptr::null_mut(), |(stack, size)| stack.wrapping_add(size));
    COPYING.store(true, Relaxed);
    // SAFETY: fresh memory for nothing else; mappings are aligned to pages.
    let child = unsafe { platform::copy_process(top, become_copy) };
    COPYING.store(false, Relaxed);
    if let Some((stack, size)) = stack {
        // SAFETY: the copy has its own.
        unsafe { platform::unmap(stack, size) };
    }
    if child < 0 {
        return End::NoCopy;
    }
    platform::allow_tracing_by(child);
    loop {
        // The copy stays after it is done, since the threads that it has stopped would go on.
        if let Some(progress) = progress() {
            if progress.state.load(Acquire) == DONE {
                CHILD.store(child, Relaxed);
                return End::Done;
            }
            platform::wait_for_change(&progress.state, AT_WORK, 20_000_000);
            if progress.state.load(Acquire) == DONE {
                CHILD.store(child, Relaxed);
                return End::Done;
            }
        } else {
            platform::sleep(2_000_000);
        }
        if let Some(status) = platform::ended(child) {
            return if status == 0 { End::Done } else { End::Crashed };
        }
        if platform::nanoseconds() > incident().deadline {
            platform::end(child);
            return End::TookTooLong;
        }
    }
}

extern "C" fn become_copy() -> ! {
    // First of all: nothing that goes wrong here must be taken for another crash.
    ownership::default_everywhere();
    platform::die_with_parent();
    if is_orphan() {
        platform::exit_now(0);
    }
    platform::lower_core_limit();
    platform::block(!ownership::CRASH_SIGNALS);
    system::close_others();
    in_copy();
    platform::exit_now(0);
}

/// Whether the crashed process has gone before us.
fn is_orphan() -> bool {
    // A sandbox may forbid the question.
    let parent = platform::parent();
    parent > 0 && parent != incident().pid
}

/// As large a stack as there is memory for, and its size.
fn new_stack() -> Option<(*mut u8, usize)> {
    [8 << 20, 1 << 20, 256 << 10].into_iter().find_map(|size| {
        let flags = libc::MAP_PRIVATE | libc::MAP_NORESERVE;
        let stack = platform::map(size, libc::PROT_READ | libc::PROT_WRITE, flags);
        (!stack.is_null()).then_some((stack, size))
    })
}

fn in_copy() {
    // What goes wrong here says so on standard error, which has better things to show.
    let stderr = system::move_stderr();
    let full = LEVEL.load(Relaxed) == FULL;
    collect::write(stderr, full, full);
    if let Some(progress) = progress() {
        progress.state.store(DONE, Release);
        platform::wake(&progress.state);
        // Our end would let the other threads go on, and one of them might call exit before the crashed one has died.
        while platform::nanoseconds() < incident().deadline && !is_orphan() {
            platform::sleep(100_000_000);
        }
    }
}

unsafe extern "C" fn without_copy(_: *mut c_void) {
    arena::start_anew();
    // The handler's frame stands on the alternate stack, which to the kernel is free now that we are on another: the
    // next signal, of a system call that is trapped, would come there.
    platform::without_alternate_stack(|| collect::write(super::header::STDERR, true, false));
}

/// Memory of our own that is mapped for reading, if it is.
fn in_memory(map: &Map, start: u64, size: u64) -> Option<&'static [u8]> {
    let mapping = map.mapping(start)?;
    let size = usize::try_from(size.min(mapping.end - start)).ok()?;
    // SAFETY: mapped readable, by a file that the dynamic loader has mapped; the snapshot's copy is never unmapped, and
    // the crashed process does not live much longer.
    mapping.readable.then(|| unsafe { core::slice::from_raw_parts(ptr::with_exposed_provenance(start as usize), size) })
}
