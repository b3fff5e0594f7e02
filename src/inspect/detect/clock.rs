//! Rules that hold the provider's own figures about time and size against what was seen here.

use super::{Code, Detector, EachFrame, FindingPlace, Findings, Look, cut, ours, refused};
use crate::dialect::{Channel, Varying};
use crate::inspect::{Facts, Packing};
use crate::journal::Micros;
use crate::json::{Tape, Value};
use crate::text;

/// Clocks and queues differ by less than this, in seconds.
const SKEW: f64 = 120.0;
/// A `created` before this (September 2001) is a placeholder.
const EARLIEST: f64 = 1e9;
/// A silence worth a word.
const SILENCE: Micros = 1_000_000;
/// Arguments shorter than this arrive whole anyway.
const WHOLE: usize = 16;
/// Fewer deltas than this say nothing about how tokens are packed.
const FEW: u64 = 4;
/// Number of frames at the beginning that may say when the answer was created.
const FIRST: usize = 8;
/// Number of frames at the end that are searched for the provider's figures.
const LAST: usize = 8;

#[derive(Default)]
pub(super) struct ClockDetector {
    /// Time when the last frame with data arrived.
    last: Option<Micros>,
    /// Number of payloads searched for the answer's creation time.
    asked: usize,
}

impl Detector for ClockDetector {
    fn looks_at(&self) -> &'static [Look] {
        &[Look::Frames]
    }

    fn each(&mut self, facts: &Facts, each: &EachFrame<'_>, findings: &mut Findings) {
        if refused(facts) {
            return;
        }
        if self.asked < FIRST && each.is_object() {
            self.asked += 1;
            if let Some(created) = created(each) {
                self.asked = FIRST;
                skew(facts, created, each.place(), findings);
            }
        }
        if findings.at.is_some() && each.view().is_none_or(|view| view.data.is_some()) {
            let before = self.last.or(facts.timing.head);
            head_of_line(facts, before, each, findings);
            self.last = findings.at;
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if refused(facts) || cut(facts) || ours(facts) {
            return;
        }
        batches(facts, findings);
        if let (Some(from), Some(to)) = (facts.timing.request, facts.timing.end) {
            duration(facts, to.saturating_sub(from), findings);
        }
    }
}

/// Returns when the answer was created, as it says itself, in seconds since 1970.
fn created(each: &EachFrame<'_>) -> Option<f64> {
    let given = [&["created"][..], &["created_at"], &["response", "created_at"]];
    let seconds = match each.view() {
        Some(view) => given.iter().find_map(|path| view.json?.at(path)?.as_f64())?,
        None => each.member(Varying::Created)?.parse().ok()?,
    };
    // Some servers send milliseconds.
    let seconds = if seconds > 1e11 { seconds / 1e3 } else { seconds };
    (seconds > EARLIEST).then_some(seconds)
}

fn skew(facts: &Facts, created: f64, place: FindingPlace, findings: &mut Findings) {
    let head = facts.head.as_ref().and_then(|h| h.header("date"));
    let Some(date) = head.and_then(http_date) else { return };
    // The headers may have arrived with the first token, long after the answer was begun.
    let waited = facts.timing.since_request(facts.timing.head).unwrap_or(0.0);
    let ahead = created - date as f64;
    if ahead.abs() <= SKEW + waited {
        return;
    }
    let how = if ahead > 0.0 { "later" } else { "earlier" };
    let message = format!("`created` is {} {how} than the Date header", long(ahead));
    findings.raise(Code::ClockSkew, place, message);
}

