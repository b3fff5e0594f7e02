//! sselens: see every byte of an LLM stream, and who broke it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod frame;
pub mod journal;
pub mod json;
pub mod lab;
pub mod text;
