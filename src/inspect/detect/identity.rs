//! Rules about what a chunk says of itself beside its choices: id, model, created, fields that
//! OpenAI's schema does not have.

use super::{
    ChatChunk, Code, Detector, EachFrame, FindingPlace, Findings, FrameView, Look, Severity,
};
use crate::dialect::{Channel, Varying};
use crate::inspect::Facts;
use crate::json::Value;
use crate::text;

/// Maximum number of strange fields that are named.
const MAX_NAMED: usize = 12;

#[derive(Default)]
pub(super) struct IdentityDetector {
    /// The last frame was a chunk.
    is_chunk: bool,
    id: Option<String>,
    model: Option<String>,
    created: Option<String>,
    /// Size of the shape table when fields were last compared: a new field makes it grow.
    paths: usize,
    strange: Vec<String>,
    first_strange: FindingPlace,
    mixed: Mixed,
}

/// Two answers on one stream, as far as the ids of the chunks show.
#[derive(Default)]
struct Mixed {
    /// The ids in the order in which they arrived. More than [`MAX_IDS`] are those of a gateway that creates
    /// one for each chunk.
    ids: Vec<String>,
    /// Index of the one that the last chunk had.
    last: usize,
    /// Number of times that an earlier one reappeared.
    returns: u32,
    /// Number of chunks that have a role. Not all are counted if `is_role_usual`.
    roles: u32,
    /// The last chunk has a role.
    has_role: bool,
    /// Two chunks in a row have the same id and a role: then a role begins nothing. Of chunks that repeat one
    /// another such two are always looked at.
    is_role_usual: bool,
    /// Place where a second answer began with its own role, and the amount of text before it.
    second: Option<(FindingPlace, u64)>,
}

/// Number of ids that are kept.
const MAX_IDS: usize = 3;

impl Mixed {
    fn chunk(&mut self, facts: &Facts, each: &EachFrame<'_>, findings: &mut Findings) {
        let had_role = self.has_role;
        // A frame that repeats a chunk has a role if that chunk has one.
        self.has_role = each.view().map_or(had_role, has_role);
        self.roles += u32::from(self.has_role);
        let before = self.last;
        let id = each.member(Varying::Id);
        if let Some(id) = id.filter(|id| id.starts_with('"') && *id != "\"\"") {
            self.id(facts, each, id, findings);
        }
        self.is_role_usual |= had_role && self.has_role && self.last == before;
    }

    fn id(&mut self, facts: &Facts, each: &EachFrame<'_>, source: &str, findings: &mut Findings) {
        if self.ids.get(self.last).is_some_and(|id| id == source) {
            return;
        }
        if let Some(known) = self.ids.iter().position(|id| id == source) {
            self.last = known;
            self.returns += 1;
            // A single change may be a gateway's own chunk; with several choices each may have its own id.
            let is_one = facts.answer().choices().len() < 2;
            if self.returns == 2 && self.ids.len() <= MAX_IDS && is_one {
                let shown = |id: &String| text::preview(id.trim_matches('"'), 40);
                let ids: Vec<_> = self.ids.iter().take(2).map(shown).collect();
                let message =
                    format!("Chunks of two answers are mixed: {} alternate", ids.join(" and "));
                findings.raise_as(Code::IdChanges, Severity::Error, each.place(), message);
            }
            return;
        }
        if self.ids.len() > MAX_IDS {
            return;
        }
        self.last = self.ids.len();
        self.ids.push(source.to_owned());
        let answer = facts.answer();
        let chars = answer.chars(Channel::Content) as u64;
        let begins = self.ids.len() == 2 && chars > 0 && !answer.finished();
        if begins && self.has_role {
            self.second = Some((each.place(), chars));
        }
    }

    fn end(&self, findings: &mut Findings) {
        let once =
            self.ids.len() == 2 && self.returns == 0 && self.roles == 2 && !self.is_role_usual;
        if let Some((place, chars)) = self.second.filter(|_| once) {
            let frame = place.frame.unwrap_or_default();
            let said = text::count(chars, "character");
            let message =
                format!("Another answer begins in frame {frame}, after {said}: new id, role again");
            findings.raise_as(Code::IdChanges, Severity::Warn, place, message);
        }
    }
}

/// Returns whether a choice of a chunk has a role.
fn has_role(view: &FrameView<'_>) -> bool {
    let choices = view.chunk.and_then(|chunk| chunk.choices);
    let role =
        |choice: Value<'_>| choice.at(&["delta", "role"]).is_some_and(|role| !role.is_null());
    choices.into_iter().flat_map(Value::items).any(role)
}

