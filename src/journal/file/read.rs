//! Reading a session file back, damaged or not.

use std::borrow::Cow;
use std::io::{self, BufRead};

use base64::Engine as _;
use bytes::{Bytes, BytesMut};

use super::{BASE64, FileHeader, FileLine, FilePiece, ReadLine, VERSION};
use crate::journal::RUN;
use crate::journal::{Entry, EntryKind, ExchangeId};

/// The bytes that [`as_pieces`](super::as_pieces) made pieces of.
pub(super) fn join(pieces: &[FilePiece<'_>]) -> Result<Vec<u8>, LineError> {
    let mut out = Vec::new();
    for piece in pieces {
        match piece {
            FilePiece::Text(t) => out.extend_from_slice(t.as_bytes()),
            FilePiece::Base64 { base64 } => {
                out.extend(BASE64.decode(base64)?);
            }
        }
    }
    Ok(out)
}

/// Reason that a line could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("base64: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error("unknown cause {0:?}")]
    Cause(String),
    #[error("exchange {0} is beyond {MOST_EXCHANGES}")]
    Exchange(u64),
}

/// The highest number of an exchange, of all sessions in a file together.
const MOST_EXCHANGES: ExchangeId = 1 << 30;

/// Reason that a file could not be read, or the place where it is damaged.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The first line is not a header of ours.
    #[error("not an sselens session: the first line has no \"sselens\" member")]
    NotASession,
    /// A newer program wrote it.
    #[error("written in format {0}, this program reads up to {VERSION}; a newer sselens opens it")]
    TooNew(u32),
}

/// A file that was read.
#[derive(Debug)]
pub struct Session {
    /// Its header.
    pub header: FileHeader,
    /// Its entries.
    pub entries: Vec<Entry>,
    /// A last line without an end, which a crash tore: what was wrong with it. The entries before
    /// it are all there.
    pub torn: Option<String>,
    /// Lines that could not be read, and were skipped.
    pub damaged: Vec<DamagedLine>,
    /// Number of sessions in the file, one after the other.
    pub sessions: u32,
}

/// A line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedLine {
    /// Its number, from 1.
    pub line: usize,
    /// The fault in it.
    pub why: String,
    /// Number of entries that were read before it.
    pub entries: usize,
}

/// Returns whether a first line begins a session file, even a damaged one. Cheap; does not read the rest.
pub fn is_session(first_line: &[u8]) -> bool {
    let line = sound(first_line);
    serde_json::from_slice::<FileHeader>(line).is_ok_and(|h| h.sselens == "session")
        || line.starts_with(b"{\"sselens\":\"session\"")
}

/// Returns whether a file is a session whose header is damaged or gone: an entry follows what is left of it,
/// or is in its place. `after` are some of the bytes behind the first line.
pub fn is_beheaded(first_line: &[u8], after: &[u8]) -> bool {
    begins_entry(first_line)
        || serde_json::from_slice::<serde::de::IgnoredAny>(first_line).is_err()
            && begins_entry(sound(after))
}

/// Returns whether a line is one of a session's first entries. What `-o ndjson` prints has other fields.
fn begins_entry(line: &[u8]) -> bool {
    let begins = |of: &str| line.starts_with(format!("{{\"type\":\"{of}\",\"x\":").as_bytes());
    let is_printed =
        || memchr::memmem::find(&line[..line.len().min(4096)], b"\"body_len\":").is_some();
    begins("bare") || begins("body") || begins("request") && !is_printed()
}

/// A line without the zero bytes that a power failure leaves in front of what was written after it.
fn sound(line: &[u8]) -> &[u8] {
    let zeros = line.iter().take_while(|b| **b == 0).count();
    &line[zeros..]
}

/// Reads a session file. Lines that cannot be read are skipped and listed. Of several sessions in
/// one file, the exchanges are numbered on.
///
/// # Errors
/// When it is none, or newer than this program.
pub fn read(mut input: impl BufRead) -> Result<Session, ReadError> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    let is_whole = is_session(&line);
    if !is_whole && !is_beheaded(&line, input.fill_buf()?) {
        return Err(ReadError::NotASession);
    }
    let mut damaged = Vec::new();
    let header = serde_json::from_slice::<FileHeader>(sound(&line)).unwrap_or_else(|e| {
        damaged.push(DamagedLine { line: 1, why: format!("no header: {e}"), entries: 0 });
        FileHeader {
            sselens: "session".into(),
            format: 1,
            version: String::new(),
            created: String::new(),
        }
    });
    if header.format > VERSION {
        return Err(ReadError::TooNew(header.format));
    }
    let session = Session { header, entries: Vec::new(), torn: None, damaged, sessions: 1 };
    let mut reader = SessionReader { session, store: Store::default(), base: 0, next: 0 };
    if !is_whole {
        // The first line may be an entry itself.
        let damaged = reader.session.damaged.clone();
        reader.line(1, &line);
        reader.session.damaged = damaged;
    }
    for number in 2.. {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        reader.line(number, &line);
    }
    let mut session = reader.session;
    settle_held(&mut session.entries);
    Ok(session)
}

