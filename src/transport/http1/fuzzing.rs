//! Responses read in pieces, for tests and for fuzzing.

use bytes::Bytes;

use super::response::{Expected, Lost, ResponsePart, ResponsePosition, Responses};

/// Reads the responses to these requests; returns what was seen, with neighboring bytes of one kind joined,
/// and the position of the connection after them.
pub(crate) fn read<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    expected: &[Expected],
) -> (Vec<ResponsePart>, ResponsePosition) {
    let mut responses = Responses::new();
    expected.iter().for_each(|e| responses.expect(*e));
    let mut seen = Vec::new();
    for piece in pieces {
        responses.feed(Bytes::copy_from_slice(piece), &mut seen);
    }
    let mut joined: Vec<ResponsePart> = Vec::new();
    for s in seen {
        match (joined.last_mut(), &s) {
            (Some(ResponsePart::Data(a)), ResponsePart::Data(b))
            | (Some(ResponsePart::Extra(a)), ResponsePart::Extra(b))
            | (Some(ResponsePart::Passed(a)), ResponsePart::Passed(b)) => {
                *a = [&a[..], &b[..]].concat().into();
            }
            _ => joined.push(s),
        }
    }
    (joined, responses.standing())
}

/// Returns what does not depend on the pieces: where reading was abandoned, the text quotes what there was by
/// then.
pub(crate) fn facts(seen: &[ResponsePart]) -> Vec<ResponsePart> {
    let quoted = |s: &ResponsePart| match s {
        ResponsePart::Lost(why) => ResponsePart::Lost(Lost { text: String::new(), ..why.clone() }),
        other => other.clone(),
    };
    seen.iter().map(quoted).collect()
}
