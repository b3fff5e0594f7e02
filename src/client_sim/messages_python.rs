//! `messages.stream()` of anthropic-python: `lib/streaming/_messages.py`.

use super::Raised;
use super::messages::{MessageBlock, last};
use super::sdk::{Final, Helper};
use super::value::{Index, field, no_attribute, not_joined, text};
use crate::json::{ErrorKind, Kind, Tape, Value};

/// The snapshot of the message.
#[derive(Debug, Default)]
pub(super) struct PythonMessageStream {
    started: bool,
    /// `None` where the message had no `content`.
    blocks: Option<Vec<MessageBlock>>,
    has_usage: bool,
    finish: Option<String>,
}

/// The block at an event's index.
fn at<'a>(
    blocks: &'a mut Option<Vec<MessageBlock>>,
    event: Value<'_>,
) -> Result<&'a mut MessageBlock, Raised> {
    let not_a_list = || Raised::new("TypeError", "'NoneType' object is not subscriptable");
    let blocks = blocks.as_mut().ok_or_else(not_a_list)?;
    let at = Index::of(event, "index").python(blocks.len())?;
    blocks.get_mut(at).ok_or_else(|| Raised::new("IndexError", "list index out of range"))
}

fn join(to: &mut Option<String>, more: Option<String>) -> Result<(), Raised> {
    match (to, more) {
        (Some(text), Some(more)) => text.push_str(&more),
        _ => return Err(not_joined()),
    }
    Ok(())
}

impl PythonMessageStream {
    fn delta(&mut self, event: Value<'_>) -> Result<(), Raised> {
        let block = at(&mut self.blocks, event)?;
        let Some(delta) = field(Some(event), "delta") else {
            return Err(no_attribute("NoneType", "type"));
        };
        let kind = text(Some(delta), "type").unwrap_or_default();
        match kind.as_str() {
            "text_delta" if block.kind == "text" => {
                join(&mut block.text, text(Some(delta), "text"))
            }
            "thinking_delta" if block.kind == "thinking" => {
                join(&mut block.text, text(Some(delta), "thinking"))
            }
            "input_json_delta" if block.takes_input() => {
                let piece = text(Some(delta), "partial_json");
                let none = || Raised::new("TypeError", "encoding without a string argument");
                block.pieces.push_str(&piece.ok_or_else(none)?);
                if block.pieces.len() <= MAX_READ_AGAIN { check(block) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    fn message_delta(&mut self, event: Value<'_>) -> Result<(), Raised> {
        let Some(delta) = field(Some(event), "delta") else {
            return Err(no_attribute("NoneType", "stop_reason"));
        };
        self.finish = text(Some(delta), "stop_reason");
        if field(Some(event), "usage").is_none() || !self.has_usage {
            return Err(no_attribute("NoneType", "output_tokens"));
        }
        Ok(())
    }
}

/// Up to this length the pieces are read with every delta, as the helper does; longer ones when the
/// block ends, in bytes.
const MAX_READ_AGAIN: usize = 4 << 10;

/// Returns the error that the helper raises for a tool's input, if any. It ignores an early end and what
/// follows.
fn check(block: &MessageBlock) -> Result<(), Raised> {
    let mut tape = Tape::new();
    match tape.parse(&block.pieces) {
        Err(e) if !matches!(e.kind, ErrorKind::Eof | ErrorKind::Empty | ErrorKind::Trailing) => {
            let words = "Unable to parse tool parameter JSON from model.";
            Err(Raised::new("ValueError", words))
        }
        _ => Ok(()),
    }
}

impl Helper for PythonMessageStream {
    fn add(&mut self, event: Value<'_>) -> Result<(), Raised> {
        if event.kind() != Kind::Object {
            let kind = super::value::python_type(event).trim_matches('\'');
            let twice = "Unexpected event runtime type, after deserialising twice - ";
            return Err(match self.started {
                true => Raised::new("TypeError", twice),
                false => no_attribute(kind, "type"),
            });
        }
        let kind = event.str("type").unwrap_or_default();
        if !self.started {
            if kind != "message_start" {
                return Ok(());
            }
            let Some(message) = field(Some(event), "message") else {
                return Err(no_attribute("NoneType", "to_dict"));
            };
            self.started = true;
            self.blocks = MessageBlock::all(message);
            self.has_usage = field(Some(message), "usage").is_some();
            self.finish = text(Some(message), "stop_reason");
            return Ok(());
        }
        match kind.as_ref() {
            "content_block_start" => {
                let none = || no_attribute("NoneType", "append");
                let blocks = self.blocks.as_mut().ok_or_else(none)?;
                let block = field(Some(event), "content_block");
                blocks.push(MessageBlock::of(
                    block.ok_or_else(|| no_attribute("NoneType", "to_dict"))?,
                ));
                Ok(())
            }
            "content_block_delta" => self.delta(event),
            "content_block_stop" => at(&mut self.blocks, event).and_then(|block| check(block)),
            "message_delta" => self.message_delta(event),
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<Final, Raised> {
        if !self.started {
            return Err(Raised::new("AssertionError", ""));
        }
        let blocks = self.blocks.take().unwrap_or_default();
        blocks.iter().try_for_each(check)?;
        Ok(last(&blocks, self.finish.take()))
    }
}
