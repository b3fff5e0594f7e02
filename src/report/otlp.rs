//! OpenTelemetry: a client span for each exchange by the semantic conventions for generative AI, each
//! finding an event of it, as OTLP/JSON on one line. The collector's `otlpjsonfile` receiver reads
//! such files; they can also be posted to `/v1/traces` as they are.

use std::io::{self, Write};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::har::RecordingOrigin;
use crate::inspect::{Finding, Inspection, Outcome};
use crate::journal::{ExchangeId, Micros};
use crate::text;

/// `SPAN_KIND_CLIENT`.
const CLIENT: u8 = 3;
/// `STATUS_CODE_OK` and `STATUS_CODE_ERROR`.
const STATUS: (u8, u8) = (1, 2);

/// Writes one `ExportTraceServiceRequest` with a span for each exchange. Times without a date, of an undated
/// recording, count from the beginning of 1970.
///
/// # Errors
/// Those of the writer.
pub fn otlp(
    exchanges: &[(ExchangeId, &Inspection)],
    origin: &RecordingOrigin,
    out: &mut impl Write,
) -> io::Result<()> {
    let spans = exchanges.iter().map(|(x, i)| span(*x, i, origin, None)).collect();
    text::write_json(&mut *out, &request(spans))?;
    out.write_all(b"\n")
}

/// A call with the calls that were made for it, as spans of one trace: the first is their parent.
pub fn otlp_call(
    (x, call): (ExchangeId, &Inspection),
    attempts: &[(ExchangeId, &Inspection)],
    origin: &RecordingOrigin,
) -> Value {
    let children = attempts.iter().map(|(y, i)| span(*y, i, origin, Some(x)));
    request(std::iter::once(span(x, call, origin, None)).chain(children).collect())
}

fn request(spans: Vec<Value>) -> Value {
    json!({"resourceSpans": [{
        "resource": {"attributes": [
            attribute("service.name", "sselens".into()),
            attribute("service.version", env!("CARGO_PKG_VERSION").into()),
        ]},
        "scopeSpans": [{
            "scope": {"name": "sselens", "version": env!("CARGO_PKG_VERSION")},
            "spans": spans,
        }],
    }]})
}

