//! The assignment of pieces to tool calls: by index alone, or as in `ai`. The latter looks at the id and the
//! name too, and passes its caller no call that has no name.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::client::Family;
use super::{ClientRun, ClientToolCall};
use crate::json::Value;

/// Largest number of calls under one index or id that are distinguished. A piece that more could own belongs
/// to none.
const MOST: usize = 64;

/// A piece of a call. A blank id is none.
#[derive(Debug, Default)]
struct CallPiece<'a> {
    index: Option<u64>,
    id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    arguments: Cow<'a, str>,
}

impl<'a> CallPiece<'a> {
    fn of(piece: Value<'a>) -> Self {
        let arguments = piece.at(&["function", "arguments"]).filter(|a| !a.is_null());
        Self {
            index: piece.get("index").and_then(Value::as_u64),
            id: piece.str("id").filter(|id| !id.trim().is_empty()),
            name: piece.at(&["function", "name"]).and_then(Value::as_str),
            arguments: arguments
                .map(|a| a.as_str().unwrap_or(Cow::Borrowed(a.source())))
                .unwrap_or_default(),
        }
    }
}

/// Places of the calls in what the caller receives.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// By choice and index.
    places: BTreeMap<(u32, Option<u64>), usize>,
    vercel: Vercel,
}

/// State of the calls in `ai`.
#[derive(Debug, Default)]
struct Vercel {
    /// Ids and arguments of calls that have an index and no name yet.
    nameless: BTreeMap<u64, (Option<String>, String)>,
    /// The indices at which a name arrived.
    named: BTreeSet<u64>,
    by_index: BTreeMap<u64, Vec<usize>>,
    by_id: BTreeMap<String, Vec<usize>>,
    /// Progress of the arguments of each call.
    states: Vec<Arguments>,
}

/// The call that a piece belongs to.
enum Owner {
    New,
    Known(usize),
    /// More than one may be meant; the piece is dropped.
    Unclear,
}

/// Takes one piece of a call.
pub(super) fn add(run: &mut ClientRun, choice: u32, piece: Value<'_>) {
    let piece = CallPiece::of(piece);
    if run.client.family == Family::VercelAi {
        return wait_for_name(run, piece);
    }
    let tool = at(run, choice, piece.index);
    if tool.name.is_none() {
        tool.name = piece.name.filter(|n| !n.is_empty()).map(Cow::into_owned);
    }
    tool.arguments.push_str(&piece.arguments);
}

/// The call at an index, made where there is none.
pub(super) fn at(run: &mut ClientRun, choice: u32, index: Option<u64>) -> &mut ClientToolCall {
    let tools = &mut run.given.tools;
    let slot = *run.calls.places.entry((choice, index)).or_insert_with(|| {
        tools.push(ClientToolCall { choice, index, ..ClientToolCall::default() });
        tools.len() - 1
    });
    &mut tools[slot]
}

/// Keeps what arrives of a call until its name does.
fn wait_for_name(run: &mut ClientRun, mut piece: CallPiece<'_>) {
    let calls = &mut run.calls.vercel;
    let Some(index) = piece.index.filter(|index| !calls.named.contains(index)) else {
        return sort(run, piece);
    };
    let (id, arguments) = calls.nameless.entry(index).or_default();
    if id.is_none() {
        *id = piece.id.take().map(Cow::into_owned);
    }
    arguments.push_str(&piece.arguments);
    if piece.name.is_some() {
        let (id, arguments) = calls.nameless.remove(&index).unwrap_or_default();
        calls.named.insert(index);
        sort(run, CallPiece { id: id.map(Cow::Owned), arguments: arguments.into(), ..piece });
    }
}

