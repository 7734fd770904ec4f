//! Which process was started with the library: told to programs in the environment that they are executed with, while this
//! process's own stays as the kernel has laid it out.

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

/// What is added to environments that don't have it; null where the process's own has it, and hands it on by itself.
static ENTRY: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());

/// Environments of up to so many entries are put together on the stack.
const SMALL: usize = 128;
/// The same in a child by vfork, which may not map memory: its parent would keep it.
const LARGE: usize = 1024;

/// Has `entry` added to the environment of what this process executes or spawns. For the constructor.
pub fn hand_on(entry: &'static CStr) {
    ENTRY.store(entry.as_ptr().cast_mut(), Release);
}

/// Calls with the environment that a program is to have: the given one, with what [`hand_on`] was told. An environment that
/// does not have the program preload anything stays as it is.
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

/// The number of entries in an environment that has a preload but no entry that begins with `name`; `None` for any other, and
/// where something in it can't be read, which the kernel is to say.
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
