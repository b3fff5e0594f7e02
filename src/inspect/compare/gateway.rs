//! What gateways do to a stream: A came directly, B through one.

use std::collections::HashSet;

use super::finish::alike;
use super::side::{Side, fate, foreign};
use super::{Check, Found, RULES, both};
use crate::dialect::Channel;
use crate::inspect::rule::{Severity, rule};
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
    repeated,
    pieces,
    roles,
    fields,
    nulls,
    key_order,
];

/// Headers by which gateways tell how often they tried.
const RETRIES: &[&str] = &["x-litellm-attempted-retries", "x-litellm-attempted-fallbacks"];

/// Statuses that say that the request as it stands is wrong: another request may be right.
const REFUSALS: &[u16] = &[400, 413, 422];

fn errors(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let unframed = |s: &Side<'_>| s.found(&["sse-raw-json"]);
    if unframed(b) && !unframed(a) && a.error().is_some() {
        let message = format!("the error of {a} arrives behind {b} as bare JSON between events.");
        let sides = both(a.error().unwrap_or_default(), "no event");
        found.add(rule!("gw-error-unframed"), sides, message);
        return;
    }
    // Of a response that is nothing but the error, the frame tells nothing.
    let frame = |s: &Side<'_>| {
        let first = s.seen.answer().errors.first().map(|e| e.frame);
        first.filter(|_| s.seen.status().is_none_or(|n| n < 300))
    };
    match (a.error(), b.error()) {
        (Some(left), None) => lost_error(a, b, left, frame(a), found),
        (Some(left), Some(right)) if !same_error(a, b) => {
            let status =
                |s: &Side<'_>| s.seen.status().map_or("no status".into(), |n| n.to_string());
            let (x, y) = (status(a), status(b));
            let mut message = if b.found(&["swallowed-422"]) && a.seen.status() == Some(422) {
                let (why, right) = (a.seen.verdict(), preview(&right, 100));
                format!("{b} lost the 422 of {} and says {right} instead. {why}", a.name)
            } else if x == y {
                format!("the error is told in other words: {a} {left}, {b} {right}.")
            } else {
                format!(
                    "the error's status is {x} at {} and {y} at {}: {a} {left}, {b} {right}.",
                    a.name, b.name
                )
            };
            if let (Some(wait), None) = (a.header("retry-after"), b.header("retry-after")) {
                message.push_str(&format!(" Retry-After: {} is lost.", preview(wait, 40)));
            }
            let sides = both(left, right).at(frame(a), frame(b));
            found.add(rule!("gw-error-rewrapped"), sides, message);
        }
        (None, Some(right)) => new_error(a, b, right, frame(b), found),
        (None, None) => {
            if let Some(left) = a.hidden_error().filter(|_| b.hidden_error().is_none()) {
                let right = fate(b.seen);
                let message = format!("{left} at {a}; {b} shows no error ({right}).");
                found.add(rule!("gw-error-swallowed"), both(left, right), message);
            }
        }
        _ => {}
    }
}

/// Whether both tell their error with one status and in the same words. The error's kind is a word
/// of the dialect.
fn same_error(a: &Side<'_>, b: &Side<'_>) -> bool {
    let said = |s: &Side<'_>| s.seen.answer().errors.first().map(|e| e.message.clone());
    let words = if foreign(a, b) { said(a) == said(b) } else { a.error() == b.error() };
    words && a.seen.status() == b.seen.status()
}

/// The direct call tells an error, the other does not.
fn lost_error(a: &Side<'_>, b: &Side<'_>, left: String, at: Option<u32>, found: &mut Found) {
    let right = fate(b.seen);
    let refused = a.seen.status().filter(|s| *s >= 300);
    if let Some(status) = refused
        && b.carriers > 0
    {
        // What answers a call that was refused is another call.
        let (code, why) = match REFUSALS.contains(&status) {
            true => (rule!("gw-params-dropped"), "the request that it sent must be another one"),
            false => (rule!("ends-differ"), "it tried again, or asked somebody else"),
        };
        let message = format!("{a} was refused ({left}), and {b} has an answer ({right}): {why}.");
        return found.add(code, both(left, right), message);
    }
    let erased = a.seen.dialect().is_some_and(|d| d.name() == "ollama")
        && b.seen.dialect().is_some_and(|d| d.name() != "ollama");
    let code = if erased { rule!("ollama-v1-error-erased") } else { rule!("gw-error-swallowed") };
    let message = format!("{a} failed with {left}; {b} shows no error ({right}).");
    found.add(code, both(left, right).at(at, None), message);
}

