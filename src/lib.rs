//! sselens: see every byte of an LLM stream, and who broke it.
//!
//! The program is a thin shell around a pure core, and the core is a separate library: feature `core` (without
//! the default features) has no clock, no network, no disk and no terminal. Its input is bytes; its output is
//! frames, answers and findings:
//!
//! ```
//! use std::sync::Arc;
//!
//! use sselens::inspect::Inspection;
//! use sselens::rule::Code;
//! use sselens::journal::{EndCause, Entry, EntryKind};
//!
//! let body = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n";
//! let mut inspection = Inspection::new(Arc::default());
//! let mut push = |kind| inspection.push(&Entry { exchange: 0, at: None, kind });
//! push(EntryKind::Bare { status: None, content_type: None, dialect: None, named_sse: true });
//! push(EntryKind::Body { len: body.len() as u32, bytes: body[..].into(), masked: Vec::new() });
//! push(EntryKind::End { cause: EndCause::Unknown, detail: String::new() });
//!
//! assert_eq!(inspection.frames().len(), 1);
//! assert!(inspection.findings().iter().any(|finding| finding.code == Code::FinishMissing));
//! ```
//!
//! `examples/findings.rs` is the same as a program.
//!
//! | feature | modules |
//! |---|---|
//! | `core` | [`rule`], [`json`], [`text`], [`journal`], [`frame`], [`dialect`], [`inspect`], [`client_sim`] |
//! | `lab` | `lab` and `clock` too |
//! | `program` (default) | all of them, and the binary |

// The core: no clock, no network, no disk, no terminal.
pub mod client_sim;
pub mod dialect;
pub mod frame;
pub mod inspect;
pub mod journal;
pub mod json;
pub mod rule;
pub mod text;

#[cfg(feature = "lab")]
pub mod clock;
#[cfg(feature = "lab")]
pub mod lab;

#[cfg(feature = "program")]
pub mod action;
#[cfg(feature = "program")]
pub mod cli;
#[cfg(feature = "program")]
pub mod config;
#[cfg(feature = "program")]
mod priority;
#[cfg(feature = "program")]
pub mod query;
#[cfg(feature = "program")]
pub mod replay;
#[cfg(feature = "program")]
pub mod report;
#[cfg(feature = "program")]
pub mod storage;
#[cfg(feature = "program")]
pub mod tap;
#[cfg(feature = "program")]
pub mod transport;
#[cfg(feature = "program")]
pub mod tui;

#[cfg(all(fuzzing, feature = "program"))]
pub mod fuzzing;
