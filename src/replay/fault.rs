//! Faults that are put on a recording, byte for byte.
//!
//! Places are those of the recording, whatever other faults do to it: `frame:12` is the frame that
//! `sselens show` numbers 12, `byte:5000` an offset in the body. What happens at a place happens
//! before it.

use bytes::Bytes;

use super::recording::{Piece, Recorded, RecordedFrame};
use crate::journal::{EndCause, Micros};
use crate::json::{Tape, Value};

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `cut@PLACE`: the connection is closed there.
    Cut(Place),
    /// `reset@PLACE`: the connection is reset there.
    Reset(Place),
    /// `stall@PLACE:TIME`: nothing is sent for so long.
    Stall(Place, Micros),
    /// `drop@frame:N`: the frame is left out.
    Drop(u64),
    /// `duplicate@frame:N`: the frame is sent twice.
    Duplicate(u64),
    /// `swap@frame:N`: the frame and the one after it change places.
    Swap(u64),
    /// `split@PLACE`: a write ends there.
    Split(Place),
    /// `buffer:SIZE`: writes are gathered to this many bytes.
    Buffer(usize),
    /// `chunk:SIZE`: writes are cut into this many bytes.
    Chunk(usize),
    /// `delay:TIME`: the headers come so much later.
    Delay(Micros),
    /// `status:N`: another status.
    Status(u16),
    /// `rename:FROM=TO`: another name for a key of the payloads, by its path.
    Rename(Vec<String>, String),
    /// `no-done`: `[DONE]` is left out.
    NoDone,
    /// `insert@PLACE:TEXT`: a frame that was not there.
    Insert(Place, Vec<u8>),
}

/// Where a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before a frame.
    Frame(u64),
    /// Before a byte of the body.
    Byte(u64),
}

/// How faults are written, for messages.
const FORMS: &str = "cut@PLACE, reset@PLACE, stall@PLACE:TIME, split@PLACE, insert@PLACE:TEXT \
    (PLACE is frame:N or byte:N), drop@frame:N, duplicate@frame:N, swap@frame:N, buffer:SIZE, \
    chunk:SIZE, delay:TIME, status:N, rename:PATH=PATH, no-done";

impl std::str::FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).map_err(|why| format!("{text:?}: {why}"))
    }
}

fn parse(text: &str) -> Result<Fault, String> {
    if text == "no-done" {
        return Ok(Fault::NoDone);
    }
    if let Some((verb, rest)) = text.split_once('@').filter(|(verb, _)| !verb.contains(':')) {
        let (place, more) = place(rest)?;
        let frame = || match place {
            Place::Frame(n) => Ok(n),
            Place::Byte(_) => Err(format!("{verb} takes a frame, {verb}@frame:N")),
        };
        let fault = match (verb, more) {
            ("cut", None) => Fault::Cut(place),
            ("reset", None) => Fault::Reset(place),
            ("split", None) => Fault::Split(place),
            ("stall", Some(time)) => Fault::Stall(place, duration(time)?),
            ("stall", None) => return Err("for how long? stall@PLACE:TIME".into()),
            ("insert", Some(text)) => Fault::Insert(place, inserted(text)),
            ("insert", None) => return Err("what? insert@PLACE:TEXT".into()),
            ("drop", None) => Fault::Drop(frame()?),
            ("duplicate", None) => Fault::Duplicate(frame()?),
            ("swap", None) => Fault::Swap(frame()?),
            ("cut" | "reset" | "split" | "drop" | "duplicate" | "swap", Some(more)) => {
                return Err(format!("{more:?} is too much"));
            }
            _ => return Err(format!("no such fault; there are {FORMS}")),
        };
        return Ok(fault);
    }
    let (verb, value) = text.split_once(':').ok_or_else(|| format!("there are {FORMS}"))?;
    Ok(match verb {
        "buffer" => Fault::Buffer(size(value)?),
        "chunk" => Fault::Chunk(size(value)?),
        "delay" => Fault::Delay(duration(value)?),
        "status" => {
            let status = value.parse().ok().filter(|s| (200..=999).contains(s));
            Fault::Status(status.ok_or("a status is a number from 200 to 999")?)
        }
        "rename" => {
            let (from, to) = value.split_once('=').ok_or("a renaming is FROM=TO")?;
            let path = |p: &str| -> Vec<String> { p.split('.').map(str::to_owned).collect() };
            let (from, mut to) = (path(from), path(to));
            let name = to.pop().filter(|n| !n.is_empty()).ok_or("the new name is empty")?;
            if from.iter().any(String::is_empty) {
                return Err("a path is names with dots between them".into());
            }
            // The new name may stand alone, or behind the same path.
            if !to.is_empty() && to != from[..from.len() - 1] {
                return Err("only the last name of a path can be changed".into());
            }
            Fault::Rename(from, name)
        }
        _ => return Err(format!("no such fault; there are {FORMS}")),
    })
}

