//! The filter of frames: terms that all have to hold, such as `kind:event gap>500ms !text~foo`.

use super::path::{PathQuery, QueryError};
use super::search::Needle;
use crate::dialect::Channel;
use crate::frame::FrameKind;
use crate::frame::sse::SseBlock;
use crate::inspect::Inspection;
use crate::json::{Tape, Value};
use crate::rule::{Code, Severity};

/// An expression over frames.
#[derive(Debug, Clone)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Debug, Clone)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Kind(String),
    Event(String),
    Channel(Channel),
    Choice(u32),
    /// A delta's text has it.
    Text(Needle),
    /// The bytes have it.
    Raw(Needle),
    /// The payload has this path of keys, or a path with these keys in a row.
    Path(Vec<String>),
    Query(PathQuery),
    Finding(Option<Code>),
    Severity(Bound),
    /// Microseconds since the frame before.
    Gap(Bound),
    /// Microseconds since the request.
    At(Bound),
    /// Bytes.
    Len(Bound),
}

/// A comparison with a number.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bound {
    than: Than,
    value: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Than {
    More,
    AtLeast,
    Less,
    AtMost,
    Equal,
}

impl Bound {
    fn holds(self, value: u64) -> bool {
        match self.than {
            Than::More => value > self.value,
            Than::AtLeast => value >= self.value,
            Than::Less => value < self.value,
            Than::AtMost => value <= self.value,
            Than::Equal => value == self.value,
        }
    }
}

/// Reason that a text is no filter.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// There is no term in it.
    #[error("the filter is empty; for example kind:event gap>500ms text~foo")]
    Empty,
    /// A term of an unknown name.
    #[error(
        "no filter is called \"{0}\"; there are kind: event: channel: choice: text~ raw~ path: \
         finding finding:CODE severity>= gap> at> len> and JSONPath queries ($.…)"
    )]
    Name(String),
    /// The value does not fit the term.
    #[error("{term}: {why}")]
    Value {
        /// The term as typed.
        term: String,
        /// The value that it accepts.
        why: String,
    },
    /// A JSONPath query that cannot be parsed.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl Filter {
    /// Parses terms separated by blanks. `!` before a term negates it; quotes keep blanks together;
    /// a text that begins with `$` is one JSONPath query; a bare word is searched in the bytes.
    ///
    /// # Errors
    /// There is no term, a name is unknown, or a value does not fit.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let text = text.trim();
        if text.starts_with('$') {
            return Self::query_of(text);
        }
        let terms = words(text).iter().map(|w| term(w)).collect::<Result<Vec<_>, _>>()?;
        if terms.is_empty() { Err(FilterError::Empty) } else { Ok(Self { terms }) }
    }

    /// The filter of the frames in which a JSONPath query selects something.
    ///
    /// # Errors
    /// The text is no query.
    pub fn query_of(text: &str) -> Result<Self, FilterError> {
        let test = Test::Query(PathQuery::parse(text)?);
        Ok(Self { terms: vec![Term { negated: false, test }] })
    }

    /// The query, where the filter is one: its results are worth showing.
    pub fn query(&self) -> Option<&PathQuery> {
        self.terms.iter().find_map(|t| match &t.test {
            Test::Query(query) => Some(query),
            _ => None,
        })
    }

    /// Returns whether it looks at findings, which may be added to a frame later.
    pub fn reads_findings(&self) -> bool {
        self.terms.iter().any(|t| matches!(t.test, Test::Finding(_) | Test::Severity(_)))
    }

    /// Returns whether a frame satisfies every term.
    pub fn matches(&self, inspection: &Inspection, frame: usize) -> bool {
        self.terms.iter().all(|t| t.test.holds(inspection, frame) != t.negated)
    }
}