/// Adds a piece to the call that it belongs to.
fn sort(run: &mut ClientRun, mut piece: CallPiece<'_>) {
    let blank = piece.name.take_if(|name| name.trim().is_empty()).is_some();
    let (calls, tools) = (&mut run.calls.vercel, &mut run.given.tools);
    let slot = match calls.owner(tools, &piece) {
        Owner::Unclear => return,
        Owner::New if blank => return,
        Owner::New => {
            let Some(name) = piece.name else {
                let words = "Expected 'function.name' to be a string.";
                return run.break_off("AI_InvalidResponseDataError", words);
            };
            let name = Some(name.into_owned());
            tools.push(ClientToolCall { name, index: piece.index, ..ClientToolCall::default() });
            calls.states.push(Arguments::default());
            tools.len() - 1
        }
        Owner::Known(slot) => slot,
    };
    tools[slot].arguments.push_str(&piece.arguments);
    calls.states[slot].read(&piece.arguments);
    let note = |list: &mut Vec<usize>| {
        if list.len() <= MOST && !list.contains(&slot) {
            list.push(slot);
        }
    };
    if let Some(id) = piece.id {
        note(calls.by_id.entry(id.into_owned()).or_default());
    }
    if let Some(index) = piece.index {
        note(calls.by_index.entry(index).or_default());
    }
}

impl Vercel {
    fn owner(&self, tools: &[ClientToolCall], piece: &CallPiece<'_>) -> Owner {
        let name = piece.name.as_deref();
        let begins = name.is_some() && piece.arguments.trim_start().starts_with(['{', '[']);
        let by_index = piece.index.and_then(|index| self.by_index.get(&index));
        let fits = |slot: &usize| name.is_none() || tools[*slot].name.as_deref() == name;
        let here = || by_index.into_iter().flatten().copied().filter(fits);
        let by_id = piece.id.as_ref().map(|id| self.by_id.get(id.as_ref()));
        match by_id {
            Some(Some(same)) if piece.index.is_some() => {
                match self.one_of(here().filter(|slot| same.contains(slot)), begins) {
                    Owner::New if name.is_some() => Owner::New,
                    Owner::New if by_index.is_some() => Owner::Unclear,
                    Owner::New => self.one_of(same.iter().copied(), false),
                    known => known,
                }
            }
            Some(Some(same)) => self.one_of(same.iter().copied().filter(fits), begins),
            Some(None) if begins => Owner::New,
            Some(None) => self.one_of(here(), false),
            None if by_index.is_some() => self.one_of(here(), begins),
            None if name.is_some() => Owner::New,
            // No call is over before the stream is.
            None => self.one_of(0..tools.len(), false),
        }
    }

    /// The one that is meant; where a call begins, none that is whole.
    fn one_of(&self, slots: impl Iterator<Item = usize>, begins: bool) -> Owner {
        let mut open = slots.filter(|slot| !begins || !self.states[*slot].is_whole());
        match (open.next(), open.next()) {
            (None, _) => Owner::New,
            (Some(slot), None) => Owner::Known(slot),
            _ => Owner::Unclear,
        }
    }
}

/// Ends the body of `ai`: what still has no name is no call, and the calls are put in order.
pub(super) fn close(run: &mut ClientRun) {
    for (index, (id, arguments)) in std::mem::take(&mut run.calls.vercel.nameless) {
        let (id, arguments) = (id.map(Cow::Owned), arguments.into());
        sort(run, CallPiece { index: Some(index), id, name: None, arguments });
        if run.stopped {
            return;
        }
    }
    let tools = &mut run.given.tools;
    if tools.iter().all(|t| t.index.is_some()) {
        tools.sort_by_key(|t| t.index);
    }
}

/// Progress of a JSON object or array, by its brackets.
#[derive(Debug, Default)]
struct Arguments {
    open: Vec<char>,
    in_string: bool,
    escaped: bool,
    begun: bool,
    /// Whole, or nothing that has brackets.
    over: bool,
    whole: bool,
}

impl Arguments {
    fn is_whole(&self) -> bool {
        self.whole
    }

    fn read(&mut self, text: &str) {
        for c in text.chars() {
            if self.over {
                return;
            }
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' if self.in_string => self.escaped = true,
                '"' if self.in_string => self.in_string = false,
                _ if self.in_string => {}
                '{' | '[' => self.open.push(c),
                _ if !self.begun => {
                    self.over = !c.is_whitespace();
                    continue;
                }
                '"' => self.in_string = true,
                '}' | ']' => {
                    let fits = self.open.pop() == Some(if c == '}' { '{' } else { '[' });
                    self.whole = fits && self.open.is_empty();
                    self.over = !fits || self.whole;
                }
                _ => {}
            }
            self.begun = true;
        }
    }
}
