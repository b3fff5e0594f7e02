//! Changes that gateways make to a stream: A was received directly, B through one.

use std::collections::HashSet;

use super::side::{ComparedSide, foreign, members};
use super::{Check, FoundDifferences, both, cut, delivery, errors, finish, usage};
use crate::dialect::Channel;
use crate::rule::{Code, Severity};
use crate::text::{count, preview};

/// In the order in which they are made: a later one may leave out what an earlier one reported.
pub(super) const CHECKS: &[Check] = &[
    cut::timeout,
    cut::refused,
    cut::cut,
    errors::errors,
    finish::finish,
    emptied,
    usage::usage,
    reasoning,
    fields,
    spliced,
    model,
    dropped,
    events,
    comments,
    resuming,
    tools,
    delivery::compressed,
    delivery::buffered,
    delivery::delayed,
    retries,
    request,
    repeated,
    usage::shape,
    ids,
    pieces,
    roles,
    nulls,
    key_order,
];

/// Headers by which gateways report how often they tried.
const RETRIES: &[&str] = &["x-litellm-attempted-retries", "x-litellm-attempted-fallbacks"];

fn emptied(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let deltas = a.seen.answer().deltas().len() as u64;
    let answer = b.seen.answer();
    let is_empty = b.objects == 0 && answer.deltas().is_empty();
    if deltas > 0 && is_empty && answer.sentinel.is_some() {
        let left = count(deltas, "delta");
        let message = format!("{a} has an answer ({left}), {b} only [DONE]");
        found.add(Code::GwGuardrailEmptied, both(left, "only [DONE]"), message);
    }
}

fn reasoning(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let paths = |s: &ComparedSide<'_>| -> Vec<(String, u64)> {
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
    // Reasoning that an error cut off is shorter because of that error.
    let begun = a.text(Channel::Reasoning).starts_with(&b.text(Channel::Reasoning));
    if b.error().is_some() && begun && !b.seen.answer().has(Channel::Content) {
        return;
    }
    if left.is_empty() {
        return sealed(a, b, found);
    }
    if right.is_empty() && thought {
        let message = format!("the reasoning ({x}) arrives as <think> tags in the content of {b}");
        found.add(
            Code::GwReasoningToThinkTags,
            both(x, "<think> in content").at(frames.0, None),
            message,
        );
    } else if right.is_empty() {
        let chars = count(a.seen.answer().chars(Channel::Reasoning) as u64, "character");
        let message = format!("the reasoning of {a} ({chars} by {x}) does not arrive at {b}");
        found.add(Code::GwReasoningDropped, both(x, y).at(frames.0, None), message);
    } else if let Some((n, m)) = shortened(a, b) {
        let message = format!("of the reasoning, {m} of {n} characters arrive: {a} {x}; {b} {y}");
        found.add(Code::GwReasoningDropped, both(x, y).at(frames.0, frames.1), message);
    } else {
        let names = |paths: &[(String, u64)]| -> Vec<String> {
            paths.iter().map(|p| p.0.clone()).collect()
        };
        sealed(a, b, found);
        if names(&left) != names(&right) && !foreign(a, b) {
            let message = format!("the reasoning field differs: {a} {x}, {b} {y}");
            found.add(Code::GwReasoningRenamed, both(x, y).at(frames.0, frames.1), message);
        }
    }
}

/// Reasoning that only its provider can read, and wants back with the next request.
fn sealed(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    if !same_dialect(a, b) || b.carriers == 0 && b.objects == 0 {
        return;
    }
    let is = |path: &str| {
        let name = path.rsplit('.').next().unwrap_or_default();
        let inside = path.contains("reasoning") || path.contains("thinking");
        matches!(name, "encrypted_content" | "thoughtSignature" | "thought_signature")
            || inside && matches!(name, "data" | "signature")
    };
    let sealed = |s: &ComparedSide<'_>| {
        let rows = s.seen.shape().rows().into_iter();
        rows.filter(|r| is(&r.path) && r.types.contains(&"string")).collect::<Vec<_>>()
    };
    let (x, y) = (sealed(a), sealed(b));
    if let (Some(row), true) = (x.first(), y.is_empty()) {
        let (path, n) = (&row.path, row.count);
        let message = format!(
            "the sealed reasoning of {a} ({path} ×{n}), which the next request has to bring back, does not arrive at {b}"
        );
        let sides = both(format!("{path} ×{n}"), "none").at(Some(row.first), None);
        found.add(Code::GwReasoningDropped, sides, message);
    }
}

