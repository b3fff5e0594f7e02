//! The answer, assembled from the deltas of all frames.

use std::collections::{BTreeMap, BTreeSet};

use super::deltas::{Delta, Deltas};
use super::think::Think;
use crate::dialect::{Channel, DecodeEvent, ErrorShape, Path, ToolPiece, Usage};

/// One tool call, put together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolCall {
    /// The choice that made it.
    pub choice: u32,
    /// The provider's index, else counted from 0.
    pub index: u64,
    /// Its id, if one was sent.
    pub id: Option<String>,
    /// The function's name, if one was sent.
    pub name: Option<String>,
    /// The joined arguments.
    pub arguments: String,
    /// The arguments as the stream restated them, where the deltas join to something else. These decide
    /// whether the arguments are valid.
    pub restated: Option<String>,
    /// True if the provider sent no index.
    pub counted: bool,
    /// The arguments are text of any kind: a custom tool's.
    pub free_text: bool,
    /// The first frame of it.
    pub first: u32,
}

impl ToolCall {
    /// Returns the arguments that count: what the stream restated, else the joined deltas.
    pub fn value(&self) -> &str {
        self.restated.as_deref().unwrap_or(&self.arguments)
    }
}

/// An error that arrived inside the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamError {
    /// The frame that carried it.
    pub frame: u32,
    /// Text of the error.
    pub message: String,
    /// The provider's type or code.
    pub kind: Option<String>,
    /// Its shape.
    pub shape: ErrorShape,
}

/// A text that the stream says again otherwise than it streamed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otherwise {
    /// The frame that says it again.
    pub frame: u32,
    /// The channel.
    pub channel: Channel,
    /// Number of characters that were streamed.
    pub streamed: u64,
    /// Number of characters that it restates.
    pub restated: u64,
    /// Number of characters that are the same from the beginning.
    pub same: u64,
}

/// A channel's text.
#[derive(Debug, Default, Clone)]
struct ChannelText {
    text: String,
    /// Some of the deltas that it was joined from, no two of which are [`EACH`] deltas apart unless no
    /// other is between them.
    marks: Vec<u32>,
    /// Up to where the stream said again what was streamed.
    emitted: usize,
    /// Of content: which parts are thought.
    think: Think,
}

/// Number of deltas after which the next one of a text is marked, so that the one at a place is found in few
/// steps.
const EACH: u32 = 32;

/// The texts of the channels, by channel and choice.
#[derive(Debug, Default, Clone)]
struct Texts {
    places: BTreeMap<(Channel, u32), usize>,
    joined: Vec<ChannelText>,
    /// The last that was added to: nearly always that is the next one as well.
    last: Option<((Channel, u32), usize)>,
}

impl Texts {
    fn place(&self, key: (Channel, u32)) -> Option<usize> {
        match self.last {
            Some((last, place)) if last == key => Some(place),
            _ => self.places.get(&key).copied(),
        }
    }

    fn get(&self, channel: Channel, choice: u32) -> Option<&ChannelText> {
        self.joined.get(self.place((channel, choice))?)
    }

    fn get_mut(&mut self, channel: Channel, choice: u32) -> Option<&mut ChannelText> {
        let place = self.place((channel, choice))?;
        self.joined.get_mut(place)
    }

    fn entry(&mut self, channel: Channel, choice: u32) -> &mut ChannelText {
        let key = (channel, choice);
        let place = self.place(key).unwrap_or(self.joined.len());
        if place == self.joined.len() {
            self.places.insert(key, place);
            self.joined.push(ChannelText::default());
        }
        self.last = Some((key, place));
        &mut self.joined[place]
    }

    /// The texts of a channel, in order of the choice.
    fn of(&self, channel: Channel) -> impl Iterator<Item = (u32, &ChannelText)> {
        let places = self.places.range((channel, 0)..=(channel, u32::MAX));
        places.map(|((_, choice), place)| (*choice, &self.joined[*place]))
    }
}

