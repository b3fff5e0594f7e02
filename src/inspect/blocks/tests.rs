use std::sync::Arc;

use super::{Block, MAX_BLOCKS};
use crate::inspect::{Code, InspectOptions, Inspection};
use crate::journal::{EndCause, Entry, EntryKind};

/// The inspection of a bare body.
fn inspect(dialect: &str, body: &str) -> Inspection {
    let mut inspection = Inspection::new(Arc::new(InspectOptions::default()));
    let entry = |kind| Entry { exchange: crate::journal::ExchangeId::default(), at: None, kind };
    inspection.push(&entry(EntryKind::Bare {
        status: Some(200),
        content_type: Some("text/event-stream".into()),
        dialect: Some(dialect.into()),
        named_sse: false,
    }));
    inspection.push(&entry(EntryKind::Body {
        len: body.len() as u32,
        bytes: body.to_owned().into(),
        masked: Vec::new(),
    }));
    inspection.push(&entry(EntryKind::End { cause: EndCause::Unknown, detail: String::new() }));
    inspection
}

fn sse(events: &[&str]) -> String {
    events.iter().map(|e| format!("data: {e}\n\n")).collect()
}

fn shown(block: &Block) -> String {
    format!(
        "{} {}..{:?} {}/{}",
        block.label(),
        block.opened,
        block.closed,
        block.deltas,
        block.bytes
    )
}

#[test]
fn blocks_know_their_frames() {
    let body = sse(&[
        r#"{"type":"message_start","message":{"id":"a","model":"m","content":[],"usage":{}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"}"}}"#,
    ]);
    let inspection = inspect("anthropic", &body);
    let blocks: Vec<_> = inspection.blocks().iter().map(shown).collect();
    assert_eq!(blocks, ["thinking block 0 1..Some(3) 1/2", "tool_use block 1 4..None 2/2"]);
    let call = &inspection.blocks()[1];
    assert_eq!((call.id.as_deref(), call.name.as_deref()), (Some("t"), Some("f")));
    assert!(call.announced && call.last_delta == Some(6));
}

#[test]
fn parts_are_inside_their_items() {
    let body = sse(&[
        r#"{"type":"response.created","response":{"id":"r"}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"m","type":"message","content":[]}}"#,
        r#"{"type":"response.content_part.added","output_index":0,"content_index":0,"part":{"type":"output_text","text":""}}"#,
        r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Hi"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"m","type":"message","content":[{"type":"output_text","text":"Hi"}]}}"#,
    ]);
    let inspection = inspect("openai-responses", &body);
    let blocks: Vec<_> = inspection.blocks().iter().map(shown).collect();
    assert_eq!(
        blocks,
        ["message item 0 1..Some(4) 0/0", "output_text content part 0 2..Some(4) 1/2"]
    );
    assert_eq!(inspection.blocks()[1].parent, Some(0));
}

#[test]
fn dialects_without_events_for_blocks_have_their_channels() {
    let body = sse(&[
        r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"a"}}]}"#,
        r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":"{}"}}]}}]}"#,
        r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"b"}}]}"#,
        r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    ]);
    let inspection = inspect("openai-chat", &body);
    let blocks: Vec<_> = inspection.blocks().iter().map(shown).collect();
    assert_eq!(blocks, ["content channel 0 0..Some(3) 2/2", "call 0 1..Some(3) 1/2"]);
}

/// Events of another dialect, as a gateway may write them in front of a provider's.
#[test]
fn indexes_of_another_dialect_are_other_blocks() {
    let body = sse(&[
        r#"{"type":"start"}"#,
        r#"{"type":"text-start"}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    let inspection = inspect("auto", &body);
    let blocks: Vec<_> = inspection.blocks().iter().map(shown).collect();
    assert_eq!(blocks, ["text part 1..None 0/0", "text block 0 2..Some(4) 1/2"]);
    let code = |code| inspection.findings().iter().any(|found| found.code == code);
    assert!(!code(Code::BlockReopened) && !code(Code::BlockNotClosed));
}

/// Endless blocks from a server take bounded memory and time.
#[test]
fn a_million_blocks_are_cheap() {
    type Event = fn(u64) -> String;
    let kinds: [(&str, Event); 4] = [
        ("anthropic", |i| {
            format!(
                r#"{{"type":"content_block_start","index":{i},"content_block":{{"type":"text","text":""}}}}"#
            )
        }),
        ("anthropic", |i| format!(r#"{{"type":"content_block_stop","index":{i}}}"#)),
        ("openai-responses", |i| {
            format!(
                r#"{{"type":"response.output_item.added","output_index":{i},"item":{{"type":"message","content":[]}}}}"#
            )
        }),
        ("openai-responses", |i| {
            format!(
                r#"{{"type":"response.content_part.added","output_index":0,"content_index":{i},"part":{{"type":"output_text"}}}}"#
            )
        }),
    ];
    for (dialect, event) in kinds {
        let body: String = (0..60_000).map(|i| format!("data: {}\n\n", event(i))).collect();
        let inspection = inspect(dialect, &body);
        assert!(inspection.blocks().len() <= MAX_BLOCKS);
        assert!(inspection.findings().len() < 1000);
    }
}

/// A final object that restates one item a thousand times is read once for each.
#[test]
fn a_restatement_is_compared_in_the_time_of_its_bytes() {
    let mut body = sse(&[
        r#"{"type":"response.created","response":{"id":"r"}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"m","type":"message","content":[]}}"#,
        r#"{"type":"response.content_part.added","output_index":0,"content_index":0,"part":{"type":"output_text","text":""}}"#,
    ]);
    for _ in 0..20_000 {
        body.push_str("data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"abcdefghijklmnop\"}\n\n");
    }
    for _ in 0..20_000 {
        body.push_str("data: {\"type\":\"response.output_text.done\",\"output_index\":0,\"content_index\":0,\"text\":\"abc\"}\n\n");
    }
    let inspection = inspect("openai-responses", &body);
    let found = inspection.findings().iter().filter(|f| f.code == Code::DeltasDifferFromDone);
    assert_eq!(found.count(), 1);
}
