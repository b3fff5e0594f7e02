//! Checks of what two recordings of one stream must have in common, and of how two calls ended.

use super::side::{ComparedSide, disposition, foreign};
use super::{Check, Expect, FoundDifferences, both};
use crate::dialect::Channel;
use crate::inspect::{Phase, Reason, Severity, TransportEnd};
use crate::rule::Code;
use crate::text::{count, preview};

/// For two calls that are expected to be one stream; after the gateway's own checks.
pub(super) const CHECKS: &[Check] = &[heads, text, tools, ends, faults, done, bytes];
/// Checks for when one of them never answered.
pub(super) const ENDS: &[Check] = &[ends];

/// Number of characters shown around a difference.
const AROUND: usize = 40;

fn heads(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let head = |s: &ComparedSide<'_>| {
        // Each dialect has its own content type.
        let kind = s.seen.content_type().filter(|_| !foreign(a, b));
        let kind = kind.map(|t| t.split(';').next().unwrap_or_default().trim());
        (s.seen.status(), kind.map(str::to_ascii_lowercase))
    };
    let (left, right) = (head(a), head(b));
    let known = left.0.is_some() && right.0.is_some();
    // If there is an error, its status has been reported.
    let failed = a.error().is_some() || b.error().is_some();
    if known && left != right && !failed {
        let word = |(status, kind): (Option<u16>, Option<String>)| {
            format!("{} {}", status.unwrap_or(0), kind.unwrap_or_else(|| "no content type".into()))
        };
        let (left, right) = (word(left), word(right));
        let message = format!("the heads differ: {a} {left}, {b} {right}");
        found.add(Code::HeadsDiffer, both(left, right), message);
    }
}

pub(super) fn ends(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let reason = |s: &ComparedSide<'_>| s.seen.reason().map_or("running", Reason::name);
    if a.failed() == b.failed() && (!a.failed() || reason(a) == reason(b)) {
        return;
    }
    // It is unknown how the transport of a bare body ended.
    if a.failed() && b.failed() && (a.is_bare() || b.is_bare()) {
        return;
    }
    // The two error messages have been compared; other checks have reported the rest.
    if a.error().is_some() && b.error().is_some() && found.expect == Expect::Same {
        return;
    }
    let (left, right) = (disposition(a.seen), disposition(b.seen));
    // A gateway that answers on its own does not pass the cut on.
    let hides = found.expect == Expect::Same && hides_cut(a, b);
    if hides && !found.has(Code::GwFabricatedFinish) {
        let (ended, lost) = (a.ended(), super::cut::lost(a, b));
        let message =
            format!("{b} hides a cut, and ends as if that were all: {} {ended}{lost}", a.name);
        return found.add(Code::EndsDiffer, both(left, right), message);
    }
    let grave = found.differences.iter().any(|d| d.severity >= Severity::Error);
    let named = [Code::GwErrorRewrapped, Code::GwParamsDropped].iter().any(|c| found.has(*c));
    if named && (a.error().is_some() || b.error().is_some()) || grave && a.failed() {
        return;
    }
    let reported = [
        Code::EndsDiffer,
        Code::GwFabricatedFinish,
        Code::GwGuardrailEmptied,
        Code::GwToolIndexCollapsed,
    ];
    let changed = [Code::GwContentChanged, Code::GwFinishRewritten];
    let changed = changed.iter().any(|c| found.has(*c)) && b.error().is_none();
    if reported.iter().any(|c| found.has(*c)) || changed && !b.was_stopped() {
        return;
    }
    let message = match (a.failed(), b.failed()) {
        // Nothing of the answer is lost: the other side is what A should have been.
        (true, false) if a.seen.answer().finished() && found.expect == Expect::Same => {
            let message = format!("{b} does not have the fault of {a}: {}", a.why());
            let sides = both(left, right);
            return found.add_as(Code::EndsDiffer, Severity::Info, sides, message);
        }
        (true, false) => one_failed(a, b),
        (false, true) => one_failed(b, a),
        _ => format!("both failed, each in its own way: {a} {}; {b} {}", a.ended(), b.ended()),
    };
    found.add(Code::EndsDiffer, both(left, right), message);
}

/// Returns the sentence for when only one of them failed. The side at fault is named before the fault.
fn one_failed(failed: &ComparedSide<'_>, other: &ComparedSide<'_>) -> String {
    let fared = if other.is_whole() { "succeeded".to_owned() } else { other.ended() };
    format!("{failed} failed, {other} {fared}. {}: {}", failed.name, failed.why())
}

