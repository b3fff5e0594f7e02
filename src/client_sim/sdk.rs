//! The reader that the vendors' SDKs share: each event is checked, given to the accumulating helper
//! where the client is one, and then to the caller.

use std::collections::BTreeMap;

use super::table::{Done, Family};
use super::{Raised, Reader, Run, Tool, chat, gemini, messages};
use crate::json::{Kind, Value};

/// How an SDK decides which events its caller gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// `[DONE]` ends it, and `error` in a payload raises.
    OpenAi,
    /// The event's name decides.
    Anthropic,
    /// Every payload is a chunk, or an error.
    Gemini,
}

/// The accumulating half of an SDK: `messages.stream()`, `responses.stream()` and their like.
pub(super) trait Helper: std::fmt::Debug + Send {
    /// Takes in one event, before the caller gets it.
    ///
    /// # Errors
    /// What the helper raises; the caller does not get the event then.
    fn add(&mut self, event: Value<'_>) -> Result<(), Raised>;

    /// Whether it passes over an event without a word.
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
    pub(super) tools: Vec<Tool>,
    pub(super) finish: BTreeMap<u32, String>,
}

impl Final {
    /// The final object of a dialect that has one answer.
    pub(super) fn one(
        content: String,
        reasoning: String,
        tools: Vec<Tool>,
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
pub(super) struct Sdk {
    gate: Gate,
    deliver: fn(&mut Run, Value<'_>),
    helper: Option<Box<dyn Helper>>,
}

/// The plain iteration of an SDK: `deliver` is what a careful loop takes from each event.
pub(super) fn plain(gate: Gate, deliver: fn(&mut Run, Value<'_>)) -> Box<dyn Reader> {
    Box::new(Sdk { gate, deliver, helper: None })
}

/// The accumulating helper of an SDK.
pub(super) fn helper(
    gate: Gate,
    deliver: fn(&mut Run, Value<'_>),
    helper: Box<dyn Helper>,
) -> Box<dyn Reader> {
    Box::new(Sdk { gate, deliver, helper: Some(helper) })
}

impl Reader for Sdk {
    fn event(&mut self, run: &mut Run, event: &str, data: &str) {
        match self.gate {
            Gate::Anthropic if !messages::passes(run, event, data) => return,
            Gate::OpenAi if data.starts_with("[DONE]") && run.client.done == Done::Ends => {
                run.done = true;
                return;
            }
            _ => {}
        }
        run.parse(data, &mut |run, json| {
            let is_error = match self.gate {
                Gate::OpenAi => chat::in_band_error(run, json),
                Gate::Gemini => gemini::in_band_error(run, json),
                Gate::Anthropic => false,
            };
            if is_error {
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

    fn close(&mut self, run: &mut Run) {
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

    fn failed(&mut self, run: &mut Run) {
        self.wrap(run);
    }
}

impl Sdk {
    /// The helpers of Node wrap every error that is none of their own.
    fn wrap(&self, run: &mut Run) {
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

fn raise(run: &mut Run, raised: Raised) {
    run.stopped = true;
    run.given.error.get_or_insert(raised);
}

/// A field as Python's attribute access gives it: a missing one is `None`, as null is.
pub(super) fn field<'a>(value: Option<Value<'a>>, name: &str) -> Option<Value<'a>> {
    value?.get(name).filter(|v| !v.is_null())
}

/// A field as text.
pub(super) fn text(value: Option<Value<'_>>, name: &str) -> Option<String> {
    field(value, name)?.as_str().map(std::borrow::Cow::into_owned)
}

/// A place in a list, as the wire gives it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Index {
    /// A number of a place.
    At(i64),
    /// Null, or none at all: Python's name of it, and JavaScript's.
    None(&'static str),
    /// A value of another kind, by its Python type.
    Odd(&'static str),
}

impl Index {
    /// The index that stands in a field.
    pub(super) fn of(event: Value<'_>, name: &str) -> Self {
        let Some(value) = event.get(name) else { return Self::None("undefined") };
        match value.kind() {
            Kind::Null => Self::None("null"),
            Kind::Number => value.source().parse().map_or(Self::Odd("float"), Self::At),
            // Both languages read digits as a number here.
            Kind::String | Kind::Key => {
                let text = value.as_str().unwrap_or_default();
                text.parse().map_or(Self::Odd("str"), Self::At)
            }
            Kind::Bool => Self::At(i64::from(value.as_bool() == Some(true))),
            Kind::Array => Self::Odd("list"),
            Kind::Object => Self::Odd("dict"),
        }
    }

    /// How JavaScript writes it in a message.
    pub(super) fn script(&self) -> String {
        match self {
            Self::At(at) => at.to_string(),
            Self::None(word) | Self::Odd(word) => (*word).to_owned(),
        }
    }

    /// The place in a list of that length as Python finds it.
    ///
    /// # Errors
    /// What Python raises.
    pub(super) fn python(&self, len: usize) -> Result<usize, Raised> {
        let kind = match self {
            Self::At(at) => {
                let found = usize::try_from(*at).ok().or_else(|| {
                    usize::try_from(at.checked_neg()?).ok().and_then(|back| len.checked_sub(back))
                });
                let out_of_range = || Raised::new("IndexError", "list index out of range");
                return found.filter(|at| *at < len).ok_or_else(out_of_range);
            }
            Self::None(_) => "NoneType",
            Self::Odd(kind) => kind,
        };
        let message = format!("list indices must be integers or slices, not {kind}");
        Err(Raised::new("TypeError", message))
    }

    /// The place in a list of that length as JavaScript's brackets find it.
    pub(super) fn brackets(&self, len: usize) -> Option<usize> {
        match self {
            Self::At(at) => usize::try_from(*at).ok().filter(|at| *at < len),
            _ => None,
        }
    }
}

/// An attribute that Python misses on `None`.
pub(super) fn no_attribute(kind: &str, name: &str) -> Raised {
    Raised::new("AttributeError", format!("'{kind}' object has no attribute '{name}'"))
}

/// What Python raises where text is joined to nothing.
pub(super) fn not_joined() -> Raised {
    Raised::new("TypeError", "")
}

/// What JavaScript throws where a property of nothing is read.
pub(super) fn undefined(name: &str) -> Raised {
    nothing(None, name)
}

/// The same, of a field that may be null instead.
pub(super) fn nothing(value: Option<Value<'_>>, name: &str) -> Raised {
    let what = if value.is_some() { "null" } else { "undefined" };
    Raised::new("TypeError", format!("Cannot read properties of {what} (reading '{name}')"))
}

/// A value added to text in JavaScript.
pub(super) fn script_text(value: Option<Value<'_>>) -> String {
    match value {
        None => "undefined".into(),
        Some(value) => value.as_str().map_or_else(|| value.source().to_owned(), Into::into),
    }
}
