//! Every changed byte is a difference.

use proptest::prelude::*;

use super::tests::{bare, sound};
use super::*;

/// A few real bodies of each kind of framing, of moderate length, from the corpus beside the crate.
fn corpus() -> &'static [(String, Vec<u8>)] {
    static READ: std::sync::OnceLock<Vec<(String, Vec<u8>)>> = std::sync::OnceLock::new();
    READ.get_or_init(|| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
        let Ok(list) = std::fs::read_dir(folder) else {
            eprintln!("skipped: there is no corpus at {folder}");
            return Vec::new();
        };
        let mut paths: Vec<_> = list.map(|e| e.unwrap().path()).collect();
        paths.sort();
        let mut found = Vec::new();
        for kind in ["sse", "ndjson", "json", "bin", "eventstream"] {
            let mine = paths.iter().filter(|p| {
                let name = p.to_string_lossy();
                p.extension().is_some_and(|e| e == kind)
                    && !name.ends_with(".expect.json")
                    && !name.ends_with(".meta.json")
            });
            let mine: Vec<_> = mine
                .map(|p| {
                    (
                        p.file_name().unwrap().to_string_lossy().into_owned(),
                        std::fs::read(p).unwrap(),
                    )
                })
                .filter(|(_, body)| (1..20_000).contains(&body.len()))
                .collect();
            let step = (mine.len() / 12).max(1);
            found.extend(mine.into_iter().step_by(step));
        }
        found
    })
}

proptest! {
    /// Checks that the comparison reports a difference, whatever byte of a recording is changed.
    #[test]
    fn every_change_of_a_byte_is_found(at in 0usize..10_000, byte in any::<u8>()) {
        let body = sound().concat().into_bytes();
        let at = at % body.len();
        let mut other = body.clone();
        other[at] = byte;
        prop_assume!(other != body);
        let got = compare(&bare(&body, true), &bare(&other, true), Expect::Same);
        prop_assert!(!got.differences.is_empty(), "byte {} of {:?}", at, byte);
    }

    /// The same for real streams of every framing, as far as the corpus is there.
    #[test]
    fn every_change_of_a_byte_of_a_real_stream_is_found(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let corpus = corpus();
        if corpus.is_empty() {
            return Ok(());
        }
        let (name, body) = which.get(corpus);
        let seen = &bare(body, name.ends_with(".sse"));
        let at = at.index(body.len());
        let mut other = body.clone();
        other[at] = byte;
        prop_assume!(other != *body);
        let got = compare(seen, &bare(&other, name.ends_with(".sse")), Expect::Same);
        prop_assert!(!got.differences.is_empty(), "{}: byte {} is {}", name, at, byte);
        let same = compare(seen, &bare(body, name.ends_with(".sse")), Expect::Same);
        prop_assert_eq!(same.differences, vec![]);
    }
}
