//! `messages.stream()` of anthropic-sdk-typescript: `lib/MessageStream.ts`.

use super::Raised;
use super::messages::{MessageBlock, last};
use super::sdk::{Final, Helper};
use super::value::{Index, field, script_text, text, undefined};
use crate::json::{ErrorKind, Tape, Value};

/// The snapshot of the message.
#[derive(Debug, Default)]
pub(super) struct NodeMessageStream {
    snapshot: Option<MessageSnapshot>,
    /// The message as it was when `message_stop` arrived.
    stopped: Option<MessageSnapshot>,
}

#[derive(Debug, Clone, Default)]
struct MessageSnapshot {
    /// `None` where the message had no `content`.
    blocks: Option<Vec<MessageBlock>>,
    has_usage: bool,
    finish: Option<String>,
}

fn throw(message: impl Into<String>) -> Raised {
    Raised::new("AnthropicError", message)
}

/// Returns the places where `list.at(index)` finds a block and where `list[index]` puts it. The second is
/// nowhere if they differ.
fn place(index: &Index, len: usize) -> (Option<usize>, Option<usize>) {
    let read = match index {
        Index::At(at) if *at < 0 => {
            usize::try_from(-at).ok().and_then(|back| len.checked_sub(back))
        }
        Index::At(_) => index.brackets(len),
        // An index that is not a number counts as 0.
        _ => (len > 0).then_some(0),
    };
    (read, index.brackets(len))
}

impl MessageSnapshot {
    fn delta(&mut self, event: Value<'_>) -> Result<(), Raised> {
        let blocks = self.blocks.as_mut().ok_or_else(|| undefined("at"))?;
        let (read, write) = place(&Index::of(event, "index"), blocks.len());
        let delta = field(Some(event), "delta").ok_or_else(|| undefined("type"))?;
        let kind = text(Some(delta), "type").unwrap_or_default();
        if let Some(block) = read.and_then(|at| blocks.get_mut(at)) {
            let lost = &mut block.clone();
            let to = if write.is_some() { block } else { lost };
            let value = |name| script_text(delta.get(name));
            match kind.as_str() {
                "text_delta" if to.kind == "text" => {
                    to.text.get_or_insert_default().push_str(&value("text"));
                }
                "thinking_delta" if to.kind == "thinking" => {
                    let text = to.text.get_or_insert_with(|| "undefined".into());
                    text.push_str(&value("thinking"));
                }
                "input_json_delta" if to.takes_input() => {
                    to.pieces.push_str(&value("partial_json"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn message_delta(&mut self, event: Value<'_>) -> Result<(), Raised> {
        let delta = field(Some(event), "delta").ok_or_else(|| undefined("stop_reason"))?;
        self.finish = text(Some(delta), "stop_reason");
        if field(Some(event), "usage").is_none() {
            return Err(undefined("output_tokens"));
        }
        if !self.has_usage {
            let words = "Cannot set properties of undefined (setting 'output_tokens')";
            return Err(Raised::new("TypeError", words));
        }
        Ok(())
    }
}

/// The deltas that the helper makes events of.
const KNOWN: &[&str] =
    &["text_delta", "citations_delta", "input_json_delta", "thinking_delta", "signature_delta"];

/// Returns the error that reading a tool's input throws.
fn check(block: &MessageBlock) -> Result<(), Raised> {
    let mut tape = Tape::new();
    match tape.parse(&block.pieces) {
        Err(e) if !matches!(e.kind, ErrorKind::Eof | ErrorKind::Empty) => Err(throw("")),
        _ => Ok(()),
    }
}

impl Helper for NodeMessageStream {
    fn add(&mut self, event: Value<'_>) -> Result<(), Raised> {
        let kind = event.str("type").unwrap_or_default();
        if kind == "message_start" {
            if self.snapshot.is_some() {
                let words =
                    "Unexpected event order, got message_start before receiving \"message_stop\"";
                return Err(throw(words));
            }
            self.snapshot = field(Some(event), "message").map(|message| MessageSnapshot {
                blocks: MessageBlock::all(message),
                has_usage: field(Some(message), "usage").is_some(),
                finish: text(Some(message), "stop_reason"),
            });
            return Ok(());
        }
        let Some(snapshot) = &mut self.snapshot else { return Ok(()) };
        match kind.as_ref() {
            "content_block_start" => {
                let blocks = snapshot.blocks.as_mut().ok_or_else(|| undefined("push"))?;
                blocks.push(
                    field(Some(event), "content_block").map(MessageBlock::of).unwrap_or_default(),
                );
            }
            "content_block_delta" => snapshot.delta(event)?,
            "content_block_stop" => {
                let blocks = snapshot.blocks.as_mut().ok_or_else(|| undefined("at"))?;
                let (read, _) = place(&Index::of(event, "index"), blocks.len());
                read.and_then(|at| blocks.get(at)).map_or(Ok(()), check)?;
            }
            "message_delta" => snapshot.message_delta(event)?,
            _ => {}
        }
        Ok(())
    }

    fn after(&mut self, event: Value<'_>) -> Result<(), Raised> {
        let kind = event.str("type").unwrap_or_default();
        let Some(snapshot) = &self.snapshot else { return Ok(()) };
        let delta = || text(event.get("delta"), "type").unwrap_or_default();
        // The helper's own events for a delta look at the last block, whichever block the delta is for.
        if kind == "content_block_delta"
            && snapshot.blocks.as_ref().is_some_and(Vec::is_empty)
            && KNOWN.contains(&delta().as_str())
        {
            return Err(undefined("type"));
        }
        if kind == "message_stop" {
            let blocks = snapshot.blocks.as_ref().ok_or_else(|| undefined("map"))?;
            blocks.iter().try_for_each(check)?;
            self.stopped = Some(snapshot.clone());
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Final, Raised> {
        if self.snapshot.is_none() {
            return Err(throw("request ended without sending any chunks"));
        }
        let without = "stream ended without producing a Message with role=assistant";
        let last_message = self.stopped.take().ok_or_else(|| throw(without))?;
        Ok(last(&last_message.blocks.unwrap_or_default(), last_message.finish))
    }
}
