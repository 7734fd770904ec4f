//! The state of the process and of the system: directory, kernel, libc, limits, the control group's memory, the environment. All of
//! it is read from files that may be missing or have any content.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use libc::pid_t;
use report::{Context, GroupMemory};

use super::system;
use crate::platform::own_call;
use crate::process::Map;

/// Variables of the environment that a report shows: those that change how programs run, and hold no secrets. An asterisk stands
/// for any end.
const VARIABLES: [&str; 24] = [
    "CI",
    "CUDA_VISIBLE_DEVICES",
    "GITHUB_ACTIONS",
    "GLIBC_TUNABLES",
    "GODEBUG",
    "GOTRACEBACK",
    "HOSTNAME",
    "INVOCATION_ID",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "MALLOC_ARENA_MAX",
    "MALLOC_CHECK_",
    "NOSIGPIPE_*",
    "NVIDIA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "PATH",
    "PYTHONFAULTHANDLER",
    "PYTHONHOME",
    "PYTHONMALLOC",
    "PYTHONPATH",
    "RUST_BACKTRACE",
    "TZ",
];

/// Bytes of a file of the kernel's that are read, at most.
const MOST: usize = 1 << 17;

/// As much of the state as can be read, by the number of a thread that has not ended: where the main thread has, the kernel shows nothing by
/// the process's own.
pub fn context(tid: pid_t, map: &Map) -> Context {
    let descriptors = system::names_below(&format!("/proc/{tid}/fd\0")).len() as u64;
    let threads = system::thread_ids(tid).len() as u64;
    Context {
        directory: system::link("/proc/self/cwd\0"),
        kernel: kernel(),
        libc: libc_version(map),
        system_uptime: file("/proc/uptime").split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0),
        threads,
        descriptors,
        limits: limits(tid, descriptors, map.mappings.len() as u64),
        memory: group_memory(tid),
        environment: environment(tid),
    }
}

fn file(path: &str) -> String {
    let content = system::read_file(format!("{path}\0").as_bytes(), MOST).unwrap_or_default();
    String::from_utf8_lossy(&content).into_owned()
}

/// uname(2)
fn kernel() -> String {
    // SAFETY: zeros are valid for a structure of arrays of characters; the kernel writes into it only.
    let name = unsafe {
        let mut name: libc::utsname = core::mem::zeroed();
        own_call(libc::SYS_uname, &raw mut name);
        name
    };
    let text = |field: &[libc::c_char]| -> String {
        // A character has a sign on some processors only.
        field.iter().map(|&byte| char::from(byte.to_ne_bytes()[0])).take_while(|&character| character != '\0').collect()
    };
    format!("{} {} {}", text(&name.sysname), text(&name.release), text(&name.machine))
}

/// glibc's version, by the banner that it prints when it is executed.
fn libc_version(map: &Map) -> String {
    const BANNER: &[u8] = b"GNU C Library ";
    let is_libc = |name: &str| name.starts_with("libc.") || name.starts_with("libc-");
    let libc = map.modules.iter().find(|module| module.path.rsplit('/').next().is_some_and(is_libc));
    let image = libc.and_then(|libc| map.in_memory(libc.start, libc.end - libc.start)).unwrap_or_default();
    let mut rest = image;
    while let Some(at) = rest.iter().position(|&byte| byte == b'G') {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with(BANNER) {
            let line = rest.iter().take(128).take_while(|&&byte| byte != b'\n' && byte != 0);
            return line.map(|&byte| char::from(byte)).collect::<String>().trim_end_matches('.').to_owned();
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    String::new()
}

/// Limits of which nine tenths or more are used: name, how much is used, and how much is allowed.
fn limits(tid: pid_t, descriptors: u64, mappings: u64) -> Vec<(String, u64, u64)> {
    let status = file(&format!("/proc/{tid}/status"));
    let size = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    let used = [
        ("Max open files", descriptors),
        ("Max address space", size("VmSize:")),
        ("Max data size", size("VmData:")),
        ("Max stack size", size("VmStk:")),
        ("Max locked memory", size("VmLck:")),
    ];
    let allowed = file(&format!("/proc/{tid}/limits"));
    let mut near = Vec::new();
    let mut add = |name: &str, used: u64, most: Option<u64>| {
        if let Some(most) = most.filter(|&most| used > 0 && used >= most - most / 10) {
            near.push((name.to_owned(), used, most));
        }
    };
    for (name, used) in used {
        let line = allowed.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        add(name.trim_start_matches("Max "), used, line.split_whitespace().next().and_then(|most| most.parse().ok()));
    }
    add("mappings", mappings, file("/proc/sys/vm/max_map_count").trim().parse().ok());
    near
}

/// The memory of the control group that limits this process's, cgroups(7); the nearest one that has a limit.
fn group_memory(tid: pid_t) -> Option<GroupMemory> {
    /// Levels of the hierarchy of groups that are looked at.
    const DEEPEST: usize = 64;
    /// From this number of bytes on there is no limit: version 1 then tells the largest number of pages that it can hold.
    const NO_LIMIT: u64 = 1 << 60;
    let groups = file(&format!("/proc/{tid}/cgroup"));
    let group = |version: u64| {
        groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let is_wanted = match version {
                1 => controllers.split(',').any(|controller| controller == "memory"),
                _ => number == "0" && controllers.is_empty(),
            };
            is_wanted.then_some(path)
        })
    };
    let (version, path) = group(1).map(|path| (1, path)).or_else(|| group(2).map(|path| (2, path)))?;
    let (root, limit_file, used_file, events_file) = match version {
        1 => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.oom_control"),
        _ => ("/sys/fs/cgroup", "memory.max", "memory.current", "memory.events"),
    };
    let number = |path: &str, name: &str| file(&format!("{root}{path}/{name}")).trim().parse::<u64>().ok();
    let mut first = None;
    let mut path = path.trim_end_matches('/');
    for _ in 0..DEEPEST {
        if let Some(used) = number(path, used_file) {
            let limit = number(path, limit_file).filter(|&limit| limit < NO_LIMIT);
            let events = file(&format!("{root}{path}/{events_file}"));
            let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
            let memory = GroupMemory { version, used, limit, kills };
            if limit.is_some() {
                return Some(memory);
            }
            first = first.or(Some(memory));
        }
        match path.rsplit_once('/') {
            Some((parent, _)) => path = parent,
            None => break,
        }
    }
    first
}

/// The environment that the process was started with, as far as reports show it.
fn environment(tid: pid_t) -> Vec<(String, String)> {
    /// Characters of a value that are shown, at most.
    const LONGEST: usize = 1024;
    let is_shown = |name: &str| {
        VARIABLES.iter().any(|variable| match variable.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *variable,
        })
    };
    let mut found: Vec<(String, String)> = Vec::new();
    for entry in file(&format!("/proc/{tid}/environ")).split('\0') {
        if let Some((name, value)) = entry.split_once('=').filter(|(name, _)| is_shown(name)) {
            found.push((name.to_owned(), value.chars().take(LONGEST).collect()));
        }
    }
    found
}
