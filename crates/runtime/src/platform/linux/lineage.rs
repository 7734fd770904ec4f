//! NOSIGPIPE_PROCESS, the pid of the process that was started with the library: added to the environment of programs that this process
//! starts, while its own environment stays as the kernel has laid it out.

use super::freestanding::own_call;
use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{
    AtomicPtr,
    Ordering::{Acquire, Release},
};

use libc::{c_char, pid_t};

use super::maps::shares_file_with;
use super::program_memory::ProgramMemory;
use crate::platform::is_own_process;
use crate::platform::{map, unmap};

/// The entry that is added to environments which don't have it; null where the process's own environment has it already.
static ENTRY: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());

/// Environments of up to so many entries are put together in an array of that size on the stack.
const SMALL: usize = 128;
/// Those of up to so many entries in a larger one. Still larger ones need memory to be mapped, which a child by vfork may not do: its
/// parent would keep it.
const LARGE: usize = 1024;

/// Has `entry` added to the environment of what this process executes or spawns. For the constructor.
pub fn hand_on(entry: &'static CStr) {
    ENTRY.store(entry.as_ptr().cast_mut(), Release);
}

/// Calls with the given environment and the entry of [`hand_on`] added. An environment without LD_PRELOAD, with which the program would
/// not get this library, is used as it is.
pub(crate) fn with_environment<T>(
    environment: *const *const c_char,
    call: impl FnOnce(*const *const c_char) -> T,
) -> T {
    let entry = ENTRY.load(Acquire).cast_const();
    if entry.is_null() || environment.is_null() {
        return call(environment);
    }
    // SAFETY: hand_on was given a string that stays.
    let name = unsafe { CStr::from_ptr(entry) }.to_bytes();
    let name = name.split_inclusive(|&byte| byte == b'=').next().unwrap_or_default();
    let Some(count) = count_to_extend(environment, name) else { return call(environment) };
    match count + 2 {
        length if length <= SMALL => on_stack::<SMALL, T>(environment, count, entry, call),
        length if length <= LARGE => on_stack::<LARGE, T>(environment, count, entry, call),
        _ if !is_own_process() => call(environment),
        length => {
            let size = length * size_of::<*const c_char>();
            let array = map(size, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE);
            if array.is_null() {
                return call(environment);
            }
            // SAFETY: fresh memory of that size, all zero; given back when the call is over.
            unsafe {
                let array: *mut *const c_char = array.cast();
                ptr::copy_nonoverlapping(environment, array, count);
                array.add(count).write(entry);
                let result = call(array);
                unmap(array.cast(), size);
                result
            }
        }
    }
}

/// The number of entries in an environment that has LD_PRELOAD and no entry that begins with `name`; `None` for any other, and if it
/// can't be read: then the kernel reports that error.
fn count_to_extend(environment: *const *const c_char, name: &[u8]) -> Option<usize> {
    let (mut array, mut strings) = (ProgramMemory::new(), ProgramMemory::new());
    let (mut count, mut preloads) = (0, false);
    loop {
        let variable = array.pointer(environment.wrapping_add(count))?;
        if variable.is_null() {
            return preloads.then_some(count);
        }
        if strings.starts_with(variable, name)? {
            return None;
        }
        preloads |= strings.starts_with(variable, b"LD_PRELOAD=")?;
        count += 1;
    }
}

#[inline(never)]
fn on_stack<const N: usize, T>(
    environment: *const *const c_char,
    count: usize,
    entry: *const c_char,
    call: impl FnOnce(*const *const c_char) -> T,
) -> T {
    let mut array = [ptr::null(); N];
    for (index, to) in array.iter_mut().enumerate().take(count) {
        // SAFETY: the environment has that many entries.
        *to = unsafe { *environment.add(index) };
    }
    if let Some(last) = array.get_mut(count) {
        *last = entry;
    }
    call(array.as_ptr())
}

/// The parent, if it has this library: libc's own children (system, popen, wordexp) are told nothing in their environment.
pub fn parent_with_library() -> Option<pid_t> {
    // SAFETY: no preconditions.
    let parent = unsafe { own_call(libc::SYS_getppid) as pid_t };
    shares_file_with(parent, (&raw const ENTRY).addr() as u64).then_some(parent)
}
