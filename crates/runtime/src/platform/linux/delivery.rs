//! A program's handler runs on the stack where it would have run without us.
//!
//! A thread whose program has given it no alternate stack has one of ours, for crashes. To the kernel there is no
//! difference: a handler with SA_ONSTACK would run there, on a few pages, and swapcontext(3) out of it would leave its stack
//! to the next signal. So the kernel has [`relay`] for every handler of the program, once it has set one with SA_ONSTACK:
//! for those without, too, which may come on top of such a one before its first instruction. The relay looks where the kernel has put
//! the signal's frame. On a stack of the program's, nothing is to be done. On ours, it moves the frame to where the
//! kernel would have put it, below the interrupted code's stack pointer, and our stack is free again: the handler may
//! use as much as it likes, and leave as it likes.
//!
//! Which handler it is stands where the kernel keeps it for us, in the place of `sa_restorer`, and so comes with the frame,
//! as its return address (on arm64 in the register for that, and the relay puts it into the frame): one system call sets all at once, and a child by vfork, which has its own table of actions in the
//! kernel, sets its own. Such an address has its highest bit set, which no real one has.

use super::freestanding::own_call;
use core::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::{SA_ONSTACK, SA_SIGINFO, c_int};

use super::action::{self, RESTORER, SA_RESTORER, in_kernel, told_restorer};
use super::next::is_of_go;
use super::{PAGE, is_filtered};
use crate::arch::{self, frame as layout};
use crate::platform::Action;

/// In the place of `sa_restorer`: what follows is a handler.
const HANDLER: usize = 1 << 63;
/// Besides: the program has asked for a siginfo. The kernel is always asked for one, since it has the signal's number.
const WITH_INFO: usize = 1 << 62;

/// Whether handlers go to the kernel behind [`relay`].
static ACTIVE: AtomicBool = AtomicBool::new(false);
/// Signals whose handlers were set before, when none asked for an alternate stack.
static EARLY: AtomicU64 = AtomicU64::new(0);
/// Whether a handler is Go's. Its runtime asks the kernel itself whether a thread has an alternate stack, takes the one that
/// is there, ours, for its handlers, and ends the process when they do not run there: they are not moved.
static IS_GO: AtomicBool = AtomicBool::new(false);
/// What the kernel is told of the size of our stacks; 0 until there are any.
static SIZE: AtomicUsize = AtomicUsize::new(0);
/// The one handler that is to run on our stacks.
static CRASH_HANDLER: AtomicUsize = AtomicUsize::new(0);
/// By signal: the handler, where the frame does not say it. libc has set again what it had read (system(3) does), or some
/// other handler calls the one before it, as the kernel has named it.
static HANDLERS: [AtomicUsize; 65] = [const { AtomicUsize::new(0) }; 65];

/// Notes what relaying needs. For the constructor, when [`RESTORER`] is known.
pub fn prepare_to_relay(stack_size: usize, crash_handler: usize) {
    if stack_size != 0 {
        SIZE.store(stack_size, Relaxed);
        CRASH_HANDLER.store(crash_handler, Release);
    }
}

/// Whether handlers are relayed.
pub(super) fn is_active() -> bool {
    ACTIVE.load(Acquire)
}

/// From now on handlers of the program are relayed.
#[cold]
fn start_relaying() {
    ACTIVE.store(true, Release);
    let early = EARLY.load(Relaxed);
    for signal in (1..=action::LAST_SIGNAL).filter(|&signal| early & action::mask_of(signal) != 0) {
        if let Some(now) = in_kernel(signal, None, false).filter(Action::is_handler)
            && let Some(before) = in_kernel(signal, Some(&now), true)
            && before != now
        {
            // Another thread was faster.
            in_kernel(signal, Some(&before), true);
        }
    }
}

/// Whether the kernel is to have an action behind [`relay`]. The first with SA_ONSTACK is where that begins.
pub(super) fn is_relayed(signal: c_int, new: &Action) -> bool {
    // No address is so high, but sigset(3) takes SIG_ERR for one.
    if !new.is_handler() || new.handler & (HANDLER | WITH_INFO) != 0 {
        return false;
    }
    let crash_handler = CRASH_HANDLER.load(Acquire);
    if !ACTIVE.load(Acquire) {
        if new.flags & SA_ONSTACK == 0 || crash_handler == 0 {
            EARLY.fetch_or(action::mask_of(signal), Relaxed);
            return false;
        }
        if new.handler == crash_handler || IS_GO.load(Relaxed) {
            return false;
        }
        if is_of_go(new.handler) {
            IS_GO.store(true, Relaxed);
            return false;
        }
        // A child by vfork has the kernel's table for itself.
        if crate::platform::is_own_process() {
            start_relaying();
        }
    }
    if new.flags & SA_ONSTACK != 0 && !IS_GO.load(Relaxed) && is_of_go(new.handler) {
        IS_GO.store(true, Relaxed);
        SIZE.store(0, Relaxed);
    }
    new.handler != crash_handler
}

/// The relay in front of an action, as rt_sigaction(2) takes both.
pub(super) fn relay_of(signal: c_int, new: &Action, native: [usize; 4]) -> [usize; 4] {
    let info = if new.flags & SA_SIGINFO != 0 { WITH_INFO } else { 0 };
    let handler = new.handler | HANDLER | info;
    let kept = usize::try_from(signal).ok().and_then(|signal| HANDLERS.get(signal));
    if let Some(kept) = kept.filter(|_| crate::platform::is_own_process()) {
        kept.store(handler, Relaxed);
    }
    let [_, flags, _, mask] = native;
    [relay as *const () as usize, flags | (SA_SIGINFO | SA_RESTORER) as usize, handler, mask]
}

