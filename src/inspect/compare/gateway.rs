//! What gateways do to a stream: A came directly, B through one.

use super::side::{Side, fate};
use super::{Check, Found, RULES, both};
use crate::dialect::Channel;
use crate::inspect::rule::rule;
use crate::json::{Kind, Tape};
use crate::text::{count, preview};

/// In the order in which they are made: a later one may leave out what an earlier one told.
pub(super) const CHECKS: &[Check] = &[
    errors,
    finish,
    emptied,
    usage,
    usage_shape,
    reasoning,
    ids,
    spliced,
    model,
    events,
    comments,
    tools,
    buffered,
    retries,
    request,
    pieces,
    roles,
    nulls,
    key_order,
];

/// Headers by which gateways tell how often they tried.
const RETRIES: &[&str] = &["x-litellm-attempted-retries", "x-litellm-attempted-fallbacks"];

fn errors(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let unframed = |s: &Side<'_>| s.found(&["sse-raw-json"]);
    if unframed(b) && !unframed(a) && a.error().is_some() {
        let message = "The upstream's error arrives behind B as bare JSON between the events.";
        found.add(
            rule!("gw-error-unframed"),
            both(a.error().unwrap_or_default(), "no event"),
            message,
        );
        return;
    }
    match (a.error(), b.error()) {
        (Some(left), None) => {
            let erased = a.seen.dialect().is_some_and(|d| d.name() == "ollama")
                && b.seen.dialect().is_some_and(|d| d.name() != "ollama");
            let code = match erased {
                true => rule!("ollama-v1-error-erased"),
                false => rule!("gw-error-swallowed"),
            };
            let right = fate(b.seen);
            let message = format!("A failed with {left}; B shows no error ({right}).");
            let frame = a.seen.answer().errors.first().map(|e| e.frame);
            found.add(code, both(left, right).at(frame, None), message);
        }
        (Some(left), Some(right)) if left != right || a.seen.status() != b.seen.status() => {
            let status =
                |s: &Side<'_>| s.seen.status().map_or("no status".into(), |n| n.to_string());
            let (x, y) = (status(a), status(b));
            let message = if x == y {
                format!("The error is told in other words: A {left}, B {right}.")
            } else {
                format!("The error's status is {x} at A and {y} at B: A {left}, B {right}.")
            };
            found.add(rule!("gw-error-rewrapped"), both(left, right), message);
        }
        _ => {}
    }
}

fn finish(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let word = |s: &Side<'_>| -> Vec<String> {
        s.seen.answer().finish().map(|(_, f)| f.to_owned()).collect()
    };
    let (left, right) = (word(a), word(b));
    let at = |s: &Side<'_>| s.seen.answer().finish_frame(0);
    if left.is_empty() && !right.is_empty() && b.error().is_none() {
        let (x, y) = (fate(a.seen), fate(b.seen));
        let message = format!(
            "B made an end up: it says finish {:?}, but A had none ({}).",
            preview(&right[0], 40),
            a.seen.verdict().trim_end_matches('.')
        );
        found.add(rule!("gw-fabricated-finish"), both(x, y).at(None, at(b)), message);
    } else if !left.is_empty() && !right.is_empty() && left != right {
        let (x, y) = (left.join(", "), right.join(", "));
        let message = format!("The finish is {x:?} at A and {y:?} at B.");
        found.add(rule!("gw-finish-rewritten"), both(x, y).at(at(a), at(b)), message);
    }
}

fn emptied(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let (x, y) = (a.seen.answer(), b.seen.answer());
    if !x.deltas().is_empty()
        && y.deltas().is_empty()
        && y.sentinel.is_some()
        && b.error().is_none()
    {
        let left = count(x.deltas().len() as u64, "delta");
        let message = format!("A has an answer ({left}), B only [DONE].");
        found.add(rule!("gw-guardrail-emptied"), both(left, "only [DONE]"), message);
    }
}

fn usage(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let (x, y) = (a.seen.answer().usage, b.seen.answer().usage);
    let word = |u: crate::dialect::Usage| {
        let n = |v: Option<u64>| v.map_or("–".to_owned(), |v| v.to_string());
        format!("{} in, {} out, {} in all", n(u.input), n(u.output), n(u.total))
    };
    match (x.is_given(), y.is_given()) {
        (false, true) => {
            let right = word(y);
            let message = format!("A gave no usage; B's ({right}) is made up.");
            found.add(rule!("gw-fabricated-usage"), both("no usage", right), message);
        }
        (true, false) if b.error().is_none() => {
            let left = word(x);
            let message = format!("A gave usage ({left}), B none.");
            found.add(rule!("gw-usage-dropped"), both(left, "no usage"), message);
        }
        (true, true) if (x.input, x.output, x.total) != (y.input, y.output, y.total) => {
            let (left, right) = (word(x), word(y));
            let message = format!("The usage differs: A {left}; B {right}.");
            found.add(rule!("gw-usage-wrong"), both(left, right), message);
        }
        _ => {}
    }
}

