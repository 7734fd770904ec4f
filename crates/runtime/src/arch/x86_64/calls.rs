//! Call instructions.

/// Whether a call instruction ends just before an address. `read` reads memory, and says how many bytes were there.
pub fn follows_call(read: impl FnOnce(u64, &mut [u8]) -> usize, address: u64) -> bool {
    let mut code = [0; 7];
    // At the start of a mapping there may be nothing before it.
    let start = address.wrapping_sub(7);
    if read(start, &mut code) != 7 {
        return false;
    }
    // call *reg, call *disp8(reg), call *disp8(reg,reg), call *disp32(reg), call *disp32(reg,reg): opcode ff /2
    let indirect = |opcode: u8, modrm: u8| opcode == 0xff && modrm >> 3 & 7 == 2;
    let [a, b, c, d, e, f, g] = code;
    c == 0xe8 || indirect(f, g) || indirect(e, f) || indirect(d, e) || indirect(b, c) || indirect(a, b)
}
