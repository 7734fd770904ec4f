//! What xz(1) has compressed: symbol tables of stripped programs, in the section `.gnu_debugdata` ("MiniDebugInfo", gdb's
//! manual, 19.4; Fedora, Red Hat and SUSE ship every program so).

use alloc::boxed::Box;
use alloc::vec::Vec;

use xz4rust::{XzDecoder, XzNextBlockResult};

/// Bytes that one such section may be unpacked to, at most; the largest programs' have half of that. A damaged kilobyte can claim
/// to be gigabytes, and the size is not known beforehand.
const MAX_SIZE: usize = 64 << 20;
/// Largest dictionary that a stream may ask for, in bytes: that of `xz -9`, the largest of xz's presets.
const MAX_DICTIONARY: usize = 64 << 20;
/// Bytes that are allocated at first; each time that they are full, twice as many.
const FIRST: usize = 1 << 20;

/// Unpacks one or several streams of xz's format; `None` if they are damaged or become too large. Before each allocation
/// `is_allowed` is asked, with the number of bytes.
pub fn unpack(compressed: &[u8], is_allowed: impl Fn(usize) -> bool) -> Option<Vec<u8>> {
    let mut decoder = Box::new(XzDecoder::with_alloc_dict_size(0, MAX_DICTIONARY));
    decoder.reset();
    let (mut content, mut filled) = (Vec::new(), 0);
    let mut rest = compressed;
    loop {
        if filled == content.len() {
            let size = (content.len() * 2).max(FIRST);
            if size > MAX_SIZE || !is_allowed(size) {
                return None;
            }
            content.resize(size, 0);
        }
        let result = decoder.decode(rest, content.get_mut(filled..)?).ok()?;
        rest = rest.get(result.input_consumed()..)?;
        filled += result.output_produced();
        match result {
            XzNextBlockResult::NeedMoreData(0, 0) => return None,
            XzNextBlockResult::NeedMoreData(..) => {}
            XzNextBlockResult::EndOfStream(..) => {
                // Streams may follow each other, with zeros between them and at the end.
                let padding = rest.iter().take_while(|&&byte| byte == 0).count();
                rest = rest.get(padding..)?;
                if rest.is_empty() {
                    content.truncate(filled);
                    return Some(content);
                }
                decoder.reset();
            }
        }
    }
}