/// `frame:N` or `byte:N`, and what follows it.
fn place(text: &str) -> Result<(Place, Option<&str>), String> {
    let bad = || "a place is frame:N or byte:N".to_owned();
    let (kind, rest) = text.split_once(':').ok_or_else(bad)?;
    let (number, more) = match rest.split_once(':') {
        Some((number, more)) => (number, Some(more)),
        None => (rest, None),
    };
    let n = number.parse().map_err(|_| bad())?;
    match kind {
        "frame" => Ok((Place::Frame(n), more)),
        "byte" => Ok((Place::Byte(n), more)),
        _ => Err(bad()),
    }
}

/// `10s`, `200ms`, `1.5m`, or a number of seconds.
fn duration(text: &str) -> Result<Micros, String> {
    let (number, unit) = match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let factor = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return Err(format!("{text:?} is no time: 200ms, 10s, 1m")),
    };
    let n = number.parse::<f64>().ok().filter(|n| (0.0..=1e6).contains(n));
    Ok((n.ok_or_else(|| format!("{text:?} is no time: 200ms, 10s, 1m"))? * factor) as Micros)
}

/// `16k`, `1M`, or bytes.
fn size(text: &str) -> Result<usize, String> {
    let (number, factor) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1 << 10),
        None => text.strip_suffix('M').map_or((text, 1), |number| (number, 1 << 20)),
    };
    let n = number.parse::<usize>().ok().and_then(|n| n.checked_mul(factor)).filter(|n| *n > 0);
    n.ok_or_else(|| format!("{text:?} is no size: 1, 16k, 1M"))
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

/// Puts faults on a recorded exchange, in their order.
///
/// # Errors
/// A sentence, when a place is not in the recording.
pub fn apply(recorded: &mut Recorded, faults: &[Fault]) -> Result<(), String> {
    let original = recorded.bytes();
    // Writes are gathered and cut when everything else is in place.
    let late = |f: &&Fault| matches!(f, Fault::Buffer(_) | Fault::Chunk(_));
    for fault in faults.iter().filter(|f| !late(f)).chain(faults.iter().filter(late)) {
        one(recorded, fault, &original).map_err(|why| format!("--fault: {why}"))?;
    }
    Ok(())
}

fn frame(recorded: &Recorded, n: u64) -> Result<RecordedFrame, String> {
    let found = usize::try_from(n).ok().and_then(|n| recorded.frames.get(n).cloned());
    found.ok_or_else(|| {
        let number = recorded.number;
        match recorded.frames.len() {
            0 => format!(
                "the frames of exchange {number} cannot be told (no body, or a content coding)"
            ),
            many => format!("exchange {number} has no frame {n}: it has {many}"),
        }
    })
}

