//! Streams made of others, and everything that is said about one: for the tests and for the targets of `fuzz/`.

use sselens::dialect::Channel;
use sselens::inspect::Inspection;
use sselens::rule::Code;

/// Everything that an inspection says, as text.
pub(crate) fn everything(i: &Inspection) -> String {
    let tally: Vec<u64> = Code::all().map(|code| i.tally().of(code)).collect();
    let answer = i.answer();
    let texts: Vec<_> = [Channel::Content, Channel::Reasoning, Channel::Refusal, Channel::Other]
        .into_iter()
        .map(|c| (answer.texts(c).collect::<Vec<_>>(), answer.paths(c).collect::<Vec<_>>()))
        .collect();
    format!(
        "{:#?}\n{tally:?}\n{:?}\n{texts:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{}\n{:?}\n{:?}",
        i.findings(),
        answer.deltas(),
        answer.tools(),
        i.shape().rows(),
        i.blocks(),
        i.timing,
        i.verdict(),
        i.frames(),
        i.sse(),
    )
}

/// The body with every event written `times` times, each time with other text in it, and with other
/// values where such differ from event to event.
pub(crate) fn repeated(body: &[u8], times: usize) -> Vec<u8> {
    const TEXTS: [&str; 8] = [
        "\"content\":\"",
        "\"text\":\"",
        "\"reasoning_content\":\"",
        "\"reasoning\":\"",
        "\"thinking\":\"",
        "\"delta\":\"",
        "\"partial_json\":\"",
        "\"arguments\":\"",
    ];
    let text = String::from_utf8_lossy(body).into_owned();
    let mut out = String::new();
    for event in text.split_inclusive("\n\n") {
        for n in 0..times {
            let mut event = event.to_owned();
            if n > 0 {
                for key in TEXTS {
                    insert(&mut event, key, WORDS[n % WORDS.len()]);
                }
                insert(&mut event, "\"obfuscation\":\"", ["p", "", "\\n", "qq"][n % 4]);
                insert(&mut event, "\"sequence_number\":", ["1", "2", ""][n % 3]);
                if times > 3 {
                    insert(&mut event, "\"created\":", ["", "1"][n % 2]);
                    insert(&mut event, "\"id\":\"", ["", "", "b"][n % 3]);
                }
            }
            out.push_str(&event);
        }
    }
    out.into_bytes()
}

/// Puts a text behind the first place of a key that there is.
fn insert(event: &mut String, key: &str, text: &str) {
    if let Some(at) = event.find(key) {
        event.insert_str(at + key.len(), text);
    }
}

/// Texts inside a JSON string.
const WORDS: [&str; 11] = [
    " é",
    "x",
    " <think>",
    "a",
    " the same words",
    "</think>",
    "\u{fffd}",
    "\\n",
    " \\\"b\\\"",
    "\\ud83d\\ude00",
    "\\ud83d",
];

/// Values that a JSON value may become.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "0.5",
    "1e30",
    "1e400",
    "4294967296",
    "18446744073709551616",
    "\"\"",
    "\"x\"",
    "\"stop\"",
    "\"length\"",
    "\"tool_calls\"",
    "\"<think>\"",
    "\"[DONE]\"",
    "\"\\ud83d\"",
    "\"\\u0000\"",
    "[]",
    "{}",
    "[{}]",
    "[[[[[[[[]]]]]]]]",
    "{\"type\":\"error\"}",
];

/// Keys that a member may get.
const KEYS: &[&str] = &[
    "\"choices\"",
    "\"delta\"",
    "\"content\"",
    "\"text\"",
    "\"type\"",
    "\"index\"",
    "\"id\"",
    "\"error\"",
    "\"usage\"",
    "\"finish_reason\"",
    "\"tool_calls\"",
    "\"arguments\"",
    "\"reasoning\"",
    "\"role\"",
    "\"status\"",
    "\"message\"",
    "\"\"",
];

/// What may stand between two events.
const BETWEEN: &[&str] = &[
    ": keep-alive\n\n",
    "data: [DONE]\n\n",
    "\n",
    "data\n\n",
    "data: {}\n\n",
    "data: null\n\n",
    "event: error\n",
    "event: ping\ndata: {}\n\n",
    "id: 7\n",
    "retry: 10\n\n",
    "data: {\"error\":{\"message\":\"x\",\"code\":500}}\n\n",
    "{}\n",
    "\u{feff}",
    "<html><body>502</body></html>\n",
];

