//! Storage: sessions as they are recorded, and recordings of every kind as they are read back.

mod by_hand;
mod command;
pub mod curl;
pub mod draft;
pub mod file;
mod har;
mod httpie;
mod recorder;
mod recording;
pub mod request_file;
mod shell;
mod target;

pub use har::{ContentError, HarError};
pub use recorder::{AutosaveFolder, Recorder};
pub use target::{aside, is_live};
