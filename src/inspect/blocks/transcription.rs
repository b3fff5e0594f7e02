//! OpenAI's transcripts of speech: one text, in pieces and whole.

use super::table::{Does, EventRow, Fit, Space, Table, Tag};

const TRANSCRIPT: usize = 0;

pub(super) static TABLE: Table = Table {
    spaces: &[Space { implicit: Some(&[]), ..Space::named("transcript", &[], Tag::Is("")) }],
    rows: &[
        EventRow::new("transcript.text.delta", TRANSCRIPT, Does::Add).fits(&[Fit {
            delta: "",
            kinds: &[""],
            text: &["delta"],
        }]),
        EventRow::new("transcript.text.done", TRANSCRIPT, Does::Close).restates(&[&["text"]]),
    ],
    joins: true,
    ..Table::PLAIN
};