/// A `[DONE]` that only one has: what is added to an answer that is otherwise the same, or taken from it.
fn done(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let of = |s: &ComparedSide<'_>| s.seen.answer().sentinel;
    let (left, right) = (of(a), of(b));
    if left.is_some() == right.is_some() {
        return;
    }
    let cut = a.failed() || b.failed() || a.was_stopped() || foreign(a, b);
    let reported = [Code::EndsDiffer, Code::GwFabricatedFinish].iter().any(|c| found.has(*c));
    if cut || reported || b.found(&[Code::DoneOnAnthropic]) {
        return;
    }
    let message = match right {
        None => format!("{b} does not send the [DONE] that {a} ends with"),
        Some(_) if b.wants_done() => format!("{b} ends with a [DONE] that {a} does not send"),
        Some(_) => format!("{b} ends with a [DONE], which this dialect does not have"),
    };
    let word = |frame: Option<u32>| if frame.is_some() { "[DONE]" } else { "no [DONE]" };
    let sides = both(word(left), word(right)).at(left, right);
    found.add_as(Code::EndsDiffer, Severity::Info, sides, message);
}

/// Returns whether the connection of one broke, and the other closes what arrived of it as if that were all.
fn hides_cut(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> bool {
    let cut = matches!(a.seen.reason(), Some(Reason::Truncated | Reason::Reset | Reason::Protocol));
    let clean = b.seen.ending().transport == TransportEnd::Clean && b.seen.head.is_some();
    cut && clean && a.failed() && b.failed() && b.error().is_none()
}

/// Reports what was wrong with one and is not with the other, if there is no other severe difference.
fn faults(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let grave = found.differences.iter().any(|d| d.severity > Severity::Info);
    if grave || a.failed() || b.failed() || found.has(Code::EndsDiffer) {
        return;
    }
    // Timing differs from call to call.
    let fault = |s: &ComparedSide<'_>, other: &ComparedSide<'_>| {
        let findings = s.seen.findings().iter();
        let grave = findings.filter(|f| f.severity > Severity::Info);
        // How a connection broke depends on its framing; both have in common that it broke.
        let broke = s.is_broken() && other.is_broken();
        let mut own = grave.filter(|f| {
            let framing = broke && f.phase() == Phase::Body;
            f.phase() != Phase::Timing && !framing && !other.found(&[f.code])
        });
        own.next().map(|f| (f.code, f.message.clone(), f.frame))
    };
    if let Some((code, why, frame)) = fault(b, a) {
        let message = format!("{b} has a fault that {a} does not have: {why}");
        let sides = both("none", code.name()).at(None, frame);
        found.add_as(Code::EndsDiffer, Severity::Warn, sides, message);
    } else if let Some((code, why, frame)) = fault(a, b) {
        let message = format!("{b} does not have the fault of {a}: {why}");
        let sides = both(code.name(), "none").at(frame, None);
        found.add_as(Code::EndsDiffer, Severity::Info, sides, message);
    }
}

fn text(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    // An answer that was lost as a whole, or was a refusal, has been reported; and a text that a limit or an
    // error cut short is shorter because of that.
    let lost = [Code::GwGuardrailEmptied, Code::GwErrorSwallowed];
    let refused = |s: &ComparedSide<'_>| s.seen.status().is_some_and(|s| s >= 300);
    let hidden = a.is_cut() && b.is_unfinished();
    let cut = a.was_stopped() || b.was_stopped() || b.error().is_some() || hidden || found.cut;
    if refused(a) || refused(b) || lost.iter().any(|c| found.has(*c)) {
        return;
    }
    if moved(a, b, found) {
        return;
    }
    for (channel, name) in [
        (Channel::Content, "content"),
        (Channel::Reasoning, "reasoning"),
        (Channel::Refusal, "refusal"),
    ] {
        let named = channel == Channel::Reasoning
            && (found.has(Code::GwReasoningDropped) || found.has(Code::GwReasoningToThinkTags));
        let inlined = channel == Channel::Content && found.has(Code::GwReasoningToThinkTags);
        let (left, right) = (a.text(channel), b.text(channel));
        if left == right {
            if !named && !inlined {
                choices(a, b, channel, name, found);
            }
            continue;
        }
        let shorter = left.starts_with(&right) || right.starts_with(&left);
        if named || inlined || cut && shorter {
            continue;
        }
        if missing_choice(a, b, channel, name, found) {
            continue;
        }
        differs(a, b, (channel, name), (&left, &right), found);
    }
}

/// A channel has two texts: where they part, and why as far as that is known.
fn differs(
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
    (channel, name): (Channel, &str),
    (left, right): (&str, &str),
    found: &mut FoundDifferences,
) {
    let at = first_difference(left, right);
    let (x, y) = (excerpt(left, at), excerpt(right, at));
    let how = how_differs(b, name, (left, right), at);
    let frames = (frame_at(a, channel, at), frame_at(b, channel, at));
    let block = a.stumbling_block(b).filter(|_| left.starts_with(right));
    let why = block.map_or(String::new(), |fault| format!("; at {}: {fault}", a.name));
    // A fault that only B has explains the missing text, so it comes first.
    let unread = b.unread(a).filter(|_| right.len() < left.len());
    let by_form = unread.is_some() || damaged(left, right).is_some();
    let how = match unread {
        Some(fault) => format!("{b} has a fault that {a} does not have: {fault}; so {how}"),
        None => how,
    };
    let message = format!("{how}: {} {x}, {} {y}{why}", a.name, b.name);
    found.add(Code::GwContentChanged, both(x, y).at(frames.0, frames.1), message);
    if by_form {
        found.by_form();
    }
}

/// Describes how the text of B differs from that of A, from byte `at` on.
fn how_differs(b: &ComparedSide<'_>, name: &str, (left, right): (&str, &str), at: usize) -> String {
    let (n, m) = (left.chars().count() as u64, right.chars().count() as u64);
    if right.is_empty() {
        format!("{b} has none of the {name} ({})", count(n, "character"))
    } else if left.starts_with(right) {
        format!("the {name} of {b} ends early, after {} of {n}", count(m, "character"))
    } else if right.starts_with(left) {
        format!("the {name} of {b} has {} more at its end", count(m - n, "character"))
    } else {
        let chars = left[..at].chars().count() as u64;
        let damage = damaged(left, right).map_or(String::new(), |how| format!(", {how}"));
        format!("the {name} differs from character {chars} on{damage}")
    }
}

/// Reports a channel that arrives in the content of the other: nothing of it is lost, and clients show it.
fn moved(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) -> bool {
    for (channel, name) in [(Channel::Reasoning, "reasoning"), (Channel::Refusal, "refusal")] {
        let (text, content) = (a.text(channel), a.text(Channel::Content));
        let arrived = b.text(Channel::Content);
        let Some(at) = arrived.find(&*text).filter(|_| !text.is_empty()) else { continue };
        let rest = arrived[..at].to_owned() + &arrived[at + text.len()..];
        if !b.text(channel).is_empty() || rest != content {
            continue;
        }
        found.differences.retain(|d| d.code != Code::GwReasoningDropped);
        let chars = count(text.chars().count() as u64, "character");
        let message = format!("the {name} of {a} ({chars}) arrives as content at {b}");
        let sides = both(format!("{chars} of {name}"), "the same as content");
        let sides = sides.at(a.first(channel), frame_at(b, Channel::Content, at));
        found.add(Code::GwContentChanged, sides, message);
        found.by_form();
        return true;
    }
    false
}

/// The character of a byte in Windows-1252, by the Encoding standard's table.
fn windows_1252(byte: u8) -> char {
    const FROM_80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => FROM_80[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// Describes how a text was damaged, if its form shows it.
fn damaged(left: &str, right: &str) -> Option<&'static str> {
    if left.bytes().map(char::from).eq(right.chars()) {
        return Some("as UTF-8 that was read as Latin-1");
    }
    // Whether the text was read as Windows-1252, which has characters where Latin-1 has only controls.
    if left.bytes().map(windows_1252).eq(right.chars()) {
        return Some("as UTF-8 that was read as Windows-1252");
    }
    let odd = |text: &str| text.contains('\u{fffd}');
    (odd(right) && !odd(left)).then_some("where characters became U+FFFD")
}

/// A choice of A that B does not have, where the others are equal.
fn missing_choice(
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
    channel: Channel,
    name: &str,
    found: &mut FoundDifferences,
) -> bool {
    let (left, right) = (a.seen.answer(), b.seen.answer());
    let lost = |choice: u32| right.text(channel, choice).is_empty();
    let Some((choice, text)) = left.texts(channel).find(|(choice, _)| lost(*choice)) else {
        return false;
    };
    let kept = left.texts(channel).filter(|(choice, _)| !lost(*choice));
    if right.texts(channel).next().is_none() || !kept.eq(right.texts(channel)) {
        return false;
    }
    let chars = count(text.chars().count() as u64, "character");
    let message = format!("choice {choice} of {a} ({chars} of {name}) does not arrive at {b}");
    let sides = both(excerpt(text, 0), "nothing")
        .at(left.delta_at(channel, choice, 0).map(|d| d.frame), None);
    found.add(Code::GwContentChanged, sides, message);
    found.by_form();
    true
}

/// The same text, that of one choice at another.
fn choices(
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
    channel: Channel,
    name: &str,
    found: &mut FoundDifferences,
) {
    let texts = |s: &ComparedSide<'_>| -> Vec<(u32, String)> {
        s.seen.answer().texts(channel).map(|(c, t)| (c, t.to_owned())).collect()
    };
    let (x, y) = (texts(a), texts(b));
    let mut lost: Vec<_> = x.iter().filter(|(c, t)| !y.contains(&(*c, t.clone()))).collect();
    // Prefer a choice that still exists: it received the text of one that is gone.
    lost.sort_by_key(|(c, _)| y.iter().any(|(other, _)| c == other));
    let Some((choice, text)) = lost.first() else { return };
    let list = |t: &[(u32, String)]| {
        t.iter().map(|(c, t)| format!("{c}: {}", preview(t, AROUND))).collect::<Vec<_>>().join(", ")
    };
    let at = y.iter().find(|(_, t)| t.contains(text.as_str())).map_or(0, |(c, _)| *c);
    let message = format!("the {name} of choice {choice} at {a} arrives in choice {at} at {b}");
    let sides = both(list(&x), list(&y)).at(a.first(channel), b.first(channel));
    found.add(Code::GwContentChanged, sides, message);
    found.by_form();
}

fn tools(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let calls = |s: &ComparedSide<'_>| -> Vec<(u32, String, String)> {
        let name = |n: &Option<String>| n.clone().unwrap_or_default();
        let tools = s.seen.answer().tools().iter();
        tools.map(|t| (t.choice, name(&t.name), t.arguments.clone())).collect()
    };
    let (left, right) = (calls(a), calls(b));
    let cut = a.was_stopped() || b.was_stopped() || b.error().is_some() || a.error().is_some();
    let differ = |x: &(u32, String, String), y: &(u32, String, String)| {
        (x.0, &x.1) != (y.0, &y.1) || !same_json(&x.2, &y.2)
    };
    let at = left.iter().zip(&right).position(|(x, y)| differ(x, y));
    let at = at.unwrap_or(left.len().min(right.len()));
    if cut || at == left.len().max(right.len()) || found.has(Code::GwToolIndexCollapsed) {
        return;
    }
    let word = |calls: &[(u32, String, String)]| match calls.get(at) {
        Some((_, name, arguments)) => format!("{name}({})", preview(arguments, AROUND)),
        None => "no such call".to_owned(),
    };
    let (x, y) = (word(&left), word(&right));
    let message = format!("the tool calls differ from number {} on: {a} {x}, {b} {y}", at + 1);
    let frame = |s: &ComparedSide<'_>| s.seen.answer().tools().get(at).map(|t| t.first);
    found.add(Code::GwToolsChanged, both(x, y).at(frame(a), frame(b)), message);
}

