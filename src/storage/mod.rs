//! What is kept: sessions as they are recorded, and recordings of every kind as they are read back.

pub mod curl;
pub mod draft;
pub mod file;
mod har;
mod recorder;

pub use har::{ContentError, HarError};
pub use recorder::{Autosave, Recorder, aside};
