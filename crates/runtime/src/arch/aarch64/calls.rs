//! Call instructions.

/// Whether a call instruction ends just before an address. `read` reads memory, and says how many bytes were there.
pub fn follows_call(read: impl FnOnce(u64, &mut [u8]) -> usize, address: u64) -> bool {
    let Some(before) = address.checked_sub(4).filter(|before| before.is_multiple_of(4)) else { return false };
    let mut code = [0; 4];
    if read(before, &mut code) != code.len() {
        return false;
    }
    let code = u32::from_le_bytes(code);
    // bl; blr; blraaz, blrabz; blraa, blrab
    code >> 26 == 0b10_0101
        || code & 0xffff_fc1f == 0xd63f_0000
        || code & 0xffff_f81f == 0xd63f_081f
        || code & 0xffff_f800 == 0xd73f_0800
}
