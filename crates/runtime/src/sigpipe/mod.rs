//! The policy for SIGPIPE: what the kernel has, what the program is told, what its children start with.
//!
//! Nothing in this module may lock, allocate or panic: the hooks of async-signal-safe functions and the guard handler
//! reach all of it.

mod children;
mod guard;
mod log;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as system;

pub use children::{Spawn, adopt_forked_child, children_need_default};
#[cfg(target_os = "linux")]
pub use linux::{ask_for_sigpipe, sigpipe_was_taken};

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::Relaxed};

use libc::{EINVAL, EOPNOTSUPP, EPIPE, SIG_DFL, SIG_IGN, SIGPIPE, c_int};

use crate::platform::{self, Action};
use crate::signals::{Origin, Owned, Request, Rules};
use crate::state::{Call, Disposition, STATE};
use policy::Set;
use settings::options::{Log, Scope};

/// What broke, with the call that noticed it and its descriptor (-1 where that is not known). For the guard handler.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A socket.
    Socket(Call, c_int),
    /// A pipe, a FIFO, anything else that is not a socket, or a socketpair that stands in for a pipe.
    Other(Call, c_int),
    /// Nothing: somebody sent the signal.
    Nothing,
}

/// SIGPIPE, once the constructor has run and the scope is not `off`.
pub static SIGNAL: Owned = Owned::new(
    SIGPIPE,
    Rules { kernel_action, requested, is_ours, vm_childs_default: || Action::plain(SIG_DFL), changed: publish_belief },
);

/// The mask (`sa_mask`) of a SIG_IGN that nobody has asked for. The kernel keeps it with the action, where it has no
/// effect, and copies it into every child's own table. So even a child by vfork(2) can tell our SIG_IGN from one that
/// was asked for. Two signals, since glibc's signal(2) sets a mask of one.
const OURS: u64 = 1 << (SIGPIPE - 1) | 1 << (libc::SIGTTIN - 1);

/// What `send` and its family add to their flags. It is so from the start, for calls before the constructor has run.
static FLAG: AtomicI32 = AtomicI32::new(platform::NOSIGNAL);

// The constructor sets the following three before `SIGNAL.own`, whose Release store publishes them: other threads look
// at them only when they have found the signal active (Acquire). Later only a child by fork(2) changes the scope, while
// it has one thread.

/// The [`Scope`] in force.
static SCOPE: AtomicU32 = AtomicU32::new(Scope::Off as u32);
/// Whether the process was started with SIGPIPE ignored.
static STARTED_IGNORED: AtomicBool = AtomicBool::new(false);
/// Whether every broken pipe is to be counted, which only a handler can do.
static COUNTING: AtomicBool = AtomicBool::new(false);

/// The flag for `send` and its family.
pub fn flag() -> c_int {
    FLAG.load(Relaxed)
}

/// What must be done to a new socket.
#[inline(always)]
pub fn configure_socket(fd: c_int) {
    // The constant is false on Linux, where nothing is to be done. The flag is 0 in scope `off`.
    if platform::CONFIGURES_SOCKETS && flag() != 0 {
        platform::configure_socket(fd);
    }
}

/// To be called when `send` or another of its family has failed, and the flag was added to its flags. Returns whether
/// it must be called again without the flag. Keeps errno.
#[cold]
#[inline(never)]
pub fn failed_send(call: Call, fd: c_int) -> bool {
    platform::keeping_errno(|| match platform::errno() {
        EPIPE => {
            log::survived(call, fd);
            false
        }
        EINVAL | EOPNOTSUPP => platform::refuses_flags(fd),
        _ => false,
    })
}

/// Whether a SIGPIPE comes to the guard handler, whatever the program believes.
#[cfg(target_os = "linux")]
pub fn is_handled() -> bool {
    SIGNAL.is_active() && kernel_action(&SIGNAL.believed()).handler == guard::address()
}

fn scope_is(scope: Scope) -> bool {
    SCOPE.load(Relaxed) == scope as u32
}

fn set_scope(scope: Scope) {
    SCOPE.store(scope as u32, Relaxed);
    STATE.scope.store(scope as u32, Relaxed);
}

