//! Header fields of HTTP/2, as they are recorded.

use bytes::Bytes;

use super::hpack::HeaderField;
use crate::journal::Headers;

/// The fields as text, one a line and in order, those of HTTP/2 itself too. Control characters in them, which no
/// client lets through, become `?`, and a user in `:authority` becomes `*`.
pub(super) fn raw(all: &[HeaderField]) -> Bytes {
    let mut out = Vec::new();
    for field in all {
        let from = out.len();
        out.extend_from_slice(&field.name);
        out.extend_from_slice(b": ");
        let value = out.len();
        out.extend_from_slice(&field.value);
        let user = out[value..].iter().rposition(|b| *b == b'@');
        if let Some(user) = user.filter(|_| &field.name[..] == b":authority") {
            out[value..value + user].fill(b'*');
        }
        for byte in &mut out[from..] {
            if byte.is_ascii_control() && *byte != b'\t' {
                *byte = b'?';
            }
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.into()
}

/// The fields without those of HTTP/2 itself.
pub(super) fn headers(all: &[HeaderField]) -> Headers {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    all.iter()
        .filter(|field| !field.name.starts_with(b":"))
        .map(|field| (text(&field.name).to_ascii_lowercase(), text(&field.value)))
        .collect()
}

/// The value of the first field of this name.
pub(super) fn value(all: &[HeaderField], name: &str) -> Option<String> {
    let field = all.iter().find(|field| field.name == name)?;
    Some(String::from_utf8_lossy(&field.value).into_owned())
}

/// The number that a payload begins with, 0 where it is too short.
pub(super) fn number(payload: &[u8]) -> u32 {
    payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The name of an error (RFC 9113, section 7).
pub(super) fn error(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
    name.map_or_else(|| format!("error {code:#x}"), |name| (*name).to_owned())
}
