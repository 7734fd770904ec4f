//! The names that an ELF module exports, looked up in its memory.
//!
//! That memory may be another process's, or damaged, and hash tables of both kinds are read. (The hooks find the real
//! functions without this, by `formats::gnu_hash` alone: `runtime/src/platform/linux/next.rs`.)

use formats::gnu_hash::{self, Table};

use crate::ReadMemory;

// Tags of the dynamic section (elf.h).
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
/// Size of a symbol (`Elf64_Sym`), in bytes.
const SYMBOL: u64 = 24;
/// How many entries of a dynamic section are looked at, at most.
const ENTRIES: u64 = 512;
/// How many symbols of one chain of a hash table of the older kind (DT_HASH) are looked at, at most.
const CHAIN: u32 = 1 << 12;

/// Where a module's tables of exported names are in memory.
pub struct Exports {
    bias: u64,
    hash: Hash,
    symbols: u64,
    strings: u64,
}

enum Hash {
    Gnu(u64),
    SystemV(u64),
}

/// The tables that a dynamic section of `size` bytes at `dynamic` leads to; `None` without them. `bias` is the
/// difference between an address in memory and that in the file.
pub fn exports(memory: &mut dyn ReadMemory, bias: u64, dynamic: u64, size: u64) -> Option<Exports> {
    let [mut gnu, mut system_v, mut symbols, mut strings] = [None; 4];
    for entry in 0..(size / 16).min(ENTRIES) {
        let mut bytes = [0; 16];
        if !memory.read_exact(dynamic.wrapping_add(16 * entry), &mut bytes) {
            return None;
        }
        let [tag, value] = [0, 8].map(|at| u64_in(&bytes, at));
        match tag {
            0 => break,
            DT_GNU_HASH => gnu = Some(value),
            DT_HASH => system_v = Some(value),
            DT_SYMTAB => symbols = Some(value),
            DT_STRTAB => strings = Some(value),
            _ => {}
        }
    }
    // glibc's loader has replaced the file's addresses here by those in memory, musl's has not.
    let [gnu, system_v, symbols, strings] = [gnu, system_v, symbols, strings]
        .map(|value| Some(if value? < bias { value?.wrapping_add(bias) } else { value? }));
    let hash = gnu.map(Hash::Gnu).or(system_v.map(Hash::SystemV))?;
    Some(Exports { bias, hash, symbols: symbols?, strings: strings? })
}

fn u64_in(bytes: &[u8; 16], at: usize) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}

impl Exports {
    /// The address of what a module exports by this name.
    pub fn address(&self, memory: &mut dyn ReadMemory, name: &[u8]) -> Option<u64> {
        match self.hash {
            Hash::Gnu(table) => {
                let table = Table::read(memory, table)?;
                table.find(memory, gnu_hash::hash(name), |memory, index| self.symbol(memory, index, name))
            }
            Hash::SystemV(table) => self.by_hash(memory, table, name),
        }
    }

    /// By a table of the older kind: two counts, buckets, and a chain entry for each symbol (System V ABI, "Hash
    /// Table").
    fn by_hash(&self, memory: &mut dyn ReadMemory, table: u64, name: &[u8]) -> Option<u64> {
        let hash = name.iter().fold(0u32, |hash, &byte| {
            let hash = (hash << 4).wrapping_add(u32::from(byte));
            let high = hash & 0xf000_0000;
            (hash ^ high >> 24) & !high
        });
        let buckets = memory.u32_at(table)?;
        let at = |index: u64| table.wrapping_add(8 + 4 * index);
        let mut symbol = memory.u32_at(at(u64::from(hash.checked_rem(buckets)?)))?;
        for _ in 0..CHAIN {
            if symbol == 0 {
                return None;
            }
            if let Some(address) = self.symbol(memory, symbol, name) {
                return Some(address);
            }
            symbol = memory.u32_at(at(u64::from(buckets) + u64::from(symbol)))?;
        }
        None
    }

    /// The address of a symbol, if it is defined and has this name.
    fn symbol(&self, memory: &mut dyn ReadMemory, index: u32, name: &[u8]) -> Option<u64> {
        let symbol = self.symbols.wrapping_add(SYMBOL * u64::from(index));
        let text = self.strings.wrapping_add(u64::from(memory.u32_at(symbol)?));
        for (byte, at) in name.iter().chain(&[0]).zip(text..) {
            if memory.u8_at(at)? != *byte {
                return None;
            }
        }
        let section = memory.u32_at(symbol.wrapping_add(4))? >> 16;
        let value = memory.u64_at(symbol.wrapping_add(8))?;
        (section != 0).then(|| self.bias.wrapping_add(value))
    }
}
