//! A body of one dialect as a body of another.

use std::collections::{HashMap, HashSet};
use std::io;

use serde_json::{Map, Value};

use super::{Disposition, Located, Note, Notes, TrackedJson};
use crate::dialect::{DIALECTS, Dialect};
use crate::json::{Kind, Tape};

/// Said of what is lost for want of a place.
const NONE: &str = "it has no counterpart there";

/// Largest part of a value that a note shows, in bytes.
const SHOWN: usize = 200;

/// A translated body, and what became of what it could not hold as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// The body as indented JSON.
    pub body: String,
    /// One note a place, the worst first.
    pub notes: Vec<Note>,
}

impl Translation {
    /// Returns the number of places with that disposition.
    pub fn count(&self, disposition: Disposition) -> usize {
        self.notes.iter().filter(|n| n.disposition == disposition).count()
    }
}

/// Returns whether two dialects write their bodies alike: then there is nothing to translate.
pub fn are_alike(from: &dyn Dialect, to: &dyn Dialect) -> bool {
    match (from.request(), to.request()) {
        (Some(a), Some(b)) => {
            std::ptr::fn_addr_eq(a.read, b.read) && std::ptr::fn_addr_eq(a.write, b.write)
        }
        _ => from.name() == to.name(),
    }
}

/// The dialect whose requests go to an address like that: the first whose path it ends with.
pub fn by_address(url: &str) -> Option<&'static dyn Dialect> {
    let address = url.split(['?', '#']).next().unwrap_or_default();
    let speaks = |dialect: &&&dyn Dialect| {
        let Some(side) = dialect.request() else { return false };
        let path = side.path.split('?').next().unwrap_or_default();
        let (before, after) = path.rsplit_once("{model}").unwrap_or(("", path));
        address.strip_suffix(after).is_some_and(|rest| rest.contains(before))
    };
    DIALECTS.iter().find(speaks).copied()
}

