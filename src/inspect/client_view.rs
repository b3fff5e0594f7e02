//! Results that clients would return for a stream, as a fact about it. The layer that knows the clients works
//! it out ([`super::Simulate`]); the fold keeps it, so that findings, verdict and reports agree.

/// Relation of a client to the vendor of the dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The vendor's SDK, iterated over.
    Official,
    /// The accumulating helper of the vendor's SDK, such as `messages.stream()`.
    Helper,
    /// Somebody else's client.
    Other,
}

/// A client's result, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Returned {
    /// The whole answer.
    Ok,
    /// Less than the stream has, or something else, without an error.
    Partial,
    /// Nothing, without an error.
    Empty,
    /// It raises.
    Error,
    /// Its caller waits without end.
    Hang,
}

impl Returned {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The result that one client would return for the bytes of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientView {
    /// Its name.
    pub client: &'static str,
    /// Its relation to the vendor.
    pub standing: Standing,
    /// Its result.
    pub result: Returned,
    /// The exception, and how much of the answer was delivered. Text from the wire in it is not yet
    /// made visible.
    pub detail: String,
    /// The frame at which it raises; `None` where it does so at the end, or not at all.
    pub frame: Option<u32>,
    /// It does so on purpose: a helper that raises at finish `length`, a client that has no field for
    /// reasoning. That is no fault of anybody.
    pub by_design: bool,
}
