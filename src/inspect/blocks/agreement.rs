//! Agreement: what a stream says again is held against what it streamed.

use super::super::{Code, Severity};
use super::engine::{BlockEngine, Surroundings};
use super::responses::ITEM;
use crate::json::{Kind, Value};
use crate::text;

impl BlockEngine {
    /// Holds a restatement of a block against its text.
    pub(super) fn hold(&mut self, at: u32, whole: &str, code: Code, around: &mut Surroundings<'_>) {
        let is_call = usize::from(self.live[at as usize].space) == ITEM;
        let key = self.list[at as usize].key;
        if self.differing(at, whole, code) {
            if is_call {
                around.answer.restate_call(key, whole);
            }
            self.live[at as usize].text.whole = Some(whole.to_owned());
        } else if !self.live[at as usize].text.is_given() {
            self.live[at as usize].text.whole = Some(whole.to_owned());
        }
    }

    /// Holds the whole input of a call against its pieces, which were JSON or are its text.
    pub(super) fn hold_value(&mut self, at: u32, whole: Value<'_>, around: &mut Surroundings<'_>) {
        let streamed = &self.live[at as usize].text;
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        let same = parsed(streamed.value()).is_some_and(|v| Some(v) == parsed(whole.source()));
        let text = whole.as_str().filter(|_| whole.kind() == Kind::String);
        if same || text.is_some_and(|text| streamed.agrees(&text)) {
            return;
        }
        if self.differing(at, whole.source(), Code::DeltasDifferFromDone)
            && let Some(id) = self.list[at as usize].id.as_deref()
        {
            around.answer.restate_call_of(id, whole.source());
        }
    }

    /// Reports the difference between a block and what is said of it, if there is one and none was
    /// reported before. Returns whether there is one.
    pub(super) fn differing(&mut self, at: u32, whole: &str, code: Code) -> bool {
        let text = &self.live[at as usize].text;
        if !text.is_given() || text.agrees(whole) {
            return false;
        }
        // If a block began before the recording, only its rest was streamed.
        let block = &self.list[at as usize];
        if self.resumed == Some(true) && !block.announced && whole.ends_with(text.value()) {
            return false;
        }
        if std::mem::replace(&mut self.live[at as usize].text.differs, true) {
            return true;
        }
        self.fault(code, Severity::Error, |e| {
            let joined = &e.live[at as usize].text;
            let (place, frame) = joined.difference(whole);
            let block = &e.list[at as usize];
            let of = block.parent.map_or(String::new(), |p| {
                format!(" of item {}", e.list[p as usize].key)
            });
            let count = |text: &str| text::group(text.chars().count() as u64);
            let frame = frame.map_or(String::new(), |f| format!(" (frame {f})"));
            let (streamed, words) = (count(joined.value()), count(whole));
            let first = count(whole.get(..place).unwrap_or_default());
            let who = match code {
                Code::FinalDiffers => "the final object",
                // The input of a call that is identified by its id is restated as a JSON value.
                _ if block.by_id => "the whole input",
                _ => ".done",
            };
            format!(
                "{}{of}: {streamed} characters streamed, {words} in {who}; they differ at {first}{frame}",
                block.label()
            )
        });
        true
    }
}
