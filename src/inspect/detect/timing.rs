//! Rules about when things arrived. All of them are about reads, and silent if the time was not measured.

use super::{Code, Detector, EachFrame, FindingPlace, Findings, Look, Severity, refused, tail};
use crate::frame::FrameKind;
use crate::inspect::Facts;
use crate::journal::{EndCause, Micros, Timeout};
use crate::text::{count, group};

/// Waits for the first token shorter than this are not worth a word, in microseconds.
const WORTH: Micros = 2_000_000;
/// Headers and a frame this close arrived together.
const TOGETHER: Micros = 20_000;
/// Fewer frames than this are no burst.
const FEW: u64 = 10;
/// Reads this close hold one delivery: what is written at once arrives in several reads if it is larger than
/// the reader's buffer.
const DELIVERY: Micros = 10_000;
/// A delivery with fewer frames than this in each read is no burst: a quick model writes that fast.
const DENSE: u64 = 4;
/// A burst earlier than this may be a quick answer, or one from a cache.
const LATE: Micros = 500_000;

#[derive(Default)]
pub(super) struct TimingDetector {
    /// Frames with data: all, in the current read.
    data: u64,
    in_read: u64,
    /// The current delivery, and the largest.
    delivery: ReadDelivery,
    burst: ReadDelivery,
    portions: Portions,
    /// Time when data last arrived, and the number of keep-alives since.
    last_data: Option<Micros>,
    first_data: Option<Micros>,
    comments: u64,
    first_comment: Option<Micros>,
}

/// Reads that arrived together.
#[derive(Clone, Copy, Default)]
struct ReadDelivery {
    at: Option<Micros>,
    reads: u64,
    frames: u64,
    bytes: u64,
}

/// Sizes that buffers have, in bytes, the largest first.
const BUFFERS: [u64; 5] = [64 << 10, 32 << 10, 16 << 10, 8 << 10, 4 << 10];
/// Fewer full buffers than this may be chance.
const PORTIONS: u64 = 3;

/// Evidence for whether the deliveries are the portions in which a buffer is passed on.
#[derive(Default)]
struct Portions {
    /// The deliveries that are over, and the frames in them.
    full: u64,
    frames: u64,
    /// Of each of [`BUFFERS`], whether one of them was not of that size.
    unfit: [bool; BUFFERS.len()],
}

impl Portions {
    /// A delivery is over, for another has begun.
    fn close(&mut self, delivery: ReadDelivery) {
        self.full += 1;
        self.frames += delivery.frames;
        for (unfit, buffer) in self.unfit.iter_mut().zip(BUFFERS) {
            *unfit |= delivery.bytes.abs_diff(buffer) > slack(buffer);
        }
    }

    /// Returns the buffer's size, including the last delivery, which need not be full.
    fn buffer(&self, last: ReadDelivery) -> Option<u64> {
        let fits = |(buffer, unfit): (&u64, &bool)| !unfit && last.bytes <= buffer + slack(*buffer);
        let dense = self.frames >= DENSE * self.full;
        let found = BUFFERS.iter().zip(&self.unfit).find(|(b, u)| fits((b, u)));
        found.map(|(b, _)| *b).filter(|_| dense && self.full >= PORTIONS)
    }
}

/// By how much a delivery may differ from a buffer's size: some buffers count the lines between
/// chunks, some are emptied at the end of a frame.
fn slack(buffer: u64) -> u64 {
    (buffer / 24).max(300)
}

fn secs(micros: Micros) -> String {
    format!("{:.1} s", micros as f64 / 1e6)
}

fn wait(from: Option<Micros>, to: Option<Micros>) -> Micros {
    from.zip(to).map_or(0, |(from, to)| to.saturating_sub(from))
}

/// A wait without the times in which this side did not read.
fn quiet(facts: &Facts, from: Option<Micros>, to: Option<Micros>) -> Micros {
    from.zip(to).map_or(0, |(from, to)| facts.timing.silence(from, to))
}

