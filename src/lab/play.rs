//! Plays an answer: the acts of its script, in its framing, at the lab's pace.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::scenario::{Coding, Content, ScenarioAnswer, ScenarioFraming, Writes};
use super::script::{Act, Script};
use super::wire::{AfterAnswer, Gone, Wire};

/// Duration of a stall if the client has no patience limit at all.
const STALL: Duration = Duration::from_secs(600);
/// The least time between the comments of a stall, whatever the pace.
const DRIP: Duration = Duration::from_millis(20);

/// The things that the player has to know besides the answer.
pub(super) struct PlayContext<'a> {
    pub(super) answer: &'a ScenarioAnswer,
    /// The content type of the dialect's streams.
    pub(super) content_type: &'static str,
    /// The header that the dialect's errors have besides.
    pub(super) error_header: Option<(&'static str, &'static str)>,
    pub(super) request_id: &'a str,
    /// The connection is closed afterwards in any case.
    pub(super) close: bool,
    /// The client doesn't know chunks.
    pub(super) http10: bool,
    /// Factor of all times.
    pub(super) pace: f64,
}

/// Plays one answer to its end. `script` makes the same script each time.
pub(super) async fn play<'a>(
    wire: &mut Wire,
    stage: &PlayContext<'a>,
    script: impl Fn() -> Script<'a>,
) -> Result<AfterAnswer, Gone> {
    let answer = stage.answer;
    let framing = match answer.framing {
        ScenarioFraming::Chunked if stage.http10 => ScenarioFraming::Eof,
        framing => framing,
    };
    let length = match (framing, answer.length) {
        (ScenarioFraming::Length, None) => Some(script().map(|act| act.body_len()).sum()),
        (ScenarioFraming::Length, given) => given,
        (ScenarioFraming::Chunked | ScenarioFraming::Eof, _) => None,
    };
    let head = head(stage, framing, length);
    let mut player = Player {
        wire,
        writes: answer.writes,
        buffer: answer.buffer,
        framing,
        pace: stage.pace,
        gzip: answer.coding.map(|Coding::Gzip| GzEncoder::new(Vec::new(), Compression::default())),
        held: Vec::new(),
        gathered: Vec::new(),
        owed: 0.0,
        frames: 0,
    };
    player.wait(f64::from(answer.head_after)).await?;
    player.settle().await?;
    if answer.late_head {
        player.held = head;
    } else {
        player.wire.write(&head).await?;
    }
    if let Some(after) = player.acts(script()).await? {
        return Ok(after);
    }
    player.end().await?;
    // The client could not tell where the next answer begins.
    let unknown_end = framing == ScenarioFraming::Eof || answer.length.is_some();
    let announced = answer.headers.get("connection").map(String::as_str) == Some("close");
    Ok(match stage.close || unknown_end || announced {
        true => AfterAnswer::Close,
        false => AfterAnswer::Keep,
    })
}

/// The head of an answer.
fn head(stage: &PlayContext<'_>, framing: ScenarioFraming, length: Option<u64>) -> Vec<u8> {
    let answer = stage.answer;
    if let Some(exact) = &answer.head {
        return exact.clone().into_bytes();
    }
    let content_type = match answer.content {
        Content::Steps(_) => stage.content_type,
        Content::Body(_) | Content::Error(_) => "application/json",
    };
    let mut headers: Vec<(&str, String)> = vec![
        ("server", "sselens-lab".to_owned()),
        ("content-type", content_type.to_owned()),
        ("cache-control", "no-cache".to_owned()),
        ("x-accel-buffering", "no".to_owned()),
        ("x-request-id", stage.request_id.to_owned()),
    ];
    if let (Content::Error(_), Some((name, value))) = (&answer.content, stage.error_header) {
        headers.push((name, value.to_owned()));
    }
    if answer.coding.is_some() {
        headers.push(("content-encoding", "gzip".to_owned()));
    }
    // A 204 has no body, and so must not announce one.
    if answer.status != 204 {
        match (framing, length) {
            (ScenarioFraming::Chunked, _) => {
                headers.push(("transfer-encoding", "chunked".to_owned()))
            }
            (ScenarioFraming::Length, Some(length)) => {
                headers.push(("content-length", length.to_string()))
            }
            (ScenarioFraming::Length | ScenarioFraming::Eof, _) => {}
        }
    }
    if stage.close || framing == ScenarioFraming::Eof {
        headers.push(("connection", "close".to_owned()));
    }
    for (name, value) in &answer.headers {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        if !value.is_empty() {
            headers.push((name, value.clone()));
        }
    }
    let reason = answer.reason.as_deref();
    let reason = reason.unwrap_or_else(|| super::reason(answer.status));
    super::head(answer.status, reason, &headers)
}

struct Player<'a> {
    wire: &'a mut Wire,
    writes: Writes,
    /// Number of bytes that are gathered before they are written together; without it, all.
    buffer: Option<usize>,
    framing: ScenarioFraming,
    pace: f64,
    gzip: Option<GzEncoder<Vec<u8>>>,
    /// The head, if it is to travel with the first bytes of the body.
    held: Vec<u8>,
    /// The body so far, if it is written in one piece.
    gathered: Vec<u8>,
    /// Time to be waited, in ms at pace 1.
    owed: f64,
    frames: u32,
}

