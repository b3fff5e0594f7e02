//! How sure it is that a payload is of a dialect, and by what.

use std::borrow::Cow;
use std::fmt::Display;

/// How sure; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Confidence {
    /// It fits, and so might others: an error, an empty list.
    Guess,
    /// Nobody else is known to write so, but the mark that would settle it is not there.
    Likely,
    /// No other dialect has this.
    Certain,
}

impl Confidence {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What a payload tells of its dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// How sure it is.
    pub confidence: Confidence,
    /// By what, as a short phrase: `object "chat.completion.chunk"`.
    pub by: Cow<'static, str>,
}

impl Evidence {
    /// No other dialect has this.
    pub fn certain(by: impl Into<Cow<'static, str>>) -> Self {
        Self { confidence: Confidence::Certain, by: by.into() }
    }

    /// Nobody else is known to write so.
    pub fn likely(by: impl Into<Cow<'static, str>>) -> Self {
        Self { confidence: Confidence::Likely, by: by.into() }
    }

    /// It fits, and so might others.
    pub fn guess(by: impl Into<Cow<'static, str>>) -> Self {
        Self { confidence: Confidence::Guess, by: by.into() }
    }

    /// A member with a value that only this dialect has.
    pub(super) fn member(name: &str, value: impl Display) -> Self {
        let value = crate::text::preview(&value.to_string(), 40);
        Self::certain(format!("{name} \"{value}\""))
    }
}
