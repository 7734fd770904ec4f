//! What fork(2) means for this library: the child's data becomes its own.

use crate::platform::{self, set_own_process};
use crate::{crash, sigpipe};

/// Asks to be told of every fork that libc makes. For the constructor.
pub fn watch() {
    platform::at_fork(forked);
}

/// Called in a forked child before fork(2) returns to the program.
pub extern "C" fn forked() {
    platform::keeping_errno(|| {
        platform::forget_vm_children();
        crash::adopt_forked_child();
        // Under a filter nothing is changed in the kernel: that takes system calls which fork would not have made, and which the
        // filter may end the process for.
        let is_filtered = platform::is_filtered();
        if !is_filtered {
            set_own_process(platform::pid());
        }
        sigpipe::adopt_forked_child(is_filtered);
    });
}
