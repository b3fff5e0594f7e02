//! All clients of a dialect in short: what each returns, measured against what the stream has.

use std::collections::BTreeMap;

use super::client::Family;
use super::{Client, ClientRun, ClientToolCall, EventTransport, Given, clients};
use crate::dialect::Channel;
use crate::inspect::{ClientView, Facts, Returned, Standing, ToolCall};
use crate::text::{group, preview};

/// The longest body that is read again for every client, in bytes: it bounds the time at the end of
/// a stream.
const MAX_BODY: usize = 4 << 20;

/// Largest part of an error's text that a detail has, in characters.
const WORDS: usize = 120;

/// Returns what each client of the exchange's dialect would return. Empty where the dialect is not known, for
/// a body that is longer than 4 MiB, and while the exchange runs. A client that would have sent another
/// request is left out, and so is one that does not read the transport of the answer.
pub fn views(seen: &Facts) -> Vec<ClientView> {
    let bounded = seen.is_over() && seen.dialect().is_some() && seen.body().len() <= MAX_BODY;
    let transport = EventTransport::of(seen);
    // A helper that asks for the rest of a stream is told so, and expects no beginning.
    let resumed = seen.is_resumed();
    let asked = |client: &&Client| {
        // The other clients never resume a stream.
        let is_asked = !resumed
            || client.standing == Standing::Official
            || client.dialect != "openai-responses";
        bounded && client.receives(transport) && is_asked
    };
    let runs = clients().filter(asked).map(ClientRun::new);
    let mut views = Vec::new();
    for mut run in runs.filter(|run| run.speaks(seen)) {
        run.advance(seen);
        if run.given().elsewhere.is_none() {
            views.push(view(&run, seen));
        }
    }
    views
}

/// The share of something that was delivered.
struct Share {
    has: u64,
    had: u64,
    same: bool,
    noun: &'static str,
}

impl Share {
    fn is_whole(&self) -> bool {
        self.same
    }

    fn words(&self) -> String {
        let (one, of) = self.noun.split_at(self.noun.find(" of ").unwrap_or(self.noun.len()));
        let noun = if self.had == 1 { self.noun.to_owned() } else { format!("{one}s{of}") };
        let (has, had) = (group(self.has), group(self.had));
        match self.has.cmp(&self.had) {
            _ if self.same && self.had == 1 => format!("the {noun}"),
            _ if self.same => format!("all {had} {noun}"),
            std::cmp::Ordering::Equal => format!("other {noun} than the stream's {had}"),
            std::cmp::Ordering::Less => format!("{has} of {had} {noun}"),
            std::cmp::Ordering::Greater => format!("{has} {noun} instead of {had}"),
        }
    }
}

fn chars<'a>(texts: impl Iterator<Item = &'a str>) -> u64 {
    texts.map(|t| t.chars().count() as u64).sum()
}

fn content(run: &ClientRun, seen: &Facts) -> Share {
    let (given, answer) = (run.given(), seen.answer());
    // The AI SDK returns a refusal as text.
    let refusal = answer.text(Channel::Refusal, 0);
    let as_text = run.client.family == Family::VercelAi
        && !refusal.is_empty()
        && given.content.get(&0).is_some_and(|text| text == refusal);
    let had = || answer.texts(Channel::Content);
    let joined = |texts: &[(&u32, &String)]| match texts {
        [(0, text)] => seen.text_by_item().is_some_and(|by_item| by_item == **text),
        _ => false,
    };
    let given_texts: Vec<_> = given.content.iter().collect();
    Share {
        has: chars(given.content.values().map(String::as_str)),
        had: answer.chars(Channel::Content) as u64,
        same: as_text
            || had().eq(given.content.iter().map(|(c, t)| (*c, t.as_str())))
            || joined(&given_texts),
        noun: "character",
    }
}