/// Returns how much reasoning each side has, where the other has only a part of it.
fn shortened(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> Option<(usize, usize)> {
    let (x, y) = (a.text(Channel::Reasoning), b.text(Channel::Reasoning));
    let part = x.len() > y.len() && x.contains(&y) && !b.was_stopped();
    part.then(|| (x.chars().count(), y.chars().count()))
}

fn ids(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let (x, y) = (&a.ids, &b.ids);
    let word = |ids: &[String]| match ids {
        [] => "no id".to_owned(),
        [one] => preview(one, 40),
        [first, ..] => format!("{} and {} more", preview(first, 40), ids.len() - 1),
    };
    if y.len() > 2 && y.len() as u64 * 2 > b.carriers && x.len() <= 2 {
        let message = format!("{b} sends a new id in nearly every chunk: {} of them", y.len());
        found.add(Code::GwIdPerChunk, both(word(x), word(y)), message);
    } else if !x.is_empty() && !y.is_empty() && !own_ids(x, y) && !foreign(a, b) {
        let message = format!("the id is {} at {a} and {} at {b}", word(x), word(y));
        found.add(Code::GwIdRewritten, both(word(x), word(y)), message);
    }
}

/// Returns whether the ids are the same, or have the same form: then each call has its own id.
fn own_ids(x: &[String], y: &[String]) -> bool {
    // The prefix of the id, its length, and the places of its separators.
    let form = |id: &str| {
        let marks: Vec<_> = id.match_indices(['-', '_']).map(|(at, _)| at).collect();
        let begin = marks.first().map_or(0, |at| at + 1);
        (id[..begin].to_owned(), id.len(), marks)
    };
    x == y || x.len() == y.len() && x.iter().zip(y).all(|(x, y)| form(x) == form(y))
}

fn spliced(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let codes = [Code::MessageStartSpliced, Code::MessageStartDuplicate, Code::ModelChanges];
    let of =
        |s: &ComparedSide<'_>| s.seen.findings().iter().find(|f| codes.contains(&f.code)).cloned();
    if let (None, Some(f)) = (of(a), of(b)) {
        let message = format!("{b} begins another answer in mid-stream: {}", f.message);
        found.add(
            Code::GwFallbackSpliced,
            both("one answer", f.code.name()).at(None, f.frame),
            message,
        );
    }
}

fn model(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let models = |s: &ComparedSide<'_>| {
        // Azure's first chunk has an empty name. Dialects that put the model elsewhere have it in the answer.
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
        let message = format!("the model is {x} at {a} and {y} at {b}");
        found.add(Code::GwModelRewritten, both(x, y), message);
    }
}

/// Reports types of events that do not arrive, for the dialects whose events have types.
fn dropped(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    // Keep-alive events are not part of the answer, and a stream that ends early lacks its end.
    const ALIVE: &[&str] = &["ping", "keepalive"];
    let early = b.was_stopped() || b.error().is_some() && a.error().is_none();
    let cut = !b.seen.saw_own_end() && a.seen.saw_own_end();
    if !same_dialect(a, b) || early || cut || b.types.is_empty() {
        return;
    }
    let has = |name: &str| b.types.iter().any(|t| t.name == name);
    let gone = a.types.iter().filter(|t| !has(&t.name) && !ALIVE.contains(&t.name.as_str()));
    let gone: Vec<_> = gone.collect();
    let Some(first) = gone.first() else { return };
    let more = gone.len().saturating_sub(8);
    let names: Vec<_> =
        gone.iter().take(8).map(|t| format!("{} ×{}", preview(&t.name, 60), t.count)).collect();
    let mut list = names.join(", ");
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    let message = format!("{b} has none of these events of {a}: {list}");
    let sides = both(list, "not there").at(Some(first.first), None);
    found.add(Code::GwEventsDropped, sides, message);
}

fn events(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    // If there is an error, the missing name of its event is reported with it.
    if a.named == 0 || b.objects == 0 || !same_dialect(a, b) {
        return;
    }
    // Compare type by type, where the payloads have types.
    let mut kept = b.types.iter().filter(|t| t.named > 0);
    let unnamed = b.types.iter().filter(|t| t.named == 0);
    let lost = |name: &str| a.types.iter().any(|t| t.name == name && t.named > 0);
    let n: u64 = unnamed.filter(|t| lost(&t.name)).map(|t| t.count).sum();
    let all = n == 0 || kept.all(|t| !lost(&t.name));
    let n = match n {
        0 if b.named > 0 || a.error().is_some() => return,
        0 => a.named,
        n => n,
    };
    // Most clients take the kind of an event from its data.
    let (severity, end) = match a.seen.dialect().map(|d| d.name()) {
        Some("anthropic") => (Severity::Fatal, ": its clients see no event"),
        Some("openai-responses") => (Severity::Warn, ""),
        _ => (Severity::Info, ", which no client of this dialect needs"),
    };
    let left = count(n, "named event");
    let message = match all {
        true => format!("{b} has none of the event names of {a} ({left}){end}"),
        false => format!("{b} does not name {left} of {a}{end}"),
    };
    found.add_as(Code::GwEventNameStripped, severity, both(left, "none"), message);
}

