//! Replay: a recording served again to real clients, byte for byte, with faults on demand.
//!
//! ```text
//! entries → recorded exchanges → faults → chosen by a request → played on a connection
//! ```

mod choose;
mod fault;
mod recording;
mod respond;
mod scenario;
mod serve;
mod spec;
mod timetable;
mod web_socket;

pub use choose::{Chooser, ChosenBy, Wanted};
pub use fault::{Fault, FaultError, FaultPlace, apply};
pub use recording::{Recorded, RecordedFrame, RecordedWrite, exchanges};
pub use scenario::scenario;
pub use serve::{Notify, Replay};
pub use spec::FaultSpecError;
