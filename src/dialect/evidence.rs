//! Evidence that a payload is of a dialect: how sure that is, and by what.

use std::borrow::Cow;
use std::fmt::Display;

/// A degree of certainty; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Confidence {
    /// It fits, and so might others: an error, an empty list.
    Guess,
    /// A form that no one else is known to write, without the mark that would settle it.
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

/// A payload's evidence of its dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The degree of certainty.
    pub confidence: Confidence,
    /// By what, as a short phrase: `object "chat.completion.chunk"`.
    pub by: Cow<'static, str>,
}

impl Evidence {
    /// No other dialect has this.
    pub fn certain(by: impl Into<Cow<'static, str>>) -> Self {
        Self { confidence: Confidence::Certain, by: by.into() }
    }

    /// Returns evidence of a form that no one else is known to write.
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