/// A session that is being read.
struct SessionReader {
    session: Session,
    store: Store,
    /// The number that is added to the exchange numbers of the current session.
    base: ExchangeId,
    /// The first number after all so far.
    next: ExchangeId,
}

impl SessionReader {
    /// Takes in a line.
    fn line(&mut self, number: usize, line: &[u8]) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let before = self.session.entries.len();
        let why = match self.entry(line) {
            Ok(()) => return,
            Err(_) if is_session(line) => {
                self.base = self.next;
                self.session.sessions += 1;
                return;
            }
            Err(why) => why,
        };
        // Zeros show that something was lost; what follows the last of them may be whole.
        let zero = memchr::memrchr(0, line);
        let recovered = zero.is_some_and(|at| self.entry(&line[at + 1..]).is_ok());
        let why = match zero {
            Some(_) if recovered => format!("{} before its entry", zeros(line)),
            Some(_) => zeros(line),
            // The reader of JSON knows of this line only.
            None => why.to_string().replace(" at line 1 column ", " at column "),
        };
        match recovered || line.ends_with(b"\n") {
            true => self.session.damaged.push(DamagedLine { line: number, why, entries: before }),
            false => self.session.torn = Some(format!("line {number}: {why}")),
        }
    }

    /// Takes in the entry that a line holds.
    fn entry(&mut self, line: &[u8]) -> Result<(), LineError> {
        let Some(mut entry) = decode(line, &mut self.store)? else { return Ok(()) };
        let number = u64::from(self.base) + u64::from(entry.exchange);
        entry.exchange = ExchangeId::try_from(number)
            .ok()
            .filter(|number| *number <= MOST_EXCHANGES)
            .ok_or(LineError::Exchange(number))?;
        self.next = self.next.max(entry.exchange + 1);
        self.session.entries.push(entry);
        Ok(())
    }
}

/// Formats the number of zero bytes of a line.
fn zeros(line: &[u8]) -> String {
    crate::text::count(line.iter().filter(|b| **b == 0).count() as u64, "zero byte")
}

/// Fills in bytes that were held back when the writer died. Only their number is known: they appear as `*`.
fn settle_held(entries: &mut [Entry]) {
    let mut owed = std::collections::HashMap::<ExchangeId, (usize, u64)>::new();
    for (i, e) in entries.iter().enumerate() {
        if let EntryKind::Body { len, bytes, .. } = &e.kind {
            let o = owed.entry(e.exchange).or_default();
            *o = (i, (o.1 + u64::from(*len)).saturating_sub(bytes.len() as u64));
        }
    }
    for (i, missing) in owed.into_values() {
        if missing > 0
            && missing < RUN as u64
            && let Some(EntryKind::Body { bytes, .. }) = entries.get_mut(i).map(|e| &mut e.kind)
        {
            let mut all = bytes.to_vec();
            all.resize(all.len() + missing as usize, b'*');
            *bytes = all.into();
        }
    }
}

/// The bytes of many entries in few blocks: a read of a stream is shorter than what it costs to keep
/// it on its own.
#[derive(Debug, Default)]
pub(super) struct Store(BytesMut);

/// Size of a block. It is freed when the last entry that has bytes in it is gone.
const BLOCK: usize = 256 << 10;

impl Store {
    /// Keeps bytes.
    fn keep(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() > BLOCK / 8 {
            return Bytes::copy_from_slice(bytes);
        }
        if self.0.capacity() < bytes.len() {
            self.0 = BytesMut::with_capacity(BLOCK);
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }

    /// Reads bytes as a line has them.
    pub(super) fn read(
        &mut self,
        text: Option<Cow<'_, str>>,
        pieces: Option<Vec<FilePiece<'_>>>,
    ) -> Result<Bytes, LineError> {
        if let Some(text) = text {
            return Ok(self.keep(text.as_bytes()));
        }
        let out = join(pieces.as_deref().unwrap_or_default())?;
        Ok(self.keep(&out))
    }
}

/// Reads one line; `None` for an entry of a type that this version does not know.
pub(super) fn decode(line: &[u8], store: &mut Store) -> Result<Option<Entry>, LineError> {
    // Nearly every line is a read. Knowing the type first saves buffering the other fields.
    if line.starts_with(b"{\"type\":\"body\",") {
        return serde_json::from_slice::<ReadLine<'_>>(line)?.body(store).map(Some);
    }
    serde_json::from_slice::<FileLine<'_>>(line)?.entry(store)
}
