//! sselens: see every byte of an LLM stream, and who broke it.

pub mod action;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod frame;
pub mod inspect;
pub mod journal;
pub mod json;
pub mod lab;
pub mod lens;
pub mod report;
pub mod source;
pub mod text;
pub mod tui;
