//! What of this machine matters to the library.

use std::ffi::CStr;

use crate::output;
use crate::platform::Fact;

/// What works on no machine of this system.
pub const ALWAYS: &[&str] = &[
    "programs that System Integrity Protection or the hardened runtime keep preloads from: nosigpipe check PROGRAM tells",
    "nosigpipe status without sudo",
];

/// What can be found out without special rights.
pub fn facts() -> Vec<Fact> {
    // SAFETY: an all-zero utsname is valid, and the call fills in ours.
    let name = unsafe {
        let mut name: libc::utsname = std::mem::zeroed();
        libc::uname(&raw mut name);
        name
    };
    // SAFETY: each field is a string that ends with a zero byte: the kernel's are, and one that is not filled in is
    // empty.
    let text = |field: &[libc::c_char]| unsafe { CStr::from_ptr(field.as_ptr()) }.to_string_lossy().into_owned();
    let value = format!("{} {} {}", text(&name.sysname), text(&name.release), text(&name.machine));
    vec![Fact { name: "kernel", value: output::name(&value), limits: Vec::new() }]
}