impl Player<'_> {
    /// Does what the script says; returns what follows it if that ends the answer early.
    async fn acts(&mut self, script: Script<'_>) -> Result<Option<AfterAnswer>, Gone> {
        for act in script {
            match act {
                Act::Wait(ms) => self.wait(ms).await?,
                Act::Body(bytes) => self.body(bytes).await?,
                Act::Wire(bytes) => self.wire.write(&bytes).await?,
                Act::Cut => {
                    self.flush().await?;
                    return Ok(Some(AfterAnswer::Close));
                }
                Act::Reset => {
                    self.flush().await?;
                    return Ok(Some(AfterAnswer::Reset));
                }
                Act::Stall(drip) => {
                    self.flush().await?;
                    self.stall(drip).await?;
                    return Ok(Some(AfterAnswer::Close));
                }
            }
        }
        Ok(None)
    }

    /// Adds to the time to be waited. It is waited before the next bytes, and only when it is worth a timer,
    /// whose grain is a millisecond. So gaps well below that still produce the right speed on the whole.
    async fn wait(&mut self, ms: f64) -> Result<(), Gone> {
        self.owed += ms;
        match self.owed * self.pace >= 4.0 {
            true => self.settle().await,
            false => Ok(()),
        }
    }

    async fn settle(&mut self) -> Result<(), Gone> {
        let time = milliseconds(self.owed * self.pace);
        self.owed = 0.0;
        self.wire.pause(time).await
    }

    /// One frame.
    async fn body(&mut self, bytes: Vec<u8>) -> Result<(), Gone> {
        self.frames += 1;
        // At pace 0 nothing ever waits; other connections want their turn.
        if self.frames.is_multiple_of(64) {
            tokio::task::yield_now().await;
        }
        let cut = match self.writes {
            Writes::Each => bytes.len(),
            Writes::Together => {
                self.gathered.extend(bytes);
                while let Some(size) = self.buffer.filter(|b| *b > 0 && self.gathered.len() >= *b) {
                    let rest = self.gathered.split_off(size);
                    let full = std::mem::replace(&mut self.gathered, rest);
                    self.send(&full).await?;
                }
                return Ok(());
            }
            Writes::Halves => middle(&bytes),
            Writes::MidCharacter => in_character(&bytes).unwrap_or(bytes.len()),
        };
        let (first, second) = bytes.split_at_checked(cut).unwrap_or((&bytes, &[]));
        self.send(first).await?;
        if !second.is_empty() {
            // Long enough for the client to read the first part separately.
            self.wire.pause(milliseconds(15.0 * self.pace)).await?;
            self.send(second).await?;
        }
        Ok(())
    }

    /// Bytes of the body in one write: coded, framed, with the head if that
    /// has been waiting for them.
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        if let Some(gzip) = &mut self.gzip {
            // Flush after each frame, or there would be no streaming. Writing to memory doesn't fail.
            drop(gzip.write_all(bytes).and_then(|()| gzip.flush()));
            let coded = std::mem::take(gzip.get_mut());
            return self.transfer(&coded).await;
        }
        self.transfer(bytes).await
    }

    async fn transfer(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut out = std::mem::take(&mut self.held);
        match self.framing {
            ScenarioFraming::Chunked => {
                out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            ScenarioFraming::Length | ScenarioFraming::Eof => out.extend_from_slice(bytes),
        }
        self.wire.write(&out).await
    }

    /// Writes what was held back.
    async fn flush(&mut self) -> Result<(), Gone> {
        let gathered = std::mem::take(&mut self.gathered);
        self.send(&gathered).await?;
        let held = std::mem::take(&mut self.held);
        match held.is_empty() {
            true => Ok(()),
            false => self.wire.write(&held).await,
        }
    }

    /// The body's own end.
    async fn end(&mut self) -> Result<(), Gone> {
        self.settle().await?;
        self.flush().await?;
        if let Some(gzip) = self.gzip.take() {
            let tail = gzip.finish().unwrap_or_default();
            self.transfer(&tail).await?;
        }
        match self.framing {
            ScenarioFraming::Chunked => self.wire.write(b"0\r\n\r\n").await,
            ScenarioFraming::Length | ScenarioFraming::Eof => Ok(()),
        }
    }

    async fn stall(&mut self, drip: Option<(Vec<u8>, f64)>) -> Result<(), Gone> {
        let Some((bytes, every)) = drip else {
            return self.wire.pause(STALL).await;
        };
        let every = milliseconds(every * self.pace).max(DRIP);
        let mut left = STALL;
        while let Some(rest) = left.checked_sub(every) {
            self.wire.pause(every).await?;
            self.send(&bytes).await?;
            left = rest;
        }
        Ok(())
    }
}

impl Act {
    fn body_len(&self) -> u64 {
        match self {
            Self::Body(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            _ => 0,
        }
    }
}

/// A time; none if the number makes no sense, and no more than a day.
fn milliseconds(ms: f64) -> Duration {
    let seconds = (ms / 1000.0).clamp(0.0, 86_400.0);
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The middle of a frame, between two characters.
fn middle(bytes: &[u8]) -> usize {
    let half = bytes.len() / 2;
    let starts = |at: &usize| bytes.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    (half..=bytes.len()).find(starts).unwrap_or(half)
}

/// After the first byte of the first character beyond ASCII.
fn in_character(bytes: &[u8]) -> Option<usize> {
    let start = bytes.iter().position(|byte| *byte >= 0xc0)?;
    Some(start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_where_it_should() {
        let text = "aaé".as_bytes();
        assert_eq!(in_character(text), Some(3));
        assert_eq!(in_character(b"abc"), None);
        assert_eq!(middle("aébb".as_bytes()), 3);
        assert_eq!(middle(b""), 0);
    }

    #[test]
    fn times_are_always_sane() {
        assert_eq!(milliseconds(f64::NAN), Duration::ZERO);
        assert_eq!(milliseconds(-5.0), Duration::ZERO);
        assert_eq!(milliseconds(f64::INFINITY), Duration::from_secs(86_400));
        assert_eq!(milliseconds(1500.0), Duration::from_millis(1500));
    }
}
