//! A program's handler runs on the stack where it would have run without us.
//!
//! A thread to which the program has given no alternate stack has one of ours, for crashes. The kernel would run every handler with
//! SA_ONSTACK on it: on a few pages, and if such a handler left by swapcontext(3), the next signal would overwrite its stack. So once
//! the program has set a handler with SA_ONSTACK, the kernel is given [`relay`] for every handler of the program. (Also for those
//! without SA_ONSTACK, since such a signal may interrupt the relay.) The relay looks where the kernel has put the signal's frame. If
//! that is a stack of the program's, nothing has to be done. If it is ours, the relay moves the frame to where the kernel would have
//! put it, below the interrupted code's stack pointer. Then our stack is free again, and the handler may use as much stack as it likes.
//!
//! The handler's address is given to the kernel in `sa_restorer`, and so comes with each frame as its return address. (On arm64 it comes
//! in the link register, and the relay puts it into the frame.) So one system call sets everything at once, and a child by vfork, which
//! has its own table of actions in the kernel, can set its own. Such an address has its highest bit set, which no real one has.

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

/// Bit of `sa_restorer`: the rest is the address of a handler.
const HANDLER: usize = 1 << 63;
/// Bit of `sa_restorer`: the program has asked for a siginfo. The kernel is always asked for one, since it has the signal's number.
const WITH_INFO: usize = 1 << 62;

/// Whether handlers go to the kernel behind [`relay`].
static ACTIVE: AtomicBool = AtomicBool::new(false);
/// Signals, as a mask, whose handlers were set before relaying began.
static EARLY: AtomicU64 = AtomicU64::new(0);
/// Whether a handler is Go's. Go's runtime asks the kernel itself for a thread's alternate stack, uses ours as its own if there is one,
/// and ends the process if its handlers do not run on it. So no handler is moved in such a process.
static IS_GO: AtomicBool = AtomicBool::new(false);
/// The size of our stacks as the kernel is told it, in bytes; 0 until there are any.
static SIZE: AtomicUsize = AtomicUsize::new(0);
/// The crash handler, the only one that is to run on our stacks.
static CRASH_HANDLER: AtomicUsize = AtomicUsize::new(0);
/// By signal: the handler, for calls of the relay whose frame does not have it. That is so if libc has set an action again that it had
/// read (system(3) does), or if another handler calls the one before it by the address that it was told.
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
            // Another thread has set a handler in between: that one again.
            in_kernel(signal, Some(&before), true);
        }
    }
}

/// Whether an action has to be given to the kernel with [`relay`]. Begins relaying if this is the first one with SA_ONSTACK.
pub(super) fn is_relayed(signal: c_int, new: &Action) -> bool {
    // No handler's address has these bits, but sigset(3) takes any value, such as SIG_ERR.
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
        // A child by vfork has its own table of actions, but its parent's memory.
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

/// An action as rt_sigaction(2) takes it, with the relay in front of its handler.
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

/// The action that the program has set, by the one that the kernel has.
pub(super) fn without_relay(mut action: Action, signal: c_int) -> Action {
    let mut handler = action.restorer;
    let is_relay = action.handler == relay as *const () as usize;
    // After a signal with SA_RESETHAND, the kernel has reset the handler and nothing else of the action.
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

/// Moves a signal's frame from a stack of ours to the stack of the interrupted code; its new address, or 0 if there is no room.
///
/// Another signal may come at any instruction of this, even before the first one. Then the later call finds the earlier signal's frame
/// on our stack, moves that one, too, and lets the later signal seem to have interrupted the first instruction of the earlier one's
/// handler. The interrupted call is never resumed. Nothing that a call reads is changed by it, so that it can be done again.
unsafe extern "C" fn moved(frame: usize, signal: c_int) -> usize {
    // SAFETY: the relay has given us the frame that the kernel has made for it, and what is read and written lies within frames.
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
            // Our own code that handles a crash was interrupted: the handler runs on our stack.
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

/// Copies a frame, which ends below `end`, to below a stack pointer; its new address, or 0 if there is no room.
///
/// # Safety
/// `frame` is one that the kernel has made, and nothing below the red zone of `stack_pointer` is in use.
unsafe fn move_frame(frame: usize, end: usize, stack_pointer: usize, signal: c_int) -> usize {
    // The processor's state needs an alignment of 64.
    let lowest = stack_pointer.wrapping_sub(layout::RED_ZONE + (end - frame) + 64);
    let to = (lowest & !63) + frame % 64;
    // The signal may be for a stack overflow: a system call tells whether there is room, without a fault.
    if matches!(signal, libc::SIGSEGV | libc::SIGBUS) && !is_filtered() {
        let pages = (to / PAGE + 1..=stack_pointer.wrapping_sub(layout::RED_ZONE + 8) / PAGE).map(|page| page * PAGE);
        if !core::iter::once(to).chain(pages).all(is_writable) {
            return 0;
        }
    }
    // SAFETY: the caller promises the kernel's frame, and that nothing below the red zone is in use.
    unsafe {
        core::ptr::copy_nonoverlapping(pointer(frame).cast::<u8>(), pointer(to).cast(), end - frame);
        put(to + layout::MARK, told_restorer());
        layout::relocate(frame, to, end - frame);
    }
    to
}

/// Whether eight bytes can be written at an address. Overwrites them.
fn is_writable(address: usize) -> bool {
    // SAFETY: asks for the set of blocked signals, to be written there. The kernel checks the address, where nothing is in use.
    unsafe { own_call(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, 0, address, size_of::<u64>()) == 0 }
}

fn pointer(address: usize) -> *mut usize {
    core::ptr::with_exposed_provenance_mut(address)
}

/// # Safety
/// The address is readable.
unsafe fn at(address: usize) -> usize {
    // SAFETY: the caller promises a readable address.
    unsafe { pointer(address).read() }
}

/// # Safety
/// The address is writable, and no reference leads there.
unsafe fn put(address: usize, value: usize) {
    // SAFETY: the caller promises a writable address to which no reference leads.
    unsafe { pointer(address).write(value) }
}
