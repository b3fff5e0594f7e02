//! From the steps of an answer to what happens on the connection, one act at a
//! time. Pure: nothing here waits or writes, so that a long answer can be
//! measured first and played afterwards.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::envelope::{self, Envelope};
use super::random::Random;
use super::scenario::{Content, ScenarioAnswer};
use super::speaker::{Data, Endpoint, Manner, Refusal, Speaker, Speech, SpokenFrame};
use super::step::{Gap, ScenarioStep, ScenarioToolCall, Verb};
use super::text;
use super::turn::Declared;

/// One thing that happens on the connection.
#[derive(Debug)]
pub(super) enum Act {
    /// ms
    Wait(f64),
    /// Bytes of the body: one frame.
    Body(Vec<u8>),
    /// Bytes past the transfer coding.
    Wire(Vec<u8>),
    Cut,
    Reset,
    /// Until the client leaves; with bytes, these every so many ms.
    Stall(Option<(Vec<u8>, f64)>),
}

/// The acts of one answer.
pub(super) struct Script<'a> {
    answer: &'a ScenarioAnswer,
    manner: Manner,
    speaker: Box<dyn Speaker>,
    envelope: Envelope,
    random: Random,
    steps: std::slice::Iter<'a, ScenarioStep>,
    current: Option<(&'a ScenarioStep, Speeches<'a>)>,
    queue: VecDeque<Act>,
    /// Frames so far.
    seq: u64,
}

type Speeches<'a> = Box<dyn Iterator<Item = Speech> + Send + 'a>;

impl<'a> Script<'a> {
    pub(super) fn new(
        answer: &'a ScenarioAnswer,
        row: &Endpoint,
        manner: Manner,
        random: Random,
    ) -> Self {
        let mut queue = VecDeque::new();
        let steps = match &answer.content {
            Content::Steps(steps) => steps.as_slice(),
            Content::Body(body) => {
                queue.push_back(Act::Body(fill(body, &manner, 0)));
                &[]
            }
            Content::Error(error) => {
                let refusal = Refusal {
                    status: answer.status,
                    message: &error.message,
                    kind: Some(&error.kind),
                    param: error.param.as_deref(),
                    code: error.code.as_deref(),
                };
                let body = (row.refusal)(&refusal).to_string();
                queue.push_back(Act::Body(body.into_bytes()));
                &[]
            }
        };
        Self {
            answer,
            speaker: (row.new)(manner.clone()),
            envelope: row.envelope,
            manner,
            random,
            steps: steps.iter(),
            current: None,
            queue,
            seq: 0,
        }
    }

    /// Begins a step: what speaks is said piece by piece, the rest is done.
    fn begin(&mut self, step: &'a ScenarioStep) {
        if let Some(speeches_left) = speeches(&step.verb, &self.manner.tools, &mut self.random) {
            self.current = Some((step, speeches_left));
            return;
        }
        let fill = |text: &str| fill(text, &self.manner, self.seq);
        let act = match &step.verb {
            Verb::Data(text) => {
                let frame = self.wrap(step, None, &fill(text));
                return self.frame(step, frame);
            }
            Verb::Comment(text) => {
                let frame = self.comment(step, text);
                return self.frame(step, frame);
            }
            Verb::Raw(text) => {
                let bytes = fill(text);
                return self.frame(step, bytes);
            }
            Verb::Wire(text) => Act::Wire(fill(text)),
            Verb::Wait(ms) => Act::Wait(*ms),
            Verb::Cut => Act::Cut,
            Verb::Reset => Act::Reset,
            Verb::Stall(None) => Act::Stall(None),
            Verb::Stall(Some(drip)) => {
                Act::Stall(Some((self.comment(step, &drip.comment), drip.every)))
            }
            // All of these produce speech, and were handled above.
            Verb::Role(_)
            | Verb::Content(_)
            | Verb::Reasoning(..)
            | Verb::Refusal(_)
            | Verb::Generate { .. }
            | Verb::ToolCall(_)
            | Verb::Finish(_)
            | Verb::Usage(_)
            | Verb::Error(_)
            | Verb::Done
            | Verb::Delta(_) => return,
        };
        self.queue.push_back(act);
    }

    fn speak(&mut self, step: &ScenarioStep, speech: &Speech) {
        let mut frames = Vec::new();
        self.speaker.speak(step.choice, speech, &mut frames);
        // Frames that end a stream are sent at once, as providers do.
        let mut at_once = step.gap.is_none() && matches!(speech, Speech::Done | Speech::Usage(_));
        for SpokenFrame { event, data } in frames {
            let bytes = match data {
                Data::Bare(text) => text.into_bytes(),
                Data::Text(text) => self.wrap(step, event, text.as_bytes()),
                Data::Json(mut object) => {
                    for set in [&self.answer.set, &step.set].into_iter().flatten() {
                        self.set(&mut object, set);
                    }
                    self.wrap(step, event, Value::Object(object).to_string().as_bytes())
                }
            };
            if at_once {
                self.seq += 1;
                self.queue.push_back(Act::Body(bytes));
            } else {
                self.frame(step, bytes);
            }
            // Further frames for the same step follow without a delay.
            at_once = true;
        }
    }

