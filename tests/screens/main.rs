//! The screen: keys in, text out, through the real loop.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod background;
mod cause;
mod compare;
mod corpus;
mod editor;
mod law;
mod lines;
mod live;
mod looks;
#[path = "../support/needs.rs"]
mod needs;
mod opening;
mod pairs;
mod play;
mod playback;
mod prompts;
mod repeat;
mod show;
mod stored;
mod timeline;
mod translate;
mod what_was_skipped;
