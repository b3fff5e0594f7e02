//! Rules about when things came. All of them are about reads, and silent where nobody measured.

use super::{Family, Out, Phase, Place, Rule, Seen, Severity, refused, rule, unless_healthy};
use crate::frame::Kind;
use crate::inspect::Inspection;
use crate::journal::{EndCause, Micros, Timeout};
use crate::text::{count, group};

const fn row(code: &'static str, severity: Severity) -> Rule {
    Rule { code, severity, phase: Phase::Timing, reads: true, ..Rule::DEFAULT }
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        means: "The stream falls silent: no byte came for longer than the threshold.",
        example: "head, 3 frames, then nothing for 30 s",
        breaks: "Most clients hang for ever: their timeouts cover only the head.",
        remedy: "Set a bound on the wait between reads; look at the server's or gateway's load.",
        evidence: "aaif-goose/goose#8134, octos-org/octos#29, anomalyco/opencode#16366",
        see: "It goes on until you give up. `sselens send -p lab -m lab/idle-stall --idle-timeout 12 hi`",
        ..row("idle-stall", Severity::Error)
    },
    Rule {
        means: "Keep-alives go on, and no data comes for longer than the threshold.",
        example: ": keepalive⏎⏎ every 10 s, and nothing else",
        breaks: "Timers that any byte resets never fire: the client hangs for ever.",
        remedy: "Measure the silence of data apart from that of bytes; the connection lives, the model does not.",
        evidence: "anomalyco/opencode#43519",
        see: "It goes on until you give up. `sselens send -p lab -m lab/keepalive-warm-stall --total-timeout 15 hi`",
        ..row("keepalive-warm-stall", Severity::Error)
    },
    Rule {
        means: "It took longer than the threshold until anything came back.",
        example: "60 s to the status line",
        breaks: "Proxies answer 504; DeepSeek closes after 10 minutes.",
        remedy: "A queue or a cold start at the provider; send keep-alives from the server.",
        ..row("slow-first-byte", Severity::Warn)
    },
    Rule {
        means: "The head came only together with the first token: somebody held it back.",
        example: "2.5 s of nothing, then head and first frame in one packet",
        breaks: "Time to first byte looks like time to first token; clients cannot show that the request was accepted.",
        remedy: "Look for a gateway or a compressing middleware that waits for the body.",
        evidence: "Boise-State-Development/agentcore-public-stack#1133, dstackai/dstack#4269",
        ..row("headers-late", Severity::Warn)
    },
    Rule {
        means: "Frames came together, many in each read: nearly all at once, or in portions of one size, which is that of a buffer on the way. Somebody collected the stream, or made it in one go (a cache).",
        example: "40 frames at 16.5 s, none before; or 63 frames every 16 384 bytes",
        breaks: "Users wait for the whole answer: 0.5 s became 16.5 s behind a gateway that flushes every 16 KB.",
        remedy: "Switch buffering off on the way (X-Accel-Buffering: no, no compression); compare a direct call.",
        evidence: "dstackai/dstack#4269, BerriAI/litellm#28384, cloudflare/cloudflared#1404, mostlygeek/llama-swap#236",
        ..row("burst-delivery", Severity::Warn)
    },
    Rule {
        means: "The first bytes are comments: they are no token.",
        example: ": OPENROUTER PROCESSING⏎⏎ at 0.2 s, the first data at 3 s",
        breaks: "Benchmarks that take the first byte for the first token.",
        remedy: "Measure the first content or reasoning.",
        ..row("ttft-by-comment", Severity::Info)
    },
    Rule {
        means: "Much time lies between the first byte and the first token.",
        example: "first byte at 0.2 s, first token at 4 s",
        breaks: "Measurements that mix the two up.",
        remedy: "Keep the clocks apart: head, first byte, first frame, first token.",
        ..row("ttfb-ttft-gap", Severity::Info)
    },
    Rule {
        means: "The first content came long after the first reasoning.",
        example: "first reasoning at 1 s, first content at 20 s",
        breaks: "Clients that drop reasoning show a hang.",
        remedy: "Show the reasoning, or at least that there is some.",
        evidence: "BerriAI/litellm#9100",
        ..row("reasoning-gap", Severity::Info)
    },
];

