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
//! as its return address: one system call sets all at once, and a child by vfork, which has its own table of actions in the
//! kernel, sets its own. Such an address has its highest bit set, which no real one has.

use core::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::{SA_ONSTACK, SA_SIGINFO, c_int};

use super::action::{self, RESTORER};
use super::next::{Answer, Name, is_of_go, libraries};
use super::{PAGE, is_filtered, system_call};
use crate::arch::{self, CONTEXT_STACK, CONTEXT_STACK_SIZE};
use crate::signals::Action;

/// In the place of `sa_restorer`: what follows is a handler.
const HANDLER: usize = 1 << 63;
/// Besides: the program has asked for a siginfo. The kernel is always asked for one, since it has the signal's number.
const WITH_INFO: usize = 1 << 62;

/// Whether handlers go to the kernel behind [`relay`].
static ACTIVE: AtomicBool = AtomicBool::new(false);
/// Whether the next `sigaction` is libc's, so that the kernel can be told as well.
static NEXT_IS_LIBC: AtomicBool = AtomicBool::new(false);
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

/// From now on handlers of the program are relayed.
#[cold]
fn start_relaying() {
    const SIGACTION: Name = Name::new("sigaction\0");
    const OF_LIBC: Name = Name::new("gnu_get_libc_version\0");
    let has = |library: &super::next::Library, name| !matches!(library.find(name), Answer::Unknown);
    let next = libraries().flatten().find(|library| has(library, &SIGACTION));
    NEXT_IS_LIBC.store(next.is_some_and(|library| has(&library, &OF_LIBC)), Relaxed);
    ACTIVE.store(true, Release);
    let early = EARLY.load(Relaxed);
    for signal in (1..=action::LAST_SIGNAL).filter(|&signal| early & action::mask_of(signal) != 0) {
        if let Some(now) = in_kernel(signal, None).filter(Action::is_handler)
            && let Some(before) = in_kernel(signal, Some(&now))
            && before != now
        {
            // Another thread was faster.
            in_kernel(signal, Some(&before));
        }
    }
}

/// Gives the kernel an action behind the relay, where it is one for it; `None` where the next `sigaction` must be called.
/// The inner `None`: it failed, with errno set.
pub(super) fn relay_action(signal: c_int, new: Option<&Action>) -> Option<Option<Action>> {
    if !ACTIVE.load(Acquire) {
        let handler = new.filter(|new| new.is_handler())?;
        let crash_handler = CRASH_HANDLER.load(Acquire);
        if handler.flags & SA_ONSTACK == 0 || crash_handler == 0 {
            EARLY.fetch_or(action::mask_of(signal), Relaxed);
            return None;
        }
        if handler.handler == crash_handler || RESTORER.load(Relaxed) == 0 || IS_GO.load(Relaxed) {
            return None;
        }
        if is_of_go(handler.handler) {
            IS_GO.store(true, Relaxed);
            return None;
        }
        // A child by vfork has the kernel's table for itself.
        if crate::sigpipe::is_own_process() {
            start_relaying();
        }
    }
    if let Some(new) = new
        && new.is_handler()
        && new.flags & SA_ONSTACK != 0
        && !IS_GO.load(Relaxed)
        && is_of_go(new.handler)
    {
        IS_GO.store(true, Relaxed);
        SIZE.store(0, Relaxed);
    }
    NEXT_IS_LIBC.load(Relaxed).then(|| in_kernel(signal, new))
}

/// After another library's `sigaction` has told the kernel of a handler: puts the relay in front of it.
pub(super) fn relay_after(signal: c_int, new: &Action) {
    if ACTIVE.load(Acquire)
        && new.is_handler()
        && let Some(now) = in_kernel(signal, None)
        && now.handler == new.handler
    {
        in_kernel(signal, Some(&now));
    }
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
    Action { restorer: RESTORER.load(Relaxed), ..action }
}

/// rt_sigaction(2), as sigaction(3) calls it.
fn in_kernel(signal: c_int, new: Option<&Action>) -> Option<Action> {
    /// Signals that glibc keeps for itself: SIGCANCEL and SIGSETXID.
    const INTERNAL: [c_int; 2] = [32, 33];
    if INTERNAL.contains(&signal) {
        super::set_errno(libc::EINVAL);
        return None;
    }
    let native = new.map(|new| {
        let mut native =
            [new.handler, (new.flags | action::SA_RESTORER) as u32 as usize, RESTORER.load(Relaxed), new.mask as usize];
        if new.is_handler() && new.handler != CRASH_HANDLER.load(Relaxed) {
            let info = if new.flags & SA_SIGINFO != 0 { WITH_INFO } else { 0 };
            let handler = new.handler | HANDLER | info;
            let kept = usize::try_from(signal).ok().and_then(|signal| HANDLERS.get(signal));
            if let Some(kept) = kept.filter(|_| crate::sigpipe::is_own_process()) {
                kept.store(handler, Relaxed);
            }
            native = [relay as *const () as usize, native[1] | SA_SIGINFO as usize, handler, native[3]];
        }
        native
    });
    let mut old = [0usize; 4];
    let new = native.as_ref().map_or(0, |native| native.as_ptr().expose_provenance());
    let arguments = [signal.into(), new as _, old.as_mut_ptr().expose_provenance() as _, size_of::<u64>() as _, 0, 0];
    // SAFETY: both are of the kernel's layout, and ours.
    if unsafe { system_call(libc::SYS_rt_sigaction, arguments) } != 0 {
        return None;
    }
    let [handler, flags, restorer, mask] = old;
    let old = Action { flags: flags as c_int, mask: mask as u64, restorer, ..Action::plain(handler) };
    Some(without_relay(Action { origin: crate::signals::Origin::Program, ..old }, signal))
}