/// Arguments count as values: helpers write them anew.
fn arguments(text: &str) -> serde_json::Value {
    let text = if text.trim().is_empty() { "{}" } else { text };
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// The first call that the client has otherwise than the stream, where both have as many.
fn other_call(given: &Given, seen: &Facts) -> Option<String> {
    let made = seen.answer().tools();
    let name = |name: &Option<String>| preview(name.as_deref().unwrap_or_default(), 40);
    let pairs = given.tools.iter().zip(made).filter(|_| given.tools.len() == made.len());
    let mut names = pairs.map(|(tool, call)| (name(&tool.name), name(&call.name)));
    let (has, had) = names.find(|(has, had)| has != had)?;
    Some(format!("tool call \"{has}\" instead of \"{had}\""))
}

fn calls(given: &Given, seen: &Facts) -> Share {
    let made = seen.answer().tools();
    let is_same = |tool: &ClientToolCall, call: &ToolCall| {
        tool.name.as_deref().unwrap_or_default() == call.name.as_deref().unwrap_or_default()
            && (tool.arguments == call.arguments
                || arguments(&tool.arguments) == arguments(&call.arguments))
    };
    let same = given.tools.len() == made.len()
        && given.tools.iter().zip(made).all(|(tool, call)| is_same(tool, call));
    Share { has: given.tools.len() as u64, had: made.len() as u64, same, noun: "tool call" }
}

/// The reasoning, where the client has a field for it that is not there.
fn reasoning(run: &ClientRun, seen: &Facts) -> Option<Share> {
    let chat = run.client.dialect == "openai-chat";
    let passes_all = chat && matches!(run.client.family, Family::OpenAiPython | Family::OpenAiNode);
    let had = seen.answer().chars(Channel::Reasoning) as u64;
    let has = chars(run.given().reasoning.values().map(String::as_str));
    (!passes_all && has < had).then_some(Share {
        has,
        had,
        same: false,
        noun: "character of reasoning",
    })
}

fn begin(text: &str) -> String {
    let line = |c: char| if c == '\n' { ' ' } else { c };
    let mut words: String = text.chars().take(WORDS).map(line).collect();
    if words.len() < text.len() {
        words.push('…');
    }
    words
}

fn view(run: &ClientRun, seen: &Facts) -> ClientView {
    let given = run.given();
    let (content, calls) = (content(run, seen), calls(given, seen));
    let shares = [&content, &calls];
    let other = other_call(given, seen);
    let words = |share: &Share| match &other {
        Some(other) if share.noun == calls.noun => other.clone(),
        _ => share.words(),
    };
    let parts: Vec<_> =
        shares.iter().filter(|s| s.had > 0 || s.has > 0).map(|s| words(s)).collect();
    let amount = if parts.is_empty() { "no text".to_owned() } else { parts.join(" and ") };
    let whole = shares.iter().all(|s| s.is_whole());
    let client = ClientView {
        client: run.client.name,
        standing: run.client.standing,
        result: Returned::Ok,
        detail: amount.clone(),
        frame: frame(run, seen),
        by_design: by_design(run, seen, whole),
    };
    if given.waits {
        let why = run.http.as_ref().map_or(String::new(), |why| format!(" ({why})"));
        let detail = format!("waits forever after {amount}{why}");
        return ClientView { result: Returned::Hang, detail, ..client };
    }
    if let Some(error) = &given.error {
        let colon = if error.message.is_empty() { "" } else { ": " };
        let words = format!("{}{colon}{}", error.class, begin(&error.message));
        let words = match &run.http {
            Some(why) => format!("{words} ({why})"),
            None => words,
        };
        let detail = match parts.is_empty() {
            true => words,
            false => format!("{words} (after {amount})"),
        };
        return ClientView { result: Returned::Error, detail, ..client };
    }
    let finished = seen.answer().finish().next().is_some();
    let mut missing = missing(run, seen, finished);
    if whole && missing.is_empty() {
        return client;
    }
    let got = !given.content.is_empty() || !given.tools.is_empty();
    let result = match got || (whole && finished && !given.fabricated) {
        true => Returned::Partial,
        false => Returned::Empty,
    };
    missing.insert(0, amount);
    missing.extend(run.http.clone());
    ClientView { result, detail: missing.join(", "), ..client }
}

/// Returns what the caller does not receive, or receives although it never arrived. `finished`: the stream
/// has a finish.
fn missing(run: &ClientRun, seen: &Facts, finished: bool) -> Vec<String> {
    let given = run.given();
    let mut missing = Vec::new();
    if given.fabricated {
        let finish = given.finish.values().next().map_or("stop", String::as_str);
        missing.push(format!("finish \"{finish}\" fabricated"));
    } else if given.finish.is_empty() && (finished || !seen.needs_no_finish()) {
        missing.push(if finished { "the finish is lost" } else { "no finish, no error" }.into());
    }
    missing.extend(reasoning(run, seen).map(|thoughts| thoughts.words()));
    missing
}

/// The frame whose event brought the client's error.
fn frame(run: &ClientRun, seen: &Facts) -> Option<u32> {
    let last = run.failed_at?.checked_sub(1)? as u64;
    let at = seen.frames().partition_point(|frame| frame.end() <= last);
    (at < seen.frames().len()).then_some(at as u32)
}

/// Returns whether what the client leaves out or raises is intended by its makers.
fn by_design(run: &ClientRun, seen: &Facts, whole: bool) -> bool {
    let given = run.given();
    if has_its_own(run, seen) {
        return true;
    }
    if let Some(error) = &given.error {
        let finishes: BTreeMap<_, _> = seen.answer().finish().collect();
        let ends = |words: &[&str]| finishes.values().any(|f| words.contains(f));
        return match error.class {
            "LengthFinishReasonError" | "ContentFilterFinishReasonError" => true,
            // Its schema rejects these although it still delivers everything; the same goes for enums sent as
            // numbers, which must be requested (`enum-encoding=int`), and this client never requests them.
            "AI_TypeValidationError" => {
                let same = |(choice, finish): (&u32, &&str)| {
                    given.finish.get(choice).is_some_and(|given| given.as_str() == *finish)
                };
                if whole && !finishes.is_empty() && finishes.iter().all(same) {
                    return true;
                }
                let rows = seen.shape().rows();
                let finish =
                    rows.iter().find(|row| row.path.ends_with("candidates[].finishReason"));
                finish.is_some_and(|row| row.types.contains(&"number"))
            }
            "RuntimeError" => {
                error.message.starts_with("Didn't receive a `response.completed`")
                    && ends(&["incomplete", "failed", "cancelled"])
            }
            // The client does not count a turn that hit a limit as a success.
            super::codex::FAILED => error.message.starts_with("Incomplete response returned"),
            _ => false,
        };
    }
    // No client can use a call that the token limit truncated; the truncation has already been reported.
    let cut_call = seen.ended_by_length() && content(run, seen).is_whole() && cut_only(given, seen);
    let one_choice = !run.client.all_choices && seen.answer().choices().len() > 1;
    let finish_is_there = !given.finish.is_empty() && !given.fabricated;
    // Only the SDKs' own dialects have a field for reasoning: dropping it elsewhere is their makers' choice.
    let has_field = run.client.standing != Standing::Other && run.client.dialect != "openai-chat";
    let keeps = !has_field || reasoning(run, seen).is_none();
    one_choice || ((whole || cut_call) && finish_is_there && keeps)
}

/// Returns whether, of Responses, a client other than the vendor's has all that concerns it: the text, the
/// function calls, the finish. Tools that run at OpenAI have other names there, or are not shown, and
/// overlapping messages appear one after the other.
fn has_its_own(run: &ClientRun, seen: &Facts) -> bool {
    if run.client.dialect != "openai-responses" || run.client.standing != Standing::Other {
        return false;
    }
    let given = run.given();
    let error = given.error.as_ref().map(|error| error.class);
    if error.is_some_and(|class| class != "AI_TypeValidationError") {
        return false;
    }
    let is_called = |name: &Option<String>| {
        let mine = |tool: &ClientToolCall| tool.name.as_deref() == name.as_deref();
        given.tools.iter().any(mine)
    };
    let functions = seen.blocks().iter().filter(|b| b.noun == "item" && b.kind == "function_call");
    let has_calls = functions.map(|block| &block.name).all(is_called);
    let text = content(run, seen);
    // Its schema requires fields that neither it nor the dialect's own SDKs use. Where it still delivers
    // everything, its complaint about such an item appears in the list of clients and is no fault of the
    // stream.
    if error.is_some() {
        let custom = seen.blocks().iter().filter(|block| block.kind == "custom_tool_call");
        return text.same && has_calls && custom.map(|block| &block.name).all(is_called);
    }
    let other = seen.blocks().iter().any(|b| {
        b.noun == "item" && !matches!(b.kind.as_str(), "message" | "reasoning" | "function_call")
    });
    let overlaps = text.has == text.had && seen.text_by_item().is_some();
    (text.same && other || overlaps) && !given.finish.is_empty() && !given.fabricated && has_calls
}

/// Returns whether the client has every call of the stream except those with incomplete arguments.
fn cut_only(given: &Given, seen: &Facts) -> bool {
    let whole =
        |call: &&ToolCall| serde_json::from_str::<serde_json::Value>(&call.arguments).is_ok();
    let made: Vec<_> = seen.answer().tools().iter().filter(whole).collect();
    let has = |call: &&&ToolCall| {
        given.tools.iter().any(|tool| {
            tool.name == call.name && arguments(&tool.arguments) == arguments(&call.arguments)
        })
    };
    made.iter().all(|call| has(&call))
}
