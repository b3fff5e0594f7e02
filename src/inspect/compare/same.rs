//! What two recordings of one stream must have in common, and the fate of two calls.

use super::side::{Side, fate};
use super::{Check, Found, RULES, both};
use crate::dialect::Channel;
use crate::inspect::rule::rule;
use crate::inspect::{Outcome, Reason};
use crate::text::{count, preview};

/// For two calls that are expected to be one stream; after the gateway's own checks.
pub(super) const CHECKS: &[Check] = &[heads, ends, text, tools, bytes];
/// For two calls of two models.
pub(super) const FATE: &[Check] = &[ends];

/// How many characters around a difference are shown.
const AROUND: usize = 40;

fn heads(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let head = |s: &Side<'_>| {
        let kind = s.seen.content_type().map(|t| t.split(';').next().unwrap_or_default().trim());
        (s.seen.status(), kind.map(str::to_ascii_lowercase))
    };
    let (left, right) = (head(a), head(b));
    let known = left.0.is_some() && right.0.is_some();
    if known && left != right && a.seen.status().is_none_or(|s| s < 300) {
        let word = |(status, kind): (Option<u16>, Option<String>)| {
            format!("{} {}", status.unwrap_or(0), kind.unwrap_or_else(|| "no content type".into()))
        };
        let (left, right) = (word(left), word(right));
        let message = format!("The heads differ: A {left}, B {right}.");
        found.add(rule!("heads-differ"), both(left, right), message);
    }
}

fn ends(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let failed = |s: &Side<'_>| s.seen.outcome() == Outcome::Failed;
    let reason = |s: &Side<'_>| s.seen.reason().map_or("running", Reason::name);
    if failed(a) == failed(b) && (!failed(a) || reason(a) == reason(b)) {
        return;
    }
    // The gateway's checks have named what happened.
    if found.has("gw-fabricated-finish") || found.has("gw-error-swallowed") {
        return;
    }
    let (left, right) = (fate(a.seen), fate(b.seen));
    let message = match (failed(a), failed(b)) {
        (true, false) => format!("A failed ({left}): {} B did not ({right}).", a.seen.verdict()),
        (false, true) => format!("B failed ({right}): {} A did not ({left}).", b.seen.verdict()),
        _ if found.has("gw-error-rewrapped") => return,
        _ => format!("Both failed, each in its own way: A {left}, B {right}."),
    };
    found.add(rule!("ends-differ"), both(left, right), message);
}

fn text(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    // Of an answer that was lost whole, the loss has been named.
    let lost = ["gw-guardrail-emptied", "gw-error-swallowed", "ends-differ"];
    if lost.iter().any(|c| found.has(c)) {
        return;
    }
    for (channel, name) in [
        (Channel::Content, "content"),
        (Channel::Reasoning, "reasoning"),
        (Channel::Refusal, "refusal"),
    ] {
        let named = channel == Channel::Reasoning
            && (found.has("gw-reasoning-dropped") || found.has("gw-reasoning-to-think-tags"));
        let moved = channel == Channel::Content && found.has("gw-reasoning-to-think-tags");
        let (left, right) = (a.text(channel), b.text(channel));
        if left == right || named || moved {
            continue;
        }
        let at = first_difference(&left, &right);
        let (x, y) = (excerpt(&left, at), excerpt(&right, at));
        let (n, m) = (left.chars().count() as u64, right.chars().count() as u64);
        let how = if right.is_empty() {
            format!("B has none of the {name}")
        } else if left.starts_with(&right) {
            format!("B's {name} ends early, after {} of {n}", count(m, "character"))
        } else if right.starts_with(&left) {
            format!("B's {name} has {} more at its end", count(m - n, "character"))
        } else {
            let chars = left[..at].chars().count() as u64;
            format!("the {name} differs from character {chars} on")
        };
        let frames = (frame_at(a, channel, at), frame_at(b, channel, at));
        let message = format!("{}: A {x}, B {y}.", capital(&how));
        found.add(rule!("gw-content-changed"), both(x, y).at(frames.0, frames.1), message);
    }
}

fn tools(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let calls = |s: &Side<'_>| -> Vec<(u32, String, String)> {
        let name = |n: &Option<String>| n.clone().unwrap_or_default();
        let tools = s.seen.answer().tools().iter();
        tools.map(|t| (t.choice, name(&t.name), t.arguments.clone())).collect()
    };
    let (left, right) = (calls(a), calls(b));
    if left == right || found.has("ends-differ") || found.has("gw-tool-index-collapsed") {
        return;
    }
    let at =
        left.iter().zip(&right).position(|(x, y)| x != y).unwrap_or(left.len().min(right.len()));
    let word = |calls: &[(u32, String, String)]| match calls.get(at) {
        Some((_, name, arguments)) => format!("{name}({})", preview(arguments, AROUND)),
        None => "no such call".to_owned(),
    };
    let (x, y) = (word(&left), word(&right));
    let message = format!("The tool calls differ from number {} on: A {x}, B {y}.", at + 1);
    let frame = |s: &Side<'_>| s.seen.answer().tools().get(at).map(|t| t.first);
    found.add(rule!("gw-tools-changed"), both(x, y).at(frame(a), frame(b)), message);
}

/// The last resort: what no other check has told. Between a stream and its way through a gateway
/// bytes always differ, so it is told only where nothing else was.
fn bytes(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let (left, right) = (a.seen.body(), b.seen.body());
    if left == right || !found.differences.is_empty() {
        return;
    }
    let at =
        left.iter().zip(right).position(|(x, y)| x != y).unwrap_or(left.len().min(right.len()));
    let frame = |s: &Side<'_>| {
        let i = s.seen.frames().partition_point(|f| f.end() <= at as u64);
        (i < s.seen.frames().len()).then_some(i as u32)
    };
    let word = |body: &[u8]| match body.get(at..) {
        Some([]) | None => "nothing any more".to_owned(),
        Some(rest) => {
            let rest = &rest[..rest.len().min(4 * AROUND)];
            format!("{:?}", preview(&String::from_utf8_lossy(rest), AROUND))
        }
    };
    let (x, y) = (word(left), word(right));
    let message = format!("The bodies differ from byte {at} on: A {x}, B {y}.");
    found.add(rule!("bytes-differ"), both(x, y).at(frame(a), frame(b)), message);
}

/// The first byte at which two texts differ, at a character's beginning.
fn first_difference(a: &str, b: &str) -> usize {
    let pairs = a.char_indices().zip(b.chars());
    pairs.into_iter().find(|((_, x), y)| x != y).map_or(a.len().min(b.len()), |((i, _), _)| i)
}

fn excerpt(text: &str, at: usize) -> String {
    let from = text[..at].char_indices().rev().nth(9).map_or(0, |(i, _)| i);
    let dots = if from > 0 { "…" } else { "" };
    match &text[from..] {
        "" => "nothing".to_owned(),
        rest => format!("\"{dots}{}\"", preview(rest, AROUND)),
    }
}

/// The frame that brought byte `at` of a channel's text (choice after choice).
fn frame_at(s: &Side<'_>, channel: Channel, at: usize) -> Option<u32> {
    let answer = s.seen.answer();
    let mut before = 0;
    for (choice, text) in answer.texts(channel) {
        if at < before + text.len() {
            return answer.delta_at(channel, choice, at - before).map(|d| d.frame);
        }
        before += text.len();
    }
    None
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
