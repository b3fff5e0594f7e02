//! Faults as they are written on the command line.

use super::fault::{Fault, FaultPlace};
use crate::journal::Micros;

/// The forms in which faults are written, for messages.
const FORMS: &str = "cut@PLACE, reset@PLACE, stall@PLACE:TIME, split@PLACE, insert@PLACE:TEXT \
    (PLACE is frame:N or byte:N), drop@frame:N, duplicate@frame:N, swap@frame:N, buffer:SIZE, \
    chunk:SIZE, delay:TIME, status:N, rename:PATH=PATH, no-done";

/// Reason that a text is not a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {problem}")]
pub struct FaultSpecError {
    text: String,
    problem: SpecProblem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum SpecProblem {
    #[error("no such fault; there are {FORMS}")]
    Unknown,
    #[error("there are {FORMS}")]
    NoValue,
    #[error("{0} takes a frame, {0}@frame:N")]
    NeedsFrame(String),
    #[error("for how long? stall@PLACE:TIME")]
    NoTime,
    #[error("what? insert@PLACE:TEXT")]
    NoText,
    #[error("{0:?} is too much")]
    TooMuch(String),
    #[error("a status is a number from 200 to 999")]
    Status,
    #[error("a renaming is FROM=TO")]
    Renaming,
    #[error("the new name is empty")]
    EmptyName,
    #[error("a path is names with dots between them")]
    Path,
    #[error("only the last name of a path can be changed")]
    NotTheLastName,
    #[error("a place is frame:N or byte:N")]
    Place,
    #[error("{0:?} is not a time: 200ms, 10s, 1m")]
    Time(String),
    #[error("{0:?} is not a size: 1, 16k, 1M")]
    Size(String),
}

impl std::str::FromStr for Fault {
    type Err = FaultSpecError;

    fn from_str(text: &str) -> Result<Self, FaultSpecError> {
        parse(text).map_err(|problem| FaultSpecError { text: text.to_owned(), problem })
    }
}

fn parse(text: &str) -> Result<Fault, SpecProblem> {
    if text == "no-done" {
        return Ok(Fault::NoDone);
    }
    if let Some((verb, rest)) = text.split_once('@').filter(|(verb, _)| !verb.contains(':')) {
        return at_place(verb, rest);
    }
    let (verb, value) = text.split_once(':').ok_or(SpecProblem::NoValue)?;
    match verb {
        "buffer" => size(value).map(Fault::Buffer),
        "chunk" => size(value).map(Fault::Chunk),
        "delay" => duration(value).map(Fault::Delay),
        "status" => {
            let status = value.parse().ok().filter(|s| (200..=999).contains(s));
            status.map(Fault::Status).ok_or(SpecProblem::Status)
        }
        "rename" => renaming(value),
        _ => Err(SpecProblem::Unknown),
    }
}

/// A fault at a place: `VERB@PLACE`, with what it needs after a colon.
fn at_place(verb: &str, rest: &str) -> Result<Fault, SpecProblem> {
    let (place, more) = place(rest)?;
    let frame = || match place {
        FaultPlace::Frame(n) => Ok(n),
        FaultPlace::Byte(_) => Err(SpecProblem::NeedsFrame(verb.to_owned())),
    };
    match (verb, more) {
        ("cut", None) => Ok(Fault::Cut(place)),
        ("reset", None) => Ok(Fault::Reset(place)),
        ("split", None) => Ok(Fault::Split(place)),
        ("stall", Some(time)) => Ok(Fault::Stall(place, duration(time)?)),
        ("stall", None) => Err(SpecProblem::NoTime),
        ("insert", Some(text)) => Ok(Fault::Insert(place, inserted(text))),
        ("insert", None) => Err(SpecProblem::NoText),
        ("drop", None) => Ok(Fault::Drop(frame()?)),
        ("duplicate", None) => Ok(Fault::Duplicate(frame()?)),
        ("swap", None) => Ok(Fault::Swap(frame()?)),
        ("cut" | "reset" | "split" | "drop" | "duplicate" | "swap", Some(more)) => {
            Err(SpecProblem::TooMuch(more.to_owned()))
        }
        _ => Err(SpecProblem::Unknown),
    }
}

/// `FROM=TO`, two paths that differ in their last name.
fn renaming(value: &str) -> Result<Fault, SpecProblem> {
    let (from, to) = value.split_once('=').ok_or(SpecProblem::Renaming)?;
    let path = |p: &str| -> Vec<String> { p.split('.').map(str::to_owned).collect() };
    let (from, mut to) = (path(from), path(to));
    let name = to.pop().filter(|n| !n.is_empty()).ok_or(SpecProblem::EmptyName)?;
    if from.iter().any(String::is_empty) {
        return Err(SpecProblem::Path);
    }
    // The new name may be given alone, or with the same path in front.
    if !to.is_empty() && to != from[..from.len() - 1] {
        return Err(SpecProblem::NotTheLastName);
    }
    Ok(Fault::Rename(from, name))
}

/// `frame:N` or `byte:N`, and what follows it.
fn place(text: &str) -> Result<(FaultPlace, Option<&str>), SpecProblem> {
    let (kind, rest) = text.split_once(':').ok_or(SpecProblem::Place)?;
    let (number, more) = match rest.split_once(':') {
        Some((number, more)) => (number, Some(more)),
        None => (rest, None),
    };
    let n = number.parse().map_err(|_| SpecProblem::Place)?;
    match kind {
        "frame" => Ok((FaultPlace::Frame(n), more)),
        "byte" => Ok((FaultPlace::Byte(n), more)),
        _ => Err(SpecProblem::Place),
    }
}

/// `10s`, `200ms`, `1.5m`, or a number of seconds.
fn duration(text: &str) -> Result<Micros, SpecProblem> {
    let wrong = || SpecProblem::Time(text.to_owned());
    let (number, unit) = match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let factor = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return Err(wrong()),
    };
    let n = number.parse::<f64>().ok().filter(|n| (0.0..=1e6).contains(n));
    Ok((n.ok_or_else(wrong)? * factor) as Micros)
}

/// `16k`, `1M`, or bytes.
fn size(text: &str) -> Result<usize, SpecProblem> {
    let (number, factor) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1 << 10),
        None => text.strip_suffix('M').map_or((text, 1), |number| (number, 1 << 20)),
    };
    let n = number.parse::<usize>().ok().and_then(|n| n.checked_mul(factor)).filter(|n| *n > 0);
    n.ok_or_else(|| SpecProblem::Size(text.to_owned()))
}

/// A text with `\n`, `\r`, `\t` and `\\`, in quotes or without.
fn inserted(text: &str) -> Vec<u8> {
    let text = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).unwrap_or(text);
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('\\') => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out.into_bytes()
}