/// Only the other call tells an error.
fn new_error(a: &Side<'_>, b: &Side<'_>, right: String, at: Option<u32>, found: &mut Found) {
    let left = fate(a.seen);
    let ended = a.seen.answer().finished() && !a.found(&["finish-error"]);
    if a.failed() && !ended {
        let why = a.seen.verdict();
        let message = format!("{b} tells as an error ({right}) how {} ended: {why}", a.name);
        return found.add(rule!("gw-error-rewrapped"), both(left, right).at(None, at), message);
    }
    let message = format!("{b} ends in an error, {right}, where {a} came to its end ({left}).");
    found.add(rule!("ends-differ"), both(left, right).at(None, at), message);
}

fn finish(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let (x, y) = (a.seen.answer(), b.seen.answer());
    let words = |s: &Side<'_>| -> Vec<(u32, String)> {
        s.seen.answer().finish().map(|(c, f)| (c, f.to_owned())).collect()
    };
    let (left, right) = (words(a), words(b));
    if right.is_empty() || b.error().is_some() {
        return;
    }
    let told = preview(&right[0].1, 40);
    let frame = y.finish_frame(right[0].0);
    let sides = || both(fate(a.seen), fate(b.seen)).at(None, frame);
    let why = a.seen.verdict();
    let why = why.trim_end_matches('.');
    let refused = a.error().is_some() && a.carriers == 0 && b.carriers > 0;
    if left.is_empty() && !refused {
        let message =
            format!("{b} made an end up: it says finish {told:?}, but {a} had none ({why}).");
        found.add(rule!("gw-fabricated-finish"), sides(), message);
    } else if b.carriers == 0 && a.carriers > 0 && unreadable(a) && !unreadable(b) {
        // Clients see as little of the one as of the other, and of the one not even an end.
        let message =
            format!("{b} made an end up: finish {told:?} of an empty answer. At {a}: {why}.");
        found.add(rule!("gw-fabricated-finish"), sides(), message);
    } else if !left.is_empty() {
        let same = |x: &str, y: &str| if foreign(a, b) { alike(a, x, b, y) } else { x == y };
        // Both are in order of the choice, and have each once.
        let of_right = |c: u32| right.binary_search_by_key(&c, |(d, _)| *d).ok().map(|i| &right[i]);
        let kept = |c: u32, f: &str| of_right(c).is_some_and(|(_, g)| same(f, g));
        let differs = left.iter().find(|(c, f)| !kept(*c, f));
        let Some((choice, word)) = differs else { return };
        let other = of_right(*choice);
        let message = match (other, left.len().max(right.len())) {
            (Some((_, other)), 1) => {
                format!("the finish is {word:?} at {a} and {other:?} at {b}.")
            }
            (Some((_, other)), _) => {
                format!("the finish of choice {choice} is {word:?} at {a} and {other:?} at {b}.")
            }
            (None, 1) => format!(
                "the finish {word:?} of choice {choice} comes at {b} as that of choice {}.",
                right[0].0
            ),
            (None, _) => format!("the finish {word:?} of choice {choice} at {a} is lost at {b}."),
        };
        let frames = (x.finish_frame(*choice), y.finish_frame(*choice));
        let list = |f: &[(u32, String)]| {
            f.iter().map(|(c, f)| format!("{c}: {f}")).collect::<Vec<_>>().join(", ")
        };
        let sides = both(list(&left), list(&right)).at(frames.0, frames.1);
        found.add(rule!("gw-finish-rewritten"), sides, message);
    }
}

/// Whether it is an answer of which a client that expects events sees nothing.
fn unreadable(s: &Side<'_>) -> bool {
    s.found(&["ndjson-in-sse", "json-completion-200", "sse-single-newline-frames"])
}

fn emptied(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let deltas = a.seen.answer().deltas().len() as u64;
    if deltas > 0 && b.objects == 0 && b.seen.answer().sentinel.is_some() {
        let left = count(deltas, "delta");
        let message = format!("{a} has an answer ({left}), {b} only [DONE].");
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
        (false, true) if !b.failed() || a.failed() => {
            let right = word(y);
            let message = format!("{a} gave no usage; that of {b} ({right}) is made up.");
            found.add(rule!("gw-fabricated-usage"), both("no usage", right), message);
        }
        (true, false) if b.error().is_none() && !b.was_stopped() => {
            let left = word(x);
            let asked = members(b).is_none_or(|m| m.iter().any(|k| k == "stream_options"));
            let why = if asked { "" } else { "; the request did not ask for it (stream_options)" };
            let message = format!("{a} gave usage ({left}), {b} none{why}.");
            found.add(rule!("gw-usage-dropped"), both(left, "no usage"), message);
        }
        (true, true)
            if (x.input, x.output) != (y.input, y.output)
                || x.total != y.total
                    && (!foreign(a, b) || x.total.is_some() && y.total.is_some()) =>
        {
            let (left, right) = (word(x), word(y));
            let message = format!("the usage differs: {a} {left}; {b} {right}.");
            found.add(rule!("gw-usage-wrong"), both(left, right), message);
        }
        _ => {}
    }
}

