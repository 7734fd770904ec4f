//! What threads wait for, in words.

use std::collections::HashMap;
use std::fs;

use libc::pid_t;
use report::Frame;
use report::stacks::{Socket, Wait};
use unwind::ReadMemory;

use super::call::Call;
use super::memory::Memory;
use crate::platform::linux::sockets;
use crate::platform::process;

/// How many bytes before and behind the word of a futex are copied: its lock is there.
const LOCK: u64 = 32;
/// How many descriptors are named of those that a call waits for.
const NAMED: usize = 8;
/// FD_SETSIZE: how many descriptors select(2) can wait for. Of poll(2)'s, no more are looked at.
const SELECT: u64 = 1024;

/// FUTEX_CMD_MASK, which leaves out the flags of futex(2)'s second argument, and operations of that call
/// (linux/futex.h).
const FUTEX_COMMAND: u64 = 127;
const FUTEX_WAIT: u64 = 0;
const FUTEX_LOCK_PI: u64 = 6;
const FUTEX_WAIT_BITSET: u64 = 9;
const FUTEX_LOCK_PI2: u64 = 13;
/// Bits of a lock's word, where the kernel knows the lock: the number of the thread that holds it, and whether others
/// wait.
const FUTEX_TID_MASK: u32 = 0x3fff_ffff;
const FUTEX_WAITERS: u32 = 0x8000_0000;

/// What a thread did when it was stopped.
#[derive(Clone, Copy)]
pub enum Doing {
    /// It was running.
    Running,
    /// It was waiting in a system call.
    Waiting(Call),
    /// It waits in a system call, or elsewhere in the kernel, and has not stopped.
    Stuck(Option<Call>),
    /// It could not be seized.
    Unknown,
}

/// Copies what the call waits for, while its process is stopped.
pub fn copy(memory: &mut Memory, call: &Call) {
    let [first, second, third, fourth, ..] = call.arguments;
    match call.name() {
        Some("futex") => memory.copy_part(first.saturating_sub(LOCK), 2 * LOCK),
        Some("poll" | "ppoll") => memory.copy_part(first, 8 * second.min(SELECT)),
        Some("select" | "pselect6") => {
            for set in [second, third, fourth].into_iter().filter(|&set| set != 0) {
                memory.copy_part(set, SELECT / 8);
            }
        }
        _ => {}
    }
}

/// The numbers that threads have in their process's own PID namespace.
pub fn numbers(pid: pid_t, tids: impl Iterator<Item = pid_t>) -> HashMap<pid_t, u32> {
    let status = process::text(format!("/proc/{pid}/status")).unwrap_or_default();
    let is_elsewhere = inner_number(&status).is_some_and(|inner| i64::from(inner) != i64::from(pid));
    let number = |tid: pid_t| {
        let status = process::text(format!("/proc/{pid}/task/{tid}/status")).ok()?;
        inner_number(&status)
    };
    tids.filter_map(|tid| Some((tid, if is_elsewhere { number(tid)? } else { tid.cast_unsigned() }))).collect()
}

/// The threads of a process, to tell what each waits for.
pub struct Threads<'a> {
    pid: pid_t,
    /// The number by which the kernel shows its descriptors.
    shown: pid_t,
    memory: &'a mut Memory,
    /// By their numbers in the process's own PID namespace, those that they have in ours.
    numbers: HashMap<u32, pid_t>,
    names: HashMap<pid_t, String>,
    /// Paths of descriptors in /proc/PID/fd, as far as they were read.
    files: HashMap<i64, String>,
    /// The sockets of the process's network by their inodes, as soon as one was asked for.
    sockets: Option<HashMap<u64, Socket>>,
}

impl<'a> Threads<'a> {
    pub fn new(
        pid: pid_t,
        shown: pid_t,
        memory: &'a mut Memory,
        names: HashMap<pid_t, String>,
        numbers: &HashMap<pid_t, u32>,
    ) -> Self {
        let numbers = numbers.iter().map(|(&tid, &number)| (number, tid)).collect();
        Self { pid, shown, memory, numbers, names, files: HashMap::new(), sockets: None }
    }

