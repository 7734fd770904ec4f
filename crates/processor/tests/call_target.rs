//! Where a call leads, by its instruction.

use processor::call_target;

fn target(code: &[u8], address: u64) -> Option<u64> {
    let read = |at: u64, bytes: &mut [u8]| {
        assert_eq!(at, address - code.len() as u64);
        bytes.copy_from_slice(code);
        bytes.len()
    };
    call_target(read, address)
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_direct_call_says_where_it_leads() {
    assert_eq!(target(&[0xe8, 0xb2, 0xc2, 0x03, 0x00], 0x1_b45e), Some(0x5_7710));
    assert_eq!(target(&[0xe8, 0xfb, 0xff, 0xff, 0xff], 0x1000), Some(0xffb));
    // call *%rax, behind something else
    assert_eq!(target(&[0, 0, 0, 0xff, 0xd0], 0x1000), None);
}

#[test]
#[cfg(target_arch = "aarch64")]
fn a_direct_call_says_where_it_leads() {
    // bl .+8, bl .-4, blr x8
    assert_eq!(target(&0x9400_0002_u32.to_le_bytes(), 0x1004), Some(0x1008));
    assert_eq!(target(&0x97ff_ffff_u32.to_le_bytes(), 0x1004), Some(0xffc));
    assert_eq!(target(&0xd63f_0100_u32.to_le_bytes(), 0x1004), None);
}

#[test]
fn what_can_not_be_read_is_no_call() {
    assert_eq!(call_target(|_, _| 0, 0x1000), None);
}
