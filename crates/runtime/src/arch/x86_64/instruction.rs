//! As much of x86_64's instructions as is needed to say why one of them faulted (Intel 64 and IA-32 Architectures
//! Software Developer's Manual, volume 2). Where an instruction is not understood, the cause is unknown: nothing is
//! guessed.

use crate::arch::{Cause, Registers};
use processor::PROGRAM_COUNTER;

/// Longest instruction, in bytes.
const LONGEST: u64 = 15;
/// Most bytes that one of the common instructions accesses at an address (a register of AVX-512).
const WIDEST: u64 = 64;
/// DWARF number of rsp.
const RSP: usize = 7;
/// DWARF number of rbp.
const RBP: usize = 6;

/// The opcode map without an escape byte. (The maps behind 0F 38 and 0F 3A are 2 and 3, as VEX numbers them.)
const PRIMARY: u8 = 0;
/// The opcode map behind 0F.
const SECONDARY: u8 = 1;

/// An instruction, decoded as far as is of interest here.
pub struct Instruction {
    /// The opcode map.
    map: u8,
    opcode: u8,
    /// Whether it has a VEX or EVEX prefix.
    vector: bool,
    /// Whether it has the prefix for the operand size (66), or the bits in VEX or EVEX that mean it.
    operand_size: bool,
    /// Whether it has a repeat prefix (F2, F3), or the bits in VEX or EVEX that mean it.
    repeat: bool,
    /// ModRM's `reg` field, by which some opcodes mean several instructions.
    extension: u8,
    /// DWARF number of the operand's register, where ModRM names no memory.
    operand_register: Option<usize>,
    /// Addresses in memory that it accesses, where known.
    memory: [Option<u64>; 2],
    /// Whether it accesses memory at an address that is not known.
    elsewhere: bool,
    /// The eight-bit displacement of an EVEX instruction; 0 where there is none. The processor multiplies it by a power
    /// of two that is not decoded here (disp8*N).
    compressed: i64,
    /// An immediate byte.
    immediate: Option<u8>,
    /// Size of the operand, in bytes.
    operand_bytes: u64,
}

/// The bytes of an instruction, one after the other.
struct Bytes<F> {
    next: u64,
    end: u64,
    fetch: F,
}

impl<F: FnMut(u64) -> Option<u8>> Bytes<F> {
    /// The next byte; `None` where it can't be read or would make the instruction too long.
    fn byte(&mut self) -> Option<u8> {
        let byte = if self.next < self.end { (self.fetch)(self.next) } else { None };
        self.next = self.next.wrapping_add(1);
        byte
    }

    /// The next 1 to 8 bytes as a number with a sign.
    fn signed(&mut self, bytes: u32) -> Option<i64> {
        let mut value = 0;
        for index in 0..bytes {
            value |= i64::from(self.byte()?) << (8 * index);
        }
        let unused = 64 - 8 * bytes;
        Some(value << unused >> unused)
    }
}

/// Number in DWARF of the register that has this number in instructions.
pub fn dwarf(register: u8) -> usize {
    match register & 15 {
        1 => 2,
        2 => 1,
        4 => RSP,
        5 => RBP,
        6 => 4,
        7 => 5,
        other => usize::from(other),
    }
}

