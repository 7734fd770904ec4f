//! Memory of the crashed process, read without the risk of a fault and with a cache of pages.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use libc::pid_t;

use super::{Mapping, ReadMemory};
use crate::platform::{self, PAGE};

/// Pages that the cache holds, at most.
const PAGES: usize = 256;

/// The memory of a process.
pub struct Memory {
    pid: pid_t,
    /// Where a sandbox forbids process_vm_readv(2): the readable mappings of our own process, which are read directly.
    direct: Option<Vec<(u64, u64)>>,
    /// Pages that have been read, by their number: address / PAGE.
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

impl Memory {
    /// Our own memory: the crashed process's or its copy's.
    pub fn own() -> Self {
        Self { pid: platform::pid(), direct: None, pages: BTreeMap::new() }
    }

    /// That of the process that we are a copy of, which goes on meanwhile.
    pub fn of(pid: pid_t) -> Self {
        Self { pid, direct: None, pages: BTreeMap::new() }
    }

    /// Takes what is mapped, for the case that the kernel does not let us read by system calls.
    pub fn learn(&mut self, mappings: &[Mapping]) {
        if self.pid == platform::pid() && !can_read_memory() {
            let readable = mappings.iter().filter(|mapping| mapping.readable);
            self.direct = Some(readable.map(|mapping| (mapping.start, mapping.end)).collect());
        }
    }

    /// Whether memory is read by system calls: the kernel knows better than the list of mappings what can be read.
    pub fn is_asked_of_the_kernel(&self) -> bool {
        self.direct.is_none()
    }

    fn page(&mut self, number: u64) -> Option<&[u8; PAGE]> {
        if !self.pages.contains_key(&number) {
            let mut page = Box::new([0; PAGE]);
            let address = number * PAGE as u64;
            if let Some(readable) = &self.direct {
                if !readable.iter().any(|&(start, end)| start <= address && address < end) {
                    return None;
                }
                // SAFETY: the page was mapped readable when the process was copied, and the copy has one thread.
                *page = unsafe { core::ptr::with_exposed_provenance::<[u8; PAGE]>(address as usize).read() };
            } else if platform::read_memory(self.pid, address, page.as_mut_slice()) != PAGE {
                return None;
            }
            if self.pages.len() >= PAGES {
                self.pages.clear();
            }
            self.pages.insert(number, page);
        }
        self.pages.get(&number).map(|page| &**page)
    }
}

impl ReadMemory for Memory {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let Some(at) = address.checked_add(done as u64) else { break };
            let within = at as usize % PAGE;
            let Some(page) = self.page(at / PAGE as u64) else { break };
            let take = (buffer.len() - done).min(PAGE - within);
            if let (Some(to), Some(from)) = (buffer.get_mut(done..done + take), page.get(within..within + take)) {
                to.copy_from_slice(from);
            }
            done += take;
        }
        done
    }
}

/// Whether our own memory can be read by a system call; a sandbox may forbid it.
fn can_read_memory() -> bool {
    let (probe, mut copy) = (1u8, [0]);
    platform::read_memory(platform::pid(), (&raw const probe).addr() as u64, &mut copy) == 1
}
