//! Recordings: a saved session, a HAR, a `curl -i` capture, or a bare body, from a file or a pipe.

use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use bytes::Bytes;

pub use super::recording::{BodyHints, Recording};
use super::recording::{PIECE, body};
use super::{by_hand, har};
use crate::journal::file::DamagedLine;
use crate::journal::{EndCause, Entry, EntryKind, Head, Micros, Secrets, Span, file};
use crate::rule::Code;
use crate::transport::request::mask_header;

/// Reason that a recording cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {why}")]
pub struct OpenError {
    /// The file, or "standard input".
    pub name: String,
    /// The underlying error.
    pub why: RecordingError,
}

/// Reason that bytes cannot be read as a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// They cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The path is a folder.
    #[error("is a folder, not a recording")]
    Folder,
    /// A session that this program cannot read.
    #[error(transparent)]
    Session(#[from] file::ReadError),
    /// An archive that this program cannot read.
    #[error(transparent)]
    Har(#[from] har::HarError),
}

/// Opens `path`, or standard input for `-`.
///
/// # Errors
/// It cannot be read, is a damaged archive, or a session of a newer program.
pub fn open(path: &Path, hints: &BodyHints) -> Result<Recording, OpenError> {
    open_watched(path, hints, &mut |_| true)
}

/// The most bytes of a recording that are read for its first screen.
const BEGINNING: u64 = 256 << 10;

/// Reads the beginning of a file, up to the end of a line, as the recording that begins so: its exchanges
/// have no end, unless it is there. `None` for a file that is not longer than that, and where a beginning
/// alone cannot be read, such as that of an archive.
pub fn beginning(path: &Path, hints: &BodyHints) -> Option<Recording> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(BEGINNING).read_to_end(&mut bytes).ok()?;
    if (bytes.len() as u64) < BEGINNING {
        return None;
    }
    bytes.truncate(memchr::memrchr(b'\n', &bytes)? + 1);
    read_as(&bytes[..], named(path), hints, false).ok()
}

/// Returns the name of a file, which may show what is in it.
fn named(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap_or_default()
}

/// Opens a recording and reports after each read how many bytes were read so far; reading stops
/// when `progress` returns false.
///
/// # Errors
/// Those of [`open`]; stopped, any.
pub fn open_watched(
    path: &Path,
    hints: &BodyHints,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<Recording, OpenError> {
    if path == Path::new("-") {
        let failed = |why| OpenError { name: "standard input".to_owned(), why };
        return read(std::io::stdin().lock(), "-", hints).map_err(failed);
    }
    open_file(path, hints, progress)
        .map_err(|why| OpenError { name: path.display().to_string(), why })
}

fn open_file(
    path: &Path,
    hints: &BodyHints,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<Recording, RecordingError> {
    let input = std::fs::File::open(path)?;
    if input.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(RecordingError::Folder);
    }
    let watched = Watched { input, read: 0, progress };
    read(BufReader::with_capacity(64 << 10, watched), named(path), hints)
}

/// A file that reports how much of it was read.
struct Watched<'a> {
    input: std::fs::File,
    read: u64,
    progress: &'a mut dyn FnMut(u64) -> bool,
}

impl std::io::Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.read += n as u64;
        if !(self.progress)(self.read) {
            return Err(std::io::Error::other("stopped"));
        }
        Ok(n)
    }
}

/// Reads a recording; `name` is the file's, for its ending. A session is taken in line by line, and
/// never in memory twice.
///
/// # Errors
/// It cannot be read, is a damaged archive, or a session of a newer program.
pub fn read(
    input: impl BufRead,
    name: &str,
    hints: &BodyHints,
) -> Result<Recording, RecordingError> {
    read_as(input, name, hints, true)
}

/// Reads a recording that is `whole`, or the beginning of one: then nothing is said about its end.
fn read_as(
    mut input: impl BufRead,
    name: &str,
    hints: &BodyHints,
    whole: bool,
) -> Result<Recording, RecordingError> {
    let mut bytes = Vec::new();
    input.read_until(b'\n', &mut bytes)?;
    if file::is_session(&bytes) || file::is_beheaded(&bytes, input.fill_buf()?) {
        return Ok(session(file::read(bytes.chain(input))?, hints, whole));
    }
    let named_har = name.to_ascii_lowercase().ends_with(".har");
    if named_har || har::may_begin(&bytes) {
        input.read_to_end(&mut bytes)?;
        if named_har || har::is_har(&bytes) {
            let mut recording = har::read(&bytes, hints)?;
            close(&mut recording.entries, None);
            return Ok(recording);
        }
    }
    let (mut bare, mut recording) = (Bare::new(name, hints), Recording::default());
    let mut input = bytes.chain(input);
    loop {
        let mut piece = Vec::new();
        input.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        recording.entries.extend(bare.feed(piece.into(), None));
    }
    if whole {
        recording.entries.extend(bare.finish(None));
    }
    Ok(recording)
}