impl Instruction {
    /// The instruction at the program counter. `fetch` gives its bytes; none behind its end is asked for.
    pub fn decode(registers: &Registers, fetch: impl FnMut(u64) -> Option<u8>) -> Option<Self> {
        let pc = registers.pc();
        let mut bytes = Bytes { next: pc, end: pc.wrapping_add(LONGEST), fetch };
        let mut this = Self {
            map: PRIMARY,
            opcode: 0,
            vector: false,
            operand_size: false,
            repeat: false,
            extension: 0,
            operand_register: None,
            memory: [None; 2],
            elsewhere: false,
            compressed: 0,
            immediate: None,
            operand_bytes: 4,
        };
        let (mut rex, mut segment, mut short) = (0, false, false);
        let mut byte = bytes.byte()?;
        loop {
            match byte {
                0x66 => this.operand_size = true,
                0x67 => short = true,
                0xf2 | 0xf3 => this.repeat = true,
                0x64 | 0x65 => segment = true,
                0x26 | 0x2e | 0x36 | 0x3e | 0xf0 => {}
                0x40..=0x4f => {
                    rex = byte;
                    byte = bytes.byte()?;
                    if !matches!(
                        byte,
                        0x66 | 0x67 | 0xf2 | 0xf3 | 0x64 | 0x65 | 0x26 | 0x2e | 0x36 | 0x3e | 0xf0 | 0x40..=0x4f
                    ) {
                        break;
                    }
                    rex = 0;
                    continue;
                }
                _ => break,
            }
            byte = bytes.byte()?;
        }
        let (mut evex, mut extended_index) = (false, rex & 2 != 0);
        let mut extended_base = rex & 1 != 0;
        match byte {
            0xc5 => {
                let second = bytes.byte()?;
                this.vector = true;
                this.prefix_of_vector(second);
                (this.map, extended_index, extended_base) = (SECONDARY, false, false);
                byte = bytes.byte()?;
            }
            0xc4 | 0x62 => {
                evex = byte == 0x62;
                let (first, second) = (bytes.byte()?, bytes.byte()?);
                this.vector = true;
                this.prefix_of_vector(second);
                (this.map, extended_index, extended_base) = (first & 7, first & 0x40 == 0, first & 0x20 == 0);
                if evex {
                    bytes.byte()?;
                }
                byte = bytes.byte()?;
            }
            0x0f => {
                (this.map, byte) = (SECONDARY, bytes.byte()?);
                if matches!(byte, 0x38 | 0x3a) {
                    (this.map, byte) = (if byte == 0x38 { 2 } else { 3 }, bytes.byte()?);
                }
            }
            // REX2 (APX) is not decoded.
            0xd5 => return None,
            _ => {}
        }
        this.opcode = byte;
        this.operand_bytes = match () {
            () if this.map == PRIMARY && matches!(byte, 0xf6 | 0xfe | 0x80) => 1,
            () if rex & 8 != 0 => 8,
            () if this.operand_size => 2,
            () => 4,
        };
        if !this.has_modrm() {
            this.implied_operands(registers, &mut bytes, segment, short);
            return Some(this);
        }
        let modrm = bytes.byte()?;
        this.extension = modrm >> 3 & 7;
        let high_base = if extended_base { 8 } else { 0 };
        if modrm >> 6 == 3 {
            this.operand_register = Some(dwarf(modrm & 7 | high_base));
            this.pushes(registers);
            return Some(this);
        }
        let mut address = 0u64;
        let mut base = Some(modrm & 7 | high_base);
        let mut relative = false;
        if modrm & 7 == 4 {
            let sib = bytes.byte()?;
            let index = sib >> 3 & 7 | if extended_index { 8 } else { 0 };
            base = (sib & 7 != 5 || modrm >> 6 != 0).then_some(sib & 7 | high_base);
            // Gather and scatter: the index is a whole vector.
            this.elsewhere =
                this.vector && this.map == 2 && matches!(this.opcode, 0x90..=0x93 | 0xa0..=0xa3 | 0xc6 | 0xc7);
            if index != 4 {
                address = registers.get(dwarf(index)).wrapping_shl(u32::from(sib >> 6));
            }
            if base.is_none() {
                address = address.wrapping_add_signed(bytes.signed(4)?);
            }
        } else if modrm & 7 == 5 && modrm >> 6 == 0 {
            (base, relative) = (None, true);
            address = address.wrapping_add_signed(bytes.signed(4)?);
        }
        if let Some(base) = base {
            address = address.wrapping_add(registers.get(dwarf(base)));
        }
        let displacement = match modrm >> 6 {
            1 => bytes.signed(1)?,
            2 => bytes.signed(4)?,
            _ => 0,
        };
        address = address.wrapping_add_signed(displacement);
        if evex && modrm >> 6 == 1 {
            this.compressed = displacement;
        }
        if relative {
            address = address.wrapping_add(bytes.next.wrapping_add(this.immediate_bytes()));
        }
        if short {
            address &= 0xffff_ffff;
        }
        // lea and the prefetches only compute.
        let accesses = !(this.map == PRIMARY && this.opcode == 0x8d
            || this.map == SECONDARY && matches!(this.opcode, 0x0d | 0x18..=0x1f));
        // The bases of fs and gs are in no register that a signal handler is given.
        this.elsewhere |= segment && accesses;
        if accesses && !this.elsewhere {
            this.memory = [Some(address), None];
        }
        this.pushes(registers);
        Some(this)
    }

    /// The field `pp` of VEX or EVEX, which stands for a prefix.
    fn prefix_of_vector(&mut self, byte: u8) {
        self.operand_size = byte & 3 == 1;
        self.repeat = byte & 3 > 1;
    }