/// The places of tool calls in their list, so that many of them are quickly distinguished. An index of `None`
/// matches any.
#[derive(Debug, Default, Clone)]
struct Places {
    /// The last call of a choice and index.
    last: BTreeMap<(u32, Option<u64>), usize>,
    /// The first call of a choice, index and id.
    ids: BTreeMap<(u32, Option<u64>, String), usize>,
    /// Number of calls that each choice has made.
    made: BTreeMap<u32, u64>,
}

/// The largest number of in-band errors that are kept.
const MAX_ERRORS: usize = 100;

/// Number of the last calls that are looked at when one is restated.
const MAX_RESTATED: usize = 64;

/// The answer as far as it has arrived.
#[derive(Debug, Default, Clone)]
pub struct Answer {
    deltas: Deltas,
    texts: Texts,
    /// The paths that fed each channel, with how many deltas each.
    paths: Vec<(Channel, Path, u64)>,
    /// Number of deltas in each channel, without duplicates.
    counts: [u64; 5],
    /// Number of characters in each channel over all choices, which the screen shows at every draw.
    chars: [usize; 5],
    /// Every choice that was heard of.
    choices: BTreeSet<u32>,
    /// Texts of duplicates, which belong to no channel.
    duplicates: String,
    tools: Vec<ToolCall>,
    places: Places,
    finish: BTreeMap<u32, (String, u32)>,
    /// The choices of the last frame that had a finish, and which frame that was.
    finished_last: (u32, Vec<u32>),
    causes: BTreeMap<u32, String>,
    /// The last usage reported, field by field.
    pub usage: Usage,
    /// The paths at which usage appeared, each with its number of frames.
    pub usage_seen: Vec<(Path, u32)>,
    /// The first model named.
    pub model: Option<String>,
    /// In-band errors, in order (the first hundred).
    pub errors: Vec<StreamError>,
    /// The first text that the stream said again otherwise.
    pub otherwise: Option<Otherwise>,
    /// The frame of the first `[DONE]`.
    pub sentinel: Option<u32>,
    /// The frame of the dialect's terminal event.
    pub terminal: Option<u32>,
}

impl Answer {
    /// Adds what a payload reported.
    pub(super) fn add(&mut self, frame: u32, fact: DecodeEvent<'_>) {
        match fact {
            DecodeEvent::Text { choice, channel, path, text, duplicate } => {
                self.add_text(frame, choice, channel, path, &text, duplicate);
            }
            DecodeEvent::Whole { choice, channel, text } => {
                self.hold(frame, choice, channel, &text);
            }
            DecodeEvent::Tool(piece) => {
                self.add_tool(frame, *piece);
            }
            DecodeEvent::Finish { choice, reason } => {
                self.choices.insert(choice);
                self.finish.insert(choice, (reason.into_owned(), frame));
                if self.finished_last.0 != frame {
                    self.finished_last = (frame, Vec::new());
                }
                self.finished_last.1.push(choice);
            }
            DecodeEvent::Cause { choice, cause } => {
                drop(self.causes.insert(choice, cause.into_owned()))
            }
            DecodeEvent::Usage { path, usage } => {
                self.usage.update(usage);
                match self.usage_seen.iter_mut().find(|(p, _)| p.template() == path.template()) {
                    Some((_, n)) => *n += 1,
                    None => self.usage_seen.push((path, 1)),
                }
            }
            DecodeEvent::Model(model) => {
                if self.model.is_none() {
                    self.model = Some(model.into_owned());
                }
            }
            DecodeEvent::Error(e) => {
                if self.errors.len() < MAX_ERRORS {
                    self.errors.push(StreamError {
                        frame,
                        message: e.message.into_owned(),
                        kind: e.kind.map(Into::into),
                        shape: e.shape,
                    });
                }
            }
            DecodeEvent::Sentinel => {
                self.sentinel.get_or_insert(frame);
            }
            DecodeEvent::Terminal => {
                self.terminal.get_or_insert(frame);
            }
            DecodeEvent::Begun => {
                self.terminal = None;
                self.finish.clear();
                let text = self.texts.places.keys().map(|(_, c)| *c);
                self.choices = text.chain(self.tools.iter().map(|t| t.choice)).collect();
            }
        }
    }