/// Waits for the first token shorter than this are not worth a word, in microseconds.
const WORTH: Micros = 2_000_000;
/// A head and a frame this close came together.
const TOGETHER: Micros = 20_000;
/// Fewer frames than this are no burst.
const FEW: u64 = 10;
/// Reads this close hold one delivery: what is written at once comes in several reads where it is
/// larger than the reader's buffer.
const DELIVERY: Micros = 10_000;
/// A delivery with fewer frames than this in each read is no burst: a quick model writes that fast.
const DENSE: u64 = 4;
/// A burst earlier than this may be a quick answer, or one from a cache.
const LATE: Micros = 500_000;

#[derive(Default)]
pub(super) struct Timing {
    /// Frames with data: all, in the current read.
    data: u64,
    in_read: u64,
    /// The delivery that goes on, and the largest.
    delivery: Delivery,
    burst: Delivery,
    portions: Portions,
    /// When data last came, and how many keep-alives since.
    last_data: Option<Micros>,
    first_data: Option<Micros>,
    comments: u64,
    first_comment: Option<Micros>,
}

/// Reads that came together.
#[derive(Clone, Copy, Default)]
struct Delivery {
    at: Option<Micros>,
    reads: u64,
    frames: u64,
    bytes: u64,
}

/// Sizes that buffers have, in bytes, the largest first.
const BUFFERS: [u64; 5] = [64 << 10, 32 << 10, 16 << 10, 8 << 10, 4 << 10];
/// Fewer full buffers than this may be chance.
const PORTIONS: u64 = 3;

