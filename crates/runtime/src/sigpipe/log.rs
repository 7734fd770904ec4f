//! Counts broken pipes, and writes lines about them if NOSIGPIPE_LOG asks for that.

use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use libc::c_int;

use super::scope_is;
use crate::platform::{self, Peer, is_own_process};
use crate::state::{CALLS, Call, STATE};
use settings::options::{Log, Scope};
use wording::line::Line;

/// Lines that are written per second at most. Broken pipes beyond that are counted in [`LEFT_OUT`].
const LINES_PER_SECOND: u32 = 10;

/// Whether each broken pipe gets a line (`Log::BrokenPipes`).
static LINES: AtomicBool = AtomicBool::new(false);
/// Whether there is a line at exit (`Log::Summary`).
static SUMMARY: AtomicBool = AtomicBool::new(false);
/// The second, on the clock of `platform::seconds`, in which [`LINES_IN_SECOND`] lines were written.
static SECOND: AtomicU64 = AtomicU64::new(0);
static LINES_IN_SECOND: AtomicU32 = AtomicU32::new(0);
/// Broken pipes without a line, since the last line that has told their number.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// Puts the setting in force. For the constructor.
pub(super) fn start(log: Log) {
    LINES.store(log == Log::BrokenPipes, Relaxed);
    SUMMARY.store(log == Log::Summary, Relaxed);
    if log != Log::Off {
        // SAFETY: the handler is a function of ours, and the library is never unloaded.
        unsafe { libc::atexit(at_exit) };
    }
}

/// In a child by fork(2): what the parent has left out is for the parent's line.
pub(super) fn adopt_forked_child() {
    LEFT_OUT.store(0, Relaxed);
}

/// Counts a broken pipe that the program has survived, and tells of it.
pub(super) fn survived(call: Call, fd: c_int) {
    STATE.count_broken_pipe(call);
    if LINES.load(Relaxed) {
        tell(call, fd);
    }
}

/// Writes a line about a broken pipe. May run in a signal handler, so threads only share counters: where two begin a
/// second at once, a few lines more may be written.
fn tell(call: Call, fd: c_int) {
    let second = platform::seconds();
    if SECOND.swap(second, Relaxed) != second {
        LINES_IN_SECOND.store(0, Relaxed);
    }
    if LINES_IN_SECOND.fetch_add(1, Relaxed) >= LINES_PER_SECOND {
        LEFT_OUT.fetch_add(1, Relaxed);
        return;
    }
    let mut line = Line::<512>::new();
    let name = CALLS.get(call as usize).copied().unwrap_or_default();
    let _ = write!(line, "broken pipe survived in {name}, ");
    if fd >= 0 {
        let _ = write!(line, "descriptor {fd}, ");
    }
    let _ = match platform::peer_of(fd) {
        Peer::Inet(address) => write!(line, "peer {address}"),
        Peer::Unix => write!(line, "peer on a unix socket"),
        Peer::Unknown => write!(line, "peer unknown"),
    };
    who(&mut line);
    let left_out = LEFT_OUT.swap(0, Relaxed);
    if left_out > 0 {
        let _ = write!(line, "; {left_out} more left out before");
    }
    if !platform::write_stderr(line.finish()) {
        LEFT_OUT.fetch_add(left_out + 1, Relaxed);
    }
}

/// Adds the program's name and the process's id to a line.
fn who(line: &mut Line) {
    line.push(b", in ");
    line.push_foreign(platform::invocation_name(), 64);
    let _ = write!(line, "[{}]", platform::pid());
}

/// The last line: the summary, or the number of broken pipes that had no line.
extern "C" fn at_exit() {
    if !is_own_process() {
        return;
    }
    let mut line = Line::<512>::new();
    if SUMMARY.load(Relaxed) {
        let broken = STATE.broken_pipes();
        // A process in another scope than `process` is mostly a child of the server: without a broken pipe it has
        // nothing to say.
        if broken == 0 && !scope_is(Scope::Process) {
            return;
        }
        let _ = write!(
            line,
            "{broken} broken pipes survived, {} sockets made, {} accepted",
            STATE.sockets.load(Relaxed),
            STATE.accepted.load(Relaxed)
        );
        who(&mut line);
    } else {
        let left_out = LEFT_OUT.swap(0, Relaxed);
        if left_out == 0 {
            return;
        }
        let _ = write!(line, "{left_out} more broken pipes survived, left out");
        who(&mut line);
    }
    platform::keeping_errno(|| platform::write_stderr(line.finish()));
}
