//! One side of a comparison: what has to be gathered from its frames, once.

use crate::rule::Code;
use std::fmt;

use super::super::{Inspection, Outcome, Phase, Severity, Timing};
use super::{Amount, Figure, PathCount};
use crate::dialect::Channel;
use crate::frame::FrameKind;
use crate::inspect::Reason;
use crate::inspect::detect::provider_words;
use crate::journal::Micros;
use crate::json::{self, Tape, Value};
use crate::text::{count, preview};

/// Maximum number of distinct ids and models that are distinguished.
const MAX_IDS: usize = 1000;

/// Maximum number of event types that are distinguished.
const MAX_TYPES: usize = 100;

/// Prefixes of headers by which gateways show that they are in between.
const MARKS: &[&str] = &["x-litellm-", "x-portkey-", "cf-aig-", "helicone-"];

/// A side of the comparison, as the checks see it.
pub(super) struct ComparedSide<'a> {
    /// `A` or `B`.
    pub(super) name: &'static str,
    /// True if its headers have a gateway's marks.
    pub(super) marked: bool,
    /// True if it has a gateway's marks and the other does not: then it is called one.
    pub(super) is_gateway: bool,
    pub(super) seen: &'a Inspection,
    /// Distinct `id` members of the payloads, in order, bounded.
    pub(super) ids: Vec<String>,
    /// Distinct models that the payloads name, likewise.
    pub(super) models: Vec<String>,
    /// Frames with an `event` line.
    pub(super) named: u64,
    /// The types of events that the payloads name, in order of appearance, bounded.
    pub(super) types: Vec<EventType>,
    /// Comment lines, also inside events.
    pub(super) comments: u64,
    /// Of the frame with the last usage: whether `choices` was there and empty.
    pub(super) usage_alone: Option<bool>,
    /// The keys of the first frame that carried text, in order, with those of its first choice.
    pub(super) keys: Vec<String>,
    /// Frames that carried something of the answer.
    pub(super) carriers: u64,
    /// Frames whose data is a JSON object.
    pub(super) objects: u64,
}

/// One type of events.
pub(super) struct EventType {
    /// Value of the payload's `type`.
    pub(super) name: String,
    /// Number of such frames.
    pub(super) count: u64,
    /// Number of them that have an `event` line.
    pub(super) named: u64,
    /// The first of them.
    pub(super) first: u32,
}

/// The side as sentences name it.
impl fmt::Display for ComparedSide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_gateway {
            true => write!(f, "the gateway ({})", self.name),
            false => f.write_str(self.name),
        }
    }
}

impl<'a> ComparedSide<'a> {
    pub(super) fn of(name: &'static str, seen: &'a Inspection) -> Self {
        let headers = seen.head.as_ref().map_or(&[][..], |h| &h.headers);
        let mark = |(name, _): &(String, String)| {
            let name = name.to_ascii_lowercase();
            MARKS.iter().any(|m| name.starts_with(m))
        };
        let mut side = Self {
            name,
            marked: headers.iter().any(mark),
            is_gateway: false,
            seen,
            ids: Vec::new(),
            models: Vec::new(),
            named: 0,
            types: Vec::new(),
            comments: seen.sse().map_or(0, |s| s.comments.total()),
            usage_alone: None,
            keys: Vec::new(),
            carriers: 0,
            objects: 0,
        };
        let mut tape = Tape::new();
        for (index, frame) in seen.frames().iter().enumerate() {
            side.named += u64::from(frame.kind == FrameKind::Event && frame.is_named());
            let carries = seen.answer().deltas_of(index as u32).len() > 0;
            side.carriers += u64::from(carries);
            let Some(data) = frame.data(seen.body()) else { continue };
            if tape.parse(&data).is_err() {
                continue;
            }
            if let Some(root) = tape.root(&data) {
                side.objects += u64::from(root.kind() == json::Kind::Object);
                side.payload(root, carries);
                side.event(root, index as u32, frame.is_named());
            }
        }
        side
    }

    /// Counts the type that the payload says it is of.
    fn event(&mut self, root: Value<'_>, index: u32, named: bool) {
        let Some(name) = root.str("type").or_else(|| root.str("event_type")) else { return };
        let known = self.types.iter_mut().find(|t| t.name == *name);
        if let Some(known) = known {
            known.count += 1;
            known.named += u64::from(named);
        } else if self.types.len() < MAX_TYPES {
            let (name, named) = (name.into_owned(), u64::from(named));
            self.types.push(EventType { name, count: 1, named, first: index });
        }
    }

