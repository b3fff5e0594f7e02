//! The results of many exchanges: how often each outcome occurred, how sure that is, and from which size on
//! they fail.
//!
//! An exchange that is over is reduced to a [`Case`]. Of each kind of case only its number and the first few
//! exchanges are kept, so that a thousand cost no more than ten. [`Repetition`] says what is to be sent next;
//! it has no clock and sends nothing itself.

mod count;
mod interval;
mod repetition;
mod threshold;

pub use count::{Case, CaseCount, EXAMPLES, Label, LabelGroup, Tally};
pub use interval::{percent, rate, share, wilson};
pub use repetition::{Plan, Repetition, Round, ThresholdSearch};
pub use threshold::{Threshold, Tries, bracket};
