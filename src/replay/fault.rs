//! Faults that are put on a recording, byte for byte.
//!
//! Places are those of the recording, whatever other faults do to it: `frame:12` is the frame that
//! `sselens show` numbers 12, `byte:5000` an offset in the body. What happens at a place happens
//! before it.

use bytes::Bytes;

use super::recording::{Recorded, RecordedFrame, RecordedWrite};
use crate::journal::{EndCause, Micros};
use crate::json::{Tape, Value};

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `cut@PLACE`: the connection is closed there.
    Cut(FaultPlace),
    /// `reset@PLACE`: the connection is reset there.
    Reset(FaultPlace),
    /// `stall@PLACE:TIME`: nothing is sent for so long.
    Stall(FaultPlace, Micros),
    /// `drop@frame:N`: the frame is left out.
    Drop(u64),
    /// `duplicate@frame:N`: the frame is sent twice.
    Duplicate(u64),
    /// `swap@frame:N`: the frame and the one after it change places.
    Swap(u64),
    /// `split@PLACE`: a write ends there.
    Split(FaultPlace),
    /// `buffer:SIZE`: writes are gathered to this many bytes.
    Buffer(usize),
    /// `chunk:SIZE`: writes are cut into this many bytes.
    Chunk(usize),
    /// `delay:TIME`: the headers arrive so much later.
    Delay(Micros),
    /// `status:N`: another status.
    Status(u16),
    /// `rename:FROM=TO`: another name for a key of the payloads, by its path.
    Rename(Vec<String>, String),
    /// `no-done`: `[DONE]` is left out.
    NoDone,
    /// `insert@PLACE:TEXT`: a frame that was not there.
    Insert(FaultPlace, Vec<u8>),
}

/// The place of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPlace {
    /// Before a frame.
    Frame(u64),
    /// Before a byte of the body.
    Byte(u64),
}

/// Reason that a fault cannot be applied to a recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The exchange has no frames, or its content coding hides them.
    #[error("the frames of exchange {0} are not known (no body, or a content coding)")]
    NoFrames(u32),
    /// The frame is past the last one.
    #[error("exchange {exchange} has no frame {frame}: it has {count}")]
    NoFrame {
        /// The exchange's number.
        exchange: u32,
        /// The frame that was named.
        frame: u64,
        /// Number of frames in it.
        count: usize,
    },
    /// The byte is past the end.
    #[error("the body of exchange {exchange} has {len} bytes and no byte {byte}")]
    NoByte {
        /// The exchange's number.
        exchange: u32,
        /// The offset that was named.
        byte: u64,
        /// The length of the body in bytes.
        len: usize,
    },
    /// No payload has the key that is to be renamed.
    #[error("no payload of exchange {exchange} has {path}")]
    NoKey {
        /// The exchange's number.
        exchange: u32,
        /// The key's path.
        path: String,
    },
}

/// Puts faults on a recorded exchange, in their order.
///
/// # Errors
/// A place or a key is not in the recording.
pub fn apply(recorded: &mut Recorded, faults: &[Fault]) -> Result<(), FaultError> {
    let original = recorded.bytes();
    // Buffering and chunking apply after all other faults.
    let late = |f: &&Fault| matches!(f, Fault::Buffer(_) | Fault::Chunk(_));
    for fault in faults.iter().filter(|f| !late(f)).chain(faults.iter().filter(late)) {
        put(recorded, fault, &original)?;
    }
    Ok(())
}