    /// Whether the opcode is followed by a ModRM byte.
    fn has_modrm(&self) -> bool {
        match self.map {
            PRIMARY => match self.opcode {
                0x00..=0x3f => self.opcode & 7 < 4,
                0x63 | 0x69 | 0x6b | 0x80..=0x8f | 0xc0 | 0xc1 | 0xc6 | 0xc7 | 0xd0..=0xd3 | 0xd8..=0xdf => true,
                0xf6 | 0xf7 | 0xfe | 0xff => true,
                _ => false,
            },
            SECONDARY => !matches!(
                self.opcode,
                0x04..=0x0c | 0x0e | 0x30..=0x37 | 0x77 | 0x80..=0x8f | 0xa0..=0xa2 | 0xa8..=0xaa | 0xc8..=0xcf
            ),
            _ => true,
        }
    }

    /// How many bytes of immediate operands end the instruction: an address that is relative to rip counts from behind
    /// them.
    fn immediate_bytes(&self) -> u64 {
        let whole = if self.operand_size { 2 } else { 4 };
        match (self.map, self.opcode) {
            (PRIMARY, 0x80 | 0x82 | 0x83 | 0xc0 | 0xc1 | 0xc6 | 0x6b) => 1,
            (PRIMARY, 0x69 | 0x81 | 0xc7) => whole,
            (PRIMARY, 0xf6) if self.extension < 2 => 1,
            (PRIMARY, 0xf7) if self.extension < 2 => whole,
            (SECONDARY, 0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6) | (3, _) => 1,
            _ => 0,
        }
    }

    /// Memory that is accessed by instructions which do not name it.
    fn implied_operands(
        &mut self,
        registers: &Registers,
        bytes: &mut Bytes<impl FnMut(u64) -> Option<u8>>,
        segment: bool,
        short: bool,
    ) {
        if self.map != PRIMARY {
            return;
        }
        let (rsi, rdi, rsp) = (registers.get(4), registers.get(5), registers.get(RSP));
        self.memory = match self.opcode {
            0x50..=0x57 | 0x68 | 0x6a | 0x9c | 0xe8 | 0xc8 => [Some(rsp.wrapping_sub(8)), None],
            0x58..=0x5f | 0x9d | 0xc2 | 0xc3 => [Some(rsp), None],
            0xc9 => [Some(registers.get(RBP)), None],
            0xa4..=0xa7 => [Some(rdi), if segment { None } else { Some(rsi) }],
            0xaa | 0xab | 0xae | 0xaf | 0x6c | 0x6d => [Some(rdi), None],
            0xac | 0xad | 0x6e | 0x6f if !segment => [Some(rsi), None],
            0xd7 if !segment => [Some(registers.get(3).wrapping_add(registers.get(0) & 0xff)), None],
            0xa0..=0xa3 if !segment && !short => [bytes.signed(8).map(i64::cast_unsigned), None],
            _ => [None, None],
        };
        self.elsewhere = (segment || short) && matches!(self.opcode, 0xa0..=0xaf | 0xd7 | 0x6c..=0x6f);
        if self.opcode == 0xcd {
            self.immediate = bytes.byte();
        }
    }

    /// Calls and pushes through ModRM, which also write to the stack.
    fn pushes(&mut self, registers: &Registers) {
        if self.map == PRIMARY
            && self.opcode == 0xff
            && matches!(self.extension, 2 | 3 | 6)
            && let [_, second] = &mut self.memory
        {
            *second = Some(registers.get(RSP).wrapping_sub(8));
        }
    }

    /// Whether it accesses this address, or bytes just before it.
    pub fn accesses(&self, address: u64) -> bool {
        // fxsave, xsave and their like access the processor's whole state, which is several kilobytes with AMX.
        let size = if self.map == SECONDARY && matches!(self.opcode, 0xae | 0xc7) { 16384 } else { WIDEST };
        let near = |start: u64| address.wrapping_sub(start) < size;
        self.memory.iter().flatten().any(|&start| {
            near(start)
                || self.compressed != 0
                    && (1..=6)
                        .any(|scale| near(start.wrapping_add_signed((self.compressed << scale) - self.compressed)))
        })
    }

    /// Whether it divides integers.
    pub fn divides(&self) -> bool {
        self.map == PRIMARY && matches!(self.opcode, 0xf6 | 0xf7) && self.extension >= 6
    }

    /// Whether it exists to be illegal (ud0, ud1, ud2).
    pub fn is_made_to_fail(&self) -> bool {
        self.map == SECONDARY && matches!(self.opcode, 0x0b | 0xb9 | 0xff) && !self.vector
    }

