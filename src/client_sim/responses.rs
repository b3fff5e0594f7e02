//! OpenAI Responses: what a loop over the events takes, and the items that both helpers build.

use super::sdk::Final;
use super::value::{field, text};
use super::{ClientRun, ClientToolCall, calls};
use crate::json::Value;

/// Adds what a careful loop over the plain iteration reads from an event.
pub(super) fn deliver(run: &mut ClientRun, event: Value<'_>) {
    run.given.chunks += 1;
    let kind = event.str("type").unwrap_or_default();
    let index = event.get("output_index").and_then(Value::as_u64);
    let delta = || event.str("delta").filter(|d| !d.is_empty());
    match kind.as_ref() {
        "response.output_text.delta" => {
            if let Some(delta) = delta() {
                run.given.content.entry(0).or_default().push_str(&delta);
            }
        }
        "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
            if let Some(delta) = delta() {
                run.given.reasoning.entry(0).or_default().push_str(&delta);
            }
        }
        "response.output_item.added" | "response.output_item.done" => {
            let Some(item) = event.get("item").map(OutputItem::of).filter(OutputItem::is_call)
            else {
                return;
            };
            let done = kind.ends_with("done");
            let whole = item.whole().filter(|whole| done && !whole.is_empty()).map(str::to_owned);
            let tool = calls::at(run, 0, index);
            tool.name = tool.name.take().or_else(|| item.title());
            if let Some(whole) = whole {
                tool.arguments = whole;
            }
        }
        "response.function_call_arguments.delta"
        | "response.custom_tool_call_input.delta"
        | "response.mcp_call_arguments.delta" => {
            let delta = delta().unwrap_or_default();
            calls::at(run, 0, index).arguments.push_str(&delta);
        }
        "response.completed" | "response.incomplete" | "response.failed" => {
            if let Some(status) = text(event.get("response"), "status").filter(|s| !s.is_empty()) {
                run.given.finish.insert(0, status);
            }
        }
        _ => {}
    }
}

/// A part of an item: of its content, or of its summary.
#[derive(Debug, Clone, Default)]
pub(super) struct ItemPart {
    pub(super) kind: String,
    /// The text or the refusal; `None` where the field is not there.
    pub(super) text: Option<String>,
}

impl ItemPart {
    pub(super) fn of(part: Value<'_>) -> Self {
        let kind = text(Some(part), "type").unwrap_or_default();
        let name = if kind == "refusal" { "refusal" } else { "text" };
        Self { kind, text: text(Some(part), name) }
    }
}

/// An output item, as far as views compare it.
#[derive(Debug, Clone, Default)]
pub(super) struct OutputItem {
    pub(super) kind: String,
    pub(super) id: Option<String>,
    pub(super) call_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
    pub(super) input: Option<String>,
    /// `None` where the field is not there.
    pub(super) content: Option<Vec<ItemPart>>,
    pub(super) summary: Option<Vec<ItemPart>>,
}

impl OutputItem {
    pub(super) fn of(item: Value<'_>) -> Self {
        let of = |name| text(Some(item), name);
        let parts = |name| field(Some(item), name).map(|p| p.items().map(ItemPart::of).collect());
        Self {
            kind: of("type").unwrap_or_default(),
            id: of("id"),
            call_id: of("call_id"),
            name: of("name"),
            arguments: of("arguments"),
            input: of("input"),
            content: parts("content"),
            summary: parts("summary"),
        }
    }

    /// The items of a whole response; `None` where it has no list of them.
    pub(super) fn all(response: Option<Value<'_>>) -> Option<Vec<Self>> {
        Some(field(response, "output")?.items().map(Self::of).collect())
    }

    /// Returns whether it is a call of a tool, whoever runs that.
    pub(super) fn is_call(&self) -> bool {
        self.kind.ends_with("_call")
    }

    fn title(&self) -> Option<String> {
        let name = self.name.as_ref().filter(|n| !n.is_empty());
        Some(name.unwrap_or(&self.kind).clone()).filter(|n| !n.is_empty())
    }

    fn whole(&self) -> Option<&str> {
        let arguments = self.arguments.as_deref().filter(|a| !a.is_empty());
        arguments.or(self.input.as_deref())
    }
}

/// The final object: these items and this status.
pub(super) fn last<'a>(
    items: impl IntoIterator<Item = &'a OutputItem>,
    status: Option<String>,
) -> Final {
    let (mut text, mut reasoning, mut tools) = (String::new(), String::new(), Vec::new());
    for item in items {
        let content = item.content.iter().flatten();
        match item.kind.as_str() {
            "message" => content
                .filter(|part| part.kind == "output_text")
                .for_each(|part| text.push_str(part.text.as_deref().unwrap_or_default())),
            "reasoning" => item
                .summary
                .iter()
                .flatten()
                .chain(content)
                .for_each(|part| reasoning.push_str(part.text.as_deref().unwrap_or_default())),
            _ if item.is_call() => tools.push(ClientToolCall {
                name: item.title(),
                arguments: item.whole().unwrap_or_default().to_owned(),
                ..ClientToolCall::default()
            }),
            _ => {}
        }
    }
    Final::one(text, reasoning, tools, status)
}
