//! Responses: items that are repeated whole, the final object, and the ids of both.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::super::{Code, Severity};
use super::engine::{BlockEngine, Surroundings};
use super::responses::{CONTENT, ITEM, SUMMARY};
use super::table::text_at;
use crate::json::{Kind, Value};
use crate::text;

/// The largest number of parts that are matched by their text; more are taken in order.
const MAX_MATCHED: usize = 64;

impl BlockEngine {
    /// Checks an item as its end reports it.
    pub(super) fn item_done(&mut self, at: u32, item: Value<'_>, around: &mut Surroundings<'_>) {
        self.agree(at, item, Code::DeltasDifferFromDone);
        self.renamed(at, item, Code::DeltasDifferFromDone);
        if let Some(whole) = own_text(item) {
            self.hold(at, &whole, Code::DeltasDifferFromDone, around);
        }
    }

    /// Holds the parts of an item against those that were streamed. Parts are matched by number
    /// and text, then by text alone, then in order: there are servers that number them otherwise
    /// in the end.
    fn agree(&mut self, at: u32, item: Value<'_>, code: Code) {
        for (space, list) in [(CONTENT, "content"), (SUMMARY, "summary")] {
            let streamed: Vec<u32> = self.live[at as usize]
                .inner
                .iter()
                .copied()
                .filter(|i| {
                    let live = &self.live[*i as usize];
                    usize::from(live.space) == space && live.text.is_given()
                })
                .collect();
            let Some(given) = item.get(list).filter(|g| g.kind() == Kind::Array) else { continue };
            if streamed.is_empty() {
                continue;
            }
            let mut words: Vec<(u64, Cow<'_, str>)> = given
                .items()
                .enumerate()
                .filter_map(|(i, part)| {
                    let text = part.str("text").or_else(|| part.str("refusal"))?;
                    Some((i as u64, text))
                })
                .collect();
            // The final object may leave reasoning out.
            if words.is_empty() && item.get("type").is_some_and(|t| t.is("reasoning")) {
                continue;
            }
            let mut left: Vec<u32> = Vec::new();
            let mut by_number: BTreeMap<u64, u32> = BTreeMap::new();
            for i in streamed {
                by_number.insert(self.list[i as usize].key, i);
            }
            words.retain(|(number, text)| match by_number.get(number) {
                Some(i) if self.live[*i as usize].text.agrees(text) => {
                    by_number.remove(number);
                    false
                }
                _ => true,
            });
            left.extend(by_number.into_values());
            if left.len() <= MAX_MATCHED && words.len() <= MAX_MATCHED {
                words.retain(|(_, text)| {
                    let same = left.iter().position(|i| self.live[*i as usize].text.agrees(text));
                    same.map(|i| left.remove(i)).is_none()
                });
            }
            let mut words = words.into_iter();
            for i in left {
                let whole = words.next().map(|s| s.1).unwrap_or_default();
                self.differing(i, &whole, code);
            }
        }
    }

    /// Checks that a call has the name and call id by which it was announced: an agent runs the tool of the
    /// one, and its result is matched by the other.
    fn renamed(&mut self, at: u32, item: Value<'_>, code: Code) {
        let block = &self.list[at as usize];
        let ours = [("name", &block.name), ("call_id", &self.live[at as usize].call)];
        let other = ours.into_iter().find_map(|(key, ours)| {
            let ours = ours.as_deref().filter(|word| !word.is_empty())?;
            let theirs = text_at(item, &[key]).map(|word| text::preview(&word, 200))?;
            (theirs != ours && !theirs.is_empty()).then(|| (key, ours.to_owned(), theirs))
        });
        let Some((key, ours, theirs)) = other else { return };
        if std::mem::replace(&mut self.live[at as usize].renamed, true) {
            return;
        }
        let severity = if key == "name" { Severity::Error } else { Severity::Warn };
        self.fault(code, severity, |e| {
            let block = e.list[at as usize].label();
            let (ours, theirs) = (text::preview(&ours, 40), text::preview(&theirs, 40));
            let who = if code == Code::FinalDiffers { "the final object" } else { ".done" };
            format!("{block} has {key} \"{theirs}\" in {who}, \"{ours}\" when it opened")
        });
    }

    /// The response that the terminal event repeats. Returns the places of the items it lists.
    pub(super) fn final_object(&mut self, json: Value<'_>, aborted: bool) -> BTreeSet<u32> {
        let container = self.container;
        let streamed: BTreeSet<u32> = (0..self.list.len() as u32)
            .rev()
            .take_while(|i| self.list[*i as usize].container == container)
            .filter(|i| usize::from(self.live[*i as usize].space) == ITEM)
            .collect();
        let Some(response) = json.get("response").filter(|r| r.kind() == Kind::Object) else {
            return BTreeSet::new();
        };
        let output = response.get("output").filter(|o| o.kind() == Kind::Array);
        let Some(items) = output.filter(|output| !output.is_empty()) else {
            if !streamed.is_empty() && !aborted {
                let how = if output.is_some() { "is empty" } else { "is missing" };
                let items = text::count(streamed.len() as u64, "item");
                self.fault(Code::FinalOutputEmpty, Severity::Warn, |_| {
                    format!("The final output {how} although {items} streamed: both OpenAI helpers return nothing")
                });
            }
            return BTreeSet::new();
        };
        let mut missing = streamed;
        let listed = self.listed(items, &mut missing);
        if !aborted {
            missing.into_iter().for_each(|at| self.left_out(at));
        }
        listed
    }

    /// The items that the final object lists, each held against the streamed one that it is, which
    /// is taken out of `free`.
    fn listed(&mut self, items: Value<'_>, free: &mut BTreeSet<u32>) -> BTreeSet<u32> {
        let mut listed = BTreeSet::new();
        // If two items have the same id, it refers to the one that was streamed first.
        let ids: BTreeMap<String, u32> = free
            .iter()
            .rev()
            .filter_map(|i| Some((self.list[*i as usize].id.clone()?, *i)))
            .collect();
        let (mut last, mut renamed) = (None, None);
        for item in items.items() {
            let id = item.str("id").map(|id| text::preview(&id, 200)).unwrap_or_default();
            let by_id = ids.get(&id).copied().filter(|i| free.contains(i));
            let Some(at) = by_id.or_else(|| self.alike(item, free)) else {
                continue;
            };
            free.remove(&at);
            listed.insert(at);
            let ours = self.list[at as usize].id.clone().unwrap_or_default();
            if by_id.is_none() && !id.is_empty() && !ours.is_empty() {
                renamed.get_or_insert((at, ours, id));
            }
            self.agree(at, item, Code::FinalDiffers);
            self.renamed(at, item, Code::FinalDiffers);
            if let Some(whole) = own_text(item) {
                self.differing(at, &whole, Code::FinalDiffers);
            }
            let key = self.list[at as usize].key;
            if let Some(before) = last.replace(key).filter(|before| *before > key) {
                self.once(Code::ItemOrderChanged, Severity::Warn, || {
                    format!("The final object lists item {before} before item {key}")
                });
            }
        }
        if let Some((at, ours, theirs)) = renamed.filter(|_| !self.identity.rotates()) {
            self.fault(Code::FinalDiffers, Severity::Warn, |e| {
                format!(
                    "Item {} has id \"{}\" in the final object, \"{}\" in the stream",
                    e.list[at as usize].key,
                    text::preview(&theirs, 24),
                    text::preview(&ours, 24)
                )
            });
        }
        listed
    }

    /// An item that the final object leaves out: it is lost for everyone who reads only that.
    fn left_out(&mut self, at: u32) {
        let kind = self.list[at as usize].kind.as_str();
        if matches!(kind, "message" | "function_call" | "custom_tool_call")
            && self.list[at as usize].closed.is_some()
        {
            self.fault(Code::FinalDiffers, Severity::Error, |e| {
                format!("The final object leaves out {}", e.list[at as usize].label())
            });
        }
    }

    fn once(&mut self, code: Code, severity: Severity, message: impl FnOnce() -> String) {
        if self.identity.reported.insert(code) {
            self.fault(code, severity, |_| message());
        }
    }

    /// The streamed item that an item of another id is: the first that is free, of its kind, and
    /// of its text where it has one; else the first of its kind.
    fn alike(&self, item: Value<'_>, free: &BTreeSet<u32>) -> Option<u32> {
        let kind = item.str("type").unwrap_or_default();
        let same = |i: &&u32| self.list[**i as usize].kind == kind.as_ref();
        let text = own_text(item).or_else(|| {
            let part = item.get("content")?.items().next()?;
            part.str("text").or_else(|| part.str("refusal"))
        });
        let says = |i: &&u32| {
            let live = &self.live[**i as usize];
            let text = text.as_deref().unwrap_or_default();
            let inner = || live.inner.iter().any(|p| self.live[*p as usize].text.agrees(text));
            live.text.is_given() && live.text.agrees(text) || inner()
        };
        let alike = || free.iter().take(MAX_MATCHED).filter(same);
        alike().find(says).or_else(|| alike().next()).copied()
    }
}

/// The text of an item that is no list of parts: a call's.
fn own_text<'a>(item: Value<'a>) -> Option<Cow<'a, str>> {
    ["arguments", "input", "code"].iter().find_map(|key| text_at(item, &[key]))
}
