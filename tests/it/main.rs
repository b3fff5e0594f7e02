//! The program and its library from outside, without a terminal: one binary, a module a subject.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod agents;
mod bounds;
mod cli;
mod client_sim;
mod compare;
mod cuts;
mod export;
mod findings;
mod hostile;
mod http2;
mod http_limits;
mod injection;
mod intercept;
mod kill;
mod lab;
mod lab_dialects;
mod lab_turns;
mod layering;
mod mutants;
#[path = "../support/needs.rs"]
mod needs;
mod pairs;
mod prove;
mod providers;
mod recognize;
mod relations;
mod repeat;
mod replay;
mod scenarios;
mod sdks;
mod secrets;
mod show_filter;
mod skeleton;
mod stopping;
mod strangers;
#[path = "../support/streams.rs"]
mod streams;
mod support;
mod tap;
mod transport;
mod web_socket;