    fn payload(&mut self, root: Value<'_>, carries: bool) {
        // In Responses and Anthropic, the answer's own object is inside that of the event.
        let own = root.get("response").or_else(|| root.get("message")).unwrap_or(root);
        let id = root.str("id").or_else(|| own.str("id"));
        for (value, list) in [(id, &mut self.ids), (root.str("model"), &mut self.models)] {
            if let Some(value) = value
                && list.len() < MAX_IDS
                && list.last().is_none_or(|last| *last != value)
                && !list.iter().any(|old| *old == value)
            {
                list.push(value.into_owned());
            }
        }
        let choices = root.get("choices").filter(|c| c.kind() == json::Kind::Array);
        if root.get("usage").is_some_and(|u| u.kind() == json::Kind::Object) {
            self.usage_alone = choices.map(Value::is_empty);
        }
        if carries && self.keys.is_empty() {
            let keys = |v: Value<'_>| -> Vec<String> {
                v.entries().filter_map(|(k, _)| k.as_str().map(Into::into)).collect()
            };
            self.keys = keys(root);
            if let Some(choice) = choices.and_then(|c| c.items().next()) {
                self.keys.extend(keys(choice));
            }
        }
    }

    /// A channel's text over all choices, choice by choice.
    pub(super) fn text(&self, channel: Channel) -> String {
        self.seen.answer().texts(channel).map(|(_, t)| t).collect()
    }

    /// The first frame that carried text of a channel.
    pub(super) fn first(&self, channel: Channel) -> Option<u32> {
        self.seen.answer().deltas().iter().find(|d| d.channel == channel).map(|d| d.frame)
    }

    /// Returns the error if the call failed and says so: an error status, or an error inside the stream.
    pub(super) fn error(&self) -> Option<String> {
        if let Some(first) = self.seen.answer().errors.first() {
            let status = self.seen.status().filter(|s| *s >= 300).map(|s| s.to_string());
            // Some servers have no error type, and repeat the status in its place.
            let kind = first.kind.as_deref().filter(|k| Some(*k) != status.as_deref());
            let kind = kind.map_or(String::new(), |k| format!(" ({})", preview(k, 40)));
            let status = status.map_or(String::new(), |s| format!("{s} "));
            return Some(format!("{status}{:?}{kind}", kernel(&first.message, 80)));
        }
        let status = self.seen.status().filter(|s| *s >= 300)?;
        Some(match self.error_text() {
            Some(text) if text.starts_with('<') => format!("{status} with a web page"),
            Some(text) => format!("{status} {:?}", kernel(&text, 80)),
            None => format!("status {status}"),
        })
    }

    /// Returns what the error says: its message or, for a refusal in no shape of the dialect's, what its body
    /// has instead.
    pub(super) fn error_text(&self) -> Option<String> {
        let first = self.seen.answer().errors.first();
        let refused = self.seen.status().is_some_and(|s| s >= 300);
        let body = || provider_words(self.seen).filter(|_| refused);
        first.map(|e| e.message.clone()).or_else(body).filter(|text| !text.is_empty())
    }

    /// Returns whether the finish word itself says that it failed.
    pub(super) fn says_failure(&self) -> bool {
        self.found(&[Code::FinishError]) || self.seen.answer().finish().any(|(_, f)| is_failure(f))
    }

    /// Returns how it ended, as the end of a sentence about it, without the library's own words.
    pub(super) fn ended(&self) -> String {
        let came = self.came();
        let after =
            if came.is_empty() { "before any answer".into() } else { format!("after {came}") };
        let why = || self.why();
        match self.seen.reason() {
            None => format!("still runs, {after}"),
            Some(Reason::Refused | Reason::Tls) => format!("got no connection ({})", why()),
            Some(Reason::Truncated | Reason::Reset | Reason::Protocol | Reason::Timeout)
                if self.seen.head.is_none() && self.carriers == 0 =>
            {
                format!("got no response headers ({})", why())
            }
            Some(Reason::Truncated) => format!("was cut {after}"),
            Some(Reason::Reset) => format!("was reset {after}"),
            Some(Reason::Protocol) => format!("broke off in bad bytes {after}"),
            Some(Reason::Timeout) => format!("hit the time limit {after}"),
            Some(Reason::Cancelled) => format!("was cancelled {after}"),
            Some(Reason::Limit) => format!("ran into a limit {after}"),
            Some(Reason::Http) => disposition(self.seen),
            Some(Reason::Complete | Reason::Closed) => match self.seen.answer().finish().next() {
                Some((_, word)) if is_failure(word) => format!("ended with finish {word:?}"),
                Some((_, "")) => format!("ended {after} with an empty finish"),
                Some((_, word)) => format!("completed (finish {:?})", preview(word, 40)),
                None if came.is_empty() && self.objects == 0 => {
                    format!("had no ending ({})", why())
                }
                None => {
                    let done = match self.seen.answer().sentinel {
                        Some(_) => " but a [DONE]",
                        None if self.wants_done() => " nor a [DONE]",
                        None => "",
                    };
                    format!("ended {after} with no finish{done}")
                }
            },
        }
    }

    /// Its verdict, without what the HTTP library said.
    pub(super) fn why(&self) -> String {
        self.seen.short_verdict()
    }

    /// The first thing that is wrong with it and not with the other, from a warning on: what the
    /// other may have stumbled over.
    pub(super) fn stumbling_block(&self, other: &Self) -> Option<String> {
        let mut grave = self.seen.findings().iter().filter(|f| f.severity > Severity::Info);
        let first = grave.find(|f| f.phase() != Phase::Timing && !other.found(&[f.code]))?;
        Some(preview(&first.message, 120))
    }

    /// The first thing in it that cannot be read, and can be in the other: a frame that is no event or no JSON.
    pub(super) fn unread(&self, other: &Self) -> Option<String> {
        let mut grave = self.seen.findings().iter().filter(|f| f.severity > Severity::Info);
        let unread = [Phase::Frame, Phase::Json];
        let first = grave.find(|f| unread.contains(&f.phase()) && !other.found(&[f.code]))?;
        Some(preview(&first.message, 120))
    }

    /// Returns whether its dialect ends with `[DONE]`.
    pub(super) fn wants_done(&self) -> bool {
        self.seen.dialect().is_some_and(|d| d.ending().sentinel)
    }

    /// Returns how much of an answer arrived, in characters; empty if nothing did.
    pub(super) fn came(&self) -> String {
        let named = [
            (Channel::Reasoning, "reasoning"),
            (Channel::Content, "content"),
            (Channel::Refusal, "refusal"),
        ];
        let answer = self.seen.answer();
        let chars = named.map(|(channel, name)| (answer.chars(channel) as u64, name));
        let chars = chars.into_iter().filter(|(n, _)| *n > 0);
        let mut parts: Vec<_> =
            chars.map(|(n, name)| format!("{} of {name}", count(n, "character"))).collect();
        if !answer.tools().is_empty() {
            parts.push(count(answer.tools().len() as u64, "tool call"));
        }
        parts.join(" and ")
    }

    /// Returns the numbers of characters of content in it and in the other, if the other has only the
    /// beginning.
    pub(super) fn lost_content(&self, other: &Self) -> Option<(u64, u64)> {
        let (x, y) = (self.text(Channel::Content), other.text(Channel::Content));
        let less = x.len() > y.len() && x.starts_with(&y);
        less.then(|| (x.chars().count() as u64, y.chars().count() as u64))
    }

    /// Returns an error that is where no client reads it, in the words of its finding.
    pub(super) fn hidden_error(&self) -> Option<&str> {
        let codes = [Code::SseRawJson, Code::SseUnknownField];
        let findings = self.seen.findings().iter();
        let mut grave = findings.filter(|f| f.severity >= Severity::Error);
        grave.find(|f| codes.contains(&f.code)).map(|f| f.message.as_str())
    }

    /// Returns whether it failed, in whatever way.
    pub(super) fn failed(&self) -> bool {
        self.seen.outcome() == Outcome::Failed
    }

    /// Returns whether the user, or the user's own limits, ended it.
    pub(super) fn was_stopped(&self) -> bool {
        let ours = [Reason::Cancelled, Reason::Limit, Reason::Timeout];
        self.seen.reason().is_some_and(|r| ours.contains(&r))
    }

    /// Returns whether the rest of it was not waited for, though more may have been in transit. A silence
    /// that timed out does not count.
    pub(super) fn was_cut_short(&self) -> bool {
        self.was_stopped() && !self.found(&[Code::TimeoutIdle])
    }

    /// Returns whether it is a body alone: nothing is known of how it was requested, answered and ended.
    pub(super) fn is_bare(&self) -> bool {
        self.seen.request.is_none() && self.seen.head.is_none()
    }

    /// Returns whether nothing of an answer arrived: no headers, and no body.
    pub(super) fn is_unanswered(&self) -> bool {
        let asked = self.seen.request.is_some() && self.seen.is_over();
        asked && self.seen.head.is_none() && self.seen.wire_len() == 0
    }

    /// Returns whether it is unanswered for a reason that says nothing about the server: there was no
    /// connection, or this program ended it.
    pub(super) fn is_unheard(&self) -> bool {
        let unreached = matches!(self.seen.reason(), Some(Reason::Refused | Reason::Tls));
        self.is_unanswered() && (unreached || self.was_stopped())
    }

    /// A response header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.seen.head.as_ref()?.header(name)
    }

    /// Returns whether one of these findings was raised.
    pub(super) fn found(&self, codes: &[Code]) -> bool {
        self.seen.findings().iter().any(|f| codes.contains(&f.code))
    }

    /// Returns the pieces of the answer as they arrived: channel and text of each delta.
    pub(super) fn pieces(&self) -> Vec<(Channel, &str)> {
        let answer = self.seen.answer();
        let own = answer.deltas().iter().filter(|d| !d.duplicate);
        own.map(|d| (d.channel, answer.text_of(&d))).filter(|(_, t)| !t.is_empty()).collect()
    }
}