/// Splits at blanks outside double quotes; the quotes go.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut begun) = (false, false);
    for c in text.chars() {
        match c {
            '"' => (quoted, begun) = (!quoted, true),
            c if c.is_whitespace() && !quoted => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// The names of terms.
const NAMES: &[&str] = &[
    "kind", "event", "channel", "choice", "text", "raw", "path", "finding", "severity", "gap",
    "at", "len",
];

fn term(word: &str) -> Result<Term, FilterError> {
    let (negated, rest) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
    let name_end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let (name, tail) = rest.split_at(name_end);
    let sign = tail.find(|c| !"<>=:~".contains(c)).unwrap_or(tail.len());
    let (sign, value) = tail.split_at(sign);
    let wrong = |why: &str| FilterError::Value { term: word.to_owned(), why: why.to_owned() };
    let text = || Needle::new(value).ok_or_else(|| wrong("a text is missing"));
    let test = match (name, sign) {
        ("finding", "") if value.is_empty() => Test::Finding(None),
        ("finding", ":") => {
            Test::Finding(Some(value.parse().map_err(|_| wrong("no finding has that code"))?))
        }
        ("severity", ":" | "=" | ">" | ">=" | "<" | "<=") => {
            let severity = Severity::ALL.into_iter().find(|s| s.name() == value);
            let severity = severity.ok_or_else(|| wrong("info, warn, error or fatal"))?;
            Test::Severity(Bound { than: than(sign), value: severity as u64 })
        }
        ("kind", ":" | "=") => Test::Kind(value.to_owned()),
        ("event", ":" | "=") => Test::Event(value.to_owned()),
        ("channel", ":" | "=") => Test::Channel(
            channel(value).ok_or_else(|| wrong("content, reasoning, refusal, tool or other"))?,
        ),
        ("choice", ":" | "=") => Test::Choice(value.parse().map_err(|_| wrong("a number"))?),
        ("text", "~" | ":") => Test::Text(text()?),
        ("raw", "~" | ":") => Test::Raw(text()?),
        ("path", ":" | "~") => Test::Path(keys(value)),
        ("gap" | "at", ":" | "=" | ">" | ">=" | "<" | "<=") => {
            let micros = micros(value).ok_or_else(|| wrong("a time such as 500ms or 1.5s"))?;
            let bound = Bound { than: than(sign), value: micros };
            if name == "gap" { Test::Gap(bound) } else { Test::At(bound) }
        }
        ("len", ":" | "=" | ">" | ">=" | "<" | "<=") => {
            let bytes = size(value).ok_or_else(|| wrong("bytes such as 100, 4k or 1M"))?;
            Test::Len(Bound { than: than(sign), value: bytes })
        }
        (_, "") => Test::Raw(Needle::new(rest).ok_or(FilterError::Empty)?),
        _ if NAMES.contains(&name) => {
            return Err(wrong(&format!("{name} does not go with {sign}")));
        }
        _ => return Err(FilterError::Name(name.to_owned())),
    };
    Ok(Term { negated, test })
}

fn than(sign: &str) -> Than {
    match sign {
        ">" => Than::More,
        ">=" => Than::AtLeast,
        "<" => Than::Less,
        "<=" => Than::AtMost,
        _ => Than::Equal,
    }
}

fn channel(name: &str) -> Option<Channel> {
    use Channel::{Content, Other, Reasoning, Refusal, Tool};
    [Content, Reasoning, Refusal, Tool, Other].into_iter().find(|c| c.name() == name)
}

/// The keys of a path as it is shown, `choices[].delta.content`.
fn keys(path: &str) -> Vec<String> {
    let split = path.split(['.', '[', ']']).filter(|k| !k.is_empty() && *k != "$");
    split.filter(|k| k.parse::<usize>().is_err()).map(str::to_owned).collect()
}

/// Microseconds of `500ms`, `1.5s`, `20us`; seconds without a unit.
fn micros(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "us" | "µs" => 1.0,
        "ms" => 1e3,
        "s" | "" => 1e6,
        "m" | "min" => 6e7,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|n| (n * factor).round() as u64)
}

/// Bytes of `100`, `4k`, `1.5M`, in thousands as everywhere on the screen.
fn size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "" | "B" => 1.0,
        "k" | "K" | "kB" => 1e3,
        "M" | "MB" => 1e6,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|n| (n * factor).round() as u64)
}

impl Test {
    fn holds(&self, inspection: &Inspection, index: usize) -> bool {
        let Some(frame) = inspection.frames().get(index) else { return false };
        let body = inspection.body();
        let answer = inspection.answer();
        let number = index as u32;
        let deltas = || answer.deltas_of(number);
        match self {
            Test::Kind(kind) => frame.kind.name() == kind,
            Test::Event(name) => {
                frame.kind == FrameKind::Event
                    && SseBlock::of(&frame, body).event() == name.as_str()
            }
            Test::Channel(channel) => deltas().any(|d| d.channel == *channel),
            Test::Choice(choice) => deltas().any(|d| d.choice == *choice),
            Test::Text(needle) => deltas().any(|d| needle.is_in(answer.text_of(&d).as_bytes())),
            Test::Raw(needle) => needle.is_in(frame.bytes(body)),
            Test::Path(keys) => frame.data(body).is_some_and(|data| has_path(&data, keys)),
            Test::Query(query) => query.matches(inspection, index),
            Test::Finding(code) => inspection
                .findings()
                .iter()
                .any(|f| f.frame == Some(number) && code.is_none_or(|code| f.code == code)),
            Test::Severity(bound) => inspection
                .findings()
                .iter()
                .any(|f| f.frame == Some(number) && bound.holds(f.severity as u64)),
            Test::Gap(bound) => {
                let before = match index.checked_sub(1) {
                    Some(before) => inspection.frame_at(before),
                    None => inspection.timing.request,
                };
                let gap = inspection.frame_at(index).zip(before);
                gap.is_some_and(|(at, before)| bound.holds(at.saturating_sub(before)))
            }
            Test::At(bound) => {
                let since = inspection.frame_at(index).zip(inspection.timing.request);
                since.is_some_and(|(at, from)| bound.holds(at.saturating_sub(from)))
            }
            Test::Len(bound) => bound.holds(frame.len),
        }
    }
}

