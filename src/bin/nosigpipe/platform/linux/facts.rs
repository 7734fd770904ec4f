//! What of this machine, or of the container that we are in, matters to the library.

use std::ffi::CStr;
use std::fs;
use std::path::Path;

use super::permission::{Call, may_trace, reads_memory_by_file};
use crate::exit;
use crate::output;
use crate::platform::Fact;

/// What works on no machine of this system.
pub const ALWAYS: &[&str] = &[
    "programs that are static, of a libc that the library is not for, for another machine, or set-user-ID: nosigpipe check PROGRAM tells",
    "a library or a setting outside of the container that the program runs in",
];

/// What can be found out without special rights.
pub fn facts() -> Vec<Fact> {
    vec![
        kernel(),
        container(),
        libc_version(),
        system_preload(),
        looking_in(),
        seccomp(),
        security(),
        core(),
        debug_files(),
    ]
}

/// A file's text, without white space at its ends.
fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// A field of /proc/self/status.
fn own(name: &str) -> Option<String> {
    let status = read("/proc/self/status")?;
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned())
}

fn kernel() -> Fact {
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
    Fact { name: "kernel", value: output::name(&value), limits: Vec::new() }
}

/// Whether this is a container, as far as its runtime has left a mark.
fn container() -> Fact {
    let mark = ["/run/.containerenv", "/.dockerenv"].into_iter().find(|path| Path::new(path).exists());
    let by_kubernetes = Path::new("/var/run/secrets/kubernetes.io").exists();
    let pid_1 = std::process::id() == 1 || own("NSpid").is_some_and(|pids| pids.split_whitespace().count() > 1);
    let value = match mark {
        _ if by_kubernetes => "a Kubernetes pod".to_owned(),
        Some(mark) => format!("one of its own, by {mark}"),
        None if pid_1 => "a pid namespace of its own".to_owned(),
        None => "none that is marked as one".to_owned(),
    };
    Fact { name: "container", value, limits: Vec::new() }
}

/// musl has no function that tells its version, and there is one musl for each program that brings its own.
#[cfg(target_env = "musl")]
fn libc_version() -> Fact {
    Fact { name: "libc", value: "musl".into(), limits: Vec::new() }
}

#[cfg(not(target_env = "musl"))]
fn libc_version() -> Fact {
    // SAFETY: libc returns a constant string.
    let version = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) }.to_string_lossy().into_owned();
    Fact { name: "libc", value: format!("glibc {version}"), limits: Vec::new() }
}

/// What the administrator has preloaded into every program.
fn system_preload() -> Fact {
    let list = read("/etc/ld.so.preload").unwrap_or_default();
    let entries: Vec<_> = list
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(|line| line.split([' ', '\t', ':']))
        .filter(|entry| !entry.is_empty())
        .collect();
    let ours = entries.iter().any(|entry| entry.ends_with(super::LIBRARY));
    Fact {
        name: "preloaded",
        value: if entries.is_empty() {
            "nothing by /etc/ld.so.preload".into()
        } else {
            output::name(&entries.join(" "))
        },
        limits: Vec::from_iter(ours.then(|| {
            "the library is in /etc/ld.so.preload and so in every program: one by nosigpipe run would be a second"
                .into()
        })),
    }
}

/// Who may look into other processes: by Yama's setting (the kernel's Documentation/admin-guide/LSM/Yama.rst), and by which
/// calls.
fn looking_in() -> Fact {
    let (by_yama, limit) = yama();
    let (ptrace, memory) = (Call::Ptrace.refusal(), Call::ProcessVmReadv.refusal());
    let by_file = memory.is_some() && reads_memory_by_file();
    let mut limits: Vec<String> = limit.map(str::to_owned).into_iter().collect();
    if let Some(refusal) = &ptrace {
        limits.push(format!("nosigpipe stack, and other threads' stacks in crash reports: {refusal}"));
    }
    let memory = memory.map(|refusal| {
        if by_file {
            format!("{refusal}, so memory is read by /proc/PID/mem")
        } else {
            limits.push(format!("nosigpipe status and stack: {refusal}, and /proc/PID/mem can't be read"));
            format!("{refusal}, and memory can't be read")
        }
    });
    let value = match (ptrace, memory) {
        (None, None) => by_yama.to_owned(),
        (None, Some(memory)) => format!("{by_yama}; {memory}"),
        (Some(ptrace), None) => format!("{ptrace}; memory can be read"),
        (Some(ptrace), Some(memory)) => format!("{ptrace}; {memory}"),
    };
    Fact { name: "looking in", value, limits }
}

