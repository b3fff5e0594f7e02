//! Values, places and errors as the languages of the clients read and write them.

use super::Raised;
use crate::json::{Kind, Value};

/// Number of characters of a value that are written before deep ones are left as JSON.
const WORDS: usize = 2_400;

/// Returns a field as Python's attribute access does: a missing one is `None`, as null is.
pub(super) fn field<'a>(value: Option<Value<'a>>, name: &str) -> Option<Value<'a>> {
    value?.get(name).filter(|v| !v.is_null())
}

/// A field as text.
pub(super) fn text(value: Option<Value<'_>>, name: &str) -> Option<String> {
    field(value, name)?.as_str().map(std::borrow::Cow::into_owned)
}

/// A place in a list, as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Index {
    /// A number of a place.
    At(i64),
    /// Null, or none at all: Python's name of it, and JavaScript's.
    None(&'static str),
    /// A value of another kind, by its Python type.
    Odd(&'static str),
}

impl Index {
    /// Returns the index in a field.
    pub(super) fn of(event: Value<'_>, name: &str) -> Self {
        let Some(value) = event.get(name) else { return Self::None("undefined") };
        match value.kind() {
            Kind::Null => Self::None("null"),
            Kind::Number => value.source().parse().map_or(Self::Odd("float"), Self::At),
            // Both languages read digits as a number here.
            Kind::String | Kind::Key => {
                let text = value.as_str().unwrap_or_default();
                text.parse().map_or(Self::Odd("str"), Self::At)
            }
            Kind::Bool => Self::At(i64::from(value.as_bool() == Some(true))),
            Kind::Array => Self::Odd("list"),
            Kind::Object => Self::Odd("dict"),
        }
    }

    /// Returns the text that JavaScript writes for it in a message.
    pub(super) fn script(&self) -> String {
        match self {
            Self::At(at) => at.to_string(),
            Self::None(word) | Self::Odd(word) => (*word).to_owned(),
        }
    }

    /// The place in a list of that length as Python finds it.
    ///
    /// # Errors
    /// What Python raises.
    pub(super) fn python(&self, len: usize) -> Result<usize, Raised> {
        let kind = match self {
            Self::At(at) => {
                let found = usize::try_from(*at).ok().or_else(|| {
                    usize::try_from(at.checked_neg()?).ok().and_then(|back| len.checked_sub(back))
                });
                let out_of_range = || Raised::new("IndexError", "list index out of range");
                return found.filter(|at| *at < len).ok_or_else(out_of_range);
            }
            Self::None(_) => "NoneType",
            Self::Odd(kind) => kind,
        };
        let message = format!("list indices must be integers or slices, not {kind}");
        Err(Raised::new("TypeError", message))
    }

    /// The place in a list of that length as JavaScript's brackets find it.
    pub(super) fn brackets(&self, len: usize) -> Option<usize> {
        match self {
            Self::At(at) => usize::try_from(*at).ok().filter(|at| *at < len),
            _ => None,
        }
    }
}

/// Returns Python's name of a value's type.
pub(super) fn python_type(json: Value<'_>) -> &'static str {
    match json.kind() {
        Kind::Null => "'NoneType'",
        Kind::Bool => "'bool'",
        Kind::Number if json.as_u64().is_some() => "'int'",
        Kind::Number => "'float'",
        Kind::String | Kind::Key => "'str'",
        Kind::Array => "'list'",
        Kind::Object => "'dict'",
    }
}

/// An attribute that Python misses on `None`.
pub(super) fn no_attribute(kind: &str, name: &str) -> Raised {
    Raised::new("AttributeError", format!("'{kind}' object has no attribute '{name}'"))
}

/// Returns the error that Python raises when text is joined to nothing.
pub(super) fn not_joined() -> Raised {
    Raised::new("TypeError", "")
}

/// Returns the error that JavaScript throws when a property of nothing is read.
pub(super) fn undefined(name: &str) -> Raised {
    nothing(None, name)
}

/// The same, of a field that may be null instead.
pub(super) fn nothing(value: Option<Value<'_>>, name: &str) -> Raised {
    let what = if value.is_some() { "null" } else { "undefined" };
    Raised::new("TypeError", format!("Cannot read properties of {what} (reading '{name}')"))
}

/// A value added to text in JavaScript.
pub(super) fn script_text(value: Option<Value<'_>>) -> String {
    match value {
        None => "undefined".into(),
        Some(value) => value.as_str().map_or_else(|| value.source().to_owned(), Into::into),
    }
}

/// A value as `JSON.stringify` writes it.
pub(super) fn compact(value: Value<'_>) -> String {
    serde_json::from_str::<serde_json::Value>(value.source())
        .map_or_else(|_| value.source().to_owned(), |v| v.to_string())
}

/// A value as Python's `str` writes it. Deep values are left as JSON.
pub(super) fn python(value: Value<'_>) -> String {
    let mut out = String::new();
    write_python(value, 0, &mut out);
    out
}

fn write_python(value: Value<'_>, depth: usize, out: &mut String) {
    if depth > 32 || out.len() > WORDS {
        out.push_str(value.source());
        return;
    }
    match value.kind() {
        Kind::Null => out.push_str("None"),
        Kind::Bool => out.push_str(if value.as_bool() == Some(true) { "True" } else { "False" }),
        Kind::Number => out.push_str(value.source()),
        Kind::String | Kind::Key => {
            let text = value.as_str().unwrap_or_default();
            let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
            out.push(quote);
            for c in text.chars() {
                match c {
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    '\\' => out.push_str("\\\\"),
                    c if c == quote => {
                        out.push('\\');
                        out.push(c);
                    }
                    c => out.push(c),
                }
            }
            out.push(quote);
        }
        Kind::Array => {
            out.push('[');
            for (n, item) in value.items().enumerate() {
                out.push_str(if n > 0 { ", " } else { "" });
                write_python(item, depth + 1, out);
            }
            out.push(']');
        }
        Kind::Object => {
            out.push('{');
            for (n, (key, item)) in value.entries().enumerate() {
                out.push_str(if n > 0 { ", " } else { "" });
                write_python(key, depth + 1, out);
                out.push_str(": ");
                write_python(item, depth + 1, out);
            }
            out.push('}');
        }
    }
}
