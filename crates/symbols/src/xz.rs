//! What xz(1) has compressed: symbol tables of stripped programs, in the section `.gnu_debugdata` ("MiniDebugInfo", gdb's
//! manual, 19.4; Fedora, Red Hat and SUSE ship every program so).

use alloc::boxed::Box;
use alloc::vec::Vec;

use xz4rust::{XzDecoder, XzNextBlockResult};

/// Most bytes that one such section may become; what the largest programs have is half of that. What it will be is not
/// known beforehand, and a kilobyte can become gigabytes.
const MOST: usize = 64 << 20;
/// Largest dictionary that a stream may ask for: that of `xz -9`, the largest that xz makes unless it is told to.
const MOST_DICTIONARY: usize = 64 << 20;
/// Bytes that there is room for at first.
const FIRST: usize = 1 << 20;

/// Decompresses one stream of xz's format or several; `None` if they are damaged or become too large. `is_allowed` is told how
/// many bytes of memory are taken each time, and may refuse.
pub fn unpack(compressed: &[u8], is_allowed: impl Fn(usize) -> bool) -> Option<Vec<u8>> {
    let mut decoder = Box::new(XzDecoder::with_alloc_dict_size(0, MOST_DICTIONARY));
    decoder.reset();
    let (mut content, mut filled) = (Vec::new(), 0);
    let mut rest = compressed;
    loop {
        if filled == content.len() {
            let size = (content.len() * 2).max(FIRST);
            if size > MOST || !is_allowed(size) {
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