fn put(recorded: &mut Recorded, fault: &Fault, original: &[u8]) -> Result<(), FaultError> {
    match fault {
        Fault::Cut(place) => end_at(recorded, *place, original, EndCause::Truncated)?,
        Fault::Reset(place) => end_at(recorded, *place, original, EndCause::Reset)?,
        Fault::Stall(place, time) => stall(recorded, *place, original, *time)?,
        Fault::Split(place) => {
            let i = border(recorded, *place, original)?;
            if let Some(piece) = recorded.body.get_mut(i) {
                piece.joined = false;
            }
        }
        Fault::Insert(place, text) => insert(recorded, *place, original, text)?,
        Fault::Drop(n) => {
            let f = frame(recorded, *n)?;
            remove(&mut recorded.body, &f);
        }
        Fault::NoDone => {
            for f in recorded.frames.clone().iter().filter(|f| f.done) {
                remove(&mut recorded.body, f);
            }
        }
        Fault::Duplicate(n) => duplicate(recorded, *n)?,
        Fault::Swap(n) => swap(recorded, *n)?,
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

/// The frame of that number.
fn frame(recorded: &Recorded, n: u64) -> Result<RecordedFrame, FaultError> {
    let found = usize::try_from(n).ok().and_then(|n| recorded.frames.get(n).cloned());
    let exchange = recorded.number;
    found.ok_or(match recorded.frames.len() {
        0 => FaultError::NoFrames(exchange),
        count => FaultError::NoFrame { exchange, frame: n, count },
    })
}

/// Makes a border at a place, and returns the number of the piece behind it.
fn border(
    recorded: &mut Recorded,
    place: FaultPlace,
    original: &[u8],
) -> Result<usize, FaultError> {
    let len = original.len();
    let at = match place {
        // One past the last is the end.
        FaultPlace::Frame(n) if n == recorded.frames.len() as u64 && n > 0 => len as u64,
        FaultPlace::Frame(n) => frame(recorded, n)?.offset,
        FaultPlace::Byte(n) if n <= len as u64 => n,
        FaultPlace::Byte(byte) => {
            return Err(FaultError::NoByte { exchange: recorded.number, byte, len });
        }
    };
    Ok(split(&mut recorded.body, at))
}

/// Ends the body at a place.
fn end_at(
    recorded: &mut Recorded,
    place: FaultPlace,
    original: &[u8],
    cause: EndCause,
) -> Result<(), FaultError> {
    let i = border(recorded, place, original)?;
    recorded.body.truncate(i);
    recorded.trailers.clear();
    recorded.end_delay = 0;
    recorded.end = cause;
    Ok(())
}

fn stall(
    recorded: &mut Recorded,
    place: FaultPlace,
    original: &[u8],
    time: Micros,
) -> Result<(), FaultError> {
    let i = border(recorded, place, original)?;
    match recorded.body.get_mut(i) {
        Some(piece) => {
            piece.joined = false;
            piece.delay += time;
        }
        None => recorded.end_delay += time,
    }
    Ok(())
}

fn insert(
    recorded: &mut Recorded,
    place: FaultPlace,
    original: &[u8],
    text: &[u8],
) -> Result<(), FaultError> {
    let i = border(recorded, place, original)?;
    let mut bytes = text.to_vec();
    if !bytes.ends_with(b"\n") {
        bytes.extend_from_slice(end_of_frame(original));
    }
    let piece = RecordedWrite { delay: 0, bytes: bytes.into(), offset: None, joined: i > 0 };
    recorded.body.insert(i, piece);
    Ok(())
}

fn duplicate(recorded: &mut Recorded, n: u64) -> Result<(), FaultError> {
    let f = frame(recorded, n)?;
    let (from, to) = range(&mut recorded.body, &f);
    let again: Vec<_> = recorded.body[from..to]
        .iter()
        .map(|p| RecordedWrite { delay: 0, offset: None, joined: true, ..p.clone() })
        .collect();
    recorded.body.splice(to..to, again);
    Ok(())
}

fn swap(recorded: &mut Recorded, n: u64) -> Result<(), FaultError> {
    let (f, g) = (frame(recorded, n)?, frame(recorded, n + 1)?);
    let (g_from, g_to) = range(&mut recorded.body, &g);
    let second: Vec<_> = recorded.body.drain(g_from..g_to).collect();
    let (from, _) = range(&mut recorded.body, &f);
    recorded.body.splice(from..from, second);
    Ok(())
}

/// Returns how frames end in a body: an empty line for events, a line end for lines.
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
fn split(body: &mut Vec<RecordedWrite>, at: u64) -> usize {
    for i in 0..body.len() {
        let Some(offset) = body[i].offset else { continue };
        let end = offset + body[i].bytes.len() as u64;
        if at <= offset {
            return i;
        }
        if at < end {
            let piece = &mut body[i];
            let tail = piece.bytes.split_off((at - offset) as usize);
            let tail = RecordedWrite { delay: 0, bytes: tail, offset: Some(at), joined: true };
            body.insert(i + 1, tail);
            return i + 1;
        }
    }
    body.len()
}

/// The pieces of a frame, cut out of others.
fn range(body: &mut Vec<RecordedWrite>, frame: &RecordedFrame) -> (usize, usize) {
    let from = split(body, frame.offset);
    let to = split(body, frame.offset + frame.len);
    (from, to.max(from))
}

/// Takes a frame out; what follows keeps its time.
fn remove(body: &mut Vec<RecordedWrite>, frame: &RecordedFrame) {
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
) -> Result<(), FaultError> {
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
            let piece = RecordedWrite { delay, bytes: new.clone().into(), offset: None, joined };
            recorded.body.splice(i..j, [piece]);
        }
    }
    match found {
        0 => Err(FaultError::NoKey { exchange: recorded.number, path: from.join(".") }),
        _ => Ok(()),
    }
}

/// Finds the keys of this path, wherever the path begins; arrays have no names.
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
pub(super) fn writes(body: &[RecordedWrite]) -> Vec<(Micros, Bytes)> {
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
    let mut out: Vec<RecordedWrite> = Vec::new();
    let (mut held, mut waited) = (Vec::new(), 0);
    let mut put = |delay: Micros, bytes: &[u8]| {
        let bytes = Bytes::copy_from_slice(bytes);
        out.push(RecordedWrite { delay, bytes, offset: None, joined: false });
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
        // The rest is sent with the end.
        put(waited + std::mem::take(&mut recorded.end_delay), &held);
    }
    recorded.body = out;
}

/// Cuts writes into so many bytes.
fn cut(body: &mut Vec<RecordedWrite>, size: usize) {
    let mut out = Vec::new();
    for (delay, mut bytes) in writes(body) {
        let mut delay = delay;
        while !bytes.is_empty() {
            let piece = bytes.split_to(size.min(bytes.len()));
            let delay = std::mem::take(&mut delay);
            out.push(RecordedWrite { delay, bytes: piece, offset: None, joined: false });
        }
    }
    *body = out;
}

#[cfg(test)]
#[path = "fault_tests.rs"]
mod tests;
