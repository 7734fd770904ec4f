//! Hash tables of exported names: as a linker makes them, and damaged.

use formats::ReadMemory;
use formats::gnu_hash::{Table, hash};

const BASE: u64 = 0x1000;

struct Bytes(Vec<u8>);

impl ReadMemory for Bytes {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize {
        let offset = address.checked_sub(BASE).map_or(usize::MAX, |offset| offset as usize);
        let found = self.0.get(offset..).unwrap_or_default();
        buffer.iter_mut().zip(found).for_each(|(to, from)| *to = *from);
        buffer.len().min(found.len())
    }
}

/// A table as a linker makes it, of names whose symbols begin at index 3, and the hashes of these symbols in their
/// order.
fn table(names: &[&[u8]], buckets: u32) -> (Bytes, Vec<u32>) {
    let (first, words, shift) = (3u32, 2u32, 6u32);
    let mut hashes: Vec<u32> = names.iter().map(|name| hash(name)).collect();
    hashes.sort_by_key(|hash| hash % buckets);
    let filter = (0..words).flat_map(|word| {
        let own = hashes.iter().filter(|&hash| hash / 64 % words == word);
        let bits = own.fold(0u64, |bits, hash| bits | 1 << (hash % 64) | 1 << ((hash >> shift) % 64));
        [bits as u32, (bits >> 32) as u32]
    });
    let starts = (0..buckets).map(|bucket| {
        let start = hashes.iter().position(|hash| hash % buckets == bucket);
        start.map_or(0, |start| first + start as u32)
    });
    let chains = hashes.iter().enumerate().map(|(index, hash)| {
        let is_last = hashes.get(index + 1).is_none_or(|next| next % buckets != hash % buckets);
        hash & !1 | u32::from(is_last)
    });
    let numbers = [buckets, first, words, shift].into_iter().chain(filter).chain(starts).chain(chains);
    (Bytes(numbers.flat_map(u32::to_le_bytes).collect()), hashes)
}

#[test]
fn names_are_found_and_symbols_counted() {
    // The first two as glibc's loader has them.
    assert_eq!([hash(b""), hash(b"printf")], [5381, 0x156b_2bb8]);
    let names: [&[u8]; 5] = [b"send", b"sendto", b"accept", b"write", b"close"];
    for buckets in [1, 2, 3, 7] {
        let (mut memory, hashes) = table(&names, buckets);
        let Some(table) = Table::read(&mut memory, BASE) else { panic!("there is a table") };
        assert_eq!(table.symbols(&mut memory), Some(8));
        for (&hash, symbol) in hashes.iter().zip(3..) {
            let is_it = |_: &mut Bytes, other: u32| (other == symbol).then_some(other);
            assert_eq!(table.find(&mut memory, hash, is_it), Some(symbol));
        }
        assert_eq!(table.find(&mut memory, hash(b"nothing"), |_, symbol| Some(symbol)), None);
    }
}

#[test]
fn damage_ends() {
    let (clean, hashes) = table(&[b"send", b"sendto", b"accept"], 2);
    for at in 0..clean.0.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut memory = Bytes(clean.0.clone());
            memory.0.iter_mut().skip(at).take(1).for_each(|damaged| *damaged = byte);
            let Some(table) = Table::read(&mut memory, BASE) else { continue };
            let _ = table.symbols(&mut memory);
            for &hash in &hashes {
                let _ = table.find(&mut memory, hash, |_, _| None::<()>);
            }
        }
    }
}
