//! The summary object: one exchange, whole, as `-o json` and the last line of `-o ndjson` have it.
//! The members and their names are a contract with scripts.

use serde_json::{Map, Value, json};

use crate::dialect::{Channel, Usage};
use crate::frame::{FrameKind, sse};
use crate::inspect::{Blame, ClientView, Finding, Inspection, Severity, ShapeRow};
use crate::journal::{ExchangeId, Micros};
use crate::json::Tape;
use crate::text::{Newlines, visible};

/// The form of the findings in a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingsDetail {
    /// As counts for each severity: the stream of lines has had them.
    Counted,
    /// All of them.
    Listed,
}

/// The most items of a list in a summary.
const MAX_LIST: usize = 1000;

/// The summary of one exchange, which is number `x`, as the contract's object.
pub fn summary(x: ExchangeId, i: &Inspection, findings: FindingsDetail) -> Value {
    let answer = i.answer();
    let asked = i.request.as_ref().map(|r| r.model.as_str()).filter(|m| !m.is_empty());
    // A configured dialect has no confidence.
    let found = i.recognized().filter(|_| i.dialect_is_guessed());
    let finish: Map<_, _> = answer.finish().map(|(c, why)| (c.to_string(), why.into())).collect();
    let mut out = json!({
        "type": "summary",
        "x": x,
        "verdict": i.verdict(),
        "outcome": i.outcome().name(),
        "clients": clients(i),
        "reason": i.reason().map(|r| r.name()),
        "blame": i.blame().map(|b| blame(&b)),
        "provider": i.request.as_ref().map(|r| &r.provider),
        "dialect": i.dialect().map(|d| d.name()),
        "dialect_confidence": found.map(|f| f.sign.confidence.name()),
        "dialect_by": found.map(|f| visible(&f.sign.by, Newlines::Show)),
        "variant": i.variant().map(|v| v.0.name),
        "model": answer.model.as_deref().or(asked),
        "status": i.status(),
        "content_type": i.content_type(),
        "ending": ending(i),
        "content": texts(i, Channel::Content),
        "reasoning": texts(i, Channel::Reasoning),
        "refusal": texts(i, Channel::Refusal),
        "tools": tools(i),
        "finish": finish,
        "usage": usage(answer.usage),
    });
    let rows = i.shape().rows();
    let row = |r: &ShapeRow| json!({"path": r.path, "types": r.types, "count": r.count, "first": r.first});
    out["paths"] = rows.iter().take(MAX_LIST).map(row).collect();
    let more = rows.len().saturating_sub(MAX_LIST) as u64 + i.shape().dropped;
    if more > 0 {
        out["paths_more"] = more.into();
    }
    out["timing"] = timing(i);
    out["counts"] = counts(i);
    // An empty body has no framing of its own; its content type decides.
    let empty = sse::Sse::default();
    let labeled = i.body().is_empty() && i.content_type().is_some_and(is_event_stream);
    let sse = i.sse().or(labeled.then_some(&empty));
    out["sse"] = sse.map(sse_counts).unwrap_or_default();
    out["findings"] = match findings {
        FindingsDetail::Counted => {
            let count = |s: &Severity| (s.name().to_owned(), Value::from(i.count(*s)));
            Value::Object(Severity::ALL.iter().rev().map(count).collect())
        }
        FindingsDetail::Listed => i.findings().iter().map(|f| finding(x, f)).collect(),
    };
    out
}

pub(super) fn blame(blame: &Blame) -> Value {
    json!({
        "party": blame.party,
        "confidence": blame.confidence.name(),
        "why": blame.why,
    })
}

/// A finding as a separate line.
pub(super) fn finding(x: ExchangeId, f: &Finding) -> Value {
    json!({
        "type": "finding",
        "x": x,
        "at": at(f.at),
        "code": f.code,
        "severity": f.severity,
        "phase": f.phase(),
        "frame": f.frame,
        "offset": f.offset,
        "message": visible(&f.sentence(), Newlines::Show),
    })
}

fn clients(i: &Inspection) -> Vec<Value> {
    let client = |view: &ClientView| {
        json!({
            "client": view.client,
            "result": view.result.name(),
            "detail": visible(&view.detail, Newlines::Show),
        })
    };
    i.clients().iter().map(client).collect()
}