fn usage_shape(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    if let (Some(x), Some(y)) = (a.usage_alone, b.usage_alone)
        && x != y
    {
        let word = |alone| if alone { "choices []" } else { "a choice beside it" };
        let message = format!("The usage chunk has {} at A and {} at B.", word(x), word(y));
        found.add(rule!("gw-usage-chunk-reshaped"), both(word(x), word(y)), message);
    }
}

fn reasoning(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let paths = |s: &Side<'_>| -> Vec<(String, u64)> {
        s.seen.answer().paths(Channel::Reasoning).collect()
    };
    let (left, right) = (paths(a), paths(b));
    let word = |paths: &[(String, u64)]| match paths {
        [] => "none".to_owned(),
        list => list.iter().map(|(p, n)| format!("{p} ×{n}")).collect::<Vec<_>>().join(", "),
    };
    let (x, y) = (word(&left), word(&right));
    let frames = (a.first(Channel::Reasoning), b.first(Channel::Reasoning));
    let thought = b.seen.answer().think(0).is_some_and(|t| t.any());
    if left.is_empty() || b.error().is_some() {
        return;
    }
    if right.is_empty() && thought {
        let message = format!("The reasoning ({x}) comes as <think> tags in B's content.");
        found.add(
            rule!("gw-reasoning-to-think-tags"),
            both(x, "<think> in content").at(frames.0, None),
            message,
        );
    } else if right.is_empty() {
        let message = format!("The reasoning ({x} at A) does not arrive at B.");
        found.add(rule!("gw-reasoning-dropped"), both(x, y).at(frames.0, None), message);
    } else {
        let names = |paths: &[(String, u64)]| -> Vec<String> {
            paths.iter().map(|p| p.0.clone()).collect()
        };
        if names(&left) != names(&right) {
            let message = format!("The reasoning comes in another field: A {x}, B {y}.");
            found.add(rule!("gw-reasoning-renamed"), both(x, y).at(frames.0, frames.1), message);
        }
    }
}

fn ids(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let (x, y) = (&a.ids, &b.ids);
    let word = |ids: &[String]| match ids {
        [] => "no id".to_owned(),
        [one] => preview(one, 40),
        [first, ..] => format!("{} and {} more", preview(first, 40), ids.len() - 1),
    };
    if y.len() > 2 && y.len() as u64 * 2 > b.carriers && x.len() <= 2 {
        let message = format!("B gives a new id in nearly every chunk ({}), A one.", y.len());
        found.add(rule!("gw-id-per-chunk"), both(word(x), word(y)), message);
    } else if !x.is_empty() && !y.is_empty() && x.first() != y.first() {
        let message = format!("The id is {} at A and {} at B.", word(x), word(y));
        found.add(rule!("gw-id-rewritten"), both(word(x), word(y)), message);
    }
}

fn spliced(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let codes = ["message-start-spliced", "message-start-duplicate", "model-changes"];
    let of = |s: &Side<'_>| s.seen.findings().iter().find(|f| codes.contains(&f.code())).cloned();
    if let (None, Some(f)) = (of(a), of(b)) {
        let message = format!("B begins another answer in mid-stream: {}", f.message);
        found.add(
            rule!("gw-fallback-spliced"),
            both("one answer", f.code()).at(None, f.frame),
            message,
        );
    }
}

fn model(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    if let (Some(x), Some(y)) = (&a.seen.answer().model, &b.seen.answer().model)
        && x != y
    {
        let (x, y) = (preview(x, 60), preview(y, 60));
        let message = format!("The model is {x:?} at A and {y:?} at B.");
        found.add(rule!("gw-model-rewritten"), both(x, y), message);
    }
}

fn events(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    if a.named > 0 && b.named == 0 && b.carriers > 0 && same_dialect(a, b) {
        let left = count(a.named, "named event");
        let message = format!("B has none of A's event names ({left}).");
        found.add(rule!("gw-event-name-stripped"), both(left, "none"), message);
    }
}

fn comments(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    if a.comments > 0 && b.comments == 0 && b.error().is_none() {
        let left = count(a.comments, "comment");
        let message = format!("A's {left} (keep-alives) do not come through B.");
        found.add(rule!("gw-comment-stripped"), both(left, "none"), message);
    }
}

fn tools(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let collision = &["tool-index-collision"];
    if b.found(collision) && !a.found(collision) {
        let n = |s: &Side<'_>| count(s.seen.answer().tools().len() as u64, "tool call");
        let message = "All tool calls have one index at B, and their own at A.";
        found.add(rule!("gw-tool-index-collapsed"), both(n(a), n(b)), message);
    }
}