/// Random numbers of one seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % (n.max(1) as u64)) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// The stream, changed in one to three places, as its seed says: events lost, doubled, moved or cut off; JSON keys
/// and values taken for others; bytes put in, lost or changed.
pub(crate) fn mutate(body: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut out = body.to_vec();
    for _ in 0..=random.below(3) {
        out = match random.below(5) {
            0 | 1 => change_events(&out, &mut random),
            2 | 3 => change_tokens(&out, &mut random),
            _ => change_bytes(out, &mut random),
        };
    }
    out
}

/// The events of a stream with the blank lines behind them, else its lines.
fn events(body: &[u8]) -> Vec<Vec<u8>> {
    let blank = body.windows(2).any(|two| two == b"\n\n");
    let mut events = vec![Vec::new()];
    for (at, byte) in body.iter().enumerate() {
        if let Some(last) = events.last_mut() {
            last.push(*byte);
        }
        let ends = *byte == b'\n' && (!blank || at > 0 && body[at - 1] == b'\n');
        if ends && at + 1 < body.len() {
            events.push(Vec::new());
        }
    }
    events
}

fn change_events(body: &[u8], random: &mut Random) -> Vec<u8> {
    let mut all = events(body);
    let (at, to) = (random.below(all.len()), random.below(all.len()));
    match random.below(9) {
        0 => drop(all.remove(at)),
        1 => all.insert(to, all[at].clone()),
        2 => all.swap(at, to),
        3 => {
            let event = all.remove(at);
            all.insert(to.min(all.len()), event);
        }
        4 => all.truncate(at + 1),
        5 => {
            let len = random.below(all[at].len());
            all[at].truncate(len);
            all.truncate(at + 1);
        }
        6 => all.insert(at, random.of(BETWEEN).as_bytes().to_vec()),
        how => {
            let end: &[u8] = if how == 7 { b"\r\n" } else { b"\r" };
            let lines = all[at].split(|byte| *byte == b'\n');
            all[at] = lines.collect::<Vec<_>>().join(end);
        }
    }
    all.concat()
}

/// Where the strings, numbers and names of JSON are in bytes that may hold some.
fn tokens(body: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let from = at;
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"+-.".contains(b);
        if body[at] == b'"' {
            at += 1;
            while at < body.len() && !matches!(body[at], b'"' | b'\n') {
                at += 1 + usize::from(body[at] == b'\\');
            }
            at = (at + 1).min(body.len());
            found.push(from..at);
        } else if plain(&body[at]) {
            at += body[at..].iter().take_while(|b| plain(b)).count();
            found.push(from..at);
        } else {
            at += 1;
        }
    }
    found
}

fn change_tokens(body: &[u8], random: &mut Random) -> Vec<u8> {
    let all = tokens(body);
    if all.is_empty() {
        return body.to_vec();
    }
    let here = all[random.below(all.len())].clone();
    let other = &body[all[random.below(all.len())].clone()];
    let is_key = body[here.end..].first() == Some(&b':');
    let new: Vec<u8> = match random.below(7) {
        0 => other.to_vec(),
        1 | 2 if is_key => random.of(KEYS).as_bytes().to_vec(),
        1 | 2 => random.of(VALUES).as_bytes().to_vec(),
        // Insert a field before this one.
        3 if is_key => {
            let (key, value) = (random.of(KEYS), random.of(VALUES));
            [key.as_bytes(), b":", value.as_bytes(), b",", &body[here.clone()]].concat()
        }
        // The same key twice.
        4 if is_key => {
            [&body[here.clone()], b":", random.of(VALUES).as_bytes(), b",", &body[here.clone()]]
                .concat()
        }
        5 => [b"[", &body[here.clone()], b"]"].concat(),
        _ => {
            let mut text = body[here.clone()].to_vec();
            if text.len() > 1 {
                let at = 1 + random.below(text.len() - 1);
                text.splice(at..at, random.of(&WORDS).bytes());
            }
            text
        }
    };
    [&body[..here.start], &new, &body[here.end..]].concat()
}

fn change_bytes(mut body: Vec<u8>, random: &mut Random) -> Vec<u8> {
    const BYTES: &[u8] = b"\"\\\n\r{}[]:, \xe9\x0059a<\xff";
    let byte = BYTES[random.below(BYTES.len())];
    let at = random.below(body.len());
    match random.below(3) {
        0 if !body.is_empty() => body[at] = byte,
        1 if body.len() > 1 => drop(body.remove(at)),
        _ => body.insert(at, byte),
    }
    body
}