fn comments(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    // Each dialect has its own keep-alives.
    if a.comments > 0 && b.comments == 0 && b.error().is_none() && !foreign(a, b) {
        let left = count(a.comments, "comment");
        let message = format!("{b} drops every comment (keep-alives) of {a}: {left}");
        found.add(Code::GwCommentStripped, both(left, "none"), message);
    }
}

/// Reports missing lines of an event stream that are for resuming after a break.
fn resuming(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let (Some(x), Some(y)) = (a.seen.sse(), b.seen.sse()) else { return };
    let id = !x.final_id().is_empty() && y.final_id().is_empty();
    let retry = x.final_retry.is_some() && y.final_retry.is_none();
    let list = match (id, retry) {
        (true, true) => "id: and retry: lines",
        (true, false) => "id: lines",
        (false, true) => "retry: lines",
        _ => return,
    };
    if b.error().is_none() && !foreign(a, b) {
        let message = format!("the event stream of {a} has {list}, that of {b} none");
        found.add(Code::GwFieldsDropped, both(list, "not there"), message);
    }
}

fn tools(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let collision = &[Code::ToolIndexCollision];
    if b.found(collision) && !a.found(collision) {
        let n = |s: &ComparedSide<'_>| count(s.seen.answer().tools().len() as u64, "tool call");
        let had = match a.seen.answer().tools().iter().any(|t| t.counted) {
            true => "no index",
            false => "separate indexes",
        };
        let message = format!("tool calls share one index at {b}; at {a} they have {had}");
        found.add(Code::GwToolIndexCollapsed, both(n(a), n(b)), message);
    }
}

fn retries(_: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    for name in RETRIES {
        let Some(value) = b.header(name).filter(|v| v.parse::<u32>().is_ok_and(|n| n > 0)) else {
            continue;
        };
        let right = format!("{name}: {value}");
        let message = format!("{b} tried more than once before it answered ({right})");
        found.add(Code::GwRetryHidden, both("–", right), message);
    }
}

/// The two requests; recorded sessions may hold two that are not the same.
fn request(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
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
            true => Code::RequestMutated,
            false => Code::GwParamsDropped,
        };
        let message = match (left.as_str(), right.as_str()) {
            (left, "–") => format!("the requests differ: only that of {a} has {left}"),
            ("–", right) => format!("the requests differ: only that of {b} has {right}"),
            _ => {
                format!(
                    "the requests differ: only that of {a} has {left}, only that of {b} {right}"
                )
            }
        };
        found.add(code, both(left, right), message);
    }
}

/// Returns whether both requests went to one address.
fn one_address(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> bool {
    let address =
        |s: &ComparedSide<'_>| s.seen.request.as_ref().map(|r| (r.method.clone(), r.url.clone()));
    address(a).is_some_and(|x| !x.1.is_empty() && Some(x) == address(b))
}

/// The same refused request, sent once more after the refusal.
fn repeated(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let body = |s: &ComparedSide<'_>| s.seen.request.as_ref().map(|r| r.body.clone());
    let refused = |s: &ComparedSide<'_>| s.seen.status() == Some(422);
    let after = |x: &ComparedSide<'_>, y: &ComparedSide<'_>| {
        x.seen.timing.end.zip(y.seen.timing.request).is_some_and(|(end, next)| end <= next)
    };
    let in_turn = after(a, b) || after(b, a);
    if refused(a) && refused(b) && in_turn && one_address(a, b) && body(a) == body(b) {
        let len = body(a).map_or(0, |b| b.len()) as u64;
        let what = format!("422, {}", count(len, "byte"));
        let message = "the same request was sent again after its 422, to be refused again";
        found.add(Code::DuplicateRequestAfter422, both(what.clone(), what), message);
    }
}

fn pieces(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let joined = |s: &ComparedSide<'_>| {
        let texts = [Channel::Content, Channel::Reasoning, Channel::Refusal].map(|c| s.text(c));
        let tools = s.seen.answer().tools().iter().map(|t| t.arguments.clone());
        (texts, tools.collect::<Vec<_>>())
    };
    let (x, y) = (a.pieces(), b.pieces());
    if x != y && joined(a) == joined(b) && !x.is_empty() {
        let (left, right) = (count(x.len() as u64, "piece"), count(y.len() as u64, "piece"));
        let message = if x.len() == y.len() {
            format!("the same text is cut into other {left}")
        } else {
            format!("the same text arrives in {left} from {a} and in {right} from {b}")
        };
        found.add(Code::GwRechunked, both(left, right), message);
    }
}