fn buffered(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let codes = &["burst-delivery", "headers-late"];
    if b.found(codes) && !a.found(codes) {
        let n = |s: &Side<'_>| {
            let reads = s.seen.reads().len() as u64;
            format!("{} in {}", count(s.seen.frames().len() as u64, "frame"), count(reads, "read"))
        };
        let message = format!("B hands the stream on in bursts: A {}, B {}.", n(a), n(b));
        found.add(rule!("gw-buffered"), both(n(a), n(b)), message);
    }
}

fn retries(_: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    for name in RETRIES {
        let Some(value) = b.header(name).filter(|v| v.parse::<u32>().is_ok_and(|n| n > 0)) else {
            continue;
        };
        let right = format!("{name}: {value}");
        let message = format!("B tried more than once before it answered ({right}).");
        found.add(rule!("gw-retry-hidden"), both("–", right), message);
    }
}

/// The members of the two requests; recorded sessions may hold two that are not the same.
fn request(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let members = |s: &Side<'_>| -> Option<Vec<String>> {
        let body = std::str::from_utf8(&s.seen.request.as_ref()?.body).ok()?;
        let mut tape = Tape::new();
        tape.parse(body).ok()?;
        let root = tape.root(body).filter(|r| r.kind() == Kind::Object)?;
        Some(root.entries().filter_map(|(k, _)| k.as_str().map(Into::into)).collect())
    };
    let (Some(x), Some(y)) = (members(a), members(b)) else { return };
    if !same_dialect(a, b) {
        return;
    }
    let only = |of: &[String], not: &[String]| -> Vec<String> {
        of.iter().filter(|k| !not.contains(k)).cloned().collect()
    };
    let (left, right) = (only(&x, &y), only(&y, &x));
    if !left.is_empty() || !right.is_empty() {
        let word = |list: &[String]| if list.is_empty() { "–".into() } else { list.join(", ") };
        let (left, right) = (word(&left), word(&right));
        let message = format!("The requests differ: only A has {left}, only B {right}.");
        found.add(rule!("gw-params-dropped"), both(left, right), message);
    }
}

fn pieces(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let joined = |s: &Side<'_>| (s.text(Channel::Content), s.text(Channel::Reasoning));
    let (x, y) = (a.pieces(), b.pieces());
    if x != y && joined(a) == joined(b) && !x.is_empty() {
        let (left, right) = (count(x.len() as u64, "piece"), count(y.len() as u64, "piece"));
        let message = if x.len() == y.len() {
            format!("The same text is cut into other {left}.")
        } else {
            format!("The same text comes in {left} at A and in {right} at B.")
        };
        found.add(rule!("gw-rechunked"), both(left, right), message);
    }
}

fn roles(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let n = |s: &Side<'_>| s.seen.shape().count("choices[].delta.role");
    let (x, y) = (n(a), n(b));
    let choices = a.seen.answer().choices().len() as u64;
    if y > x && y > choices.max(1) {
        let message = format!("The role stands in {x} chunks at A and in {y} at B.");
        found.add(rule!("gw-role-injected"), both(format!("×{x}"), format!("×{y}")), message);
    }
}

fn nulls(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    if !same_dialect(a, b) || b.error().is_some() {
        return;
    }
    let rows = b.seen.shape().rows();
    let null = |types: &[&str]| types.contains(&"null");
    let stripped: Vec<_> = a
        .seen
        .shape()
        .rows()
        .into_iter()
        .filter(|r| null(&r.types))
        .filter(|r| rows.iter().all(|s| s.path != r.path || !null(&s.types)))
        .filter(|r| a.carriers > 0 && r.count > 0)
        .map(|r| r.path)
        .collect();
    if !stripped.is_empty() && b.carriers > 0 {
        let list = stripped.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let message = format!("Members that are null at A are not there at B: {list}.");
        found.add(rule!("gw-null-stripped"), both(list, "not there"), message);
    }
}

fn key_order(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let common = |of: &[String], other: &[String]| -> Vec<String> {
        of.iter().filter(|k| other.contains(k)).cloned().collect()
    };
    let (x, y) = (common(&a.keys, &b.keys), common(&b.keys, &a.keys));
    if x != y && x.len() == y.len() {
        let (left, right) = (x.join(", "), y.join(", "));
        let message = format!("The members stand in another order: A {left}; B {right}.");
        found.add(rule!("gw-key-order"), both(left, right), message);
    }
}

fn same_dialect(a: &Side<'_>, b: &Side<'_>) -> bool {
    a.seen.dialect().map(|d| d.name()) == b.seen.dialect().map(|d| d.name())
}