fn usage_shape(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    if let (Some(x), Some(y)) = (a.usage_alone, b.usage_alone)
        && x != y
        && !foreign(a, b)
    {
        let word = |alone| if alone { "choices []" } else { "a choice beside it" };
        let message = format!("the usage chunk has {} at {a} and {} at {b}.", word(x), word(y));
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
        let message = format!("the reasoning ({x}) comes as <think> tags in the content of {b}.");
        found.add(
            rule!("gw-reasoning-to-think-tags"),
            both(x, "<think> in content").at(frames.0, None),
            message,
        );
    } else if right.is_empty() {
        let message = format!("the reasoning of {a} ({x}) does not arrive at {b}.");
        found.add(rule!("gw-reasoning-dropped"), both(x, y).at(frames.0, None), message);
    } else if let Some((n, m)) = shortened(a, b) {
        let message = format!("of the reasoning, {m} of {n} characters arrive: {a} {x}; {b} {y}.");
        found.add(rule!("gw-reasoning-dropped"), both(x, y).at(frames.0, frames.1), message);
    } else {
        let names = |paths: &[(String, u64)]| -> Vec<String> {
            paths.iter().map(|p| p.0.clone()).collect()
        };
        if names(&left) != names(&right) && !foreign(a, b) {
            let message = format!("the reasoning comes in another field: {a} {x}, {b} {y}.");
            found.add(rule!("gw-reasoning-renamed"), both(x, y).at(frames.0, frames.1), message);
        }
    }
}

/// How much reasoning the one has and the other, where the other has a part of it only.
fn shortened(a: &Side<'_>, b: &Side<'_>) -> Option<(usize, usize)> {
    let (x, y) = (a.text(Channel::Reasoning), b.text(Channel::Reasoning));
    let part = x.len() > y.len() && x.contains(&y) && !b.was_stopped();
    part.then(|| (x.chars().count(), y.chars().count()))
}

fn ids(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    if foreign(a, b) {
        return;
    }
    let (x, y) = (&a.ids, &b.ids);
    let word = |ids: &[String]| match ids {
        [] => "no id".to_owned(),
        [one] => preview(one, 40),
        [first, ..] => format!("{} and {} more", preview(first, 40), ids.len() - 1),
    };
    if y.len() > 2 && y.len() as u64 * 2 > b.carriers && x.len() <= 2 {
        let message = format!("{b} gives a new id in nearly every chunk ({}), {a} one.", y.len());
        found.add(rule!("gw-id-per-chunk"), both(word(x), word(y)), message);
    } else if !x.is_empty() && !y.is_empty() && x != y {
        let message = format!("the id is {} at {a} and {} at {b}.", word(x), word(y));
        found.add(rule!("gw-id-rewritten"), both(word(x), word(y)), message);
    }
}

fn spliced(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let codes = ["message-start-spliced", "message-start-duplicate", "model-changes"];
    let of = |s: &Side<'_>| s.seen.findings().iter().find(|f| codes.contains(&f.code())).cloned();
    if let (None, Some(f)) = (of(a), of(b)) {
        let message = format!("{b} begins another answer in mid-stream: {}", f.message);
        found.add(
            rule!("gw-fallback-spliced"),
            both("one answer", f.code()).at(None, f.frame),
            message,
        );
    }
}

fn model(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let models = |s: &Side<'_>| {
        // Azure's first chunk has an empty one; dialects that name it elsewhere have the answer's.
        let named = s.models.iter().filter(|m| !m.is_empty());
        let named: Vec<_> = named.take(3).map(|m| format!("{:?}", preview(m, 60))).collect();
        match (named.is_empty(), &s.seen.answer().model) {
            (true, Some(model)) => vec![format!("{:?}", preview(model, 60))],
            _ => named,
        }
    };
    let (x, y) = (models(a), models(b));
    if x != y && !x.is_empty() && !y.is_empty() {
        let (x, y) = (x.join(", then "), y.join(", then "));
        let message = format!("the model is {x} at {a} and {y} at {b}.");
        found.add(rule!("gw-model-rewritten"), both(x, y), message);
    }
}