    fn set(&self, object: &mut Map<String, Value>, members: &str) {
        let members = fill(members, &self.manner, self.seq);
        if let Ok(Value::Object(members)) = serde_json::from_slice(&members) {
            object.extend(members);
        }
    }

    /// Puts data into the envelope of a frame.
    fn wrap(&self, step: &ScenarioStep, event: Option<&str>, data: &[u8]) -> Vec<u8> {
        if self.envelope == Envelope::Messages {
            return envelope::message(event.unwrap_or_default(), data);
        }
        let prefix = [&step.prefix, &self.answer.prefix].into_iter().flatten().next();
        let prefix = prefix.map_or(self.envelope.prefix(self.seq == 0), String::as_str);
        let end = self.end(step);
        let mut frame = Vec::with_capacity(data.len() + 64);
        if let Some(event) = event.filter(|_| self.envelope == Envelope::Sse) {
            frame.extend_from_slice(b"event: ");
            frame.extend_from_slice(event.as_bytes());
            frame.extend_from_slice(newline(end).as_bytes());
        }
        frame.extend_from_slice(prefix.as_bytes());
        frame.extend_from_slice(data);
        frame.extend_from_slice(end.as_bytes());
        frame
    }

    fn comment(&self, step: &ScenarioStep, text: &str) -> Vec<u8> {
        let mut frame = b":".to_vec();
        frame.extend(fill(text, &self.manner, self.seq));
        frame.extend_from_slice(self.end(step).as_bytes());
        frame
    }

    fn end<'s>(&'s self, step: &'s ScenarioStep) -> &'s str {
        let given = [&step.end, &self.answer.end].into_iter().flatten().next();
        given.map_or(self.envelope.end(), String::as_str)
    }

    /// Queues a frame, and the time before it.
    fn frame(&mut self, step: &ScenarioStep, bytes: Vec<u8>) {
        self.seq += 1;
        let wait = match step.gap.unwrap_or(self.answer.gap) {
            Gap::Fixed(ms) => ms,
            Gap::Range([low, high]) => low + (high - low) * self.random.unit(),
        };
        if wait > 0.0 {
            self.queue.push_back(Act::Wait(wait));
        }
        self.queue.push_back(Act::Body(bytes));
    }
}

impl Iterator for Script<'_> {
    type Item = Act;

    fn next(&mut self) -> Option<Act> {
        loop {
            if let Some(act) = self.queue.pop_front() {
                return Some(act);
            }
            if let Some((step, mut speeches_left)) = self.current.take() {
                if let Some(speech) = speeches_left.next() {
                    self.current = Some((step, speeches_left));
                    self.speak(step, &speech);
                }
                continue;
            }
            let step = self.steps.next()?;
            self.begin(step);
        }
    }
}

/// Returns what an answer says, if it says something in plain words: speech, and comments and waits between.
/// `None` for everything that only a stream can show.
pub(super) fn plain<'a>(
    answer: &'a ScenarioAnswer,
    tools: &[Declared],
    mut random: Random,
) -> Option<impl Iterator<Item = (u32, Speech)> + 'a> {
    let Content::Steps(steps) = &answer.content else {
        return None;
    };
    let plain = |step: &ScenarioStep| {
        use Verb::{Comment, Content, Done, Finish, Generate, Reasoning};
        use Verb::{Refusal, Role, ToolCall, Usage, Wait};
        let speech = matches!(
            step.verb,
            Role(_)
                | Content(_)
                | Reasoning(..)
                | Refusal(_)
                | Generate { .. }
                | ToolCall(_)
                | Finish(_)
                | Usage(_)
                | Done
        );
        speech || matches!(step.verb, Comment(_) | Wait(_))
    };
    let tools = tools.to_vec();
    if answer.status != 200 || answer.head.is_some() || steps.is_empty() || !steps.iter().all(plain)
    {
        return None;
    }
    Some(steps.iter().flat_map(move |step| {
        let speeches_left = speeches(&step.verb, &tools, &mut random)
            .unwrap_or_else(|| Box::new(std::iter::empty()));
        speeches_left.map(|speech| (step.choice, speech))
    }))
}

