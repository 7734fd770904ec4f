//! Which process our static data belongs to. A child that shares its parent's memory (vfork, CLONE_VM) sees the parent's data, and
//! must leave it as it is.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use libc::pid_t;

use super::{is_filtered, may_be_vm_child, pid};

/// The process that the static data belongs to.
static OWN_PROCESS: AtomicI32 = AtomicI32::new(0);

/// Whether the calling process is the one that our static data belongs to, not a child that shares its memory. In a process with a
/// filter, the pid is asked for only while there may be such a child.
pub fn is_own_process() -> bool {
    is_filtered() && !may_be_vm_child() || pid() == own_process()
}

/// The process that this is, as it was noted at load and by fork: no system call is made to find out.
pub fn own_process() -> pid_t {
    OWN_PROCESS.load(Relaxed)
}

/// For the constructor, and after a fork.
pub fn set_own_process(pid: pid_t) {
    OWN_PROCESS.store(pid, Relaxed);
}