/// A moment in seconds; null where it was not measured.
pub(super) fn at(at: Option<Micros>) -> Option<f64> {
    at.map(crate::journal::file::seconds)
}

fn ending(i: &Inspection) -> Value {
    let e = i.ending();
    json!({
        "transport": e.transport.name(),
        "sentinel": e.sentinel,
        "finish": e.finish,
        "terminal": e.terminal,
    })
}

fn texts(i: &Inspection, channel: Channel) -> Map<String, Value> {
    i.answer().texts(channel).map(|(choice, text)| (choice.to_string(), text.into())).collect()
}

fn tools(i: &Inspection) -> Vec<Value> {
    let mut tape = Tape::new();
    let tool = |t: &crate::inspect::ToolCall| {
        let value = t.value();
        let valid = (!value.is_empty() && !t.free_text).then(|| tape.parse(value).is_ok());
        json!({
            "choice": t.choice,
            "index": t.index,
            "id": t.id,
            "name": t.name,
            "arguments": t.arguments,
            "valid": valid,
        })
    };
    i.answer().tools().iter().map(tool).collect()
}

fn usage(u: Usage) -> Value {
    json!({
        "input": u.input,
        "output": u.output,
        "reasoning": u.reasoning,
        "cached": u.cached,
        "total": u.total,
    })
}

fn timing(i: &Inspection) -> Value {
    let t = &i.timing;
    let since = |moment| t.since_request(moment);
    let gaps = t.gap_summary();
    let gap = |pick: fn(crate::inspect::Gaps) -> Micros| at(gaps.map(pick));
    json!({
        "connect": since(t.connected),
        "tls": since(t.tls),
        "head": since(t.head),
        "first_byte": since(t.first_byte),
        "first_frame": since(t.first_frame),
        "first_reasoning": since(t.first_reasoning),
        "first_content": since(t.first_content),
        "last_content": since(t.last_content),
        "end": since(t.end),
        "gap_p50": gap(|g| g.p50),
        "gap_p99": gap(|g| g.p99),
        "gap_max": gap(|g| g.max),
    })
}

fn counts(i: &Inspection) -> Value {
    let timed = i.bare.is_none();
    let of = |kind| i.frames().iter().filter(|f| f.kind == kind).count();
    json!({
        "bytes": i.wire_len(),
        "decoded_bytes": i.body().len(),
        "chunks": timed.then(|| i.reads().iter().filter(|r| r.len > 0).count()),
        "frames": i.frames().len(),
        "events": of(FrameKind::Event),
        "comments": i.sse().map_or(0, |s| s.comments.total()),
    })
}

fn is_event_stream(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("text/event-stream")
}

fn sse_counts(s: &sse::Sse) -> Value {
    let ignored = |f: &sse::IgnoredField| json!({"name": f.name, "value": f.value, "reason": f.reason.name()});
    let mut out = json!({
        "bom": s.bom,
        "comments": s.comments.items,
        "ignored_fields": s.ignored_fields.items.iter().map(ignored).collect::<Vec<_>>(),
        "blocks_without_data": s.blocks_without_data,
        "trailing": {"bytes": s.trailing.bytes, "kind": s.trailing.kind.name()},
        "line_endings": {
            "lf": s.line_endings.lf, "cr": s.line_endings.cr, "crlf": s.line_endings.crlf,
        },
        "invalid_utf8": s.invalid_utf8,
        "final_id": s.final_id(),
        "final_retry": digits(s.final_retry.as_deref()),
    });
    for (name, more) in
        [("comments_more", s.comments.more), ("ignored_fields_more", s.ignored_fields.more)]
    {
        if more > 0 {
            out[name] = more.into();
        }
    }
    out
}

/// A `retry` value as a JSON number; there may be more digits than any number type has.
pub(super) fn digits(retry: Option<&str>) -> Option<serde_json::Value> {
    let digits = retry?;
    digits.parse::<u64>().map(Into::into).ok().or_else(|| {
        // The number may have any length: use the largest that JSON readers agree on.
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| u64::MAX.into())
    })
}
