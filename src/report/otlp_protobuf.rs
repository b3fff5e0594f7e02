//! The same spans as protobuf: what collectors and backends take over HTTP. The messages are those of
//! `opentelemetry/proto/trace/v1/trace.proto`, as far as spans of this program have them.

use prost::Message;
use serde_json::Value;

#[derive(Clone, PartialEq, Message)]
struct TraceRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<OtlpSpan>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct OtlpSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<SpanEvent>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct SpanEvent {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "AnyValueKind", tags = "1, 3, 4, 5")]
    kind: Option<AnyValueKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum AnyValueKind {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Integer(i64),
    #[prost(double, tag = "4")]
    Number(f64),
    #[prost(message, tag = "5")]
    List(ArrayValue),
}

#[derive(Clone, PartialEq, Message)]
struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

/// An `ExportTraceServiceRequest` in OTLP/JSON as protobuf.
pub fn protobuf(request: &Value) -> Vec<u8> {
    let resource_spans = each(request, "resourceSpans", |r| ResourceSpans {
        resource: Some(Resource { attributes: attributes(&r["resource"]) }),
        scope_spans: each(r, "scopeSpans", |s| ScopeSpans {
            scope: Some(Scope {
                name: text(&s["scope"], "name"),
                version: text(&s["scope"], "version"),
            }),
            spans: each(s, "spans", span),
        }),
    });
    TraceRequest { resource_spans }.encode_to_vec()
}

fn span(s: &Value) -> OtlpSpan {
    OtlpSpan {
        trace_id: hex(&text(s, "traceId")),
        span_id: hex(&text(s, "spanId")),
        parent_span_id: hex(&text(s, "parentSpanId")),
        name: text(s, "name"),
        kind: small(&s["kind"]),
        start_time_unix_nano: large(&s["startTimeUnixNano"]),
        end_time_unix_nano: large(&s["endTimeUnixNano"]),
        attributes: attributes(s),
        events: each(s, "events", |e| SpanEvent {
            time_unix_nano: large(&e["timeUnixNano"]),
            name: text(e, "name"),
            attributes: attributes(e),
        }),
        status: Some(Status {
            message: text(&s["status"], "message"),
            code: small(&s["status"]["code"]),
        }),
    }
}

fn each<T>(of: &Value, key: &str, make: impl Fn(&Value) -> T) -> Vec<T> {
    of[key].as_array().map_or_else(Vec::new, |all| all.iter().map(make).collect())
}

fn attributes(of: &Value) -> Vec<KeyValue> {
    each(of, "attributes", |a| KeyValue { key: text(a, "key"), value: Some(any(&a["value"])) })
}

fn any(value: &Value) -> AnyValue {
    let kind = match value.as_object().and_then(|members| members.iter().next()) {
        Some((key, of)) if key == "stringValue" => {
            of.as_str().map(|t| AnyValueKind::Text(t.to_owned()))
        }
        Some((key, of)) if key == "intValue" => {
            i64::try_from(large(of)).ok().map(AnyValueKind::Integer)
        }
        Some((key, of)) if key == "doubleValue" => of.as_f64().map(AnyValueKind::Number),
        Some((key, of)) if key == "arrayValue" => {
            Some(AnyValueKind::List(ArrayValue { values: each(of, "values", any) }))
        }
        _ => None,
    };
    AnyValue { kind }
}

fn text(of: &Value, key: &str) -> String {
    of[key].as_str().unwrap_or_default().to_owned()
}

fn small(number: &Value) -> i32 {
    number.as_i64().and_then(|n| i32::try_from(n).ok()).unwrap_or(0)
}

/// A 64-bit number, which JSON has as a string.
fn large(number: &Value) -> u64 {
    number.as_str().and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |i: usize| u8::from_str_radix(text.get(i..i + 2)?, 16).ok();
    (0..text.len() / 2).filter_map(|i| byte(2 * i)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_everything_as_protobuf_that_it_has_as_json() {
        let request = serde_json::json!({"resourceSpans": [{
            "resource": {"attributes": [{"key": "a", "value": {"stringValue": "b"}}]},
            "scopeSpans": [{"scope": {"name": "n", "version": "v"}, "spans": [{
                "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "1112131415161718",
                "parentSpanId": "2122232425262728", "name": "chat m", "kind": 3,
                "startTimeUnixNano": "1700000000000000001", "endTimeUnixNano": "1700000000000000002",
                "attributes": [
                    {"key": "i", "value": {"intValue": "7"}},
                    {"key": "l", "value": {"arrayValue": {"values": [{"stringValue": "x"}]}}},
                ],
                "events": [{"timeUnixNano": "3", "name": "e", "attributes": []}],
                "status": {"code": 2, "message": "m"},
            }]}],
        }]});
        let read = TraceRequest::decode(&protobuf(&request)[..]).unwrap();
        let spans = &read.resource_spans[0].scope_spans[0].spans;
        assert_eq!(spans[0].trace_id, (1..=16).collect::<Vec<u8>>());
        assert_eq!((spans[0].span_id[0], spans[0].parent_span_id[7]), (0x11, 0x28));
        assert_eq!(spans[0].end_time_unix_nano, 1_700_000_000_000_000_002);
        let kinds: Vec<_> =
            spans[0].attributes.iter().map(|a| a.value.clone().unwrap().kind).collect();
        let list =
            ArrayValue { values: vec![AnyValue { kind: Some(AnyValueKind::Text("x".into())) }] };
        assert_eq!(kinds, [Some(AnyValueKind::Integer(7)), Some(AnyValueKind::List(list))]);
        assert_eq!(spans[0].events[0].name, "e");
        assert_eq!(spans[0].status.as_ref().unwrap().code, 2);
        assert_eq!(read.resource_spans[0].resource.as_ref().unwrap().attributes.len(), 1);
    }
}