/// The part of a message that says something, of so many characters: gateways put the names of
/// their exceptions before it, one for each layer that it went through.
fn kernel(message: &str, max: usize) -> String {
    let mut rest = message;
    while let Some((head, tail)) = rest.split_once(": ").or_else(|| rest.split_once(" - ")) {
        // The name ends at whichever separator comes first.
        let (head, tail) = match head.split_once(" - ") {
            Some((first, _)) => (first, &rest[first.len() + 3..]),
            None => (head, tail),
        };
        let word = head.rsplit('.').next().unwrap_or_default();
        let ending = ["Error", "Exception", "Timeout"].iter().any(|e| word.ends_with(e));
        if !ending || word.split(' ').count() > 2 || tail.trim().is_empty() {
            break;
        }
        rest = tail;
    }
    let dots = if rest.len() < message.len() { "…" } else { "" };
    format!("{dots}{}", preview(rest.trim_start(), max))
}

/// Describes how a call ended, in a few words.
pub(super) fn disposition(seen: &Inspection) -> String {
    let reason = seen.reason().map_or("still runs", Reason::name);
    match (seen.status(), seen.answer().finish().next()) {
        (Some(status), _) if status >= 300 => format!("status {status}"),
        (_, Some((_, finish))) => format!("{reason}, finish {:?}", preview(finish, 40)),
        _ => format!("{reason}, no finish"),
    }
}

