//! The reader that the vendors' SDKs share. Each event is checked, passed to the accumulating helper if the
//! client is one, and then passed to the caller.

use std::collections::BTreeMap;

use super::client::Family;
use super::{ClientRun, ClientToolCall, Raised, Reader};
use crate::json::Value;

/// A family of SDKs' way to decide which events its caller receives.
#[derive(Debug)]
pub(super) struct Gate {
    /// Returns whether an event is read further, by its name and data, before its JSON is.
    pub(super) admits: fn(&mut ClientRun, event: &str, data: &str) -> bool,
    /// Raises an error that a payload contains, and returns whether there was one.
    pub(super) is_error: fn(&mut ClientRun, Value<'_>) -> bool,
}

/// The accumulating half of an SDK: `messages.stream()`, `responses.stream()` and their like.
pub(super) trait Helper: std::fmt::Debug + Send {
    /// Takes in one event, before the caller gets it.
    ///
    /// # Errors
    /// What the helper raises; the caller does not get the event then.
    fn add(&mut self, event: Value<'_>) -> Result<(), Raised>;

    /// Returns whether it silently skips an event.
    fn skips(&self, _event: Value<'_>) -> bool {
        false
    }

    /// Does what the helper does with an event once the caller has it.
    ///
    /// # Errors
    /// What the helper raises.
    fn after(&mut self, _event: Value<'_>) -> Result<(), Raised> {
        Ok(())
    }

    /// Returns the final object.
    ///
    /// # Errors
    /// What the helper raises instead.
    fn finish(&mut self) -> Result<Final, Raised>;
}

/// The final object of a helper, as far as views compare it.
#[derive(Debug, Default)]
pub(super) struct Final {
    /// The text of each choice that has any.
    pub(super) content: BTreeMap<u32, String>,
    pub(super) reasoning: BTreeMap<u32, String>,
    pub(super) tools: Vec<ClientToolCall>,
    pub(super) finish: BTreeMap<u32, String>,
}

impl Final {
    /// The final object of a dialect that has one answer.
    pub(super) fn one(
        content: String,
        reasoning: String,
        tools: Vec<ClientToolCall>,
        finish: Option<String>,
    ) -> Self {
        let only = |text: Option<String>| text.filter(|t| !t.is_empty()).map(|t| (0, t));
        Self {
            content: only(Some(content)).into_iter().collect(),
            reasoning: only(Some(reasoning)).into_iter().collect(),
            tools,
            finish: only(finish).into_iter().collect(),
        }
    }
}

/// An SDK's reader.
#[derive(Debug)]
pub(super) struct SdkReader {
    gate: &'static Gate,
    deliver: fn(&mut ClientRun, Value<'_>),
    helper: Option<Box<dyn Helper>>,
}

/// The plain iteration of an SDK: `deliver` is what a careful loop takes from each event.
pub(super) fn plain(
    gate: &'static Gate,
    deliver: fn(&mut ClientRun, Value<'_>),
) -> Box<dyn Reader> {
    Box::new(SdkReader { gate, deliver, helper: None })
}

/// The accumulating helper of an SDK.
pub(super) fn helper(
    gate: &'static Gate,
    deliver: fn(&mut ClientRun, Value<'_>),
    helper: Box<dyn Helper>,
) -> Box<dyn Reader> {
    Box::new(SdkReader { gate, deliver, helper: Some(helper) })
}

impl Reader for SdkReader {
    fn event(&mut self, run: &mut ClientRun, event: &str, data: &str) {
        if !(self.gate.admits)(run, event, data) {
            return;
        }
        run.parse(data, &mut |run, json| {
            if (self.gate.is_error)(run, json) {
                return;
            }
            let Some(helper) = &mut self.helper else { return (self.deliver)(run, json) };
            if helper.skips(json) {
                return;
            }
            if let Err(raised) = helper.add(json) {
                return raise(run, raised);
            }
            (self.deliver)(run, json);
            if let Err(raised) = helper.after(json) {
                raise(run, raised);
            }
        });
        self.wrap(run);
    }

    fn close(&mut self, run: &mut ClientRun) {
        let Some(helper) = &mut self.helper else { return };
        match helper.finish() {
            Err(raised) => raise(run, raised),
            Ok(last) => {
                let given = &mut run.given;
                given.content = last.content;
                given.reasoning = last.reasoning;
                given.finish = last.finish;
                given.tools = last.tools;
            }
        }
        self.wrap(run);
    }

    fn failed(&mut self, run: &mut ClientRun) {
        self.wrap(run);
    }
}

impl SdkReader {
    /// The helpers of Node wrap every error that is none of their own.
    fn wrap(&self, run: &mut ClientRun) {
        let own = match run.client.family {
            Family::OpenAiNode => "OpenAIError",
            Family::AnthropicNode => "AnthropicError",
            _ => return,
        };
        let foreign = ["TypeError", "SyntaxError", "Error"];
        if let Some(error) = run.given.error.as_mut().filter(|_| self.helper.is_some())
            && foreign.contains(&error.class)
        {
            error.class = own;
        }
    }
}

fn raise(run: &mut ClientRun, raised: Raised) {
    run.stopped = true;
    run.given.error.get_or_insert(raised);
}