    /// Adds a text to a channel; returns the delta that it is.
    pub(super) fn add_text(
        &mut self,
        frame: u32,
        choice: u32,
        channel: Channel,
        path: Path,
        text: &str,
        duplicate: bool,
    ) -> Delta {
        let start = if duplicate {
            let start = self.duplicates.len();
            self.duplicates.push_str(text);
            start
        } else {
            let joined = self.texts.entry(channel, choice);
            let start = joined.text.len();
            joined.text.push_str(text);
            if joined.marks.is_empty() {
                self.choices.insert(choice);
            }
            let chars = if text.is_ascii() { text.len() } else { text.chars().count() };
            self.chars[channel as usize] += chars;
            let number = self.deltas.len() as u32;
            if joined.marks.last().is_none_or(|mark| number - mark >= EACH) {
                joined.marks.push(number);
            }
            if channel == Channel::Content {
                joined.think.update(&joined.text);
            }
            start
        };
        let (start, len) = (start as u32, text.len() as u32);
        self.push(Delta { frame, choice, channel, path, start, len, slot: 0, duplicate })
    }

    /// Adds a piece of a tool call; returns the delta that it is.
    pub(super) fn add_tool(&mut self, frame: u32, piece: ToolPiece<'_>) -> Delta {
        let ToolPiece { choice, path, index, id, name, arguments, free_text } = piece;
        let slot = self.tool_slot(frame, choice, index, id.as_deref());
        let tool = &mut self.tools[slot];
        tool.free_text |= free_text;
        if tool.id.is_none()
            && let Some(id) = id
        {
            for index in [None, Some(tool.index)] {
                self.places.ids.entry((choice, index, id.to_string())).or_insert(slot);
            }
            tool.id = Some(id.into());
        }
        if tool.name.is_none() {
            tool.name = name.map(Into::into);
        }
        let start = tool.arguments.len() as u32;
        tool.arguments.push_str(arguments.as_deref().unwrap_or_default());
        let len = tool.arguments.len() as u32 - start;
        self.push(Delta {
            frame,
            choice,
            channel: Channel::Tool,
            path,
            start,
            len,
            slot: slot as u32,
            duplicate: false,
        })
    }

    /// Holds what the stream says that a text is against what was streamed since it last said so.
    fn hold(&mut self, frame: u32, choice: u32, channel: Channel, whole: &str) {
        let Some(joined) = self.texts.get_mut(channel, choice) else { return };
        let from = std::mem::replace(&mut joined.emitted, joined.text.len());
        let (streamed, whole) = (joined.text[from..].trim(), whole.trim());
        if streamed.is_empty() || streamed == whole || self.otherwise.is_some() {
            return;
        }
        let pairs = streamed.chars().zip(whole.chars());
        let count = |text: &str| text.chars().count() as u64;
        self.otherwise = Some(Otherwise {
            frame,
            channel,
            streamed: count(streamed),
            restated: count(whole),
            same: pairs.take_while(|(a, b)| a == b).count() as u64,
        });
    }

    fn last_call(&mut self, choice: u32, index: u64) -> Option<&mut ToolCall> {
        let slot = *self.places.last.get(&(choice, Some(index)))?;
        self.tools.get_mut(slot)
    }

    /// Notes what the stream says that a call's arguments are, unlike its deltas.
    pub(super) fn restate_call(&mut self, index: u64, arguments: &str) {
        if let Some(tool) = self.last_call(0, index) {
            tool.restated = Some(arguments.to_owned());
        }
    }

    /// The same of a call that is known by its id, if it is one of the last.
    pub(super) fn restate_call_of(&mut self, id: &str, arguments: &str) {
        let mine = |tool: &&mut ToolCall| tool.id.as_deref() == Some(id);
        if let Some(tool) = self.tools.iter_mut().rev().take(MAX_RESTATED).find(mine) {
            tool.restated = Some(arguments.to_owned());
        }
    }

