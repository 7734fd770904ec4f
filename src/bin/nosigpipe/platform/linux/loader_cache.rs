//! /etc/ld.so.cache, which ldconfig(8) writes and ld.so reads (dl-cache.h of glibc).

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Its part that begins with `glibc-ld.so.cache1.1`: where each library is.
#[derive(Default)]
pub struct Cache {
    paths: HashMap<Vec<u8>, Vec<PathBuf>>,
}

impl Cache {
    /// The system's; empty where it has none, or a damaged one.
    pub fn read() -> Self {
        fs::read("/etc/ld.so.cache").ok().and_then(|bytes| Self::parse(&bytes)).unwrap_or_default()
    }

    /// Reads such a file's content.
    pub fn parse(file: &[u8]) -> Option<Self> {
        const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
        const HEADER: usize = 48;
        const ENTRY: usize = 24;
        // Older systems have a part for older loaders in front.
        let start = file.windows(MAGIC.len()).position(|window| window == MAGIC)?;
        let part = file.get(start..)?;
        let u32_at =
            |bytes: &[u8], offset: usize| Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?));
        let string = |offset: u32| {
            let rest = part.get(offset as usize..)?;
            Some(rest.get(..rest.iter().position(|&byte| byte == 0)?)?.to_vec())
        };
        let count = u32_at(part, MAGIC.len())? as usize;
        let mut paths: HashMap<_, Vec<_>> = HashMap::new();
        for entry in part.get(HEADER..)?.chunks_exact(ENTRY).take(count) {
            let (key, value) = (string(u32_at(entry, 4)?)?, string(u32_at(entry, 8)?)?);
            let is_variant = entry.get(16..24)? != [0; 8];
            let list = paths.entry(key).or_default();
            let path = PathBuf::from(OsString::from_vec(value));
            if is_variant { list.push(path) } else { list.insert(0, path) }
        }
        Some(Self { paths })
    }

    /// The files of a library's name, the one for all processors first.
    pub fn find(&self, name: &str) -> impl Iterator<Item = &PathBuf> {
        self.paths.get(name.as_bytes()).into_iter().flatten()
    }
}
