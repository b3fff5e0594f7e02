//! The types of events, and what each does.

use super::reported::PartKind;
use crate::dialect::Channel;

/// The effect of an event.
pub(super) enum ResponsesEvent {
    /// Adds to a part of an item, whose number in that is this member.
    Add(PartKind, &'static str),
    /// Says a part again, whole, in this member.
    Restate(PartKind, &'static str),
    /// Adds to the arguments of a call, which are free text or not.
    Call {
        /// The member with the arguments.
        member: &'static str,
        free_text: bool,
    },
    /// Says the arguments of a call again, whole.
    RestateCall {
        /// The member with the arguments.
        member: &'static str,
        free_text: bool,
    },
    /// Adds text that is no part of an item, in this member.
    Tell(Channel, &'static str),
    /// Begins a response.
    Begin,
    OpenItem,
    CloseItem,
    /// Ends the response.
    End {
        failed: bool,
    },
    /// Is an error.
    Fail,
    /// Adds nothing, as far as its type says.
    Other,
}

impl ResponsesEvent {
    pub(super) fn of(event: &str) -> Self {
        let call = |member, free_text| Self::Call { member, free_text };
        let restated = |member, free_text| Self::RestateCall { member, free_text };
        match event {
            "response.output_text.delta" => Self::Add(PartKind::Text, "content_index"),
            "response.reasoning_summary_text.delta" => {
                Self::Add(PartKind::Summary, "summary_index")
            }
            // The second name is what servers of open models used before OpenAI had one.
            "response.reasoning_text.delta" | "response.reasoning.delta" => {
                Self::Add(PartKind::Reasoning, "content_index")
            }
            "response.refusal.delta" => Self::Add(PartKind::Refusal, "content_index"),
            "response.function_call_arguments.delta" | "response.mcp_call_arguments.delta" => {
                call("delta", false)
            }
            "response.custom_tool_call_input.delta" => call("delta", true),
            // Spoken text, and code and commands that the server itself runs.
            "response.audio.transcript.delta"
            | "response.code_interpreter_call_code.delta"
            | "response.shell_call_command.delta" => Self::Tell(Channel::Other, "delta"),
            "response.output_text.done" => Self::Restate(PartKind::Text, "text"),
            "response.reasoning_summary_text.done" => Self::Restate(PartKind::Summary, "text"),
            "response.reasoning_text.done" | "response.reasoning.done" => {
                Self::Restate(PartKind::Reasoning, "text")
            }
            "response.refusal.done" => Self::Restate(PartKind::Refusal, "refusal"),
            "response.function_call_arguments.done" | "response.mcp_call_arguments.done" => {
                restated("arguments", false)
            }
            "response.custom_tool_call_input.done" => restated("input", true),
            "response.created" => Self::Begin,
            // Perplexity's events about its searches.
            "response.reasoning.started" => Self::Tell(Channel::Reasoning, "thought"),
            "response.output_item.added" => Self::OpenItem,
            "response.output_item.done" => Self::CloseItem,
            "response.failed" => Self::End { failed: true },
            "response.completed"
            | "response.incomplete"
            | "response.done"
            | "response.cancelled" => Self::End { failed: false },
            "error" | "response.error" => Self::Fail,
            _ => Self::Other,
        }
    }
}
