//! A look at one value of a tape.

use std::borrow::Cow;
use std::ops::Range;

use super::{Node, Tape};

/// The kind of a value. `Key` is the name of an object field and never seen as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the six types of JSON, and the key")]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
    Key,
}

impl Kind {
    /// The type's name as JSON Schema has it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "boolean",
            Kind::Number => "number",
            Kind::String | Kind::Key => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        }
    }
}

/// One value of a [`Tape`]; cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    pub(super) tape: &'a Tape,
    pub(super) text: &'a str,
    pub(super) index: u32,
}

impl<'a> Value<'a> {
    fn node(self) -> Node {
        self.tape.nodes[self.index as usize]
    }

    /// Its position in document order, keys counted too.
    pub fn position(self) -> u32 {
        self.index
    }

    /// Its type.
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// Returns whether it is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// Its place in the text, in bytes.
    pub fn span(self) -> Range<usize> {
        let n = self.node();
        n.start as usize..n.end as usize
    }

    /// Its source, exactly as written.
    pub fn source(self) -> &'a str {
        &self.text[self.span()]
    }

    /// Its source as bytes. Cheaper than [`Value::source`], which has to make sure that a span does
    /// not cut a character: for comparing keys, of which a stream has tens of millions.
    pub fn raw(self) -> &'a [u8] {
        &self.text.as_bytes()[self.span()]
    }

    /// A string's text, unescaped; `None` for anything else.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let n = self.node();
        if !matches!(n.kind, Kind::String | Kind::Key) {
            return None;
        }
        let raw = &self.text[n.start as usize + 1..n.end as usize - 1];
        Some(if n.escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) })
    }

    /// A string's text as UTF-8 bytes; empty for anything else.
    pub fn text_bytes(self) -> Cow<'a, [u8]> {
        let n = self.node();
        match n.kind {
            Kind::String | Kind::Key if n.escaped => {
                Cow::Owned(self.as_str().unwrap_or_default().into_owned().into_bytes())
            }
            Kind::String | Kind::Key => {
                Cow::Borrowed(&self.text.as_bytes()[n.start as usize + 1..n.end as usize - 1])
            }
            _ => Cow::Borrowed(&[]),
        }
    }

    /// A non-negative whole number that fits; `None` for anything else.
    pub fn as_u64(self) -> Option<u64> {
        match self.raw() {
            // An index, nearly always.
            [digit @ b'0'..=b'9'] => Some(u64::from(digit - b'0')),
            _ if self.kind() == Kind::Number => self.source().parse().ok(),
            _ => None,
        }
    }

    /// A number as floating point; `None` for anything else.
    pub fn as_f64(self) -> Option<f64> {
        (self.kind() == Kind::Number).then(|| self.source().parse().ok()).flatten()
    }

    /// A boolean; `None` for anything else.
    pub fn as_bool(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.source() == "true")
    }

    /// The member `key` of an object; of a key written twice the last one, as most parsers have it.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        let mut found = None;
        for (k, v) in self.entries() {
            if k.is(key) {
                found = Some(v);
            }
        }
        found
    }

    /// `get` step by step.
    pub fn at(self, path: &[&str]) -> Option<Value<'a>> {
        path.iter().try_fold(self, |v, key| v.get(key))
    }

    /// The member `key`, if it is a string.
    pub fn str(self, key: &str) -> Option<Cow<'a, str>> {
        self.get(key).and_then(Value::as_str)
    }

    /// The members of an object as (key, value), in the order written; nothing for other types.
    pub fn entries(self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        let mut children = self.children(Kind::Object);
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// The items of an array; nothing for other types.
    pub fn items(self) -> impl Iterator<Item = Value<'a>> {
        self.children(Kind::Array)
    }

    /// Returns the number of items or fields; 0 for scalars.
    pub fn len(self) -> usize {
        match self.kind() {
            Kind::Array => self.items().count(),
            Kind::Object => self.entries().count(),
            _ => 0,
        }
    }

    /// Returns whether it has no items or fields.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns whether this key or string reads `text`.
    pub fn is(self, text: &str) -> bool {
        let n = self.node();
        if n.escaped {
            return self.as_str().is_some_and(|s| s == text);
        }
        matches!(n.kind, Kind::String | Kind::Key)
            && (n.end - n.start) as usize == text.len() + 2
            && &self.text.as_bytes()[n.start as usize + 1..n.end as usize - 1] == text.as_bytes()
    }

    fn children(self, of: Kind) -> Children<'a> {
        let n = self.node();
        let end = if n.kind == of { n.next } else { self.index + 1 };
        Children { at: Value { index: self.index + 1, ..self }, end }
    }
}

struct Children<'a> {
    at: Value<'a>,
    end: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.at.index >= self.end {
            return None;
        }
        let value = self.at;
        self.at.index = value.node().next;
        Some(value)
    }
}

/// The inside of a JSON string, read. A surrogate without its partner becomes U+FFFD, as in every
/// decoder whose strings are UTF-8.
pub(crate) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(i) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..i]);
        let escape = rest.as_bytes().get(i + 1).copied().unwrap_or(b'\\');
        let mut used = 2;
        out.push(match escape {
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let (c, n) = unicode_escape(&rest[i..]);
                used = n;
                c
            }
            other => other as char,
        });
        rest = rest.get(i + used..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

/// Reads `\uXXXX`, or a pair of them; returns how many bytes that took, too.
fn unicode_escape(text: &str) -> (char, usize) {
    let unit = |at: usize| {
        let escape = text.get(at..at + 2)?;
        let hex = text.get(at + 2..at + 6)?;
        (escape == "\\u").then(|| u32::from_str_radix(hex, 16).ok()).flatten()
    };
    let first = unit(0).unwrap_or(0xfffd);
    if (0xd800..0xdc00).contains(&first)
        && let Some(second @ 0xdc00..0xe000) = unit(6)
    {
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or('\u{fffd}'), 12);
    }
    (char::from_u32(first).unwrap_or('\u{fffd}'), 6)
}