impl Detector for TimingDetector {
    fn looks_at(&self) -> &'static [Look] {
        &[Look::Frames, Look::Reads]
    }

    fn each(&mut self, facts: &Facts, each: &EachFrame<'_>, findings: &mut Findings) {
        let Some(at) = findings.at else { return };
        if each.view().is_some_and(|view| view.keep_alive) {
            self.comments += 1;
            if each.frame.kind == FrameKind::Comment {
                self.first_comment = self.first_comment.or(Some(at));
            }
            return;
        }
        if each.view().is_none_or(|view| view.data.is_some()) {
            self.data(facts, at, each.place(), findings);
        }
    }

    fn read(&mut self, facts: &Facts, findings: &mut Findings) {
        let frames = std::mem::take(&mut self.in_read);
        let bytes = facts.reads().newest().map_or(0, |read| u64::from(read.len));
        if let Some(at) = findings.at {
            let one = ReadDelivery { at: Some(at), reads: u64::from(frames > 0), frames, bytes };
            let delivery = &mut self.delivery;
            match delivery.at {
                Some(begun) if at.saturating_sub(begun) <= DELIVERY => {
                    delivery.reads += one.reads;
                    delivery.frames += frames;
                    delivery.bytes += bytes;
                }
                before => {
                    let over = std::mem::replace(delivery, one);
                    if before.is_some() {
                        self.portions.close(over);
                    }
                }
            }
            for seen in [&one, &self.delivery] {
                if seen.frames > self.burst.frames && seen.frames >= DENSE * seen.reads {
                    self.burst = *seen;
                }
            }
        }
        let Some((before, last)) = facts.reads().last_two() else { return };
        if wait(before.at, last.at) < findings.options.stall {
            return;
        }
        let silence = quiet(facts, before.at.max(facts.last_sent_at()), last.at);
        if silence >= findings.options.stall {
            // The stream resumed: its end shows how severe the stall was.
            let place = FindingPlace { frame: None, offset: Some(before.decoded) };
            let message = format!("No data for {}, then it resumed", secs(silence));
            findings.raise_as(Code::IdleStall, Severity::Info, place, message);
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if facts.timing.request.is_none() && facts.timing.head.is_none() {
            return;
        }
        self.stalled(facts, findings);
        if refused(facts) {
            return;
        }
        let timing = &facts.timing;
        let nowhere = FindingPlace::default();
        let answer = timing.head.or(timing.first_byte).or(timing.end);
        let first = quiet(facts, timing.request, answer);
        if first >= findings.options.slow_first_byte {
            let message = format!("No response for {}", secs(first));
            findings.raise(Code::SlowFirstByte, nowhere, message);
        } else if timing.head.is_some()
            && first >= findings.options.late_head
            && self.first_data.is_some()
            && wait(timing.head, self.first_data) <= TOGETHER
        {
            let message = format!(
                "Response headers arrived only with the first frame, after {}",
                secs(first)
            );
            findings.raise(Code::HeadersLate, nowhere, message);
        }
        self.collected(facts, findings);
        let token = match (timing.first_reasoning, timing.first_content) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let gap = quiet(facts, timing.first_byte, token);
        // A WebSocket server sends first, and then waits for the client.
        if gap >= WORTH && facts.web_socket().is_none() {
            let message = format!("First token {} after the first byte", secs(gap));
            findings.raise(Code::TtfbTtftGap, nowhere, message);
        }
        let gap = quiet(facts, timing.first_reasoning, timing.first_content);
        if gap >= WORTH {
            let message = format!("First content {} after the first reasoning", secs(gap));
            findings.raise(Code::ReasoningGap, nowhere, message);
        }
    }
}

impl TimingDetector {
    /// Takes note of data that arrived.
    fn data(&mut self, facts: &Facts, at: Micros, place: FindingPlace, findings: &mut Findings) {
        self.data += 1;
        self.in_read += 1;
        if self.first_data.is_none() {
            self.first_data = Some(at);
            if let Some(comment) = self.first_comment.filter(|c| *c < at) {
                let message = format!(
                    "The first bytes were a comment; data arrived {} later",
                    secs(at - comment)
                );
                findings.raise(Code::TtftByComment, place, message);
            }
        }
        let silence = match self.comments {
            0 => 0,
            _ => quiet(facts, self.last_data, Some(at)),
        };
        if silence >= findings.options.stall && self.comments > 0 {
            let message = format!(
                "No data for {1}, only {0}, then it resumed",
                count(self.comments, "keep-alive"),
                secs(silence)
            );
            findings.raise_as(Code::KeepaliveWarmStall, Severity::Info, place, message);
        }
        self.last_data = Some(at);
        self.comments = 0;
    }