/// Puts the scope in force. For the constructor.
pub fn start(scope: Scope, log: Log) {
    set_scope(scope);
    STATE.log.store(log as u32, Relaxed);
    if scope == Scope::Off {
        FLAG.store(0, Relaxed);
        return;
    }
    COUNTING.store(log != Log::Off && platform::SIGPIPE_IS_SYNCHRONOUS, Relaxed);
    log::start(log);
    platform::configure_open_sockets();
    system::start();
    platform::learn_restorer(SIGPIPE);
    let found = platform::action(SIGPIPE);
    STARTED_IGNORED.store(found.handler == SIG_IGN, Relaxed);
    SIGNAL.own(if found.is_handler() {
        // The constructor of another library has set a handler: that counts as the program's.
        Request::of_program(found)
    } else {
        at_start(found.handler == SIG_IGN)
    });
}

/// Leaves everything to another copy of the library in this process. For the constructor.
pub fn keep_out() {
    FLAG.store(0, Relaxed);
}

/// What the program is told as long as nobody has set SIGPIPE. `ignored` says whether the process was started with
/// SIG_IGN.
fn at_start(ignored: bool) -> Request {
    let made_ignored = !ignored && (scope_is(Scope::Process) || scope_is(Scope::Tree));
    Request::inherited(Action {
        restorer: if made_ignored { restorer_mark() } else { 0 },
        ..Action::plain(if ignored || made_ignored { SIG_IGN } else { SIG_DFL })
    })
}

/// What the program is told as `sa_restorer` of a SIG_IGN that nobody has asked for. A program that saves the structure
/// and sets it again later, as libcurl does, hands it back to us, and so has asked for nothing. The address of a static
/// is no restorer's.
fn restorer_mark() -> usize {
    (&raw const SIGNAL).addr()
}

/// What the program is to believe after it has set an action, given what was in force.
fn requested(new: Request, before: &Request) -> Request {
    let set = |request: &Request| Set {
        origin: request.origin,
        ignores: request.handler == SIG_IGN,
        is_marked: request.restorer == restorer_mark(),
    };
    let origin = policy::origin(set(&new), set(before));
    let kept = platform::as_kept(new.action);
    let action = if origin == Origin::Inherited { Action { restorer: restorer_mark(), ..kept } } else { kept };
    Request { action, origin }
}

/// Tells `nosigpipe status` what the program believes. A signal that becomes ignored is no longer pending
/// (sigaction(2)), so none that the program has sent itself comes any more, also where the guard handler stands in.
fn publish_belief(_signal: c_int, believed: &Action) {
    if believed.handler == SIG_IGN {
        system::forget_asked_sigpipe();
    }
    let (disposition, handler) = match believed.handler {
        SIG_DFL => (Disposition::Default, 0),
        SIG_IGN => (Disposition::Ignore, 0),
        handler => (Disposition::Handler, handler),
    };
    STATE.belief_handler.store(handler as u64, Relaxed);
    STATE.belief.store(disposition as u32, Relaxed);
}

/// Whether an action that the kernel has is one that we have given it, so that the program must be told another one.
fn is_ours(action: &Action) -> bool {
    action.handler == guard::address() || action.handler == SIG_IGN && action.mask == OURS
}

/// The policy: the action for the kernel, by what the program has asked for.
fn kernel_action(requested: &Request) -> Action {
    if children::is_spawning() {
        return children::while_starting(requested);
    }
    match requested.handler {
        SIG_IGN if COUNTING.load(Relaxed) => guard::action(requested),
        // It is replaced while a program is being started (`children.rs`).
        SIG_IGN if !children_ignore(requested) => Action { mask: OURS, ..Action::plain(SIG_IGN) },
        SIG_IGN => Action::plain(SIG_IGN),
        _ => guard::action(requested),
    }
}

/// Whether what the program starts now is to start with SIGPIPE ignored.
fn children_ignore(requested: &Request) -> bool {
    requested.handler == SIG_IGN
        && (requested.origin != Origin::Inherited || scope_is(Scope::Tree) || STARTED_IGNORED.load(Relaxed))
}