/// Returns whether two arguments are the same, or the same JSON written differently.
fn same_json(a: &str, b: &str) -> bool {
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    a == b || value(a).is_some_and(|v| value(b) == Some(v))
}

/// The last resort: what no other check has reported. Between a stream and its way through a gateway
/// bytes always differ, so it is reported only where nothing else was.
fn bytes(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let (left, right) = (a.seen.body(), b.seen.body());
    if left == right || !found.differences.is_empty() || foreign(a, b) {
        return;
    }
    let at =
        left.iter().zip(right).position(|(x, y)| x != y).unwrap_or(left.len().min(right.len()));
    let frame = |s: &ComparedSide<'_>| {
        let i = s.seen.frames().partition_point(|f| f.end() <= at as u64);
        (i < s.seen.frames().len()).then_some(i as u32)
    };
    let word = |body: &[u8]| match body.get(at..) {
        Some([]) | None => "nothing more".to_owned(),
        Some(rest) => {
            let rest = &rest[..rest.len().min(4 * AROUND)];
            format!("{:?}", preview(&String::from_utf8_lossy(rest), AROUND))
        }
    };
    let (x, y) = (word(left), word(right));
    let mut message =
        format!("the bodies differ from byte {at} on: {} {x}, {} {y}", a.name, b.name);
    if let (Some(first), Some(second)) = (a.ids.first(), b.ids.first())
        && a.ids != b.ids
    {
        let (first, second) = (preview(first, 40), preview(second, 40));
        message = format!("each has a different id: {} {first}, {} {second}", a.name, b.name);
    }
    found.add(Code::BytesDiffer, both(x, y).at(frame(a), frame(b)), message);
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
fn frame_at(s: &ComparedSide<'_>, channel: Channel, at: usize) -> Option<u32> {
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
