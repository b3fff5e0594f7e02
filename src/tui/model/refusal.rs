//! Reasons that what was typed cannot be accepted.

use crate::query::FilterError;
use crate::storage::curl::CurlError;
use crate::text::group;

/// The largest count, and the largest number at the same time.
pub(super) const LIMITS: (u64, u64) = (100_000, 200);

/// Reason that what was typed into a prompt cannot be accepted.
#[derive(Debug, thiserror::Error)]
pub(in crate::tui) enum PromptError {
    /// A header without a colon.
    #[error("Write a header as Name: value")]
    Header,
    /// Not a number of repetitions.
    #[error(
        "Enter two numbers: how many times (1 to {}), how many at a time (1 to {})",
        group(LIMITS.0), group(LIMITS.1)
    )]
    Repetitions,
    /// Nothing else may be sent at the moment.
    #[error("A stream is running: stop it first")]
    Running,
    /// Not a filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Not a curl command.
    #[error("Not a usable curl command: {0}")]
    Curl(#[from] CurlError),
}
