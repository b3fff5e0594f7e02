//! What several modules need.

pub(crate) mod corpus;
pub(crate) mod program;
mod tap;

use std::sync::Arc;

use sselens::client_sim;
use sselens::inspect::{InspectOptions, Simulate};
pub(crate) use tap::RunningTap;

/// The options of the program: the client views are judged too.
pub(crate) fn options() -> Arc<InspectOptions> {
    let simulate = Some(Simulate(client_sim::views));
    Arc::new(InspectOptions { simulate, ..InspectOptions::default() })
}