    /// What a thread with this stack does.
    pub fn wait(&mut self, doing: Doing, in_group_stop: bool, frames: &[Frame]) -> Wait {
        let mut wait = match doing {
            Doing::Running => Wait { text: "runs".to_owned(), ..Wait::default() },
            Doing::Waiting(call) => self.in_call(&call, frames),
            Doing::Stuck(Some(call)) => {
                let mut wait = self.in_call(&call, frames);
                wait.text.push_str(", and can't be interrupted");
                wait
            }
            Doing::Stuck(None) => {
                Wait { text: "is in the kernel, and can't be interrupted".to_owned(), ..Wait::default() }
            }
            Doing::Unknown => Wait { text: "can't be read".to_owned(), ..Wait::default() },
        };
        if in_group_stop {
            wait.text = format!(
                "is stopped by a signal; before that, it {}",
                wait.text.replacen("waits", "waited", 1).replacen("runs", "ran", 1)
            );
        }
        wait
    }

    /// What a thread waits for in a system call.
    fn in_call(&mut self, call: &Call, frames: &[Frame]) -> Wait {
        let name = call.name().map_or_else(|| format!("system call {}", call.number), str::to_owned);
        let [first, second, third, fourth, ..] = call.arguments;
        let mut wait = Wait { call: name.clone(), ..Wait::default() };
        wait.text = match name.as_str() {
            "futex" => {
                self.lock(call, frames, &mut wait);
                return wait;
            }
            "nanosleep" | "clock_nanosleep" => format!("sleeps in {name}"),
            "pause" | "rt_sigsuspend" | "rt_sigtimedwait" => format!("waits in {name} for a signal"),
            "wait4" | "waitid" => format!("waits in {name} for {}", self.child(call)),
            "vfork" => format!("waits in {name} for its child to execute a program or to end"),
            "poll" | "ppoll" => {
                let polled: Vec<i64> = (0..second.min(SELECT))
                    .filter_map(|index| self.memory.u32_at(first.wrapping_add(8 * index)))
                    .map(|descriptor| i64::from(descriptor.cast_signed()))
                    .collect();
                self.for_many(&name, &polled, &mut wait)
            }
            "select" | "pselect6" => {
                let sets = [second, third, fourth];
                let has = |memory: &mut Memory, set: u64, descriptor: u64| {
                    let word = memory.u64_at(set.wrapping_add(descriptor / 64 * 8)).unwrap_or(0);
                    set != 0 && word >> (descriptor % 64) & 1 == 1
                };
                let selected: Vec<i64> = (0..first.min(SELECT))
                    .filter(|&descriptor| sets.iter().any(|&set| has(self.memory, set, descriptor)))
                    .map(u64::cast_signed)
                    .collect();
                self.for_many(&name, &selected, &mut wait)
            }
            name if is_of_descriptor(name) => self.for_one(name, call.descriptor(), &mut wait),
            name => format!("waits in {name}"),
        };
        wait
    }

    /// What a wait for one descriptor is for.
    fn for_one(&mut self, name: &str, descriptor: i64, wait: &mut Wait) -> String {
        wait.descriptor = Some(descriptor);
        wait.file = self.file(descriptor);
        wait.socket = self.socket(&wait.file);
        format!("waits in {name} on descriptor {}", self.described(descriptor))
    }

    /// What a wait for several descriptors is for.
    fn for_many(&mut self, name: &str, descriptors: &[i64], wait: &mut Wait) -> String {
        match descriptors {
            [] => format!("waits in {name} for time to pass"),
            [descriptor] => self.for_one(name, *descriptor, wait),
            many => {
                let named: Vec<String> =
                    many.iter().take(NAMED).map(|descriptor| self.described(*descriptor)).collect();
                let more = many.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("waits in {name} on descriptors {}{more}", named.join(", "))
            }
        }
    }

    /// A descriptor for people, with what it is open for.
    fn described(&mut self, descriptor: i64) -> String {
        let file = self.file(descriptor);
        match self.socket(&file) {
            _ if file.is_empty() => descriptor.to_string(),
            Some(socket) => format!("{descriptor} ({file}, {socket})"),
            None => format!("{descriptor} ({file})"),
        }
    }

    /// The socket of this inode.
    fn socket(&mut self, file: &str) -> Option<Socket> {
        let inode = sockets::inode(file)?;
        self.sockets.get_or_insert_with(|| sockets::all(self.shown.cast_unsigned())).get(&inode).cloned()
    }

