//! Variables and their values.

use symbols::elf;
use symbols::values::{Passed, Process, State};

use super::{NO_DEBUG_FILES, mapped};

/// Memory that has something everywhere, and time for so many questions.
struct Everywhere(u32);

impl Process for Everywhere {
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> usize {
        bytes.iter_mut().zip((address as u8..=u8::MAX).cycle()).for_each(|(to, byte)| *to = byte);
        bytes.len()
    }

    fn is_late(&mut self) -> bool {
        self.0 += 1;
        self.0 > 1_000
    }
}

/// An ELF file whose debug information says where variables are.
pub fn variables(data: &[u8]) {
    mapped(data, |bytes| read_variables(&elf::Symbols::find("/nowhere", "", Some(bytes), NO_DEBUG_FILES, true)));
}

/// The variables of the functions at some addresses, and what they were called with.
pub fn read_variables(symbols: &elf::Symbols) {
    let registers: Vec<_> = (0..33).map(|number| (number % 7 != 6).then_some(0x10_0000 + number)).collect();
    for address in (0x180..0x280).step_by(8) {
        let entry = [(Passed::Register(5), address), (Passed::Parameter(1), 1)];
        let state = State { lookup: address, bias: 0x5000, registers: &registers, cfa: Some(0x7000), entry: &entry };
        let process = &mut Everywhere(0);
        let Some(function) = symbols.function(address, process) else { continue };
        let _ = symbols.variables(&function, &state, process);
        let _ = symbols.entry_values(&function, address + 5, (&function, 0x5000), &state, process);
    }
}
