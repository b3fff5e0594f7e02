//! sselens: see every byte of an LLM stream, and who broke it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod lab;
