//! Responses read in pieces, for tests and for fuzzing.

use bytes::Bytes;

use super::response::{Expected, Lost, Responses, Seen, Standing};

/// Reads the responses to these requests; returns what was seen, with neighboring bytes of one kind joined, and
/// how the connection stands after them.
pub(crate) fn read<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    expected: &[Expected],
) -> (Vec<Seen>, Standing) {
    let mut responses = Responses::new();
    expected.iter().for_each(|e| responses.expect(*e));
    let mut seen = Vec::new();
    for piece in pieces {
        responses.feed(Bytes::copy_from_slice(piece), &mut seen);
    }
    let mut joined: Vec<Seen> = Vec::new();
    for s in seen {
        match (joined.last_mut(), &s) {
            (Some(Seen::Data(a)), Seen::Data(b))
            | (Some(Seen::Extra(a)), Seen::Extra(b))
            | (Some(Seen::Passed(a)), Seen::Passed(b)) => {
                *a = [&a[..], &b[..]].concat().into();
            }
            _ => joined.push(s),
        }
    }
    (joined, responses.standing())
}

/// What does not depend on the pieces: where reading was given up, the text quotes what there was by then.
pub(crate) fn facts(seen: &[Seen]) -> Vec<Seen> {
    let quoted = |s: &Seen| match s {
        Seen::Lost(why) => Seen::Lost(Lost { text: String::new(), ..why.clone() }),
        other => other.clone(),
    };
    seen.iter().map(quoted).collect()
}
