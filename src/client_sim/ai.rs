//! The handling of a provider's parts by `streamText` of Vercel's `ai`: it joins no text, but it reports each
//! part that belongs to nothing, and continues.

use std::collections::{BTreeMap, BTreeSet};

use super::{ClientRun, ClientToolCall};
use crate::json::{Kind, Value};

/// A channel whose parts are opened, filled and closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartChannel {
    Text,
    Reasoning,
}

impl PartChannel {
    fn noun(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Reasoning => "reasoning",
        }
    }
}

/// The open parts of one channel. An id that was used before gets another one behind it.
#[derive(Debug, Default)]
struct OpenParts {
    used: BTreeSet<String>,
    names: BTreeMap<String, String>,
    active: BTreeSet<String>,
}

/// The parts of one answer.
#[derive(Debug, Default)]
pub(super) struct AiParts {
    text: OpenParts,
    reasoning: OpenParts,
    /// Something of an answer was passed on.
    pub(super) any: bool,
    /// The provider said how it ended.
    finished: bool,
}

impl AiParts {
    fn open(&mut self, part: PartChannel) -> &mut OpenParts {
        match part {
            PartChannel::Text => &mut self.text,
            PartChannel::Reasoning => &mut self.reasoning,
        }
    }

    /// A part begins.
    pub(super) fn start(&mut self, part: PartChannel, id: &str) {
        self.any = true;
        let open = self.open(part);
        let mut name = id.to_owned();
        while !open.used.insert(name.clone()) {
            name.push('+');
        }
        open.active.insert(name.clone());
        open.names.insert(id.to_owned(), name);
    }

    /// A part grows. The caller gets its text even where nothing is open.
    pub(super) fn delta(&mut self, run: &mut ClientRun, part: PartChannel, id: &str, text: &str) {
        self.any = true;
        // The client skips empty text, but not empty reasoning.
        if text.is_empty() && part == PartChannel::Text {
            return;
        }
        let channel = match part {
            PartChannel::Text => &mut run.given.content,
            PartChannel::Reasoning => &mut run.given.reasoning,
        };
        if !text.is_empty() {
            channel.entry(0).or_default().push_str(text);
        }
        let open = self.open(part);
        let name = open.names.get(id).map_or(id, String::as_str);
        if !open.active.contains(name) {
            not_found(run, part, name);
        }
    }

    /// A part ends.
    pub(super) fn end(&mut self, run: &mut ClientRun, part: PartChannel, id: &str) {
        let open = self.open(part);
        let name = open.names.remove(id).unwrap_or_else(|| id.to_owned());
        if !open.active.remove(&name) {
            not_found(run, part, &name);
        }
    }

    /// A whole call.
    pub(super) fn call(&mut self, run: &mut ClientRun, name: &str, arguments: &str) {
        self.any = true;
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        run.given.tools.push(ClientToolCall {
            name: Some(name.to_owned()).filter(|name| !name.is_empty()),
            arguments: arguments.to_owned(),
            ..ClientToolCall::default()
        });
    }

    /// The provider says how the answer ended; `other` is its word for not knowing.
    pub(super) fn finish(&mut self, run: &mut ClientRun, reason: Option<&str>) {
        self.finished = true;
        run.given.fabricated = reason.is_none();
        run.given.finish.insert(0, reason.unwrap_or("other").to_owned());
    }

    /// The stream is over.
    pub(super) fn close(&mut self, run: &mut ClientRun) {
        // A reported error already counts as the end.
        if self.finished || run.given.finish.contains_key(&0) {
            return;
        }
        if self.any {
            self.finish(run, None);
            return;
        }
        run.given.error.get_or_insert_with(|| super::Raised {
            class: "AI_NoOutputGeneratedError",
            message: "No output generated. The model stream ended without a finish chunk.".into(),
        });
    }
}

/// An error that changes neither the finish nor what follows.
fn not_found(run: &mut ClientRun, part: PartChannel, id: &str) {
    let message = format!("\"{} part {id} not found\"", part.noun());
    run.given.error.get_or_insert_with(|| super::Raised::new("String", message));
}

/// A payload that the provider's schema refuses.
pub(super) fn mistyped(run: &mut ClientRun) {
    run.report("AI_TypeValidationError", "Type validation failed: Value: ");
}

/// Returns whether a field has a value of that kind.
pub(super) fn is(value: Value<'_>, name: &str, kind: Kind) -> bool {
    value.get(name).is_some_and(|field| field.kind() == kind)
}

/// Returns whether a field has a value of that kind, is null or is not there.
pub(super) fn is_or_null(value: Value<'_>, name: &str, kind: Kind) -> bool {
    value.get(name).is_none_or(|field| field.is_null() || field.kind() == kind)
}
