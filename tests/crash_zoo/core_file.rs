//! The core file: there, and with the signal that the program really died of, not the one that we sent after it.

use std::fs;
use std::path::PathBuf;

use harness::{Outcome, SIGABRT, Scratch};

use crate::cases::{Case, Sender};
use crate::judge::{Question, Verdict, announced};

/// From <elf.h>.
const PT_NOTE: u64 = 4;
const NT_SIGINFO: u64 = 0x5349_4749;

/// Whether the kernel puts core files where the program is, rather than into a pipe or somewhere else.
pub fn can_be_judged() -> bool {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    !pattern.trim().is_empty() && !pattern.starts_with('|') && !pattern.contains('/')
}

pub fn judge(case: &Case, scratch: &Scratch, outcome: &Outcome, verdict: &mut Verdict) {
    if !can_be_judged() {
        return;
    }
    let is_core = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"core"));
    let Some(file) = scratch.files().into_iter().find(is_core) else {
        return verdict.say(Question::Core, false, || "no core file".into());
    };
    let bytes = fs::read(file).expect("root reads all");
    let Some(siginfo) = siginfo(&bytes) else {
        return verdict.say(Question::Core, false, || "no siginfo in the core file".into());
    };
    let (signal, code) = (number(siginfo, 0, 4), number(siginfo, 8, 4) as u32 as i32);
    verdict.say(Question::Core, signal == case.signal as u64, || format!("core: signal {signal}, not {}", case.signal));
    let crashes = announced(&outcome.stdout());
    if case.sender.is_none() && case.signal != SIGABRT {
        // Codes above 0 are the kernel's.
        let address = number(siginfo, 16, 8);
        // arm64's kernel leaves out the highest byte, which is no part of an address there (tagged-address-abi.rst).
        let told = |announced: u64| if cfg!(target_arch = "aarch64") { announced & ((1 << 56) - 1) } else { announced };
        let right =
            crashes.iter().any(|crash| if case.recursive { address > 4096 } else { address == told(crash.address) });
        verdict.say(Question::Core, code > 0 && right, || format!("core: code {code}, address {address:#x}"));
    } else {
        let sender = number(siginfo, 16, 4);
        let right = match case.sender {
            Some(Sender::Another) => crashes.iter().all(|crash| crash.pid as u64 != sender),
            _ => crashes.iter().all(|crash| crash.pid as u64 == sender),
        };
        verdict.say(Question::Core, code <= 0 && right, || format!("core: code {code}, sender {sender}"));
    }
}

/// The description of the first note of type NT_SIGINFO.
fn siginfo(core: &[u8]) -> Option<&[u8]> {
    let (table, size, count) = (number(core, 32, 8), number(core, 54, 2), number(core, 56, 2));
    for header in (0..count).map(|index| core.get((table + index * size) as usize..)) {
        let header = header?;
        if number(header, 0, 4) != PT_NOTE {
            continue;
        }
        let mut notes = core.get(number(header, 8, 8) as usize..)?.get(..number(header, 32, 8) as usize)?;
        while notes.len() >= 12 {
            let (name, description) = (number(notes, 0, 4).next_multiple_of(4), number(notes, 4, 4));
            let start = 12 + name as usize;
            if number(notes, 8, 4) == NT_SIGINFO {
                return notes.get(start..start + description as usize);
            }
            notes = notes.get(start + description.next_multiple_of(4) as usize..)?;
        }
    }
    None
}

/// A little-endian number; 0 where the file is too short, which no check expects.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let bytes = bytes.get(at..at + length).unwrap_or_default();
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