fn one(recorded: &mut Recorded, fault: &Fault, original: &[u8]) -> Result<(), String> {
    let at = |recorded: &Recorded, place: &Place| -> Result<u64, String> {
        match place {
            // One past the last is the end.
            Place::Frame(n) if *n == recorded.frames.len() as u64 && *n > 0 => {
                Ok(original.len() as u64)
            }
            Place::Frame(n) => Ok(frame(recorded, *n)?.offset),
            Place::Byte(n) if *n <= original.len() as u64 => Ok(*n),
            Place::Byte(n) => Err(format!(
                "the body of exchange {} has {} bytes and no byte {n}",
                recorded.number,
                original.len()
            )),
        }
    };
    match fault {
        Fault::Cut(place) | Fault::Reset(place) => {
            let at = at(recorded, place)?;
            let i = split(&mut recorded.body, at);
            recorded.body.truncate(i);
            recorded.trailers.clear();
            recorded.end_delay = 0;
            let reset = matches!(fault, Fault::Reset(_));
            recorded.end = if reset { EndCause::Reset } else { EndCause::Truncated };
        }
        Fault::Stall(place, time) => {
            let at = at(recorded, place)?;
            let i = split(&mut recorded.body, at);
            match recorded.body.get_mut(i) {
                Some(piece) => {
                    piece.joined = false;
                    piece.delay += time;
                }
                None => recorded.end_delay += time,
            }
        }
        Fault::Split(place) => {
            let at = at(recorded, place)?;
            let i = split(&mut recorded.body, at);
            if let Some(piece) = recorded.body.get_mut(i) {
                piece.joined = false;
            }
        }
        Fault::Drop(n) => {
            let f = frame(recorded, *n)?;
            remove(&mut recorded.body, &f);
        }
        Fault::NoDone => {
            for f in recorded.frames.clone().iter().filter(|f| f.done) {
                remove(&mut recorded.body, f);
            }
        }
        Fault::Duplicate(n) => {
            let f = frame(recorded, *n)?;
            let (from, to) = range(&mut recorded.body, &f);
            let again: Vec<_> = recorded.body[from..to]
                .iter()
                .map(|p| Piece { delay: 0, offset: None, joined: true, ..p.clone() })
                .collect();
            recorded.body.splice(to..to, again);
        }
        Fault::Swap(n) => {
            let (f, g) = (frame(recorded, *n)?, frame(recorded, n + 1)?);
            let (g_from, g_to) = range(&mut recorded.body, &g);
            let second: Vec<_> = recorded.body.drain(g_from..g_to).collect();
            let (from, _) = range(&mut recorded.body, &f);
            recorded.body.splice(from..from, second);
        }
        Fault::Insert(place, text) => {
            let at = at(recorded, place)?;
            let i = split(&mut recorded.body, at);
            let mut bytes = text.clone();
            if !bytes.ends_with(b"\n") {
                bytes.extend_from_slice(end_of_frame(original));
            }
            let piece = Piece { delay: 0, bytes: bytes.into(), offset: None, joined: i > 0 };
            recorded.body.insert(i, piece);
        }
        Fault::Rename(from, to) => rename(recorded, from, to, original)?,
        Fault::Buffer(size) => gather(recorded, *size),
        Fault::Chunk(size) => cut(&mut recorded.body, *size),
        Fault::Delay(time) => {
            if let Some((delay, _)) = recorded.interim.first_mut().or(recorded.head.as_mut()) {
                *delay += time;
            }
        }
        Fault::Status(status) => {
            if let Some((_, head)) = &mut recorded.head {
                head.status = *status;
                head.raw = Bytes::new();
            }
        }
    }
    Ok(())
}

/// How frames end in a body: an empty line for events, a line end for lines.
fn end_of_frame(body: &[u8]) -> &'static [u8] {
    if memchr::memmem::find(body, b"\r\n\r\n").is_some() {
        b"\r\n\r\n"
    } else if memchr::memmem::find(body, b"\n\n").is_some() {
        b"\n\n"
    } else {
        b"\n"
    }
}

/// Makes a border before a byte of the recording, and returns the number of the piece behind it.
fn split(body: &mut Vec<Piece>, at: u64) -> usize {
    for i in 0..body.len() {
        let Some(offset) = body[i].offset else { continue };
        let end = offset + body[i].bytes.len() as u64;
        if at <= offset {
            return i;
        }
        if at < end {
            let piece = &mut body[i];
            let tail = piece.bytes.split_off((at - offset) as usize);
            let tail = Piece { delay: 0, bytes: tail, offset: Some(at), joined: true };
            body.insert(i + 1, tail);
            return i + 1;
        }
    }
    body.len()
}

/// The pieces of a frame, cut out of others.
fn range(body: &mut Vec<Piece>, frame: &RecordedFrame) -> (usize, usize) {
    let from = split(body, frame.offset);
    let to = split(body, frame.offset + frame.len);
    (from, to.max(from))
}

