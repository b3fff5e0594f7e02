//! The tap's two sides: what is forwarded of a client's bytes does not depend on their cuts, and what is recorded of a
//! connection is judged without a panic. The server's bytes follow a separator.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use sselens::fuzzing::{forwarded, recorded};
use sselens::inspect::Inspection;
use sselens::journal::{Entry, EntryKind};
use sselens_fuzz::{halves, pieces};

const SEPARATOR: &[u8] = b"\n--- server\n";

/// The bytes that came of each exchange, those that its client sent, and how it ended and its heads.
type Facts = BTreeMap<u32, (Vec<u8>, Vec<u8>, Vec<String>)>;

/// Whether they are the same, but for what is masked: of a coded body with a secret in it, that goes by its reads.
fn are_same(a: &Facts, b: &Facts) -> bool {
    let star = |byte: u8| if byte == b'*' { None } else { Some(byte) };
    let alike = |a: &[u8], b: &[u8]| {
        let pairs =
            a.iter().zip(b).all(|(a, b)| star(*a).zip(star(*b)).is_none_or(|(a, b)| a == b));
        a.len() == b.len() && pairs
    };
    let pairs = a
        .iter()
        .zip(b)
        .all(|((x, a), (y, b))| x == y && alike(&a.0, &b.0) && alike(&a.1, &b.1) && a.2 == b.2);
    a.len() == b.len() && pairs
}

fn facts(entries: &[Entry]) -> Facts {
    let mut all = Facts::new();
    for entry in entries {
        let (body, sent, facts) = all.entry(entry.exchange).or_default();
        match &entry.kind {
            EntryKind::Body { bytes, .. } => body.extend_from_slice(bytes),
            EntryKind::Sent { bytes, .. } => sent.extend_from_slice(bytes),
            EntryKind::Head(head) => facts.push(format!("{head:?}")),
            EntryKind::Trailers(trailers) => facts.push(format!("{trailers:?}")),
            EntryKind::End { cause, .. } => facts.push(cause.name().to_owned()),
            _ => {}
        }
    }
    all
}

fuzz_target!(|input: &[u8]| {
    let [cut, wire @ ..] = input else { return };
    let at = wire.windows(SEPARATOR.len()).position(|w| w == SEPARATOR);
    let (client, server) = match at {
        Some(at) => (&wire[..at], &wire[at + SEPARATOR.len()..]),
        None => (wire, &[][..]),
    };
    let (out, seen) = forwarded(pieces(client, 0));
    assert_eq!((out, seen), forwarded(pieces(client, 1)));
    let whole = recorded(pieces(client, 0), pieces(server, 0));
    let cut_server = recorded(pieces(client, 0), pieces(server, 1));
    assert!(are_same(&facts(&whole), &facts(&cut_server)));
    let in_turns = recorded(pieces(client, (*cut).max(1)), halves(server, *cut));
    for entries in [whole, in_turns] {
        let mut all: BTreeMap<u32, Inspection> = BTreeMap::new();
        for entry in &entries {
            all.entry(entry.exchange)
                .or_insert_with(|| Inspection::new(Default::default()))
                .push(entry);
        }
        for seen in all.values() {
            let _ = (seen.verdict(), seen.findings(), seen.blame());
        }
    }
});