/// A session as a recording, with what is odd about its file.
fn session(session: file::Session, hints: &BodyHints, whole: bool) -> Recording {
    let mut recording = Recording {
        is_session: true,
        entries: session.entries,
        warnings: Vec::new(),
        created: session.header.created,
        program: session.header.version,
    };
    let torn =
        session.torn.map(|torn| format!("{torn}; the program that wrote it was interrupted there"));
    recording.warnings.extend(torn.clone());
    for entry in &mut recording.entries {
        if let (EntryKind::Request(r), Some(dialect)) = (&mut entry.kind, &hints.dialect) {
            r.dialect.clone_from(dialect);
        }
    }
    if session.sessions > 1 {
        recording.warnings.push(format!(
            "{} sessions follow one another in this file; their exchanges are numbered consecutively",
            session.sessions
        ));
    }
    if !session.damaged.is_empty() {
        recording.warnings.push(damage(&session.damaged));
        note_damage(&mut recording.entries, &session.damaged);
    }
    by_hand::mask(&mut recording.entries);
    if whole {
        close(&mut recording.entries, torn.as_ref());
    }
    recording
}

/// Says which lines of a session could not be read.
fn damage(damaged: &[DamagedLine]) -> String {
    const SHOWN: usize = 10;
    let lines: Vec<_> = damaged.iter().take(SHOWN).map(|d| d.line.to_string()).collect();
    let more = match damaged.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let (noun, were) = if damaged.len() == 1 { ("line", "was") } else { ("lines", "were") };
    let why = damaged.first().map_or("", |d| &d.why);
    format!("{noun} {}{more} could not be read and {were} skipped ({why})", lines.join(", "))
}

/// Notes the damage in the exchanges that it lies in.
fn note_damage(entries: &mut Vec<Entry>, damaged: &[DamagedLine]) {
    // Insert from the end, so that earlier places stay valid; damage at one place becomes one note.
    let places: Vec<&[DamagedLine]> = damaged.chunk_by(|a, b| a.entries == b.entries).collect();
    for lines in places.into_iter().rev() {
        let place = lines[0].entries.min(entries.len());
        let before = place.checked_sub(1).and_then(|i| entries.get(i));
        let is_over = before.is_some_and(|e| matches!(e.kind, EntryKind::End { .. }));
        let after = entries.get(place);
        let Some(neighbor) = before.filter(|_| !is_over || after.is_none()).or(after) else {
            continue;
        };
        let kind = EntryKind::note(Code::SessionDamaged, damage(lines));
        let note = Entry { exchange: neighbor.exchange, at: neighbor.at, kind };
        // Nothing may follow an end, so the note goes before it.
        let place = if is_over && after.is_none() { place - 1 } else { place };
        entries.insert(place, note);
    }
}

/// Masks secrets in a piece of a body. The spans it lists count from the piece's beginning.
fn mask_piece(bytes: &mut Bytes, secrets: &Secrets, masked: &mut Vec<Span>) {
    let found = secrets.find(bytes);
    if found.is_empty() {
        return;
    }
    let mut clean = bytes.to_vec();
    for span in found {
        masked.push((span.start as u64, span.len() as u64));
        clean[span].fill(b'*');
    }
    *bytes = clean.into();
}

/// An exchange without an end was interrupted together with the program: it gets one that says
/// that the cause is unknown.
fn close(entries: &mut Vec<Entry>, torn: Option<&String>) {
    let mut open = std::collections::BTreeMap::new();
    for e in entries.iter() {
        match e.kind {
            EntryKind::End { .. } => drop(open.remove(&e.exchange)),
            _ => drop(open.insert(e.exchange, e.at)),
        }
    }
    for (x, at) in open {
        if let Some(why) = torn {
            let what = EntryKind::note(Code::SessionTorn, why.clone());
            entries.push(Entry { exchange: x, at, kind: what });
        }
        let detail = "the recording stops here".to_owned();
        entries.push(Entry {
            exchange: x,
            at,
            kind: EntryKind::End { cause: EndCause::Unknown, detail },
        });
    }
}

/// Makes entries of a body without a record of its exchange: a raw body, or what `curl -i` prints. Works on
/// pieces, so a pipe can be watched.
#[derive(Debug)]
pub struct Bare {
    hints: BodyHints,
    named_sse: bool,
    /// Bytes that may yet turn out to be a head; `None` once that is settled.
    head: Option<Vec<u8>>,
    /// The interim heads so far.
    interim: Vec<Head>,
    /// A head was read: the body is a capture of `curl -i`, and what looks like a key is masked.
    captured: bool,
    /// Number of bytes of the body that were read.
    offset: u64,
    /// Number of bytes that the head promised, where they are counted as curl writes them.
    promised: Option<u64>,
}

/// No head is longer.
const MAX_HEAD: usize = 1 << 20;

