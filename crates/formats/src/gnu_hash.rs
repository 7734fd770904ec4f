//! Hash tables of exported names, of the kind that GNU's linkers make (DT_GNU_HASH): four numbers, a Bloom filter,
//! buckets, and chains. A chain has a hash for each symbol, whose lowest bit says whether the chain ends there. No
//! standard describes the format: the source is glibc's elf/dl-lookup.c.

use crate::ReadMemory;
use crate::memory::u32_in;

/// How many symbols of one chain are looked at, at most.
const CHAIN: u64 = 1 << 12;
/// More symbols than this no file is believed to have.
const MOST_SYMBOLS: u32 = 1 << 22;

/// The hash of a name, by which a table knows it.
pub const fn hash(name: &[u8]) -> u32 {
    let (mut hash, mut rest) = (5381u32, name);
    while let [byte, after @ ..] = rest {
        hash = hash.wrapping_mul(33).wrapping_add(*byte as u32);
        rest = after;
    }
    hash
}

/// Where a table's parts are.
#[derive(Clone, Copy)]
pub struct Table {
    buckets: u32,
    /// Index of the first symbol that is in the table: those that are imported come before.
    first: u32,
    /// Numbers of 64 bits that the filter is made of.
    words: u32,
    /// The second bit of a name in the filter is its hash, shifted by this.
    shift: u32,
    filter_at: u64,
}

impl Table {
    /// The table at an address; `None` if its head can't be read.
    #[inline(always)]
    pub fn read(memory: &mut (impl ReadMemory + ?Sized), address: u64) -> Option<Self> {
        Some(Self {
            buckets: memory.u32_at(address)?,
            first: memory.u32_at(address.wrapping_add(4))?,
            words: memory.u32_at(address.wrapping_add(8))?,
            shift: memory.u32_at(address.wrapping_add(12))?,
            filter_at: address.wrapping_add(16),
        })
    }

    fn buckets_at(&self) -> u64 {
        self.filter_at.wrapping_add(8 * u64::from(self.words))
    }

    fn chains_at(&self) -> u64 {
        self.buckets_at().wrapping_add(4 * u64::from(self.buckets))
    }

    /// Asks `definition` for each symbol whose name has this hash, by its index, until it has an answer.
    #[inline(always)]
    pub fn find<M: ReadMemory + ?Sized, T>(
        &self,
        memory: &mut M,
        hash: u32,
        mut definition: impl FnMut(&mut M, u32) -> Option<T>,
    ) -> Option<T> {
        let bits = 1u64 << (hash % 64) | 1u64 << (hash.wrapping_shr(self.shift) % 64);
        // The number of words is a power of two.
        let word = (hash / 64) & self.words.wrapping_sub(1);
        let filter = memory.u64_at(self.filter_at.wrapping_add(8 * u64::from(word)))?;
        if filter & bits != bits {
            return None;
        }
        let bucket = u64::from(hash.checked_rem(self.buckets)?);
        let symbol = memory.u32_at(self.buckets_at().wrapping_add(4 * bucket))?;
        let chain = self.chains_at().wrapping_add(4 * u64::from(symbol.checked_sub(self.first)?));
        // A loop of few instructions: the library looks all its functions up so at every start.
        let mut at = 0;
        while at < 4 * CHAIN {
            let other = memory.u32_at(chain.wrapping_add(at))?;
            if (other ^ hash) < 2
                && let Some(answer) = definition(memory, symbol.wrapping_add(at as u32 / 4))
            {
                return Some(answer);
            }
            if other & 1 == 1 {
                return None;
            }
            at += 4;
        }
        None
    }

    /// How many symbols the file has, with those before the first one in the table; `MOST_SYMBOLS` at most. `None` if
    /// it can't be read.
    pub fn symbols(&self, memory: &mut (impl ReadMemory + ?Sized)) -> Option<u32> {
        // The last one is at the end of the last bucket's chain.
        let (mut last, mut left, mut at) = (0, self.buckets.min(MOST_SYMBOLS), self.buckets_at());
        let mut part = [0; 256];
        while left > 0 {
            let count = left.min(part.len() as u32 / 4);
            let part = part.get_mut(..4 * count as usize)?;
            memory.read_exact(at, part).then_some(())?;
            let starts = part.chunks_exact(4).filter_map(|bytes| u32_in(bytes, 0));
            last = starts.fold(last, u32::max);
            at = at.wrapping_add(4 * u64::from(count));
            left -= count;
        }
        if last < self.first {
            return Some(self.first.min(MOST_SYMBOLS));
        }
        let chains_at = self.chains_at();
        while last < MOST_SYMBOLS {
            let hash = memory.u32_at(chains_at.wrapping_add(4 * u64::from(last - self.first)))?;
            last += 1;
            if hash & 1 == 1 {
                break;
            }
        }
        Some(last.min(MOST_SYMBOLS))
    }
}