/// A span of seconds in the unit that fits.
fn long(seconds: f64) -> String {
    let s = seconds.abs();
    match s {
        _ if s < 600.0 => format!("{s:.0} s"),
        _ if s < 36_000.0 => format!("{:.0} minutes", s / 60.0),
        _ if s < 864_000.0 => format!("{:.0} hours", s / 3600.0),
        _ => format!("{:.0} days", s / 86_400.0),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in seconds since 1970.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut parts = text.split_once(", ")?.1.split(' ');
    let day: i64 = parts.next()?.parse().ok()?;
    let name = parts.next().filter(|m| m.len() == 3)?;
    let month = MONTHS.find(name).filter(|at| at % 3 == 0)? as i64 / 3 + 1;
    let year: i64 = parts.next()?.parse().ok().filter(|y| (1970..10_000).contains(y))?;
    let mut clock = parts.next()?.splitn(3, ':').map(|n| n.parse::<i64>().ok());
    let (h, m, s) = (clock.next()??, clock.next()??, clock.next()??);
    // Days since 1970, with years that begin in March so that a leap day is the last of its year.
    let (y, shifted) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    let days = y * 365 + y / 4 - y / 100 + y / 400 + of_year - 719_468;
    Some(days * 86_400 + h * 3600 + m * 60 + s)
}

fn head_of_line(
    facts: &Facts,
    before: Option<Micros>,
    each: &EachFrame<'_>,
    findings: &mut Findings,
) {
    let Some((before, at)) = before.zip(findings.at) else { return };
    let silence = at.saturating_sub(before);
    if silence < SILENCE {
        return;
    }
    let answer = facts.answer();
    for delta in answer.deltas_of(each.index).filter(|d| d.channel == Channel::Tool) {
        let piece = answer.text_of(&delta);
        if piece.len() < WHOLE || Tape::new().parse(piece).is_err() {
            continue;
        }
        let name = answer.tool_of(&delta).and_then(|t| t.name.as_deref()).unwrap_or("?");
        let message = format!(
            "Arguments of \"{}\" arrived at once ({}), after {:.1} s of silence",
            text::preview(name, 40),
            text::count(piece.len() as u64, "byte"),
            silence as f64 / 1e6
        );
        return findings.raise_once(Code::HeadOfLineTool, each.place(), message);
    }
}

/// Reports how many tokens a delta brings, if usage shows it.
fn batches(facts: &Facts, findings: &mut Findings) {
    let Some(packing) = facts.packing() else { return };
    let Packing { tokens: shown, deltas } = packing;
    // Anthropic puts several tokens into a delta by design.
    if deltas < FEW
        || facts.dialect().is_some_and(|d| d.family() == "anthropic")
        || shown < deltas.saturating_mul(2)
    {
        return;
    }
    let message = format!(
        "{} tokens arrived in {} deltas, {:.1} per delta",
        text::group(shown),
        text::group(deltas),
        packing.per_delta()
    );
    findings.raise(Code::MicroBatching, FindingPlace::default(), message);
}

/// Paths of the figures by which providers report how long they took, and how many of the unit are a second.
const FIGURES: &[(&[&str], f64)] = &[
    (&["total_duration"], 1e9),
    (&["metrics", "latencyMs"], 1e3),
    (&["x_groq", "usage", "total_time"], 1.0),
    (&["usage", "total_time"], 1.0),
    (&["time_info", "total_time"], 1.0),
];

/// The provider's figure in a payload: its name, and seconds.
fn figure(json: Value<'_>) -> Option<(String, f64)> {
    // llama.cpp reports the times of prompt and answer separately.
    if let Some(timings) = json.get("timings") {
        let ms = |key| timings.get(key).and_then(Value::as_f64);
        let seconds = (ms("prompt_ms")? + ms("predicted_ms")?) / 1e3;
        return Some(("timings".to_owned(), seconds));
    }
    FIGURES.iter().find_map(|(path, unit)| {
        let value = json.at(path)?.as_f64()?;
        Some((path.join("."), value / unit))
    })
}

fn duration(facts: &Facts, passed: Micros, findings: &mut Findings) {
    let passed = passed as f64 / 1e6;
    let mut tape = Tape::new();
    for (index, frame) in facts.frames().iter().enumerate().rev().take(LAST) {
        let Some(data) = frame.data(facts.body()) else { continue };
        if tape.parse(&data).is_err() {
            continue;
        }
        let Some((name, counted)) = tape.root(&data).and_then(figure) else { continue };
        let place = FindingPlace { frame: Some(index as u32), offset: Some(frame.offset) };
        let why = if counted > passed * 1.5 + 0.5 {
            "the answer was made earlier"
        } else if passed > counted * 2.0 + 2.0 {
            "the rest was spent in a queue, a gateway or the network"
        } else {
            return;
        };
        let message =
            format!("Provider reports {counted:.1} s ({name}), {passed:.1} s passed here: {why}");
        return findings.raise(Code::DurationMismatch, place, message);
    }
}

#[cfg(test)]
mod tests {
    use super::http_date;

    #[test]
    fn dates_of_heads_are_read() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        for wrong in ["", "yesterday", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994"] {
            assert_eq!(http_date(wrong), None, "{wrong}");
        }
    }
}