/// What the program has set, of an action as the kernel has it.
pub(super) fn without_relay(mut action: Action, signal: c_int) -> Action {
    let mut handler = action.restorer;
    let is_relay = action.handler == relay as *const () as usize;
    // The kernel has taken a handler away by itself where SA_RESETHAND was asked for.
    if !is_relay && (action.is_handler() || handler & HANDLER == 0) {
        return action;
    }
    if handler & HANDLER == 0 {
        handler =
            usize::try_from(signal).ok().and_then(|signal| HANDLERS.get(signal)).map_or(0, |kept| kept.load(Relaxed));
    }
    if handler & WITH_INFO == 0 {
        action.flags &= !SA_SIGINFO;
    }
    if is_relay {
        action.handler = handler & !(HANDLER | WITH_INFO);
    }
    if !arch::LIBC_SETS_RESTORER {
        action.flags &= !SA_RESTORER;
    }
    Action { restorer: told_restorer(), ..action }
}

/// What the kernel calls for a handler of the program.
#[unsafe(naked)]
unsafe extern "C" fn relay() {
    arch::relay!(SIZE, moved, RESTORER, HANDLERS, CRASH_HANDLER)
}

/// Moves a signal's frame from a stack of ours to where it belongs; its new address, or 0 if there is no room.
///
/// Another signal may come at any instruction here, before the first one even. Nothing that is read is changed, so that
/// the later one, which finds the frame of the earlier below it, does all of this again, as if the earlier had only come
/// as far as the first instruction of its handler. This one's work is never resumed then.
unsafe extern "C" fn moved(frame: usize, signal: c_int) -> usize {
    // SAFETY: the relay's frame, as the kernel has made it.
    unsafe {
        let (bottom, size) = (at(frame + layout::STACK), SIZE.load(Relaxed));
        let is_ours = |address: usize| address.wrapping_sub(bottom) < size;
        let interrupted = at(frame + layout::STACK_POINTER);
        if !is_ours(interrupted) {
            return move_frame(frame, bottom + size, interrupted, signal);
        }
        let is_frame = |&frame: &usize| {
            at(frame + layout::MARK) & HANDLER != 0
                && at(frame + layout::STACK) == bottom
                && at(frame + layout::STACK_SIZE) == size
                && frame + layout::INFO < bottom + size
        };
        let first = interrupted.next_multiple_of(layout::STEP);
        let end = (bottom + size).saturating_sub(layout::LEAST);
        let marked =
            || (first..end).step_by(layout::STEP).find(is_frame).map(|frame| (frame, at(frame + layout::MARK)));
        let Some((earlier, handler)) = layout::unmarked(frame, relay as *const () as usize).or_else(marked) else {
            // A crash under report was interrupted: our own code, where nothing is to be moved.
            put(frame + layout::MARK, told_restorer());
            return frame;
        };
        let earlier_signal = at(earlier + layout::INFO) as c_int;
        let below = moved(earlier, earlier_signal);
        if below == 0 {
            return 0;
        }
        let frame = move_frame(frame, interrupted - layout::RED_ZONE, below, signal);
        if frame != 0 {
            put(frame + layout::PROGRAM_COUNTER, handler & !(HANDLER | WITH_INFO));
            put(frame + layout::STACK_POINTER, below);
            let arguments = [earlier_signal as usize, below + layout::INFO, below + layout::CONTEXT];
            for (offset, value) in layout::ARGUMENTS.into_iter().zip(arguments) {
                put(frame + offset, value);
            }
            if let Some(offset) = layout::LINK {
                put(frame + offset, RESTORER.load(Relaxed));
            }
        }
        frame
    }
}

/// Copies a frame, which ends somewhere below `end`, to below that stack pointer.
unsafe fn move_frame(frame: usize, end: usize, stack_pointer: usize, signal: c_int) -> usize {
    // The processor's state needs an alignment of 64.
    let lowest = stack_pointer.wrapping_sub(layout::RED_ZONE + (end - frame) + 64);
    let to = (lowest & !63) + frame % 64;
    // A fault may be that of a stack that is full. The kernel tries for us.
    if matches!(signal, libc::SIGSEGV | libc::SIGBUS) && !is_filtered() {
        let pages = (to / PAGE + 1..=stack_pointer.wrapping_sub(layout::RED_ZONE + 8) / PAGE).map(|page| page * PAGE);
        if !core::iter::once(to).chain(pages).all(is_writable) {
            return 0;
        }
    }
    // SAFETY: the frame is the kernel's; below the red zone of the interrupted code's stack nothing is in use.
    unsafe {
        core::ptr::copy_nonoverlapping(pointer(frame).cast::<u8>(), pointer(to).cast(), end - frame);
        put(to + layout::MARK, told_restorer());
        layout::relocate(frame, to, end - frame);
    }
    to
}

/// Whether eight bytes can be written there, where nothing is in use.
fn is_writable(address: usize) -> bool {
    // SAFETY: only asks for the set of blocked signals; the kernel checks the address.
    unsafe { own_call(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, 0, address, size_of::<u64>()) == 0 }
}

fn pointer(address: usize) -> *mut usize {
    core::ptr::with_exposed_provenance_mut(address)
}

unsafe fn at(address: usize) -> usize {
    // SAFETY: the caller's address is readable.
    unsafe { pointer(address).read() }
}

unsafe fn put(address: usize, value: usize) {
    // SAFETY: the caller's address is writable, and nobody else's.
    unsafe { pointer(address).write(value) }
}