/// Returns whether a JSON text has these keys in a row, at any depth; the contents of lists count as theirs.
fn has_path(data: &str, keys: &[String]) -> bool {
    let mut tape = Tape::new();
    if keys.is_empty() || tape.parse(data).is_err() {
        return false;
    }
    tape.root(data).is_some_and(|root| contains(root, keys))
}

/// The nesting of JSON is bounded by the parser.
fn contains(value: Value<'_>, keys: &[String]) -> bool {
    begins(value, keys)
        || value.items().any(|item| contains(item, keys))
        || value.entries().any(|(_, member)| contains(member, keys))
}

fn begins(value: Value<'_>, keys: &[String]) -> bool {
    let Some((first, rest)) = keys.split_first() else { return true };
    value.entries().any(|(key, member)| {
        key.is(first) && (begins(member, rest) || member.items().any(|item| begins(item, rest)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{EndCause, Entry, EntryKind};

    fn inspection() -> Inspection {
        let body = concat!(
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"Hm\"}}]}\n\n",
            ": keep-alive\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"foo bar\"}}]}\n\n",
            "event: x\ndata: {\"usage\":{\"total_tokens\":3},\"choices\":[]}\n\n",
            "data: [DONE]\n\n",
        );
        let mut inspection = Inspection::new(std::sync::Arc::default());
        let kind =
            EntryKind::Bare { status: None, content_type: None, dialect: None, named_sse: true };
        let bytes = body.as_bytes().into();
        for kind in [
            kind,
            EntryKind::Body { len: body.len() as u32, bytes, masked: Vec::new() },
            EntryKind::End { cause: EndCause::Unknown, detail: String::new() },
        ] {
            inspection.push(&Entry { exchange: 0, at: None, kind });
        }
        inspection
    }

    fn frames(filter: &str) -> Vec<usize> {
        let inspection = inspection();
        let filter = Filter::parse(filter).unwrap();
        (0..inspection.frames().len()).filter(|i| filter.matches(&inspection, *i)).collect()
    }

    #[test]
    fn every_term_selects_what_it_says() {
        assert_eq!(frames("kind:comment"), [1]);
        assert_eq!(frames("!kind:comment"), [0, 2, 3, 4]);
        assert_eq!(frames("event:x"), [3]);
        assert_eq!(frames("channel:reasoning"), [0]);
        assert_eq!(frames("text~\"foo b\""), [2]);
        assert_eq!(frames("raw~[DONE]"), [4]);
        assert_eq!(frames("keep-alive"), [1]);
        assert_eq!(frames("path:usage"), [3]);
        assert_eq!(frames("path:choices[].delta.content"), [2]);
        assert_eq!(frames("path:delta"), [0, 2]);
        assert_eq!(frames("$.usage.total_tokens"), [3]);
        assert_eq!(frames("$.choices[?@.delta.content]"), [2]);
        assert_eq!(frames("len<20"), [1, 4]);
        assert_eq!(frames("len>=14 len<=14"), [1, 4]);
        assert_eq!(frames("kind:event !path:choices"), [4]);
        // Without times no gap is longer or shorter.
        assert_eq!(frames("gap>0s"), [0; 0]);
    }

    #[test]
    fn values_have_units() {
        assert_eq!(
            [micros("500ms"), micros("1.5s"), micros("2")].map(Option::unwrap),
            [500_000, 1_500_000, 2_000_000]
        );
        assert_eq!(
            [size("100"), size("4k"), size("1.5M")].map(Option::unwrap),
            [100, 4_000, 1_500_000]
        );
        assert_eq!((micros("5 apples"), size("x")), (None, None));
    }

    #[test]
    fn a_mistake_is_explained() {
        let why = |text: &str| Filter::parse(text).unwrap_err().to_string();
        assert!(why("").contains("empty"));
        assert!(why("knd:event").contains("no filter is called \"knd\""));
        assert!(why("gap>>1").contains("gap does not go with >>"));
        assert!(why("gap>soon").contains("a time such as 500ms"));
        assert!(why("finding:no-such").contains("no finding has that code"));
        assert!(why("$.[").contains("not a JSONPath query"));
    }
}