/// What Yama allows us, and what will not work for it.
fn yama() -> (&'static str, Option<&'static str>) {
    let scope = read("/proc/sys/kernel/yama/ptrace_scope");
    match (scope.as_deref(), may_trace()) {
        (None | Some("0"), _) => ("a process may look into the others of its user", None),
        (Some("1"), true) => (
            "we may look into all processes, by CAP_SYS_PTRACE; without it into those that one has started \
             (kernel.yama.ptrace_scope is 1)",
            None,
        ),
        (Some("2"), true) => (
            "we may look into all processes, by CAP_SYS_PTRACE; without it into none (kernel.yama.ptrace_scope is 2)",
            None,
        ),
        (Some("1"), false) => (
            "a process may look into those that it has started, and into no others (kernel.yama.ptrace_scope is 1)",
            Some(
                "nosigpipe status and stack of processes that nosigpipe has not started, unless as root: kernel.yama.ptrace_scope is 1",
            ),
        ),
        (Some("3"), _) => (
            "nobody may look into another process (kernel.yama.ptrace_scope is 3)",
            Some("nosigpipe status and stack: kernel.yama.ptrace_scope is 3"),
        ),
        _ => (
            "only root may look into other processes (kernel.yama.ptrace_scope is 2)",
            Some("nosigpipe status and stack, unless as root: kernel.yama.ptrace_scope is 2"),
        ),
    }
}

fn seccomp() -> Fact {
    let filter = match own("Seccomp").as_deref() {
        Some("0") => "none",
        Some("1") => "strict",
        Some("2") => "a filter is in force",
        _ => "not known to this kernel",
    };
    let privileges = if own("NoNewPrivs").as_deref() == Some("1") { ", no new privileges" } else { "" };
    Fact { name: "seccomp", value: format!("{filter}{privileges}"), limits: Vec::new() }
}

/// A security module that may have a program start in secure mode, where nothing is preloaded.
fn security() -> Fact {
    let context = read("/proc/self/attr/current").map(|text| text.trim_end_matches('\0').to_owned());
    let enforcing = read("/sys/fs/selinux/enforce").as_deref() == Some("1");
    let value = match context.filter(|text| !text.is_empty()) {
        Some(context) if enforcing => format!("SELinux enforces, as {}", output::name(&context)),
        Some(context) => output::name(&context),
        None => "no context".to_owned(),
    };
    Fact {
        name: "security",
        value,
        limits: Vec::from_iter(enforcing.then(|| {
            "SELinux: a service that changes its domain at exec loses LD_PRELOAD, unless its policy has noatsecure"
                .into()
        })),
    }
}

/// Whether a crash leaves a core file (core(5)).
fn core() -> Fact {
    let pattern = read("/proc/sys/kernel/core_pattern").unwrap_or_default();
    // SAFETY: the call writes into a variable of this function.
    let limit = unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit);
        limit
    };
    let words = |value: libc::rlim_t| match value {
        libc::RLIM_INFINITY => "unlimited".to_owned(),
        value => value.to_string(),
    };
    let no_file = !pattern.starts_with('|') && limit.rlim_cur == 0;
    let value = format!(
        "core_pattern is {}; limit {}, at most {}",
        output::name(&format!("{pattern:?}")),
        words(limit.rlim_cur),
        words(limit.rlim_max)
    );
    let advice = if limit.rlim_max == 0 { "the hard limit is 0" } else { "--core=unlimited sets another limit" };
    let limit = no_file.then(|| format!("core files beside crash reports: {advice}"));
    Fact { name: "core files", value, limits: Vec::from_iter(limit) }
}

/// Whether there are debug files, by which stripped libraries' functions and lines can be named.
fn debug_files() -> Fact {
    let value = match fs::read_dir("/usr/lib/debug/.build-id").map(|mut entries| entries.next().is_some()) {
        Ok(true) => "in /usr/lib/debug/.build-id".to_owned(),
        Ok(false) => "none in /usr/lib/debug/.build-id".to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            "none in /usr/lib/debug/.build-id: reports name functions of stripped files by their exported names"
                .to_owned()
        }
        Err(error) => exit::reason(&error),
    };
    Fact { name: "debug", value, limits: Vec::new() }
}
