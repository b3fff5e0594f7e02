//! sselens: see every byte of an LLM stream, and who broke it.

pub mod action;
pub mod cli;
pub mod client_sim;
pub mod config;
pub mod dialect;
pub mod frame;
pub mod inspect;
pub mod journal;
pub mod json;
pub mod lab;
pub mod report;
pub mod storage;
pub mod text;
pub mod transport;
pub mod tui;
