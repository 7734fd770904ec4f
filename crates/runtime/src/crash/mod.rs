//! From a signal to the end of the process: the crash report.
//!
//! The steps come in the order of their risk, and each works even if all later ones fail:
//!
//! 1. [`handler`]: whose crash it is, and that only one is reported at a time
//! 2. [`header`]: the first lines, from a fixed buffer
//! 3. [`copy`]: a copy of the process that takes its time over the rest
//! 4. [`raw`]: addresses, if there could be no copy
//! 5. [`death`]: the end that the process would have had without us
//!
//! Everything outside `copy` runs in a broken process: no malloc, no lock, no panic, no libc
//! function but those that the library brings itself, no memory that might not be there.

mod child;
mod copy;
mod death;
mod handler;
pub mod header;
mod incident;
mod ownership;
mod raw;
pub mod reporter;
mod returns;
mod settings;
mod stacks;
mod vm_child;

pub use copy::own_mappings;
pub use incident::{Incident, correct_incident, incident, wait_for_crash_in_progress};
pub use ownership::{is_dying, owned};
#[cfg(target_os = "linux")]
pub use ownership::{let_abort_through, stand_aside};
pub use reporter::Reporter;
pub use settings::{is_active, options, program};
pub use stacks::{Routine, create as create_thread, told_size as signal_stack_size};
#[cfg(target_os = "linux")]
pub use stacks::{is_first, lock_all, release_key};

use crate::platform;
use ::settings::options::{Core, Crash, Options};

/// Takes the crash signals over. `complain` says whether to write a line about a directory that reports can't be written to. For the
/// constructor.
pub fn start(options: &Options, program: &[u8], complain: bool, reporter: &'static Reporter) {
    match options.core {
        Core::Keep => {}
        Core::Unlimited => platform::raise_core_limit(u64::MAX),
        Core::Bytes(bytes) => platform::raise_core_limit(bytes),
    }
    if options.crash == Crash::Off || options.crash_signals == 0 || platform::is_sanitized() {
        return;
    }
    settings::note(options, program, complain);
    settings::set_started();
    platform::learn_filter();
    reporter::start(reporter);
    stacks::start();
    let entries = handler::entries();
    ownership::start(options.crash_signals, entries);
    platform::prepare_to_relay(signal_stack_size(), entries.handler);
    settings::set_active();
    platform::at_exit(at_exit);
}

/// To be called when a wait(2) of the program has told of a child's end: with the signal that has killed it, or 0.
#[cfg(target_os = "linux")]
pub fn child_ended(signal: libc::c_int) {
    child::ended(signal);
    if signal != 0 && platform::is_own_process() && platform::are_actions_shared() {
        ownership::apply_all();
    }
}

/// An address in this library's own code.
pub fn own_code() -> usize {
    handler::entries().handler
}

/// Makes this process's data its own after a fork.
pub fn adopt_forked_child() {
    if is_active() {
        // A filter may forbid to ask for the time.
        if !platform::is_filtered() {
            settings::set_started();
        }
        incident::adopt_forked_child();
        child::adopt_forked_child();
        stacks::adopt_forked_child();
    }
}

/// Inside exit(3), after the program's own handlers.
extern "C" fn at_exit() {
    wait_for_crash_in_progress();
}