/// A value of an attribute.
enum Attribute {
    Text(String),
    Integer(u64),
    Texts(Vec<String>),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Attribute {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

/// A key with its value. 64-bit integers are strings in OTLP/JSON.
fn attribute(key: &str, value: Attribute) -> Value {
    let value = match value {
        Attribute::Text(text) => json!({"stringValue": text}),
        Attribute::Integer(number) => json!({"intValue": number.to_string()}),
        Attribute::Texts(texts) => {
            let values: Vec<_> = texts.iter().map(|t| json!({"stringValue": t})).collect();
            json!({"arrayValue": {"values": values}})
        }
    };
    json!({"key": key, "value": value})
}

/// 64 bits that depend on the session and on `salt` (FNV-1a): the same recording has the same ids.
fn id(origin: &RecordingOrigin, salt: &str) -> u64 {
    let program = origin.program.bytes().chain(*b"/");
    let bytes = origin.created.bytes().chain(*b"/").chain(program).chain(salt.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn span(
    x: ExchangeId,
    i: &Inspection,
    origin: &RecordingOrigin,
    parent: Option<ExchangeId>,
) -> Value {
    let epoch =
        OffsetDateTime::parse(&origin.created, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let epoch = u64::try_from(epoch.unix_timestamp_nanos()).unwrap_or(0);
    let root = parent.unwrap_or(x);
    let nanos = |at: Micros| epoch.saturating_add(at.saturating_mul(1000)).to_string();
    let begin = i.timing.request.or_else(|| i.frame_at(0)).unwrap_or(0);
    let end = i.timing.end.or(i.timing.last_data).unwrap_or(begin).max(begin);
    let model = i.request.as_ref().map(|r| r.model.as_str()).filter(|m| !m.is_empty());
    let name = model.map_or("chat".to_owned(), |model| format!("chat {model}"));
    let failed = i.outcome() == Outcome::Failed;
    let status = match failed {
        true => json!({"code": STATUS.1, "message": i.verdict()}),
        false => json!({"code": STATUS.0}),
    };
    let mut events: Vec<Value> = [
        ("response.headers", i.timing.head),
        ("first_token", i.timing.first_reasoning.into_iter().chain(i.timing.first_content).min()),
    ]
    .into_iter()
    .filter_map(|(name, at)| Some(json!({"timeUnixNano": nanos(at?), "name": name})))
    .collect();
    events.extend(i.findings().iter().map(|f| event(f, nanos(f.at.unwrap_or(end)))));
    let mut span = json!({
        "traceId": format!("{:016x}{:016x}", id(origin, "trace"), id(origin, &format!("trace {root}"))),
        "spanId": format!("{:016x}", id(origin, &format!("span {x}"))),
        "name": name,
        "kind": CLIENT,
        "startTimeUnixNano": nanos(begin),
        "endTimeUnixNano": nanos(end),
        "attributes": attributes(x, i),
        "events": events,
        "status": status,
    });
    if let Some(parent) = parent {
        span["parentSpanId"] = format!("{:016x}", id(origin, &format!("span {parent}"))).into();
    }
    span
}

fn event(finding: &Finding, at: String) -> Value {
    let mut attributes = vec![
        attribute("sselens.finding.code", finding.code.name().into()),
        attribute("sselens.finding.severity", finding.severity.name().into()),
        attribute("sselens.finding.phase", finding.phase().name().into()),
        attribute("sselens.finding.message", finding.message.as_str().into()),
    ];
    if let Some(frame) = finding.frame {
        attributes.push(attribute("sselens.finding.frame", u64::from(frame).into()));
    }
    if let Some(offset) = finding.offset {
        attributes.push(attribute("sselens.finding.offset", offset.into()));
    }
    json!({"timeUnixNano": at, "name": format!("finding {}", finding.code), "attributes": attributes})
}

fn attributes(x: ExchangeId, i: &Inspection) -> Vec<Value> {
    let answer = i.answer();
    let mut all = vec![
        attribute("gen_ai.operation.name", "chat".into()),
        attribute("sselens.exchange", u64::from(x).into()),
        attribute("sselens.outcome", i.outcome().name().into()),
        attribute("sselens.verdict", i.verdict().as_str().into()),
    ];
    let mut add =
        |key: &str, value: Option<Attribute>| all.extend(value.map(|v| attribute(key, v)));
    let request = i.request.as_ref();
    let url = request.and_then(|r| url::Url::parse(&r.url).ok());
    add("server.address", url.as_ref().and_then(|u| u.host_str()).map(Into::into));
    let port = url.as_ref().and_then(url::Url::port_or_known_default);
    add("server.port", port.map(|p| u64::from(p).into()));
    add("gen_ai.provider.name", request.map(|r| r.provider.as_str().into()));
    add("gen_ai.request.model", request.map(|r| r.model.as_str().into()));
    add("http.response.status_code", i.status().map(|s| u64::from(s).into()));
    add("gen_ai.response.model", answer.model.as_deref().map(Into::into));
    let finishes: Vec<String> = answer.finish().map(|(_, f)| f.to_owned()).collect();
    let finishes = (!finishes.is_empty()).then_some(Attribute::Texts(finishes));
    add("gen_ai.response.finish_reasons", finishes);
    add("gen_ai.usage.input_tokens", answer.usage.input.map(Into::into));
    add("gen_ai.usage.output_tokens", answer.usage.output.map(Into::into));
    add("sselens.dialect", i.spoken().map(|d| Attribute::Text(d.to_string())));
    let cause = i.cause().filter(|_| i.outcome() == Outcome::Failed);
    add("error.type", cause.map(|f| f.code.name().into()));
    if let Some(blame) = i.blame() {
        add("sselens.blame.party", Some(blame.party.name().into()));
        add("sselens.blame.confidence", Some(blame.confidence.name().into()));
    }
    all
}
