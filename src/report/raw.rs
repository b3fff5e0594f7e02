//! Bodies as bytes, for other tools.

use crate::frame::Framing;
use crate::inspect::Inspection;

/// Reason that a body cannot be returned in the requested form.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// The body is no event stream.
    #[error("the body is not SSE but {0}; `--to raw` writes it as received")]
    NotSse(&'static str),
}

/// The body as an event stream: after its content coding, for a tool that replays SSE.
///
/// # Errors
/// When the body is something else.
pub fn sse(of: &Inspection) -> Result<&[u8], RawError> {
    match of.framing() {
        Some(Framing::Sse) => Ok(of.body()),
        Some(other) => Err(RawError::NotSse(other.name())),
        None => Err(RawError::NotSse("empty")),
    }
}
