//! Finding frames: a text in all that was sent and received ([`search()`]), an expression that a frame
//! satisfies ([`Filter`]), a JSONPath query over payloads ([`PathQuery`]).
//!
//! Pure. The screen and `show` share it.

mod filter;
mod path;
mod search;

pub use filter::{Filter, FilterError};
pub use path::{PathQuery, QueryError};
pub use search::{Hit, Needle, Spot, search};