    /// What a descriptor is open for; empty where that can't be read.
    fn file(&mut self, descriptor: i64) -> String {
        let shown = self.shown;
        let read = || {
            let path = fs::read_link(format!("/proc/{shown}/fd/{descriptor}"));
            path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
        };
        self.files.entry(descriptor).or_insert_with(read).clone()
    }

    /// The child that wait4(2) or waitid(2) waits for.
    fn child(&self, call: &Call) -> String {
        /// waitid(2)'s first argument for one child (sys/wait.h).
        const P_PID: u64 = 1;
        let [first, second, ..] = call.arguments;
        let pid = match call.name() {
            Some("waitid") if first == P_PID => second as u32 as i32,
            Some("waitid") => 0,
            _ => first as u32 as i32,
        };
        match pid {
            1.. => match process::name_of(pid.cast_unsigned()) {
                // The number in the call is from the process's own PID namespace. Only if it is a child of the process
                // in ours, too, is the name that child's.
                Some(name) if process::parent_of(pid.cast_unsigned()) == Some(self.pid.cast_unsigned()) => {
                    format!("child {pid} ({name})")
                }
                _ => format!("child {pid}"),
            },
            _ => "a child".to_owned(),
        }
    }

    /// The thread to which this number belongs in the process's own PID namespace.
    fn thread(&self, number: u32) -> Option<pid_t> {
        self.numbers.get(&number).copied()
    }

    /// A thread for people, with its name.
    fn named(&self, tid: pid_t) -> String {
        format!("thread {tid} \"{}\"", self.names.get(&tid).map_or("", String::as_str))
    }

    /// What a thread waits for in futex(2): the kind of lock, and which thread holds it, as far as the stack and the
    /// lock's memory tell.
    fn lock(&mut self, call: &Call, frames: &[Frame], wait: &mut Wait) {
        let [address, operation, value, ..] = call.arguments;
        let operation = operation & FUTEX_COMMAND;
        wait.address = Some(address);
        // libc's functions that lead to the call are among the innermost frames; behind them come inlined ones and the
        // program's.
        let innermost: Vec<&str> = frames.iter().take(8).map(|frame| frame.function.as_str()).collect();
        let is_in =
            |names: &[&str]| innermost.iter().any(|function| names.iter().any(|name| is_function(function, name)));
        let holder = |this: &Self, number: Option<u32>| number.and_then(|number| this.thread(number));

        if is_in(&[
            "pthread_cond_wait",
            "pthread_cond_timedwait",
            "pthread_cond_clockwait",
            "cnd_wait",
            "cnd_timedwait",
        ]) {
            wait.text = format!("waits in futex for the condition variable at {address:#x}");
            return;
        }
        if is_in(&["sem_wait", "sem_wait_slow", "sem_timedwait", "sem_clockwait"]) {
            wait.text = format!("waits in futex for the semaphore at {address:#x}");
            return;
        }
        if is_in(&["pthread_barrier_wait"]) {
            wait.text = format!("waits in futex for the barrier at {address:#x}");
            return;
        }
        let word = self.memory.u32_at(address);
        let is_join =
            ["pthread_join", "pthread_timedjoin_np", "pthread_clockjoin_np", "__pthread_clockjoin_ex", "thrd_join"];
        // Without the names of libc's functions, a word with a thread's number in it is taken for pthread_join's. Linux
        // gives no number below 300 a second time (RESERVED_PIDS in its kernel/pid.c), while other locks' words are
        // mostly small.
        if is_in(&is_join)
            || matches!(operation, FUTEX_WAIT | FUTEX_WAIT_BITSET) && word == Some(value as u32) && value > 300
        {
            // pthread_join waits until the kernel clears this word, the number of the thread, at the thread's end.
            if let Some(tid) = holder(self, word) {
                wait.address = None;
                wait.holder = Some(tid.into());
                wait.text = format!("waits in futex for the end of {}", self.named(tid));
                return;
            }
        }
        let owner = self.mutex_owner(call, word);
        let what = if let Some(tid) = holder(self, owner) {
            Some(("mutex", tid))
        } else if is_in(&[
            "pthread_rwlock_rdlock",
            "pthread_rwlock_wrlock",
            "pthread_rwlock_timedrdlock",
            "pthread_rwlock_timedwrlock",
            "pthread_rwlock_clockrdlock",
            "pthread_rwlock_clockwrlock",
        ]) {
            // glibc's pthread_rwlock_t is an array of 4-byte fields: waiters wait for the third or the fourth, and the
            // seventh is the thread that has locked it for writing.
            let writer = [address.wrapping_add(16), address.wrapping_add(12)].into_iter().find_map(|at| {
                let number = self.memory.u32_at(at).filter(|&number| number != 0);
                holder(self, number)
            });
            if writer.is_none() {
                wait.text = format!("waits in futex for the read-write lock at {address:#x}");
                return;
            }
            writer.map(|tid| ("read-write lock", tid))
        } else {
            None
        };
        wait.text = match what {
            Some((what, tid)) => {
                wait.holder = Some(tid.into());
                format!("waits in futex for the {what} at {address:#x}, which {} holds", self.named(tid))
            }
            None => format!("waits in futex at {address:#x}"),
        };
    }

