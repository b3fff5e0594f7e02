//! Arrival of the same bytes on both sides: later, held back, or compressed.
//!
//! The direct call is the control: for each piece of text it shows when the provider sent it. So what arrives
//! together behind a gateway, and did not arrive together without it, was held back. No minimum of frames is
//! needed for that.

use super::side::ComparedSide;
use super::{FoundDifferences, both};
use crate::inspect::{Severity, Timing};
use crate::journal::Micros;
use crate::rule::Code;
use crate::text::{count, preview};

/// Microseconds of delay that are worth a word.
const MIN_DELAY: Micros = 200_000;

/// Microseconds for which pieces that the control has one by one were held back, to be worth a word.
const MIN_HELD: Micros = 100_000;

/// Microseconds from which on that is no stream any more for those who read it.
const LONG_HELD: Micros = 1_000_000;

/// Microseconds between reads of what arrived in one moment.
const TOGETHER: Micros = 2_000;

/// Seconds, as people read them.
pub(super) fn seconds(t: Micros) -> String {
    format!("{:.1} s", t as f64 / 1e6)
}

/// The time from the request to a moment.
pub(super) fn since(timing: &Timing, of: Option<Micros>) -> Option<Micros> {
    timing.request.zip(of).map(|(from, to)| to.saturating_sub(from))
}

/// Returns when text had arrived on one side: the end of each piece in all of the text, and its time since
/// the request.
fn arrivals(s: &ComparedSide<'_>) -> Vec<(usize, Micros)> {
    let (answer, mut end) = (s.seen.answer(), 0);
    let own = answer.deltas().iter().filter(|d| !d.duplicate);
    own.filter_map(|d| {
        end += answer.text_of(&d).len();
        let at = s.seen.frame_at(d.frame as usize)?;
        Some((end, since(&s.seen.timing, Some(at))?))
    })
    .collect()
}

/// The arrival of the same text on both sides.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    /// Delay of the first piece, and of the last.
    pub(super) first: i64,
    pub(super) last: i64,
    /// The least that any piece was late.
    pub(super) least: i64,
    /// The longest time that pieces which arrived together behind the gateway are apart at the control.
    pub(super) held: Micros,
    /// Bytes of text that were held back for at least [`MIN_HELD`], and of all.
    pub(super) together: usize,
    pub(super) all: usize,
    /// Number of times that this happened.
    pub(super) times: u64,
    /// Number of deltas of the control that arrived in the largest such piece.
    pub(super) most: u64,
    /// True if nothing but the beginning was held back.
    pub(super) beginning: bool,
}