/// Returns how an answer finished, in its own word.
pub(super) fn finish(seen: &Inspection) -> String {
    match seen.answer().finish().next() {
        Some((_, finish)) => format!("finish {:?}", preview(finish, 40)),
        None => "without a finish".to_owned(),
    }
}

/// Returns how its exchange ended.
pub(super) fn over(seen: &Inspection) -> &'static str {
    seen.reason().map_or("still runs", Reason::name)
}

/// Returns whether both speak known dialects of different detectors: then only what they say can be compared,
/// not how.
pub(super) fn foreign(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> bool {
    let family = |s: &ComparedSide<'_>| s.seen.dialect().map(|d| d.family());
    family(a).zip(family(b)).is_some_and(|(x, y)| x != y)
}

/// Returns how many of `n` pieces of an answer arrived per second while it streamed: `n - 1` divided by the
/// time from the first delta to the last. So the wait for the first is left out, and the rate is the inverse
/// of the time per output token, as vLLM's serving benchmark and GenAI-Perf define that.
///
/// None without times, for fewer than two pieces, and if all deltas arrived at one moment. Tokens that were
/// counted but not sent (hidden reasoning) make the rate of tokens too high.
fn per_second(seen: &Inspection, n: u64) -> Option<f64> {
    let took: u64 = seen.timing.gaps().iter().map(|gap| u64::from(*gap)).sum();
    (n > 1 && took > 0).then(|| (n - 1) as f64 * 1e6 / took as f64)
}

/// The row of figures, for both.
pub(super) fn figures(a: &Inspection, b: &Inspection) -> Vec<Figure> {
    let sides = [a, b];
    let word = |of: fn(&Inspection) -> Option<String>| {
        sides.map(|s| of(s).map_or(Amount::None, Amount::Word))
    };
    let count = |of: fn(&Inspection) -> Option<u64>| {
        sides.map(|s| of(s).map_or(Amount::None, Amount::Count))
    };
    let status = sides.map(|s| s.status().map_or(Amount::None, |n| Amount::Code(n.into())));
    let since = |of: fn(&Timing) -> Option<Micros>| {
        sides.map(|s| {
            let wait =
                s.timing.request.zip(of(&s.timing)).map(|(from, to)| to.saturating_sub(from));
            wait.map_or(Amount::None, Amount::Time)
        })
    };
    let gap = |of: fn(super::super::Gaps) -> Micros| {
        sides.map(|s| s.timing.gap_summary().map_or(Amount::None, |g| Amount::Time(of(g))))
    };
    let rate = |of: fn(&Inspection) -> Option<f64>| {
        sides.map(|s| of(s).map_or(Amount::None, Amount::Rate))
    };
    let row = |name, values| Figure { name, values };
    vec![
        row("status", status),
        row("content type", word(|s| s.content_type().map(Into::into))),
        row("protocol", word(|s| s.head.as_ref().map(|h| h.version.clone()))),
        row("reason", word(|s| s.reason().map(|r| r.name().to_owned()))),
        row("connected", since(|t| t.connected)),
        row("TLS", since(|t| t.tls)),
        row("head", since(|t| t.head)),
        row("first byte", since(|t| t.first_byte)),
        row("first frame", since(|t| t.first_frame)),
        row("first reasoning", since(|t| t.first_reasoning)),
        row("first content", since(|t| t.first_content)),
        row("end", since(|t| t.end)),
        row("gap p50", gap(|g| g.p50)),
        row("gap p99", gap(|g| g.p99)),
        row("gap max", gap(|g| g.max)),
        row("tokens per s", rate(|s| per_second(s, s.answer().usage.output?))),
        row("deltas per s", rate(|s| per_second(s, s.timing.gaps().len() as u64 + 1))),
        row("bytes", count(|s| Some(s.wire_len()))),
        row("reads", count(|s| s.timing.request.map(|_| s.reads().len() as u64))),
        row("frames", count(|s| Some(s.frames().len() as u64))),
        row("content deltas", count(|s| Some(s.answer().count(Channel::Content)))),
        row("reasoning deltas", count(|s| Some(s.answer().count(Channel::Reasoning)))),
        row("tool calls", count(|s| Some(s.answer().tools().len() as u64))),
        row("content chars", count(|s| Some(s.answer().chars(Channel::Content) as u64))),
        row("reasoning chars", count(|s| Some(s.answer().chars(Channel::Reasoning) as u64))),
        row("input tokens", count(|s| s.answer().usage.input)),
        row("output tokens", count(|s| s.answer().usage.output)),
        row("total tokens", count(|s| s.answer().usage.total)),
    ]
}

/// The shape tables, merged.
pub(super) fn paths(a: &Inspection, b: &Inspection) -> Vec<PathCount> {
    let (left, right) = (a.shape().rows(), b.shape().rows());
    let of_right: std::collections::HashMap<&str, u64> =
        right.iter().map(|r| (r.path.as_str(), r.count)).collect();
    let known: std::collections::HashSet<&str> = left.iter().map(|r| r.path.as_str()).collect();
    let first = left.iter().map(|r| PathCount {
        path: r.path.clone(),
        counts: [r.count, of_right.get(r.path.as_str()).copied().unwrap_or(0)],
    });
    let rest = right.iter().filter(|r| !known.contains(r.path.as_str()));
    first.chain(rest.map(|r| PathCount { path: r.path.clone(), counts: [0, r.count] })).collect()
}

/// Returns whether a finish word says that the answer failed.
pub(super) fn is_failure(word: &str) -> bool {
    matches!(word, "error" | "abort" | "failed" | "ERROR" | "TIMEOUT")
}

/// The members of a request.
pub(super) fn members(s: &ComparedSide<'_>) -> Option<Vec<String>> {
    let body = std::str::from_utf8(&s.seen.request.as_ref()?.body).ok()?;
    let mut tape = Tape::new();
    tape.parse(body).ok()?;
    let root = tape.root(body).filter(|r| r.kind() == json::Kind::Object)?;
    Some(root.entries().filter_map(|(k, _)| k.as_str().map(Into::into)).collect())
}