    fn push(&mut self, delta: Delta) -> Delta {
        let (channel, path) = (delta.channel, delta.path);
        let same = |p: &&mut (Channel, Path, u64)| p.0 == channel && p.1.is_alike(path);
        match self.paths.iter_mut().find(same) {
            Some(p) => p.2 += 1,
            None => self.paths.push((channel, path, 1)),
        }
        self.counts[delta.channel as usize] += u64::from(!delta.duplicate);
        self.deltas.push(delta);
        delta
    }

    /// The call that a piece belongs to: by choice and index; an index that carries a second id is
    /// a second call; without an index an id begins a call and a piece without one continues it.
    fn tool_slot(
        &mut self,
        frame: u32,
        choice: u32,
        index: Option<u64>,
        id: Option<&str>,
    ) -> usize {
        let last = self.places.last.get(&(choice, index)).copied();
        let same = |t: &ToolCall| match (&t.id, id) {
            (Some(old), Some(new)) => old == new,
            (None, Some(_)) => index.is_some(),
            (_, None) => true,
        };
        if let Some(slot) = last.filter(|slot| same(&self.tools[*slot])) {
            return slot;
        }
        // Without an index, an id may refer to an earlier call.
        let known = id.and_then(|id| self.places.ids.get(&(choice, index, id.to_owned())));
        if let Some(slot) = known {
            return *slot;
        }
        let (slot, made) = (self.tools.len(), self.places.made.entry(choice).or_default());
        let place = index.unwrap_or(*made);
        *made += 1;
        self.choices.insert(choice);
        self.tools.push(ToolCall {
            choice,
            index: place,
            counted: index.is_none(),
            first: frame,
            ..ToolCall::default()
        });
        for index in [None, Some(place)] {
            self.places.last.insert((choice, index), slot);
        }
        slot
    }

    /// All deltas, in order.
    pub fn deltas(&self) -> &Deltas {
        &self.deltas
    }