fn events(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    // Where an error has been named, the name of its event is told with it.
    if a.named == 0 || b.named > 0 || b.carriers == 0 || !same_dialect(a, b) || a.error().is_some()
    {
        return;
    }
    let left = count(a.named, "named event");
    // Chat's clients read data only; those of the others know an event by its name.
    let needed = a.named * 2 > a.seen.frames().len() as u64;
    let (severity, end) = match needed {
        true => (Severity::Fatal, ""),
        false => (Severity::Info, ", which no client of this dialect needs"),
    };
    let message = format!("{b} has none of the event names of {a} ({left}){end}.");
    found.add_as(rule!("gw-event-name-stripped"), severity, both(left, "none"), message);
}

fn comments(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    // Another dialect keeps alive in its own way.
    if a.comments > 0 && b.comments == 0 && b.error().is_none() && !foreign(a, b) {
        let left = count(a.comments, "comment");
        let message = format!("{b} hands on none of the comments (keep-alives) of {a}: {left}.");
        found.add(rule!("gw-comment-stripped"), both(left, "none"), message);
    }
}

fn tools(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let collision = &["tool-index-collision"];
    if b.found(collision) && !a.found(collision) {
        let n = |s: &Side<'_>| count(s.seen.answer().tools().len() as u64, "tool call");
        let had = match a.seen.answer().tools().iter().any(|t| t.counted) {
            true => "no index",
            false => "indexes of their own",
        };
        let message = format!("tool calls share one index at {b}; at {a} they have {had}.");
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
        let message = format!("{b} hands the stream on in bursts: {a} {}, {b} {}.", n(a), n(b));
        found.add(rule!("gw-buffered"), both(n(a), n(b)), message);
    }
}

fn retries(_: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    for name in RETRIES {
        let Some(value) = b.header(name).filter(|v| v.parse::<u32>().is_ok_and(|n| n > 0)) else {
            continue;
        };
        let right = format!("{name}: {value}");
        let message = format!("{b} tried more than once before it answered ({right}).");
        found.add(rule!("gw-retry-hidden"), both("–", right), message);
    }
}

/// The members of a request.
fn members(s: &Side<'_>) -> Option<Vec<String>> {
    let body = std::str::from_utf8(&s.seen.request.as_ref()?.body).ok()?;
    let mut tape = Tape::new();
    tape.parse(body).ok()?;
    let root = tape.root(body).filter(|r| r.kind() == Kind::Object)?;
    Some(root.entries().filter_map(|(k, _)| k.as_str().map(Into::into)).collect())
}

/// The two requests; recorded sessions may hold two that are not the same.
fn request(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let (Some(x), Some(y)) = (members(a), members(b)) else { return };
    if !same_dialect(a, b) {
        return;
    }
    let only = |of: &[String], not: &[String]| -> Vec<String> {
        let not: HashSet<&String> = not.iter().collect();
        of.iter().filter(|k| !not.contains(k)).cloned().collect()
    };
    let (left, right) = (only(&x, &y), only(&y, &x));
    if !left.is_empty() || !right.is_empty() {
        let word = |list: &[String]| if list.is_empty() { "–".into() } else { list.join(", ") };
        let (left, right) = (word(&left), word(&right));
        let code = match one_address(a, b) {
            true => rule!("request-mutated"),
            false => rule!("gw-params-dropped"),
        };
        let message =
            format!("the requests differ: only that of {a} has {left}, only that of {b} {right}.");
        found.add(code, both(left, right), message);
    }
}

/// Whether both requests went to one address.
fn one_address(a: &Side<'_>, b: &Side<'_>) -> bool {
    let address = |s: &Side<'_>| s.seen.request.as_ref().map(|r| (r.method.clone(), r.url.clone()));
    address(a).is_some_and(|x| !x.1.is_empty() && Some(x) == address(b))
}

/// The same refused request, sent once more after the refusal.
fn repeated(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let body = |s: &Side<'_>| s.seen.request.as_ref().map(|r| r.body.clone());
    let refused = |s: &Side<'_>| s.seen.status() == Some(422);
    let after = |x: &Side<'_>, y: &Side<'_>| {
        x.seen.timing.end.zip(y.seen.timing.request).is_some_and(|(end, next)| end <= next)
    };
    let in_turn = after(a, b) || after(b, a);
    if refused(a) && refused(b) && in_turn && one_address(a, b) && body(a) == body(b) {
        let len = body(a).map_or(0, |b| b.len()) as u64;
        let what = format!("422, {}", count(len, "byte"));
        let message = "the same request was sent again after its 422, to be refused again.";
        found.add(rule!("duplicate-request-after-422"), both(what.clone(), what), message);
    }
}