/// Holds the arrival of the same text against each other; `None` where there is none, or no time.
pub(super) fn delivery(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> Option<Delivery> {
    let joined = |s: &ComparedSide<'_>| s.pieces().into_iter().map(|(_, t)| t).collect::<String>();
    let (x, y) = (joined(a), joined(b));
    let common = x.bytes().zip(y.bytes()).take_while(|(x, y)| x == y).count();
    let (left, right) = (arrivals(a), arrivals(b));
    let upto = |list: &[(usize, Micros)]| list.partition_point(|(end, _)| *end <= common);
    let (left, right) = (&left[..upto(&left)], &right[..upto(&right)]);
    if left.is_empty() || right.is_empty() {
        return None;
    }
    // When the text up to a place was complete.
    let at = |list: &[(usize, Micros)], end: usize| {
        let i = list.partition_point(|(e, _)| *e < end);
        list.get(i).map(|(_, at)| *at)
    };
    let mut out = Delivery { least: i64::MAX, all: common, ..Delivery::default() };
    for (n, (end, time)) in left.iter().enumerate() {
        let Some(other) = at(right, *end) else { break };
        let late = other as i64 - *time as i64;
        if n == 0 {
            out.first = late;
        }
        (out.last, out.least) = (late, out.least.min(late));
    }
    hold(left, right, &mut out);
    (out.least != i64::MAX).then_some(out)
}

/// Finds the pieces that arrived together behind the gateway, and at the control one by one.
fn hold(left: &[(usize, Micros)], right: &[(usize, Micros)], out: &mut Delivery) {
    let (mut from, mut i) = (0, 0);
    while i < right.len() {
        // All pieces that arrived at one moment.
        let mut last = i;
        while right.get(last + 1).is_some_and(|next| next.1 <= right[i].1 + TOGETHER) {
            last += 1;
        }
        let to = right[last].0;
        let first = left.partition_point(|(end, _)| *end <= from);
        let end = left.partition_point(|(end, _)| *end < to).min(left.len() - 1);
        let apart = left[end].1.saturating_sub(left[first.min(end)].1);
        if apart >= MIN_HELD {
            out.beginning = out.times == 0 && from == 0;
            out.times += 1;
            out.together += to - from;
            out.most = out.most.max((end + 1 - first.min(end)) as u64);
        }
        out.held = out.held.max(apart);
        (from, i) = (to, last + 1);
    }
}

/// Returns what the gateway does with `it`, as the end of a sentence, and how bad that is; `None` if nothing.
fn held_back(d: &Delivery, it: &str) -> Option<(String, Severity)> {
    let time = seconds(d.held);
    let most = count(d.most, "delta");
    match d {
        _ if d.held < MIN_HELD => None,
        _ if d.held >= MIN_DELAY && d.together * 10 >= d.all * 9 && d.times == 1 => {
            Some((format!("delivers {it} all at once, up to {time} late"), Severity::Warn))
        }
        _ if d.held >= LONG_HELD || d.held >= MIN_DELAY && d.together * 2 >= d.all => {
            let text =
                format!("delivers {it} in bursts: {most} at once that are {time} apart without it");
            Some((text, Severity::Warn))
        }
        _ if d.beginning && d.first >= MIN_HELD as i64 => {
            let text = format!("holds the beginning back for {time} ({most} at once)");
            Some((text, Severity::Info))
        }
        _ => None,
    }
}

/// At how many moments the body of a call arrived.
fn moments(s: &ComparedSide<'_>) -> u64 {
    let mut last = None;
    let times = s.seen.reads().iter().filter_map(|read| read.at);
    let apart = times.filter(|at| {
        let new = last.is_none_or(|last: Micros| *at > last + TOGETHER);
        last = Some(*at);
        new
    });
    apart.count() as u64
}

/// Returns whether times can be compared: both answered, and nothing ended them before their end.
fn timed(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> bool {
    a.carriers > 0 && b.carriers > 0 && a.error().is_none() && b.error().is_none()
}

/// A content coding that only the other has.
pub(super) fn compressed(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let coding = |s: &ComparedSide<'_>| {
        s.header("content-encoding")
            .filter(|c| !c.eq_ignore_ascii_case("identity"))
            .map(str::to_owned)
    };
    let (None, Some(coding)) = (coding(a), coding(b)) else { return };
    let held = delivery(a, b).filter(|_| timed(a, b)).and_then(|d| held_back(&d, "it"));
    let (effect, severity) = held.map_or((String::new(), Severity::Info), |(text, severity)| {
        (format!(" and {text}"), severity)
    });
    let coding = preview(&coding, 20);
    let message = format!("{b} compresses the stream ({coding}){effect}; {a} is not compressed");
    found.add_as(Code::GwCompressed, severity, both("identity", coding), message);
}

/// Reports what arrives together behind the gateway, and one by one without it.
pub(super) fn buffered(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    if found.has(Code::GwCompressed) || !timed(a, b) {
        return;
    }
    let held = delivery(a, b).and_then(|d| held_back(&d, "the stream"));
    let reads = |s: &ComparedSide<'_>| {
        let frames = count(s.seen.frames().len() as u64, "frame");
        format!("{frames} at {}", count(moments(s), "moment"))
    };
    if let Some((text, severity)) = held {
        let (left, right) = (reads(a), reads(b));
        let message = format!("{b} {text} ({a} {left}, {b} {right})");
        return found.add_as(Code::GwBuffered, severity, both(left, right), message);
    }
    // Only the headers: held back until the first event, while the direct call received them well before it.
    let head = |s: &ComparedSide<'_>| since(&s.seen.timing, s.seen.timing.head);
    let with_first = |s: &ComparedSide<'_>| {
        let t = &s.seen.timing;
        t.head.zip(t.first_frame).is_some_and(|(head, first)| first <= head + 10_000)
    };
    let (Some(x), Some(y)) = (head(a), head(b)) else { return };
    if y > x + MIN_DELAY && head_came_first(a) && with_first(b) {
        let late = seconds(y - x);
        let message = format!(
            "{b} holds its headers back until the first event: they arrive {late} after those of {a}"
        );
        let word = |t| format!("headers after {}", seconds(t));
        found.add(Code::GwBuffered, both(word(x), word(y)), message);
    }
}

/// A delay that is no buffer: before the headers, between them and the first text, or in the stream.
pub(super) fn delayed(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let head = |s: &ComparedSide<'_>| since(&s.seen.timing, s.seen.timing.head);
    let (Some(x), Some(y)) = (head(a), head(b)) else { return };
    let reported = [Code::GwBuffered, Code::GwCompressed, Code::GwTimeout];
    if !timed(a, b) || reported.iter().any(|code| found.has(*code)) {
        return;
    }
    let late = y as i64 - x as i64;
    let d = delivery(a, b).unwrap_or(Delivery {
        first: late,
        last: late,
        least: late,
        ..Delivery::default()
    });
    let least = MIN_DELAY as i64;
    let (steady, grown) = (d.first.min(d.last), d.last - d.first);
    let time = |t: i64| seconds(t.unsigned_abs());
    let (left, right) = (seconds(x), seconds(y));
    // A busy machine falls behind a little.
    let took = since(&a.seen.timing, a.seen.timing.end).unwrap_or(0) as i64;
    if d.last >= least && grown >= least.max(took / 10) && grown * 2 > d.last {
        let message = format!(
            "{b} falls behind in the stream: {} later than {a} at the first text, {} at the last",
            time(d.first.max(0)),
            time(d.last)
        );
        return found.add(Code::GwDelayed, both(time(d.first.max(0)), time(d.last)), message);
    }
    if steady < least {
        return;
    }
    let place = match late * 2 > steady {
        true => "all before the response headers: queue, authentication, retry or cold start",
        false => "between the response headers and the first text",
    };
    let message = format!("{b} was {} later than {a}, {place}", time(steady));
    found.add(Code::GwDelayed, both(left, right), message);
}

/// Returns whether the headers of a call clearly preceded its first frame, so that holding them back would
/// show.
fn head_came_first(s: &ComparedSide<'_>) -> bool {
    let timing = &s.seen.timing;
    timing.head.zip(timing.first_frame).is_some_and(|(head, first)| first >= head + MIN_DELAY)
}
