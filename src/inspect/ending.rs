//! End of an exchange: four independent facts, and one word for them.

use super::Facts;
use crate::frame::{FrameKind, Framing};
use crate::journal::EndCause;

/// The end of the body, as the transport reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum TransportEnd {
    /// The body ended where its transfer coding said.
    Clean,
    /// It was cut.
    Truncated,
    /// The connection was reset.
    Reset,
    /// No announced end, or one that was not seen.
    Undecidable,
}

impl TransportEnd {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The tuple of what speaks for an end; never one boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The end that the transport reports.
    pub transport: TransportEnd,
    /// `[DONE]` was seen.
    pub sentinel: bool,
    /// Every choice has a finish.
    pub finish: bool,
    /// The dialect's terminal event was seen; `None` where it has none.
    pub terminal: Option<bool>,
}

/// Reason that the exchange ended, in one word: the first that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[expect(missing_docs, reason = "the names are the output format's")]
#[strum(serialize_all = "lowercase")]
pub enum Reason {
    Cancelled,
    Limit,
    Timeout,
    Refused,
    Tls,
    Protocol,
    Reset,
    Truncated,
    Http,
    Complete,
    Closed,
}

impl Reason {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Result of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Outcome {
    /// Nothing above `info`.
    Ok,
    /// A warning.
    Degraded,
    /// An error, or worse.
    Failed,
}

impl Outcome {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Facts {
    /// Returns the four facts about the end, as they are now.
    pub fn ending(&self) -> Ending {
        let transport = match self.end.as_ref().map(|e| e.0) {
            Some(EndCause::Complete) => TransportEnd::Clean,
            Some(EndCause::Truncated | EndCause::ClosedBeforeHead | EndCause::ClosedInsideHead) => {
                TransportEnd::Truncated
            }
            Some(EndCause::Reset) => TransportEnd::Reset,
            _ if self.web_socket().is_some_and(|w| w.closing().is_some()) => TransportEnd::Clean,
            _ => TransportEnd::Undecidable,
        };
        let rules = self.dialect().map(|d| d.ending());
        Ending {
            transport,
            sentinel: self.answer().sentinel.is_some(),
            finish: self.answer().finished(),
            terminal: rules.and_then(|r| r.terminal.then_some(self.answer().terminal.is_some())),
        }
    }

    /// Returns whether the dialect's own end was seen: its sentinel or terminal event; if it has neither, a
    /// finish; if it has nothing at all, the transport's end.
    pub fn saw_own_end(&self) -> bool {
        let ending = self.ending();
        match self.dialect().map(|d| d.ending()) {
            Some(rules) if rules.sentinel => ending.sentinel,
            Some(rules) if rules.terminal => ending.terminal == Some(true),
            Some(rules) if rules.finishes.is_empty() => ending.transport == TransportEnd::Clean,
            _ => ending.finish,
        }
    }

    /// Returns why it ended; `None` while it continues.
    pub fn reason(&self) -> Option<Reason> {
        let (cause, _) = self.end.as_ref()?;
        Some(match cause {
            EndCause::Cancelled => Reason::Cancelled,
            EndCause::Limit(_) => Reason::Limit,
            EndCause::Timeout(_) => Reason::Timeout,
            EndCause::Refused | EndCause::ProxyRefused | EndCause::Dns => Reason::Refused,
            EndCause::Tls => Reason::Tls,
            EndCause::Protocol => Reason::Protocol,
            EndCause::Reset => Reason::Reset,
            EndCause::Truncated | EndCause::ClosedBeforeHead | EndCause::ClosedInsideHead => {
                Reason::Truncated
            }
            _ if self.status().is_some_and(|s| s >= 300) => Reason::Http,
            _ if self.saw_own_end()
                && self.coding_error.is_none()
                && self.array_is_closed() != Some(false) =>
            {
                Reason::Complete
            }
            _ => Reason::Closed,
        })
    }

    /// Returns whether the end of the body is intact: nothing of a frame is left over, and its coding was
    /// undone to the end.
    pub fn tail_is_intact(&self) -> bool {
        let left_over = match self.framing() {
            Some(Framing::Sse) => self.sse().is_some_and(|s| {
                matches!(
                    s.trailing.kind,
                    crate::frame::sse::TrailingKind::Fields
                        | crate::frame::sse::TrailingKind::PartialLine
                )
            }),
            _ => {
                self.frames().last().is_some_and(|f| f.kind == FrameKind::Incomplete)
                    || self.array_is_closed() == Some(false)
            }
        };
        let cut = matches!(self.ending().transport, TransportEnd::Truncated | TransportEnd::Reset);
        !left_over && !cut && self.coding_error.is_none()
    }

    /// Returns whether the dialect's streams never say why they end, and this one lacks nothing else.
    pub fn needs_no_finish(&self) -> bool {
        let rules = self.dialect().map(|d| d.ending());
        rules.is_some_and(|r| r.finishes.is_empty() || r.optional_finish)
            && self.ending().terminal != Some(false)
    }

    /// Returns whether the stream is sound: accepted, without an error inside, finished and intact. What is
    /// odd about such a stream is worth no more than `info`, if it touches no text. One choice that finished
    /// is a finish: gateways drop the finish of the others (`finish-missing` reports it), and a dropped word
    /// does not make all the rest suspect. If the user has it read as a dialect that it is not, it is unknown
    /// whether it finished: that is held against no one.
    pub fn is_healthy(&self) -> bool {
        self.status().is_none_or(|s| s < 300)
            && self.answer().errors.is_empty()
            && (self.answer().finish().next().is_some()
                || self.needs_no_finish()
                || self.misread().is_some())
            && self.tail_is_intact()
    }
}