impl Detector for IdentityDetector {
    fn looks_at(&self) -> &'static [Look] {
        &[Look::Member(Varying::Id), Look::Member(Varying::Created)]
    }

    fn each(&mut self, facts: &Facts, each: &EachFrame<'_>, findings: &mut Findings) {
        // A frame that repeats a chunk is a chunk.
        self.is_chunk = each.view().map_or(self.is_chunk, |view| view.chunk.is_some());
        if !self.is_chunk {
            return;
        }
        if let Some(id) = each.member(Varying::Id) {
            self.id(each, id, findings);
        }
        self.mixed.chunk(facts, each, findings);
        if let Some(created) = each.member(Varying::Created) {
            self.created(each, created, findings);
        }
    }

    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        let Some(ChatChunk { json, choices, model, .. }) = view.chunk else { return };
        if let Some(model) = model {
            self.model(view, model, findings);
        }
        if facts.shape().len() != self.paths {
            self.paths = facts.shape().len();
            if choices.is_some() {
                self.fields(view, json);
            }
        }
    }

    fn end(&mut self, _facts: &Facts, findings: &mut Findings) {
        self.mixed.end(findings);
        if !self.strange.is_empty() {
            let message = format!("Fields outside OpenAI's schema: {}", self.strange.join(", "));
            findings.raise(Code::UnknownField, self.first_strange, message);
        }
    }
}

impl IdentityDetector {
    fn id(&mut self, each: &EachFrame<'_>, source: &str, findings: &mut Findings) {
        match &self.id {
            Some(id) if id == source => {}
            _ if source == "\"\"" => {
                // Azure's first chunk, about the prompt, has no identity at all.
                let choices = each.view().and_then(|view| view.chunk?.choices);
                if !choices.is_some_and(Value::is_empty) {
                    findings.raise_once(Code::IdEmpty, each.place(), "Chunk with an empty id");
                }
            }
            _ if !source.starts_with('"') => overflow("id", source, each.place(), findings),
            None => self.id = Some(source.to_owned()),
            Some(first) => differs(Code::IdChanges, "id", first, source, each.place(), findings),
        }
    }

    fn model(&mut self, view: &FrameView<'_>, value: Value<'_>, findings: &mut Findings) {
        let source = value.source();
        match &self.model {
            Some(model) if model == source => {}
            // Azure's model router sends an empty name first, then the real one.
            _ if matches!(source, "\"\"" | "null") => {}
            None => self.model = Some(source.to_owned()),
            Some(first) => {
                differs(Code::ModelChanges, "model", first, source, view.place(), findings)
            }
        }
    }

    fn created(&mut self, each: &EachFrame<'_>, source: &str, findings: &mut Findings) {
        match &self.created {
            Some(created) if created == source => {}
            _ if matches!(source, "0" | "null") => {}
            None => {
                overflow("created", source, each.place(), findings);
                self.created = Some(source.to_owned());
            }
            Some(first) => {
                differs(Code::CreatedChanges, "created", first, source, each.place(), findings);
            }
        }
    }

    /// Names the fields that a frame has and OpenAI's schema has not.
    fn fields(&mut self, view: &FrameView<'_>, json: Value<'_>) {
        const TOP: &[&str] = &[
            "id",
            "object",
            "created",
            "model",
            "choices",
            "usage",
            "service_tier",
            "system_fingerprint",
            "obfuscation",
            "error",
        ];
        const CHOICE: &[&str] = &["index", "delta", "finish_reason", "logprobs", "message"];
        const DELTA: &[&str] = &[
            "content",
            "role",
            "refusal",
            "tool_calls",
            "function_call",
            "reasoning",
            "reasoning_content",
            "reasoning_details",
            "audio",
        ];
        let mut compare = |value: Value<'_>, known: &[&str], under: &str| {
            for (key, _) in value.entries() {
                let name = key.as_str().unwrap_or_default();
                if known.contains(&name.as_ref()) || self.strange.len() >= MAX_NAMED {
                    continue;
                }
                let path = format!("{under}{}", text::preview(&name, 40));
                if !self.strange.contains(&path) {
                    if self.strange.is_empty() {
                        self.first_strange = view.place();
                    }
                    self.strange.push(path);
                }
            }
        };
        compare(json, TOP, "");
        for choice in json.get("choices").into_iter().flat_map(Value::items) {
            compare(choice, CHOICE, "choices[].");
            if let Some(delta) = choice.get("delta") {
                compare(delta, DELTA, "choices[].delta.");
            }
        }
    }
}

/// The first difference is reported; that there are more, the shape table and the frames show.
fn differs(
    rule: Code,
    what: &str,
    first: &str,
    here: &str,
    place: FindingPlace,
    findings: &mut Findings,
) {
    if findings.again(rule) {
        return;
    }
    let plain = |s: &str| text::preview(s.trim_matches('"'), 60);
    let message = format!(
        "The {what} changes from {0} to {2} in frame {1}",
        plain(first),
        place.frame.unwrap_or_default(),
        plain(here)
    );
    findings.raise(rule, place, message);
}

fn overflow(what: &str, source: &str, place: FindingPlace, findings: &mut Findings) {
    let is_number = source.starts_with(|c| matches!(c, '-' | '0'..='9' | 'N' | 'I'));
    let whole = source.parse::<u64>().is_ok_and(|n| n <= 1 << 53);
    if is_number && !whole {
        let message = format!("{what} is {}, not an integer of 53 bits", text::preview(source, 40));
        findings.raise_once(Code::JsonNumberOverflow, place, message);
    }
}
