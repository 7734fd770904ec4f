//! What the program is told of SIGPIPE.

use std::ffi::c_int;
use std::ptr::{null, null_mut};

use crate::say;
use crate::system::{Action, SA_RESTART, SIG_DFL, SIG_IGN, SIGPIPE, SIGUSR1, sigaction, signal};

extern "C" fn handler(_: c_int) {}

fn told(number: c_int) -> Action {
    let mut action = Action { handler: 99, mask: 0, flags: 0 };
    unsafe { sigaction(number, null(), &raw mut action) };
    action
}

pub fn tell() -> c_int {
    say(match told(SIGPIPE).handler {
        SIG_DFL => "default\n",
        SIG_IGN => "ignored\n",
        _ => "handled\n",
    });
    0
}

pub fn told_back() -> c_int {
    let ours = handler as *const () as usize;
    for number in [SIGPIPE, SIGUSR1] {
        for set in [
            Action { handler: ours, mask: 1 << (SIGUSR1 - 1), flags: SA_RESTART },
            Action { handler: SIG_IGN, mask: 0, flags: 0 },
            Action { handler: SIG_DFL, mask: 0, flags: 0 },
        ] {
            if unsafe { sigaction(number, &raw const set, null_mut()) } != 0 || told(number) != set {
                return 3;
            }
        }
        if unsafe { signal(number, ours) } != SIG_DFL || unsafe { signal(number, SIG_DFL) } != ours {
            return 4;
        }
    }
    say("told\n");
    0
}