    /// Checks whether something collected the frames.
    fn collected(&self, facts: &Facts, findings: &mut Findings) {
        let ReadDelivery { at, reads, frames, .. } = self.burst;
        // Data that arrives at once after this side paused reading was collected on this side.
        let after_pause =
            |(_, to): &(Micros, Micros)| at.is_some_and(|at| at.abs_diff(*to) <= LATE);
        if self.data < FEW || facts.timing.pauses.iter().any(after_pause) {
            return;
        }
        if (frames as f64) < self.data as f64 * findings.options.burst {
            self.portioned(findings);
            return;
        }
        let late = wait(facts.timing.request.or(facts.timing.head), at);
        // An answer that arrives right away made no client wait.
        let severity = match late >= LATE {
            true => Severity::Warn,
            false => Severity::Info,
        };
        let when = match late >= LATE {
            true => format!("after {}", secs(late)),
            false => format!("after {} ms: a cache, or a quick answer in one go", late / 1000),
        };
        let together = match reads {
            1 => "in one read".to_owned(),
            n => format!("together, in {n} reads"),
        };
        let message = match frames == self.data {
            true => format!("Not streamed: all {frames} frames arrived {together}, {when}"),
            false => {
                let all = self.data;
                format!("Not streamed: {frames} of {all} frames arrived {together}, {when}")
            }
        };
        findings.raise_as(Code::BurstDelivery, severity, FindingPlace::default(), message);
    }

    /// Checks whether something forwarded the frames whenever a buffer was full.
    fn portioned(&self, findings: &mut Findings) {
        let Some(buffer) = self.portions.buffer(self.delivery) else { return };
        let n = self.portions.full + 1;
        let message = format!(
            "Delivered in {n} bursts of ~{} bytes: something upstream buffers {} KiB",
            group(buffer),
            buffer >> 10
        );
        findings.raise(Code::BurstDelivery, FindingPlace::default(), message);
    }

    /// Checks whether it ended in a stall.
    fn stalled(&self, facts: &Facts, findings: &mut Findings) {
        let timing = &facts.timing;
        let Some((cause, _)) = &facts.end else { return };
        if timing.head.is_none()
            || facts.saw_own_end()
            || facts.web_socket().is_some_and(|w| w.waits_for_client())
        {
            return;
        }
        let last_read = facts.reads().last().and_then(|r| r.at).max(facts.last_sent_at());
        let silence = quiet(facts, last_read.or(timing.head), timing.end);
        let quiet = quiet(facts, self.last_data.or(timing.head), timing.end);
        let place = FindingPlace { frame: None, offset: Some(facts.body().len() as u64) };
        let gave_up = matches!(cause, EndCause::Timeout(Timeout::Idle | Timeout::Total));
        let warm = match self.comments {
            0 => false,
            // One comment, and then nothing at all: that is silence.
            1 => quiet >= findings.options.stall && silence < findings.options.stall,
            _ => quiet >= findings.options.stall || gave_up,
        };
        if warm {
            let message = format!(
                "No data for {1}, only {0}",
                count(self.comments, "keep-alive"),
                secs(quiet)
            );
            findings.raise(Code::KeepaliveWarmStall, place, message);
        } else if silence >= findings.options.stall || *cause == EndCause::Timeout(Timeout::Idle) {
            let after = match facts.frames().len() {
                0 => "before the first frame".to_owned(),
                n if facts.frames().at(n - 1).kind == FrameKind::Incomplete => {
                    let inside = tail::place_of(facts, &facts.frames().at(n - 1));
                    format!("in frame {} ({inside})", n - 1)
                }
                n => format!("after frame {}", n - 1),
            };
            let message = format!("Stream stalled {after}: nothing received for {}", secs(silence));
            findings.raise(Code::IdleStall, place, message);
        }
    }
}
