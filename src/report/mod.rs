//! Reports: what is known about exchanges, written for scripts, for people, and for other tools.
//!
//! Everything here reads inspections and writes to a writer. Text from the wire is made visible or
//! escaped on the way out, without exception.

mod compare;
mod curl;
mod findings;
mod frames;
mod har;
mod html;
mod http_limits;
mod lens;
mod markdown;
mod markup;
mod ndjson;
mod otlp;
mod otlp_protobuf;
mod palette;
mod program;
mod raw;
mod summary;
mod tally;
mod text;

pub use compare::{cell, compare, compare_findings, comparison, difference};
pub use curl::curl;
pub use findings::{findings, sections};
pub use frames::frames;
pub use har::{RecordingOrigin, har};
pub use html::html;
pub use http_limits::http_limits;
pub use lens::{end as lens_end, lens, lens_table, lens_text};
pub use markdown::{
    KeyVariable, compared as markdown_compared, markdown, repeated as markdown_repeated,
};
pub use ndjson::Ndjson;
pub use otlp::{otlp, otlp_call};
pub use otlp_protobuf::protobuf;
pub use palette::Palette;
pub use program::{Language, program};
pub use raw::{RawError, sse};
pub use summary::{FindingsDetail, summary};
pub use tally::{PairTally, often, tally, tally_text, threshold, threshold_text};
pub use text::{explain, text};