impl Bare {
    /// A body of which this is known.
    pub fn new(name: &str, hints: &BodyHints) -> Self {
        Self {
            hints: hints.clone(),
            named_sse: name.to_ascii_lowercase().ends_with(".sse"),
            head: Some(Vec::new()),
            interim: Vec::new(),
            captured: false,
            offset: 0,
            promised: None,
        }
    }

    /// The next bytes, read at `at`.
    pub fn feed(&mut self, bytes: Bytes, at: Option<Micros>) -> Vec<Entry> {
        let Some(mut head) = self.head.take() else { return self.body(bytes, at) };
        head.extend_from_slice(&bytes);
        let mut out = Vec::new();
        // Where the first head begins that may be the final one, not an interim one.
        let mut from = 0;
        loop {
            let rest = &head[from..];
            let is_head = rest.starts_with(b"HTTP/");
            if !is_head && b"HTTP/".starts_with(&rest[..rest.len().min(5)]) && rest.len() < 5 {
                break;
            }
            let end = if is_head { end_of_head(rest) } else { None };
            let Some(end) = end else {
                if is_head && rest.len() < MAX_HEAD {
                    break;
                }
                out.extend(self.begin(at, None));
                out.extend(self.body(Bytes::from(head).split_off(from), at));
                return out;
            };
            let (parsed, rest) = (parse_head(&rest[..end]), &rest[end..]);
            // `curl -L` and interim answers put one head after the other.
            let more = rest.starts_with(b"HTTP/");
            if parsed.as_ref().is_none_or(|h| h.status >= 200) && !more {
                out.extend(self.begin(at, parsed));
                self.captured = true;
                out.extend(self.body(Bytes::from(head).split_off(from + end), at));
                return out;
            }
            let interim = parsed.filter(|h| h.status < 200);
            self.interim.extend(interim.map(|h| Head { interim: true, ..h }));
            from += end;
        }
        head.drain(..from);
        self.head = Some(head);
        out
    }

    /// The body is over.
    pub fn finish(&mut self, at: Option<Micros>) -> Vec<Entry> {
        let mut out = Vec::new();
        if let Some(head) = self.head.take() {
            out.extend(self.begin(at, None));
            out.extend(self.body(head.into(), at));
        }
        let cause = match self.promised.is_some_and(|promised| self.offset < promised) {
            true => EndCause::Truncated,
            false => EndCause::Unknown,
        };
        out.push(Entry { exchange: 0, at, kind: EntryKind::End { cause, detail: String::new() } });
        out
    }

    /// A body's entries.
    fn body(&mut self, bytes: Bytes, at: Option<Micros>) -> Vec<Entry> {
        let mut entries = body(bytes, at);
        for entry in &mut entries {
            if let EntryKind::Body { bytes, masked, .. } = &mut entry.kind {
                if self.captured {
                    let mut secrets = Secrets::default();
                    secrets.add_from_text(&String::from_utf8_lossy(bytes), true);
                    mask_piece(bytes, &secrets, masked);
                    masked.iter_mut().for_each(|span| span.0 += self.offset);
                }
                self.offset += bytes.len() as u64;
            }
        }
        entries
    }

    fn begin(&mut self, at: Option<Micros>, head: Option<Head>) -> Vec<Entry> {
        let BodyHints { status, content_type, dialect } = self.hints.clone();
        let named_sse = self.named_sse;
        let mut out = vec![Entry {
            exchange: 0,
            at,
            kind: EntryKind::Bare { status, content_type, dialect, named_sse },
        }];
        self.promised = head.as_ref().and_then(promised);
        let heads = self.interim.drain(..).chain(head);
        out.extend(heads.map(|head| Entry { exchange: 0, at, kind: EntryKind::Head(head) }));
        out
    }
}

/// The length of the body that a head promises. With a coding curl may have undone it, and the counts differ.
fn promised(head: &Head) -> Option<u64> {
    let coded = ["content-encoding", "transfer-encoding"].iter().any(|n| head.header(n).is_some());
    let bodiless = matches!(head.status, 204 | 205 | 304);
    head.header("content-length").filter(|_| !coded && !bodiless)?.trim().parse().ok()
}

/// Returns where the body begins: after the first blank line.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).map(|i| i + 1).find_map(|next| {
        let crlf = bytes[..next].ends_with(b"\r\n") && bytes[next..].starts_with(b"\r\n");
        let blank = if crlf { 2 } else { usize::from(bytes[next..].starts_with(b"\n")) };
        (blank > 0).then_some(next + blank)
    })
}

/// Reads what curl prints of a head. The secrets in it are masked.
fn parse_head(bytes: &[u8]) -> Option<Head> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let mut status = lines.next()?.split_ascii_whitespace();
    let version = status.next()?.to_owned();
    let status = status.next()?.parse().ok()?;
    let secrets = Secrets::default();
    let headers = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(k, v)| (k.trim().to_ascii_lowercase(), mask_header(k.trim(), v.trim(), &secrets)))
        .collect();
    Some(Head { status, version, headers, ..Head::default() })
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