    /// The deltas of one frame.
    pub fn deltas_of(
        &self,
        frame: u32,
    ) -> impl DoubleEndedIterator<Item = Delta> + ExactSizeIterator + Clone + '_ {
        self.deltas.range(self.deltas.of(frame))
    }

    /// The deltas of the frame that was added last, if that is `frame`.
    pub(super) fn deltas_of_last(
        &self,
        frame: u32,
    ) -> impl DoubleEndedIterator<Item = Delta> + ExactSizeIterator + Clone + '_ {
        let len = self.deltas.len();
        let mut from = len;
        while from > 0 && self.deltas.frame_at(from - 1) == frame {
            from -= 1;
        }
        self.deltas.range(from..len)
    }

    /// A delta's text; of a tool call the piece of its arguments.
    pub fn text_of(&self, delta: &Delta) -> &str {
        let all = if delta.duplicate {
            &self.duplicates
        } else if delta.channel == Channel::Tool {
            self.tools.get(delta.slot as usize).map_or("", |t| t.arguments.as_str())
        } else {
            self.text(delta.channel, delta.choice)
        };
        all.get(delta.start as usize..(delta.start + delta.len) as usize).unwrap_or_default()
    }

    /// Returns the range of a delta's text in its channel's text.
    pub fn range_of(&self, delta: &Delta) -> std::ops::Range<usize> {
        delta.start as usize..(delta.start + delta.len) as usize
    }

    /// The tool call that a tool delta belongs to.
    pub fn tool_of(&self, delta: &Delta) -> Option<&ToolCall> {
        (delta.channel == Channel::Tool).then(|| self.tools.get(delta.slot as usize)).flatten()
    }

    /// The place of that call in [`Answer::tools`].
    pub(super) fn tool_place(&self, delta: &Delta) -> Option<usize> {
        (delta.channel == Channel::Tool).then_some(delta.slot as usize)
    }

    /// The delta that put byte `at` into a channel's text for one choice (never of
    /// [`Channel::Tool`], where each call has a text of its own).
    pub fn delta_at(&self, channel: Channel, choice: u32, at: usize) -> Option<Delta> {
        let joined = self.texts.get(channel, choice).filter(|joined| at < joined.text.len())?;
        let marks = &joined.marks;
        let begins_by = |mark: &u32| self.range_of(&self.deltas.at(*mark as usize)).start <= at;
        let mark = marks.partition_point(begins_by).checked_sub(1)?;
        let own = |d: &Delta| d.channel == channel && d.choice == choice && !d.duplicate;
        let mut after = self.deltas.range(marks[mark] as usize..self.deltas.len()).filter(own);
        after.find(|delta| self.range_of(delta).end > at)
    }

    /// Returns whether nothing of a choice arrived: no text in any channel, and no call.
    pub fn is_silent(&self, choice: u32) -> bool {
        self.calls_of(choice) == 0
            && !self
                .texts
                .places
                .iter()
                .any(|((_, of), place)| *of == choice && !self.texts.joined[*place].text.is_empty())
    }

    /// A channel's joined text for one choice.
    pub fn text(&self, channel: Channel, choice: u32) -> &str {
        self.texts.get(channel, choice).map_or("", |j| j.text.as_str())
    }

    /// The choices that have text in a channel, with it, in order of the choice.
    pub fn texts(&self, channel: Channel) -> impl Iterator<Item = (u32, &str)> {
        self.texts.of(channel).map(|(choice, joined)| (choice, joined.text.as_str()))
    }

    /// Returns the number of characters in a channel over all choices.
    pub fn chars(&self, channel: Channel) -> usize {
        self.chars[channel as usize]
    }

    /// Returns the number of deltas in a channel, without duplicates.
    pub fn count(&self, channel: Channel) -> u64 {
        self.counts[channel as usize]
    }

    /// Returns whether a channel has any text.
    pub fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Tool => !self.tools.is_empty(),
            _ => self.texts(channel).next().is_some(),
        }
    }

    /// Returns which parts of a choice's content are thought.
    pub fn think(&self, choice: u32) -> Option<&Think> {
        self.texts.get(Channel::Content, choice).map(|j| &j.think)
    }

    /// The tool calls, in order of first appearance.
    pub fn tools(&self) -> &[ToolCall] {
        &self.tools
    }

    /// Returns why each choice ended, as far as it said so.
    pub fn finish(&self) -> impl Iterator<Item = (u32, &str)> {
        self.finish.iter().map(|(c, (reason, _))| (*c, reason.as_str()))
    }

    /// Returns the number of calls that a choice has made.
    pub(super) fn calls_of(&self, choice: u32) -> u64 {
        self.places.made.get(&choice).copied().unwrap_or(0)
    }

    /// Returns why a choice ended, if it said so.
    pub(super) fn finish_of(&self, choice: u32) -> Option<&str> {
        self.finish.get(&choice).map(|(reason, _)| reason.as_str())
    }

    /// Returns the cause of its finish that a choice reported beside the finish.
    pub fn cause(&self, choice: u32) -> Option<&str> {
        self.causes.get(&choice).map(String::as_str)
    }

    /// The frame of a choice's (last) finish.
    pub fn finish_frame(&self, choice: u32) -> Option<u32> {
        self.finish.get(&choice).map(|f| f.1)
    }

    /// The choices of which the last frame that had a finish reported one, if `frame` is that frame.
    pub(super) fn finished_in(&self, frame: u32) -> &[u32] {
        if self.finished_last.0 == frame { &self.finished_last.1 } else { &[] }
    }

    /// Every choice that was heard of.
    pub fn choices(&self) -> &BTreeSet<u32> {
        &self.choices
    }

    /// Returns whether at least one choice finished, and every choice that was seen.
    pub fn finished(&self) -> bool {
        let open = |c: &u32| !self.finish.contains_key(c) && !crate::dialect::is_stand_in(*c);
        // Every choice with a finish is among the choices: if the counts are equal, all have finished.
        let all = self.finish.len() == self.choices.len();
        !self.finish.is_empty() && (all || !self.choices().iter().any(open))
    }

    /// The paths that fed a channel, with how many deltas each (duplicates too), in order of
    /// first appearance.
    pub fn paths(&self, channel: Channel) -> impl Iterator<Item = (String, u64)> {
        self.paths.iter().filter(move |p| p.0 == channel).map(|p| (p.1.general(), p.2))
    }
}