/// Where things are in a frame of the kernel (`struct rt_sigframe`): a return address, a ucontext, a siginfo; the
/// processor's state is above, and the ucontext points to it.
const CONTEXT: usize = 8;
const INFO: usize = CONTEXT + 304;
/// In a ucontext: registers, and where the processor's state is.
const REGISTERS: usize = 40;
const STATE: usize = REGISTERS + 23 * 8;
/// What the interrupted function may use below its stack pointer (System V ABI, x86_64).
const RED_ZONE: usize = 128;

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
        let (bottom, size) = (at(frame + CONTEXT + CONTEXT_STACK), SIZE.load(Relaxed));
        let is_ours = |address: usize| address.wrapping_sub(bottom) < size;
        let interrupted = register(frame, libc::REG_RSP);
        if !is_ours(interrupted) {
            return move_frame(frame, bottom + size, interrupted, signal);
        }
        let is_frame = |&place: &usize| {
            at(place) & HANDLER != 0
                && at(place + CONTEXT + CONTEXT_STACK) == bottom
                && at(place + CONTEXT + CONTEXT_STACK_SIZE) == size
                && place + INFO < bottom + size
        };
        let first = interrupted.next_multiple_of(8);
        let end = (bottom + size).saturating_sub(INFO + 8);
        let Some(earlier) = (first..end).step_by(8).find(is_frame) else {
            // A crash under report was interrupted: our own code, where nothing is to be moved.
            put(frame, RESTORER.load(Relaxed));
            return frame;
        };
        let earlier_signal = at(earlier + INFO) as c_int;
        let handler = at(earlier) & !(HANDLER | WITH_INFO);
        let below = moved(earlier, earlier_signal);
        if below == 0 {
            return 0;
        }
        let frame = move_frame(frame, interrupted - RED_ZONE, below, signal);
        if frame != 0 {
            set_register(frame, libc::REG_RIP, handler);
            set_register(frame, libc::REG_RSP, below);
            set_register(frame, libc::REG_RDI, earlier_signal as usize);
            set_register(frame, libc::REG_RSI, below + INFO);
            set_register(frame, libc::REG_RDX, below + CONTEXT);
        }
        frame
    }
}

/// Copies a frame, which ends somewhere below `end`, to below that stack pointer.
unsafe fn move_frame(frame: usize, end: usize, stack_pointer: usize, signal: c_int) -> usize {
    // The processor's state needs an alignment of 64.
    let lowest = stack_pointer.wrapping_sub(RED_ZONE + (end - frame) + 64);
    let to = (lowest & !63) + frame % 64;
    // A fault may be that of a stack that is full. The kernel tries for us.
    if matches!(signal, libc::SIGSEGV | libc::SIGBUS) && !is_filtered() {
        let pages = (to / PAGE + 1..=stack_pointer.wrapping_sub(RED_ZONE + 8) / PAGE).map(|page| page * PAGE);
        if !core::iter::once(to).chain(pages).all(is_writable) {
            return 0;
        }
    }
    // SAFETY: the frame is the kernel's; below the red zone of the interrupted code's stack nothing is in use.
    unsafe {
        core::ptr::copy_nonoverlapping(place(frame).cast::<u8>(), place(to).cast(), end - frame);
        put(to, RESTORER.load(Relaxed));
        let state = at(frame + CONTEXT + STATE);
        if (frame..end).contains(&state) {
            put(to + CONTEXT + STATE, state - frame + to);
        }
    }
    to
}

/// Whether eight bytes can be written there, where nothing is in use.
fn is_writable(address: usize) -> bool {
    // SAFETY: only asks for the set of blocked signals; the kernel checks the address.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, 0, address, size_of::<u64>()) == 0 }
}

fn place(address: usize) -> *mut usize {
    core::ptr::with_exposed_provenance_mut(address)
}

unsafe fn at(address: usize) -> usize {
    // SAFETY: the caller's address is readable.
    unsafe { place(address).read() }
}

unsafe fn put(address: usize, value: usize) {
    // SAFETY: the caller's address is writable, and nobody else's.
    unsafe { place(address).write(value) }
}

unsafe fn register(frame: usize, number: c_int) -> usize {
    // SAFETY: the caller's frame.
    unsafe { at(frame + CONTEXT + REGISTERS + number as usize * 8) }
}

unsafe fn set_register(frame: usize, number: c_int, value: usize) {
    // SAFETY: the caller's frame.
    unsafe { put(frame + CONTEXT + REGISTERS + number as usize * 8, value) }
}