    /// The number of the thread that holds the mutex with this word, if it is of a kind that tells, and its fields make
    /// sense.
    fn mutex_owner(&mut self, call: &Call, word: Option<u32>) -> Option<u32> {
        /// Types and flags that a mutex of glibc can have in `__kind` (sysdeps/nptl/pthreadP.h).
        const KINDS: u32 = 0x3f3;
        /// What glibc's simple locks have in their word while somebody waits.
        const WAITED_FOR: u32 = 2;
        let [address, operation, value, ..] = call.arguments;
        let word = word?;
        if matches!(operation & FUTEX_COMMAND, FUTEX_LOCK_PI | FUTEX_LOCK_PI2)
            || word & FUTEX_WAITERS != 0 && word & FUTEX_TID_MASK != 0
        {
            // The word itself tells: mutexes with priority inheritance, robust ones, and all of musl's but the simplest
            // kind.
            return Some(word & FUTEX_TID_MASK);
        }
        // glibc's pthread_mutex_t has __owner, __nusers and __kind at these offsets. It has no more users than there
        // can be threads (PID_MAX_LIMIT in Linux's linux/threads.h).
        let field = |memory: &mut Memory, at: u64| memory.u32_at(address.wrapping_add(at));
        let (owner, users, kind) = (field(self.memory, 8)?, field(self.memory, 12)?, field(self.memory, 16)?);
        let is_mutex =
            word == WAITED_FOR && value as u32 == WAITED_FOR && (1..1 << 22).contains(&users) && kind & !KINDS == 0;
        (is_mutex && owner != 0).then_some(owner)
    }
}

/// Whether a function of a stack is this one of libc, by any of its names: `__pthread_cond_wait`,
/// `pthread_cond_wait@@GLIBC_2.3.2`.
fn is_function(function: &str, name: &str) -> bool {
    let plain = function.split('@').next().unwrap_or_default().trim_start_matches('_');
    let plain = plain.strip_prefix("GI_").map_or(plain, |rest| rest.trim_start_matches('_'));
    let plain = plain.strip_suffix("64").unwrap_or(plain);
    let name = name.trim_start_matches('_');
    plain == name || plain.strip_prefix("new_") == Some(name)
}

/// The number that a process or thread has in its own PID namespace: the last in the field NSpid (proc(5)).
fn inner_number(status: &str) -> Option<u32> {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().next_back()?.parse().ok()
}

/// Whether the first argument of this call is a descriptor on which it may wait.
fn is_of_descriptor(name: &str) -> bool {
    const NAMES: [&str; 42] = [
        "accept",
        "accept4",
        "close",
        "connect",
        "copy_file_range",
        "epoll_pwait",
        "epoll_pwait2",
        "epoll_wait",
        "fallocate",
        "fcntl",
        "fdatasync",
        "flock",
        "fstat",
        "fsync",
        "ftruncate",
        "getdents64",
        "io_uring_enter",
        "ioctl",
        "lseek",
        "mq_timedreceive",
        "mq_timedsend",
        "pread64",
        "preadv",
        "preadv2",
        "pwrite64",
        "pwritev",
        "pwritev2",
        "read",
        "readv",
        "recvfrom",
        "recvmmsg",
        "recvmsg",
        "sendfile",
        "sendmmsg",
        "sendmsg",
        "sendto",
        "splice",
        "sync_file_range",
        "syncfs",
        "tee",
        "write",
        "writev",
    ];
    NAMES.contains(&name)
}
