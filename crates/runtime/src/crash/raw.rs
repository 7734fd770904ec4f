//! A report without a copy: addresses, with the module, the offset and the build id by which names can be found later.

use core::fmt::Write;
use core::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Relaxed},
};

use super::header;
use super::incident::incident;
use super::reporter::{progress, reporter};
use crate::platform;
use wording::line::Line;

/// Frames that are shown.
const FRAMES: usize = 64;

/// Says that the report has addresses only, and writes them.
pub fn write() {
    header::write_if_missing();
    header::say(platform::BEFORE_ADDRESSES);
    frames();
    header::write_summary();
}

/// After a crash in the report itself: writes addresses; and if that crashes, too, two registers.
pub fn write_after_crash() {
    static TRIED: AtomicBool = AtomicBool::new(false);
    header::say(b"nosigpipe: the report crashed\n");
    if !TRIED.swap(true, Relaxed) {
        return write();
    }
    let registers = &incident().raised.registers;
    let mut line = Line::<128>::empty();
    let _ = write!(line, "  pc {:#x} sp {:#x}", registers.pc(), registers.sp());
    header::say(line.finish());
}

/// Writes the crashed thread's frames: those that a copy has found, else by frame pointers.
fn frames() {
    let registers = &incident().raised.registers;
    if let Some(progress) = progress()
        && let known @ 1.. = progress.known.load(Acquire) as usize
    {
        for (index, frame) in progress.frames.iter().take(known.min(FRAMES)).enumerate() {
            write_frame(index, frame.load(Acquire));
        }
        return;
    }
    write_frame(0, registers.pc());
    // By frame pointers, since there is no call frame information here. After a call through a wild pointer, the return address is on
    // top of the stack.
    let mut index = 1;
    let mut fp = registers.get(platform::FRAME_POINTER);
    let mut above = registers.sp();
    // Where a call leaves the return address in a register, it is in both places as long as that was not overwritten.
    let link =
        registers.link().filter(|&address| words(fp).is_none_or(|[_, saved]| platform::code_address(saved) != address));
    let is_wild = platform::file_at(registers.pc(), &mut [0]).is_none();
    let on_top = words(above).map(|[address]| address).filter(|_| is_wild && registers.link().is_none()).or(link);
    if let Some(address) = on_top {
        write_frame(index, address);
        index += 1;
    }
    while index < FRAMES && fp >= above && fp.is_multiple_of(8) {
        let Some([next, address]) = words(fp) else { break };
        if address == 0 {
            break;
        }
        write_frame(index, platform::code_address(address));
        (above, fp, index) = (fp + 16, next, index + 1);
    }
}

/// Numbers of 64 bits in memory that may not be there.
fn words<const N: usize>(address: u64) -> Option<[u64; N]> {
    let mut words = [0; N];
    let mut bytes = [0; 16];
    let length = N * 8;
    let buffer = bytes.get_mut(..length)?;
    if platform::read_memory(platform::pid(), address, buffer) != length {
        return None;
    }
    for (word, chunk) in words.iter_mut().zip(buffer.chunks_exact(8)) {
        *word = u64::from_le_bytes(chunk.try_into().ok()?);
    }
    Some(words)
}

/// Writes one line: number, address, module, offset and build id, and the function where its name is in memory.
fn write_frame(index: usize, address: u64) {
    let mut line = Line::<512>::empty();
    let _ = write!(line, "  #{index:<2} {address:#x}");
    let mut path = [0; 256];
    if let Some((start, length)) = platform::file_at(address, &mut path) {
        let path = path.get(..length).unwrap_or_default();
        line.push(b" [");
        line.push_foreign(path.rsplit(|&byte| byte == b'/').next().unwrap_or_default(), 128);
        let _ = write!(line, "+{:#x}", address.wrapping_sub(start));
        let mut id = [0; 20];
        let length = platform::build_id_at(start, &mut id);
        for (index, byte) in id.iter().take(length).enumerate() {
            let _ = write!(line, "{}{byte:02x}", if index == 0 { " " } else { "" });
        }
        line.push(b"]");
        let mut name = [0; 256];
        if let Some((length, offset)) = platform::symbol_at(start, address, &mut name) {
            let mut text = Line::<256>::empty();
            (reporter().demangle)(name.get(..length).unwrap_or_default(), &mut text);
            line.push(b" ");
            line.push_foreign(text.bytes(), 256);
            let _ = write!(line, "+{offset:#x}");
        }
    }
    header::say(line.finish());
}