/// Reason that a request cannot be translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// The body is not text.
    #[error("it is not text")]
    NotText,
    /// The body is not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// The body is JSON, but not an object.
    #[error("a request is a JSON object")]
    NotAnObject,
    /// Only the dialect's streams are known, not its requests.
    #[error("requests of {0} are not known here")]
    OnlyRead(&'static str),
    /// The body is in another dialect.
    #[error("there is no message in it as {0} has them")]
    NoMessages(&'static str),
}

/// Translates `body`, a request of `from`, into the words of `to`; for another model when there is one.
///
/// Every value of the body is in the result or in its notes. Bodies of dialects that write them alike stay as
/// they are, except for the model.
///
/// # Errors
/// The requests of either dialect are not known, the body is no JSON object, or nothing in it is a message of
/// `from`.
pub fn translate(
    from: &dyn Dialect,
    to: &dyn Dialect,
    body: &str,
    model: Option<&str>,
) -> Result<Translation, TranslateError> {
    let source: Value =
        serde_json::from_str(body).map_err(|e| TranslateError::NotJson(e.to_string()))?;
    if !source.is_object() {
        return Err(TranslateError::NotAnObject);
    }
    let side =
        |dialect: &dyn Dialect| dialect.request().ok_or(TranslateError::OnlyRead(dialect.name()));
    let (ours, theirs) = (side(from)?, side(to)?);
    let alike = are_alike(from, to);
    let sheet = TrackedJson::new(&source);
    let mut request = (ours.read)(sheet.root());
    let other = match (&request.model, model) {
        (Some(content), Some(model)) => content.value != model,
        _ => false,
    };
    if alike && !other {
        return Ok(Translation { body: body.to_owned(), notes: Vec::new() });
    }
    if request.turns.is_empty() {
        return Err(TranslateError::NoMessages(from.name()));
    }
    let unread = sheet.unread();
    let mut notes = sheet.into_notes();
    if let Some(model) = model {
        let at = request.model.take().map(|m| m.at).unwrap_or_default();
        if other {
            notes.changed(&at, format!("{}: the new provider's", crate::text::to_json(&model)));
        }
        request.model = Some(Located { value: model.to_owned(), at });
    }
    request.complete();
    misread(body, &mut notes);
    let target = match source {
        Value::Object(ref members) if alike => {
            let mut members = members.clone();
            members.insert("model".to_owned(), model.unwrap_or_default().into());
            members
        }
        _ => {
            for path in &unread {
                notes.lost(path, NONE);
            }
            let target = (theirs.write)(&request, &mut notes);
            for (_, content) in request.same.iter().filter(|(key, _)| !target.contains_key(*key)) {
                notes.lost(&content.at, NONE);
            }
            target
        }
    };
    Ok(finish(&source, target, notes.into_list()))
}

/// Adds values to the notes, and keeps one note for each place.
fn finish(source: &Value, target: Map<String, Value>, mut notes: Vec<Note>) -> Translation {
    notes.sort_by_key(|n| n.disposition);
    let mut events = HashSet::new();
    notes.retain(|n| events.insert((n.disposition == Disposition::Added, n.path.clone())));
    let target = Value::Object(target);
    let paths =
        |added| notes.iter().filter(move |n| (n.disposition == Disposition::Added) == added);
    let before = values(source, paths(false).map(|n| n.path.as_str()).collect());
    let after = values(&target, paths(true).map(|n| n.path.as_str()).collect());
    for note in &mut notes {
        let values = if note.disposition == Disposition::Added { &after } else { &before };
        note.value = values.get(&note.path).cloned().unwrap_or_default();
    }
    let body = serde_json::to_string_pretty(&target).unwrap_or_default();
    Translation { body, notes }
}

/// The values at these paths, as far as they are shown.
fn values(root: &Value, wanted: HashSet<&str>) -> HashMap<String, String> {
    let longest = wanted.iter().map(|w| w.len()).max().unwrap_or(0);
    let mut found = HashMap::new();
    super::tracked::walk(root, &mut String::new(), &mut |path, value| {
        if wanted.contains(path) {
            found.insert(path.to_owned(), shown(value));
        }
        path.len() < longest
    });
    found
}

/// A value's JSON, cut.
fn shown(value: &Value) -> String {
    /// Takes only so many bytes.
    struct LimitedWriter(Vec<u8>);
    impl io::Write for LimitedWriter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() > SHOWN {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.extend_from_slice(&bytes[..bytes.len().min(SHOWN + 1)]);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut cut = LimitedWriter(Vec::new());
    let _ = crate::text::write_json(&mut cut, value);
    let mut text = crate::text::lossy(&cut.0).into_owned();
    if text.len() > SHOWN {
        let end = (0..=SHOWN).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Notes what reading JSON into values does not keep: a key written twice, and the last digits of
/// whole numbers beyond 64 bits.
fn misread(body: &str, notes: &mut Notes) {
    fn look(value: crate::json::Value<'_>, path: &str, notes: &mut Notes) {
        match value.kind() {
            Kind::Object => {
                let mut keys = HashSet::new();
                for (key, member) in value.entries() {
                    let key = key.as_str().unwrap_or_default();
                    let path = super::tracked::member(path, &key);
                    look(member, &path, notes);
                    if !keys.insert(key) {
                        notes.lost(&path, "written twice: the last one counts");
                    }
                }
            }
            Kind::Array => {
                for (i, item) in value.items().enumerate() {
                    look(item, &format!("{path}[{i}]"), notes);
                }
            }
            Kind::Number => {
                let digits = value.source().trim_start_matches('-');
                if digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<i64>().is_err() {
                    notes.changed(path, "beyond 64 bits: its last digits are lost");
                }
            }
            _ => {}
        }
    }
    let mut tape = Tape::new();
    if tape.parse(body).is_ok()
        && let Some(root) = tape.root(body)
    {
        look(root, "", notes);
    }
}