fn roles(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let n = |s: &ComparedSide<'_>| s.seen.shape().count("choices[].delta.role");
    let (x, y) = (n(a), n(b));
    let choices = a.seen.answer().choices().len() as u64;
    if y > x && y > choices.max(1) && !foreign(a, b) {
        let message = format!("role occurs in {x} chunks of {a} and in {y} of {b}");
        found.add(Code::GwRoleInjected, both(format!("×{x}"), format!("×{y}")), message);
    }
}

/// Reports fields with a value, on one side only, that nothing else here reports: citations, log
/// probabilities, extensions.
fn fields(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let lost = [Code::GwGuardrailEmptied, Code::GwFabricatedFinish];
    let failed = a.error().is_some() || b.error().is_some() || a.was_stopped() || b.was_stopped();
    if !same_dialect(a, b) || failed || b.carriers == 0 || lost.iter().any(|c| found.has(*c)) {
        return;
    }
    let list = |gone: Vec<String>| {
        let more = gone.len().saturating_sub(5);
        let mut list = gone.into_iter().take(5).collect::<Vec<_>>().join(", ");
        if more > 0 {
            list.push_str(&format!(" and {more} more"));
        }
        list
    };
    let gone = only(a, b, found.has(Code::GwUsageDropped));
    if !gone.is_empty() {
        let list = list(gone);
        let message = format!("members of {a} that {b} does not have: {list}");
        found.add(Code::GwFieldsDropped, both(list, "not there"), message);
    }
    // Gateways always add some counts of their own.
    let added = only(b, a, true);
    if !added.is_empty() {
        let list = list(added);
        let message = format!("members of {b} that {a} does not have: {list}");
        found.add(Code::GwFieldsAdded, both("not there", list), message);
    }
}

/// The members that one has with a value and the other has not, but for what other checks look at.
fn only(a: &ComparedSide<'_>, b: &ComparedSide<'_>, no_usage: bool) -> Vec<String> {
    // Fields that frame every chunk, and fields that have their own check.
    const REPORTED: &[&str] = &["error", ".delta.role", ".delta.content", ".function_call"];
    const CALL: &[&str] = &["index", "id", "type", "function"];
    let theirs: HashSet<String> = b.seen.shape().rows().into_iter().map(|r| r.path).collect();
    // The fields that fed a channel, whole: what happened to the channel is reported elsewhere.
    let channels = [Channel::Content, Channel::Reasoning, Channel::Refusal, Channel::Tool];
    let read = channels.into_iter().flat_map(|c| a.seen.answer().paths(c));
    let read: Vec<String> = read.map(|(path, _)| member(&path)).collect();
    let mut gone: Vec<String> = Vec::new();
    for row in a.seen.shape().rows() {
        let value = row.types.iter().any(|t| *t != "null");
        let call = row.path.split_once(".tool_calls");
        let call = call.map(|(_, rest)| rest.trim_start_matches("[]").trim_start_matches('.'));
        let reported = REPORTED.iter().any(|t| row.path.contains(t))
            || call.is_none() && read.iter().any(|r| within(&row.path, r))
            || call.is_some_and(|m| m.is_empty() || CALL.iter().any(|c| within(m, c)))
            || no_usage && within(&row.path, "usage");
        // A field inside a missing field is missing with it, and comes right after it in the list.
        let inside = gone.last().is_some_and(|g| within(&row.path, g));
        if value && !reported && !inside && !theirs.contains(&row.path) {
            gone.push(row.path);
        }
    }
    gone
}

/// The member of a delta, or the message, that a path leads to or into; any other path as it is.
fn member(path: &str) -> String {
    if let Some((before, _)) = path.split_once("[].message.") {
        return format!("{before}[].message");
    }
    let Some((before, rest)) = path.split_once(".delta.") else { return path.to_owned() };
    let name = rest.split(['.', '[']).next().unwrap_or_default();
    format!("{before}.delta.{name}")
}

/// Returns whether a path is that of a key, or leads into it.
fn within(path: &str, member: &str) -> bool {
    path.strip_prefix(member).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn nulls(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
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
        let message = format!("members that are null at {a} are not there at {b}: {list}");
        found.add(Code::GwNullStripped, both(list, "not there"), message);
    }
}

fn key_order(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let common = |of: &[String], other: &[String]| -> Vec<String> {
        let other: HashSet<&String> = other.iter().collect();
        of.iter().filter(|k| other.contains(k)).cloned().collect()
    };
    let (x, y) = (common(&a.keys, &b.keys), common(&b.keys, &a.keys));
    if x != y && x.len() == y.len() && !foreign(a, b) {
        let (left, right) = (x.join(", "), y.join(", "));
        let message = format!("the key order differs: {a} {left}; {b} {right}");
        found.add(Code::GwKeyOrder, both(left, right), message);
    }
}

fn same_dialect(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> bool {
    a.seen.dialect().map(|d| d.name()) == b.seen.dialect().map(|d| d.name())
}