fn pieces(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let joined = |s: &Side<'_>| {
        let texts = [Channel::Content, Channel::Reasoning, Channel::Refusal].map(|c| s.text(c));
        let tools = s.seen.answer().tools().iter().map(|t| t.arguments.clone());
        (texts, tools.collect::<Vec<_>>())
    };
    let (x, y) = (a.pieces(), b.pieces());
    if x != y && joined(a) == joined(b) && !x.is_empty() {
        let (left, right) = (count(x.len() as u64, "piece"), count(y.len() as u64, "piece"));
        let message = if x.len() == y.len() {
            format!("the same text is cut into other {left}.")
        } else {
            format!("the same text comes in {left} at {a} and in {right} at {b}.")
        };
        found.add(rule!("gw-rechunked"), both(left, right), message);
    }
}

fn roles(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let n = |s: &Side<'_>| s.seen.shape().count("choices[].delta.role");
    let (x, y) = (n(a), n(b));
    let choices = a.seen.answer().choices().len() as u64;
    if y > x && y > choices.max(1) && !foreign(a, b) {
        let message = format!("the role stands in {x} chunks at {a} and in {y} at {b}.");
        found.add(rule!("gw-role-injected"), both(format!("×{x}"), format!("×{y}")), message);
    }
}

/// Members with a value that nothing else here tells of: citations, log probabilities, extensions.
fn fields(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    const TOLD: &[&str] = &[
        "usage",
        "error",
        "reasoning",
        "thinking",
        "refusal",
        ".delta.content",
        ".delta.role",
        "tool_calls",
        "[].message",
    ];
    let lost = ["gw-content-changed", "gw-guardrail-emptied", "gw-fabricated-finish"];
    let failed = a.error().is_some() || b.error().is_some() || b.was_stopped();
    if !same_dialect(a, b) || failed || b.carriers == 0 || lost.iter().any(|c| found.has(c)) {
        return;
    }
    let theirs: HashSet<String> = b.seen.shape().rows().into_iter().map(|r| r.path).collect();
    let mut gone: Vec<String> = Vec::new();
    for row in a.seen.shape().rows() {
        let value = row.types.iter().any(|t| *t != "null");
        let told = TOLD.iter().any(|t| row.path.contains(t));
        // What stands inside of something that is gone is gone with it, and comes right after it.
        let inside = gone.last().is_some_and(|g| row.path.starts_with(g.as_str()));
        if value && !told && !inside && !theirs.contains(&row.path) {
            gone.push(row.path);
        }
    }
    if !gone.is_empty() {
        let more = gone.len().saturating_sub(5);
        let mut list = gone.into_iter().take(5).collect::<Vec<_>>().join(", ");
        if more > 0 {
            list.push_str(&format!(" and {more} more"));
        }
        let message = format!("members of {a} that {b} does not have: {list}.");
        found.add(rule!("gw-fields-dropped"), both(list, "not there"), message);
    }
}

fn nulls(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    if !same_dialect(a, b) || b.error().is_some() {
        return;
    }
    let null = |types: &[&str]| types.contains(&"null");
    let theirs = b.seen.shape().rows().into_iter().filter(|r| null(&r.types));
    let theirs: HashSet<String> = theirs.map(|r| r.path).collect();
    let stripped: Vec<_> = a
        .seen
        .shape()
        .rows()
        .into_iter()
        .filter(|r| null(&r.types) && !theirs.contains(&r.path))
        .filter(|r| a.carriers > 0 && r.count > 0)
        .map(|r| r.path)
        .collect();
    if !stripped.is_empty() && b.carriers > 0 {
        let list = stripped.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let message = format!("members that are null at {a} are not there at {b}: {list}.");
        found.add(rule!("gw-null-stripped"), both(list, "not there"), message);
    }
}

fn key_order(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let common = |of: &[String], other: &[String]| -> Vec<String> {
        let other: HashSet<&String> = other.iter().collect();
        of.iter().filter(|k| other.contains(k)).cloned().collect()
    };
    let (x, y) = (common(&a.keys, &b.keys), common(&b.keys, &a.keys));
    if x != y && x.len() == y.len() && !foreign(a, b) {
        let (left, right) = (x.join(", "), y.join(", "));
        let message = format!("the members stand in another order: {a} {left}; {b} {right}.");
        found.add(rule!("gw-key-order"), both(left, right), message);
    }
}

fn same_dialect(a: &Side<'_>, b: &Side<'_>) -> bool {
    a.seen.dialect().map(|d| d.name()) == b.seen.dialect().map(|d| d.name())
}
