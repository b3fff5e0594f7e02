//! Replay: a recording given back to real clients, byte for byte, with faults on demand.
//!
//! ```text
//! entries → recorded exchanges → faults → chosen by a request → played on a connection
//! ```

mod choose;
mod fault;
mod recording;
mod scenario;
mod serve;
mod spec;
mod timetable;
mod web_socket;

pub use choose::{By, Chooser, Wanted};
pub use fault::{Fault, FaultError, Place, apply};
pub use recording::{Piece, Recorded, RecordedFrame, exchanges};
pub use scenario::scenario;
pub use serve::{Notify, Replay};
pub use spec::FaultSpecError;
