//! The dialects that a scenario plays in.
//!
//! Speech goes into every dialect. What is written in the words of Chat (its JSON, its sentinel) plays in Chat;
//! what is about the lines of server-sent events (comments too) in every dialect that has them; several choices
//! where a stream can hold several; and in Completions nothing but text. A file may say `dialects` instead, if
//! it is written for these.

use super::envelope::Envelope;
use super::scenario::{Content, Scenario, ScenarioAnswer, UsageMode};
use super::speaker::{Endpoint, SPEAKERS, UsageStep};
use super::step::{ScenarioStep, Verb};

/// The requirement of a step or an answer on a dialect; the later includes the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Nothing,
    /// Server-sent events.
    Sse,
    /// The words of OpenAI Chat.
    Chat,
}

impl Scenario {
    /// The names of the dialects that it plays in, at least one.
    pub fn dialects(&self) -> Vec<&'static str> {
        let rows = SPEAKERS.iter().filter(|row| self.plays(row));
        let mut names: Vec<&str> = rows.map(|row| row.dialect).collect();
        names.dedup();
        names
    }

    /// Returns whether it plays at this endpoint.
    pub(super) fn plays(&self, row: &Endpoint) -> bool {
        if !self.only.is_empty() {
            return self.only.iter().any(|name| name == row.dialect);
        }
        let need = self.answers.iter().map(ScenarioAnswer::need).max().unwrap_or(Need::Nothing);
        let met = match need {
            Need::Nothing => true,
            Need::Sse => row.envelope == Envelope::Sse,
            Need::Chat => row.dialect == "openai-chat",
        };
        let mut steps = self.answers.iter().flat_map(ScenarioAnswer::steps);
        let text_only = row.dialect == "openai-completions";
        met && steps.all(|step| (row.choices || step.choice == 0) && (!text_only || step.is_text()))
    }
}

impl Scenario {
    /// Returns whether any of its answers calls a tool.
    pub(super) fn calls_tools(&self) -> bool {
        let mut steps = self.answers.iter().flat_map(ScenarioAnswer::steps);
        steps.any(|step| match &step.verb {
            Verb::ToolCall(_) => true,
            Verb::Delta(json) => json.contains("\"tool_calls\""),
            _ => false,
        })
    }
}

impl ScenarioAnswer {
    fn steps(&self) -> &[ScenarioStep] {
        match &self.content {
            Content::Steps(steps) => steps,
            Content::Body(_) | Content::Error(_) => &[],
        }
    }

    /// The `usage` step of this answer, if it has one.
    pub(super) fn usage_step(&self) -> Option<UsageStep> {
        self.steps().iter().find_map(|step| match step.verb {
            Verb::Usage(None) => Some(UsageStep::True),
            Verb::Usage(Some(counts)) => Some(UsageStep::Given(counts)),
            _ => None,
        })
    }

    fn need(&self) -> Need {
        let steps = self.steps().iter().map(ScenarioStep::need).max().unwrap_or(Need::Nothing);
        let own = match &self.content {
            _ if self.set.is_some() || self.usage == UsageMode::Every => Need::Chat,
            // JSON is written in Chat's format; an HTML page can belong to any dialect.
            Content::Body(body) if body.trim_start().starts_with(['{', '[']) => Need::Chat,
            _ if self.prefix.is_some() || self.end.is_some() => Need::Sse,
            _ => Need::Nothing,
        };
        own.max(steps)
    }
}

impl ScenarioStep {
    /// Returns whether it says nothing that is more than text.
    fn is_text(&self) -> bool {
        !matches!(self.verb, Verb::Reasoning(..) | Verb::Refusal(_) | Verb::ToolCall(_))
    }

    fn need(&self) -> Need {
        match &self.verb {
            Verb::Delta(_) => Need::Chat,
            // Chat's are its JSON and its sentinel; what has neither is a line of an event stream.
            Verb::Data(text) | Verb::Raw(text) if text.contains(['{', '[']) => Need::Chat,
            Verb::Data(_) | Verb::Raw(_) => Need::Sse,
            _ if self.set.is_some() => Need::Chat,
            Verb::Comment(_) | Verb::Stall(Some(_)) => Need::Sse,
            _ if self.prefix.is_some() || self.end.is_some() => Need::Sse,
            _ => Need::Nothing,
        }
    }
}