    /// Why a division failed.
    pub fn why_division_failed(&self, registers: &Registers, read: impl Fn(u64) -> Option<u64>) -> Cause {
        if !self.divides() {
            return Cause::Unknown;
        }
        let divisor = match (self.operand_register, self.memory) {
            // Without REX, four of the eight-bit registers are ah, ch, dh and bh: too rare to be decoded.
            (Some(_), _) if self.operand_bytes == 1 => None,
            (Some(register), _) => Some(registers.get(register)),
            (None, [Some(address), _]) => read(address),
            _ => None,
        };
        match divisor.map(|divisor| divisor & (u64::MAX >> (64 - 8 * self.operand_bytes))) {
            Some(0) => Cause::DividedByZero,
            Some(_) => Cause::QuotientTooLarge,
            None => Cause::DividedByZeroOrTooLarge,
        }
    }

    /// Why the processor refused it by a general protection or stack segment fault, which name no address: where there
    /// is only one reason for it.
    pub fn why_refused(&self, registers: &Registers, read: impl Fn(u64) -> Option<u64>) -> Cause {
        if let Some(&address) = self.memory.iter().flatten().find(|&&address| !is_canonical(address)) {
            return Cause::NoAddress(address);
        }
        if self.elsewhere || self.compressed != 0 {
            return Cause::Unknown;
        }
        if self.is_privileged() {
            return Cause::NotAllowed;
        }
        // Where a jump, a call or a return leads to.
        let target = match (self.map, self.opcode, self.memory) {
            (PRIMARY, 0xff, [memory, _]) if matches!(self.extension, 2 | 4) => match self.operand_register {
                Some(register) => Some(registers.get(register)),
                None => memory.and_then(read),
            },
            (PRIMARY, 0xc2 | 0xc3, [Some(memory), _]) => read(memory),
            _ => None,
        };
        if let Some(target) = target {
            return if is_canonical(target) { Cause::Unknown } else { Cause::NoTarget(target) };
        }
        match self.memory {
            // If the address is canonical, only its alignment can be wrong. Vector instructions demand 64 bytes at
            // most, others 16.
            [Some(address), None]
                if self.wants_alignment() && !address.is_multiple_of(if self.vector { 64 } else { 16 }) =>
            {
                Cause::Misaligned(address)
            }
            _ => Cause::Unknown,
        }
    }

    /// Instructions of the kernel, and those that it forbids to programs.
    fn is_privileged(&self) -> bool {
        match (self.map, self.opcode) {
            // hlt, cli, sti, in, out, ins, outs, int n
            (PRIMARY, 0xf4 | 0xfa | 0xfb | 0xe4..=0xe7 | 0xec..=0xef | 0x6c..=0x6f | 0xcd) => true,
            // lldt, ltr
            (SECONDARY, 0x00) => matches!(self.extension, 2 | 3),
            // lgdt, lidt, lmsw, invlpg; with a register: swapgs and its like, which are not told apart
            (SECONDARY, 0x01) => {
                self.operand_register.is_none() && matches!(self.extension, 2 | 3 | 7) || self.extension == 6
            }
            // clts, sysret, invd, wbinvd, mov to and from control and debug registers, wrmsr, rdmsr, sysexit
            (SECONDARY, 0x06..=0x09 | 0x20..=0x23 | 0x30 | 0x32 | 0x35) => !self.vector,
            _ => false,
        }
    }

    /// Whether it may fault for an address that is not aligned, and for nothing else: vector instructions, and a few
    /// others.
    fn wants_alignment(&self) -> bool {
        match (self.map, self.opcode) {
            (SECONDARY, 0x10..=0x17 | 0x28..=0x2f | 0x50..=0x7f | 0xc2 | 0xc4..=0xc6 | 0xd0..=0xfe) => true,
            // fxsave, xsave, xsaveopt; cmpxchg16b, xsavec
            (SECONDARY, 0xae) => matches!(self.extension, 0 | 4 | 6),
            (SECONDARY, 0xc7) => matches!(self.extension, 1 | 4),
            (2, 0x00..=0x7f | 0x90..=0xef) | (3, _) => true,
            _ => false,
        }
    }
}

/// Whether an address is canonical, so that x86_64 can use it: its upper 17 bits are all equal (SDM, volume 1,
/// 3.3.7.1).
pub fn is_canonical(address: u64) -> bool {
    let upper = address.cast_signed() >> 47;
    upper == 0 || upper == -1
}

/// Whether the thread was about to execute an instruction at an address, or one that may reach as far as that.
pub fn executes(registers: &Registers, address: u64) -> bool {
    address.wrapping_sub(registers.get(PROGRAM_COUNTER)) <= LONGEST
}