/// Returns what a verb says, piece by piece; `None` if it does something else. A call is made to a tool that
/// the request declares, if it declares any.
fn speeches<'a>(verb: &'a Verb, tools: &[Declared], random: &mut Random) -> Option<Speeches<'a>> {
    let one = |speech| -> Speeches<'a> { Box::new(std::iter::once(speech)) };
    Some(match verb {
        Verb::Role(role) => one(Speech::Role(role.clone())),
        Verb::Finish(reason) => one(Speech::Finish(reason.clone())),
        Verb::Usage(counts) => one(Speech::Usage(*counts)),
        Verb::Error(body) => one(Speech::Error(body.clone())),
        Verb::Done => one(Speech::Done),
        // The parser has seen that it is an object.
        Verb::Delta(json) => one(Speech::Delta(serde_json::from_str(json).ok()?)),
        Verb::Content(pieces) => Box::new(pieces.list().into_iter().map(Speech::Content)),
        Verb::Refusal(pieces) => Box::new(pieces.list().into_iter().map(Speech::Refusal)),
        Verb::Reasoning(pieces, field) => {
            let list = pieces.list().into_iter();
            Box::new(list.map(|text| Speech::Reasoning(text, *field)))
        }
        Verb::Generate { pieces, whole } => {
            // A separate generator, so that the jitter between the pieces doesn't change the text.
            let own = Random::of_exchange(random.next(), 0);
            let speeches_left = text::generated(own, *pieces);
            if *whole {
                return Some(one(Speech::Content(speeches_left.collect())));
            }
            Box::new(speeches_left.map(Speech::Content))
        }
        Verb::ToolCall(call) => {
            let index = call.index;
            let (name, arguments) = called(call, tools);
            let start = Speech::ToolStart { index, id: call.id.clone(), name };
            let arguments = arguments.into_iter();
            let rest = arguments.map(move |text| Speech::ToolArguments { index, text });
            Box::new(std::iter::once(start).chain(rest))
        }
        Verb::Data(_)
        | Verb::Comment(_)
        | Verb::Raw(_)
        | Verb::Wire(_)
        | Verb::Wait(_)
        | Verb::Cut
        | Verb::Reset
        | Verb::Stall(_) => return None,
    })
}

/// Whom a call calls, and with which pieces of arguments: as the scenario has it, unless the request
/// declares other tools. Arguments that are broken on purpose stay.
fn called(call: &ScenarioToolCall, tools: &[Declared]) -> (String, Vec<String>) {
    let written = call.arguments.list();
    let place = call.index as usize % tools.len().max(1);
    match tools.get(place).filter(|_| tools.iter().all(|tool| tool.name != call.name)) {
        None => (call.name.clone(), written),
        Some(tool) => {
            let sound = serde_json::from_str::<Map<String, Value>>(&written.concat()).is_ok();
            let arguments = if sound { text::pieces(&tool.arguments) } else { written };
            (tool.name.clone(), arguments)
        }
    }
}

/// The line end that goes with the end of a frame: half of it.
fn newline(end: &str) -> &str {
    match end.len() {
        0 | 1 => "\n",
        len => end.get(..len / 2).unwrap_or("\n"),
    }
}

/// Fills the placeholders in, and makes bytes of `\xHH`.
fn fill(text: &str, manner: &Manner, seq: u64) -> Vec<u8> {
    let mut text = std::borrow::Cow::Borrowed(text);
    let created = manner.created.to_string();
    let seq = seq.to_string();
    let names = [
        ("$ID", manner.id.as_str()),
        ("$MODEL", manner.model.as_str()),
        ("$CREATED", created.as_str()),
        ("$SEQ", seq.as_str()),
    ];
    for (name, value) in names {
        if text.contains(name) {
            text = text.replace(name, value).into();
        }
    }
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).and_then(|it| u8::from_str_radix(it, 16).ok());
        match digits {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(part.as_bytes().get(2..).unwrap_or_default());
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_bytes_are_filled_in() {
        let manner = Manner {
            id: "chatcmpl-1".to_owned(),
            model: "lab/x".to_owned(),
            created: 7,
            input_tokens: 1,
            include_usage: false,
            usage_every: false,
            usage: None,
            tools: Vec::new(),
        };
        let filled = |text| fill(text, &manner, 3);
        assert_eq!(filled("$ID $MODEL $CREATED $SEQ"), b"chatcmpl-1 lab/x 7 3");
        assert_eq!(filled(r"a\xff\xFEb"), b"a\xff\xfeb");
        assert_eq!(filled(r"\x \xg \xé"), r"\x \xg \xé".as_bytes());
    }

    #[test]
    fn the_line_end_of_a_frame_is_half_of_its_end() {
        assert_eq!(newline("\r\n\r\n"), "\r\n");
        assert_eq!(newline("\r\r"), "\r");
        assert_eq!(newline("\n"), "\n");
    }
}
