//! Just enough HTTP/2 (RFC 9113) to call a gRPC method and go away. Tests that read the answer use a real client.

/// The bytes of a whole unary call: preface, settings, headers, one message.
pub fn call(method: &str, message: &[u8]) -> Vec<u8> {
    assert!(message.len() < 60_000, "more needs flow control, and two sides");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, b"");

    let mut headers = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        // HPACK (RFC 7541, 6.2.3): a literal that is never indexed, with a new name, and without Huffman coding.
        headers.push(0x10);
        for text in [name, value] {
            headers.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("short texts only"));
            headers.extend(text.bytes());
        }
    }
    frame(&mut bytes, HEADERS, END_HEADERS, 1, &headers);

    let mut body = vec![0];
    body.extend((message.len() as u32).to_be_bytes());
    body.extend(message);
    for chunk in body.chunks(16_384) {
        frame(&mut bytes, DATA, 0, 1, chunk);
    }
    frame(&mut bytes, DATA, END_STREAM, 1, b"");
    bytes
}

/// A protobuf field of bytes or a string, shorter than 2 MiB.
pub fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let varint = [length as u8 | 0x80, (length >> 7) as u8 | 0x80, (length >> 14) as u8];
    [&[number << 3 | 2][..], &varint, value].concat()
}

// Types of frames and their flags (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Appends a frame (RFC 9113, 4.1): length in 24 bits, type, flags, stream, payload.
fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
}