/// Takes a frame out; what follows keeps its time.
fn remove(body: &mut Vec<Piece>, frame: &RecordedFrame) {
    let (from, to) = range(body, frame);
    let taken: Vec<_> = body.drain(from..to).collect();
    let delay: Micros = taken.iter().map(|p| p.delay).sum();
    if let Some(next) = body.get_mut(from) {
        next.delay += delay;
        next.joined &= taken.iter().all(|p| p.joined);
    }
}

fn rename(
    recorded: &mut Recorded,
    from: &[String],
    to: &str,
    original: &[u8],
) -> Result<(), String> {
    let new = serde_json::Value::from(to).to_string();
    let mut found = 0;
    for f in recorded.frames.clone() {
        let Some(payload) = f.payload else { continue };
        let Some(text) = original.get(payload.clone()).and_then(|p| std::str::from_utf8(p).ok())
        else {
            continue;
        };
        let mut tape = Tape::new();
        if tape.parse(text).is_err() {
            continue;
        }
        let mut spans = Vec::new();
        if let Some(root) = tape.root(text) {
            keys(root, from, &mut spans);
        }
        for span in spans {
            found += 1;
            let (start, end) =
                ((payload.start + span.start) as u64, (payload.start + span.end) as u64);
            let i = split(&mut recorded.body, start);
            let j = split(&mut recorded.body, end);
            let (delay, joined) = recorded.body.get(i).map_or((0, true), |p| (p.delay, p.joined));
            let piece = Piece { delay, bytes: new.clone().into(), offset: None, joined };
            recorded.body.splice(i..j, [piece]);
        }
    }
    match found {
        0 => Err(format!("no payload of exchange {} has {}", recorded.number, from.join("."))),
        _ => Ok(()),
    }
}

/// Where a key of this path stands, wherever the path begins; arrays have no names.
fn keys(root: Value<'_>, path: &[String], found: &mut Vec<std::ops::Range<usize>>) {
    let mut todo = vec![(root, Vec::<String>::new())];
    while let Some((value, names)) = todo.pop() {
        for item in value.items() {
            todo.push((item, names.clone()));
        }
        for (key, member) in value.entries() {
            let mut names = names.clone();
            names.push(key.as_str().unwrap_or_default().into_owned());
            if names.ends_with(path) {
                found.push(key.span());
            }
            todo.push((member, names));
        }
    }
    found.sort_by_key(|span| span.start);
}

/// The writes of a body: pieces that belong together as one.
pub(super) fn writes(body: &[Piece]) -> Vec<(Micros, Bytes)> {
    let mut writes: Vec<(Micros, Vec<u8>)> = Vec::new();
    for piece in body {
        match writes.last_mut().filter(|_| piece.joined) {
            Some((delay, bytes)) => {
                *delay += piece.delay;
                bytes.extend_from_slice(&piece.bytes);
            }
            None => writes.push((piece.delay, piece.bytes.to_vec())),
        }
    }
    writes.into_iter().map(|(delay, bytes)| (delay, bytes.into())).collect()
}

/// Gathers writes until they have so many bytes.
fn gather(recorded: &mut Recorded, size: usize) {
    let mut out: Vec<Piece> = Vec::new();
    let (mut held, mut waited) = (Vec::new(), 0);
    let mut put = |delay: Micros, bytes: &[u8]| {
        let bytes = Bytes::copy_from_slice(bytes);
        out.push(Piece { delay, bytes, offset: None, joined: false });
    };
    for (delay, bytes) in writes(&recorded.body) {
        waited += delay;
        held.extend_from_slice(&bytes);
        while held.len() >= size {
            put(std::mem::take(&mut waited), &held[..size]);
            held.drain(..size);
        }
    }
    if !held.is_empty() {
        // The rest comes with the end.
        put(waited + std::mem::take(&mut recorded.end_delay), &held);
    }
    recorded.body = out;
}

/// Cuts writes into so many bytes.
fn cut(body: &mut Vec<Piece>, size: usize) {
    let mut out = Vec::new();
    for (delay, mut bytes) in writes(body) {
        let mut delay = delay;
        while !bytes.is_empty() {
            let piece = bytes.split_to(size.min(bytes.len()));
            let delay = std::mem::take(&mut delay);
            out.push(Piece { delay, bytes: piece, offset: None, joined: false });
        }
    }
    *body = out;
}

#[cfg(test)]
#[path = "fault_tests.rs"]
mod tests;
