//! Call instructions.

use super::Memory;

/// Whether a call instruction ends just before an address.
#[cfg(target_arch = "x86_64")]
pub fn follows_call(memory: &mut Memory, address: u64) -> bool {
    let mut code = [0; 7];
    // At the start of a mapping there may be nothing before it.
    let start = address.wrapping_sub(7);
    if memory.read(start, &mut code) != 7 {
        return false;
    }
    // call *reg, call *disp8(reg), call *disp8(reg,reg), call *disp32(reg), call *disp32(reg,reg): opcode ff /2
    let indirect = |opcode: u8, modrm: u8| opcode == 0xff && modrm >> 3 & 7 == 2;
    let [a, b, c, d, e, f, g] = code;
    c == 0xe8 || indirect(f, g) || indirect(e, f) || indirect(d, e) || indirect(b, c) || indirect(a, b)
}

/// Whether a call instruction ends just before an address.
#[cfg(target_arch = "aarch64")]
pub fn follows_call(memory: &mut Memory, address: u64) -> bool {
    let Some(before) = address.checked_sub(4).filter(|before| before.is_multiple_of(4)) else { return false };
    let Some(code) = memory.half(before) else { return false };
    // bl; blr; blraaz, blrabz; blraa, blrab
    code >> 26 == 0b10_0101
        || code & 0xffff_fc1f == 0xd63f_0000
        || code & 0xffff_f81f == 0xd63f_081f
        || code & 0xffff_f800 == 0xd73f_0800
}