/// Whether the deliveries are the portions in which a buffer is passed on.
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
    fn close(&mut self, delivery: Delivery) {
        self.full += 1;
        self.frames += delivery.frames;
        for (unfit, buffer) in self.unfit.iter_mut().zip(BUFFERS) {
            *unfit |= delivery.bytes.abs_diff(buffer) > slack(buffer);
        }
    }

    /// The buffer's size, with what came last and need not be full.
    fn buffer(&self, last: Delivery) -> Option<u64> {
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

impl Family for Timing {
    fn frame(&mut self, _now: &Inspection, seen: &Seen<'_>, out: &mut Out<'_>) {
        let Some(at) = out.at else { return };
        if seen.keep_alive {
            self.comments += 1;
            if seen.frame.kind == Kind::Comment {
                self.first_comment = self.first_comment.or(Some(at));
            }
            return;
        }
        if seen.data.is_none() {
            return;
        }
        self.data += 1;
        self.in_read += 1;
        if self.first_data.is_none() {
            self.first_data = Some(at);
            if let Some(comment) = self.first_comment.filter(|c| *c < at) {
                let message = format!(
                    "The first bytes were a comment; data came {} later.",
                    secs(at - comment)
                );
                out.raise(rule!("ttft-by-comment"), seen.place(), message);
            }
        }
        let silence = wait(self.last_data, Some(at));
        if silence >= out.options.stall && self.comments > 0 {
            let message = format!(
                "Only {} came for {}, then it went on.",
                count(self.comments, "keep-alive"),
                secs(silence)
            );
            out.raise_as(rule!("keepalive-warm-stall"), Severity::Info, seen.place(), message);
        }
        self.last_data = Some(at);
        self.comments = 0;
    }

    fn read(&mut self, now: &Inspection, out: &mut Out<'_>) {
        let frames = std::mem::take(&mut self.in_read);
        let bytes = now.reads().last().map_or(0, |r| u64::from(r.len));
        if out.at.is_some() {
            let one = Delivery { at: out.at, reads: u64::from(frames > 0), frames, bytes };
            let before = self.delivery;
            let goes_on = before.at.is_some() && wait(before.at, out.at) <= DELIVERY;
            self.delivery = match goes_on {
                true => Delivery {
                    at: before.at,
                    reads: before.reads + one.reads,
                    frames: before.frames + frames,
                    bytes: before.bytes + bytes,
                },
                false => one,
            };
            if !goes_on && before.at.is_some() {
                self.portions.close(before);
            }
            for seen in [one, self.delivery] {
                let dense = seen.frames >= DENSE * seen.reads;
                if dense && seen.frames > self.burst.frames {
                    self.burst = seen;
                }
            }
        }
        let [.., before, last] = now.reads() else { return };
        let silence = wait(before.at, last.at);
        if silence >= out.options.stall {
            // It went on: how bad it was, the end tells.
            let place = Place { frame: None, offset: Some(before.decoded) };
            let message = format!("Silence for {}, then it went on.", secs(silence));
            out.raise_as(rule!("idle-stall"), Severity::Info, place, message);
        }
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        if now.timing.request.is_none() && now.timing.head.is_none() {
            return;
        }
        self.stalled(now, out);
        if refused(now) {
            return;
        }
        let timing = &now.timing;
        let nowhere = Place::default();
        let answer = timing.head.or(timing.first_byte).or(timing.end);
        let first = wait(timing.request, answer);
        if first >= out.options.slow_first_byte {
            let severity = unless_healthy(now, Severity::Warn);
            let message = format!("It took {} until anything came back.", secs(first));
            out.raise_as(rule!("slow-first-byte"), severity, nowhere, message);
        } else if timing.head.is_some()
            && first >= out.options.late_head
            && self.first_data.is_some()
            && wait(timing.head, self.first_data) <= TOGETHER
        {
            let severity = unless_healthy(now, Severity::Warn);
            let message =
                format!("The head came after {}, together with the first frame.", secs(first));
            out.raise_as(rule!("headers-late"), severity, nowhere, message);
        }
        self.collected(now, out);
        let token = match (timing.first_reasoning, timing.first_content) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let gap = wait(timing.first_byte, token);
        if gap >= WORTH {
            let message = format!("The first token came {} after the first byte.", secs(gap));
            out.raise(rule!("ttfb-ttft-gap"), nowhere, message);
        }
        let gap = wait(timing.first_reasoning, timing.first_content);
        if gap >= WORTH {
            let message =
                format!("The first content came {} after the first reasoning.", secs(gap));
            out.raise(rule!("reasoning-gap"), nowhere, message);
        }
    }
}

impl Timing {
    /// Whether somebody collected the frames.
    fn collected(&self, now: &Inspection, out: &mut Out<'_>) {
        let Delivery { at, reads, frames, .. } = self.burst;
        if self.data < FEW {
            return;
        }
        if (frames as f64) < self.data as f64 * out.options.burst {
            self.portioned(now, out);
            return;
        }
        let late = wait(now.timing.request.or(now.timing.head), at);
        // Nobody waited for an answer that was there at once.
        let severity = match late >= LATE {
            true => unless_healthy(now, Severity::Warn),
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
        let message = format!("{frames} of {} frames came {together}, {when}.", self.data);
        out.raise_as(rule!("burst-delivery"), severity, Place::default(), message);
    }

    /// Whether somebody passed the frames on whenever a buffer was full.
    fn portioned(&self, now: &Inspection, out: &mut Out<'_>) {
        let Some(buffer) = self.portions.buffer(self.delivery) else { return };
        let n = self.portions.full + 1;
        let message = format!(
            "The stream came in {n} portions, one every {} bytes or so: a buffer of {} KiB on the way.",
            group(buffer),
            buffer >> 10
        );
        let severity = unless_healthy(now, Severity::Warn);
        out.raise_as(rule!("burst-delivery"), severity, Place::default(), message);
    }

    /// Whether it ended in a stall.
    fn stalled(&self, now: &Inspection, out: &mut Out<'_>) {
        let timing = &now.timing;
        let Some((cause, _)) = &now.end else { return };
        if timing.head.is_none() || now.saw_own_end() {
            return;
        }
        let last_read = now.reads().last().and_then(|r| r.at);
        let silence = wait(last_read.or(timing.head), timing.end);
        let quiet = wait(self.last_data.or(timing.head), timing.end);
        let place = Place { frame: None, offset: Some(now.body().len() as u64) };
        let gave_up = matches!(cause, EndCause::Timeout(Timeout::Idle | Timeout::Total));
        let warm = match self.comments {
            0 => false,
            // One comment, and then nothing at all: that is silence.
            1 => quiet >= out.options.stall && silence < out.options.stall,
            _ => quiet >= out.options.stall || gave_up,
        };
        if warm {
            let message = format!(
                "Only {} came for {}, and no data any more.",
                count(self.comments, "keep-alive"),
                secs(quiet)
            );
            out.raise(rule!("keepalive-warm-stall"), place, message);
        } else if silence >= out.options.stall || *cause == EndCause::Timeout(Timeout::Idle) {
            let after = match now.frames().len() {
                0 => "before the first frame".to_owned(),
                n => format!("after frame {}", n - 1),
            };
            let message =
                format!("The stream fell silent {after} and stayed so for {}.", secs(silence));
            out.raise(rule!("idle-stall"), place, message);
        }
    }
}
