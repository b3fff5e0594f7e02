//! Rules that only the end decides: whether the answer finished, and what it amounted to.

mod came_to;
mod over;
mod reasons;

pub(super) use over::{is_whole, lost_frames};
pub(super) use reasons::finish_words;
pub(in crate::inspect) use reasons::{is_filter, is_length};

use super::{Code, Detector, FindingPlace, Findings, FrameView, cut, ours, refused, wants_done};
use crate::frame::{FrameKind, Framing};
use crate::inspect::Facts;
use crate::json::{self, Value};
use crate::text;
use came_to::came_to;
use over::{after_error, finished};

#[derive(Default)]
pub(super) struct EndDetector {
    /// An item of an answer that is neither a message nor reasoning: an approval request, a list of
    /// tools, a compacted conversation.
    other_item: bool,
}

impl Detector for EndDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, _findings: &mut Findings) {
        let responses = facts.dialect().is_some_and(|d| d.name() == "openai-responses");
        if self.other_item || !responses {
            return;
        }
        let Some(json) = view.json.filter(|j| j.kind() == json::Kind::Object) else { return };
        let output = json.at(&["response", "output"]).or_else(|| json.get("output"));
        let items = output.into_iter().flat_map(Value::items);
        self.other_item = json.get("item").into_iter().chain(items).any(|item| {
            item.str("type").is_some_and(|t| !t.is_empty() && t != "message" && t != "reasoning")
        });
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if refused(facts) || ours(facts) || facts.frames().is_empty() {
            return;
        }
        if sent_nothing(facts, findings) {
            return;
        }
        let Some(dialect) = facts.dialect() else { return };
        came_to(facts, self.other_item, findings);
        if facts.framing() == Some(Framing::Whole) || cut(facts) {
            return;
        }
        if !facts.answer().errors.is_empty() {
            if wants_done(facts) {
                after_error(facts, findings);
            }
        } else if !dialect.ending().terminal || facts.answer().terminal.is_some() {
            // Another detector reports a missing terminal event.
            finished(facts, findings);
        }
    }
}

/// Returns whether an event stream had no data at all.
pub(super) fn is_silent(facts: &Facts, findings: &Findings) -> bool {
    // A stream opened by GET may be for notifications only, and there may have been none.
    let asked = facts.request.as_ref().is_none_or(|r| !r.method.eq_ignore_ascii_case("GET"));
    if facts.framing() != Some(Framing::Sse)
        || cut(facts)
        || !asked
        || lost_frames(findings)
        || findings.is_hidden(Code::NoAnswer)
    {
        return false;
    }
    let body = facts.body();
    // If the dialect is known, a lone [DONE] is an answer without a finish.
    let unknown = facts.dialect().is_none();
    let blank = |data: Option<std::borrow::Cow<'_, str>>| {
        data.is_none_or(|d| d.trim().is_empty() || unknown && d.trim() == "[DONE]")
    };
    let keep_alives = facts.keep_alives();
    facts.frames().iter().enumerate().all(|(i, f)| match f.kind {
        FrameKind::Comment | FrameKind::Block => true,
        FrameKind::Event => keep_alives.binary_search(&(i as u32)).is_ok() || blank(f.data(body)),
        _ => f.bytes(body).trim_ascii().first().is_none_or(|b| *b == b':'),
    })
}

/// Raises that an event stream had no data at all, if so.
fn sent_nothing(facts: &Facts, findings: &mut Findings) -> bool {
    if !is_silent(facts, findings) {
        return false;
    }
    let status = facts.status().map_or(String::new(), |s| format!("HTTP {s}, then "));
    let comments = facts.keep_alives().len() as u64;
    let others = facts.frames().len() as u64 - comments;
    let what = match (comments, others) {
        (0, 1) if facts.answer().sentinel.is_some() => "only [DONE]".to_owned(),
        (0, _) => format!("{} without data", text::count(others, "frame")),
        (_, 0) => format!("only {}", text::count(comments, "keep-alive")),
        _ => format!(
            "only {} and {} without data",
            text::count(comments, "keep-alive"),
            text::count(others, "frame")
        ),
    };
    let message = format!("No answer: {status}{what}");
    findings.raise(Code::NoAnswer, FindingPlace::default(), message);
    true
}

fn frame(facts: &Facts, index: Option<u32>) -> FindingPlace {
    FindingPlace {
        frame: index,
        offset: index.and_then(|i| facts.frames().get(i as usize)).map(|f| f.offset),
    }
}
