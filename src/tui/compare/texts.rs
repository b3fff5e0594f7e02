//! Two texts side by side, with what differs marked in both.

use std::ops::Range;

use similar::DiffTag;

use crate::dialect::Channel;
use crate::inspect::Delta;
use crate::tui::model::Exchange;
use crate::tui::theme::Role;
use crate::tui::widget::diff::diff;
use crate::tui::widget::text::Mark;
use crate::tui::widget::{Doc, json};

/// Beyond so many words between the common beginning and the common end, all of it is marked: the
/// cost of finding out more grows with the square.
const MAX_WORDS: usize = 6000;

/// Two texts, and what differs.
#[derive(Debug)]
pub(in crate::tui) struct ComparedTexts {
    pub(super) docs: [Doc; 2],
    pub(super) marks: [Vec<Mark>; 2],
    /// The beginning of each difference, in both.
    pub(super) starts: Vec<[usize; 2]>,
}

impl ComparedTexts {
    pub(super) fn new(texts: [String; 2], marked: bool) -> Self {
        let changes = if marked { changes(&texts[0], &texts[1]) } else { Vec::new() };
        let marks = [0, 1].map(|side: usize| {
            let own = changes.iter().map(|c| c[side].clone());
            own.filter(|r| !r.is_empty()).map(|r| (r, Role::Delta)).collect()
        });
        let starts = changes.iter().map(|[a, b]| [a.start, b.start]).collect();
        let docs = texts.map(|text| {
            let mut doc = Doc::new();
            doc.text = text;
            doc
        });
        Self { docs, marks, starts }
    }
}

/// The stretches of two texts that differ, in order: of A and of B. One of the two may be empty.
fn changes(a: &str, b: &str) -> Vec<[Range<usize>; 2]> {
    if a == b {
        return Vec::new();
    }
    let same = |(x, y): &(char, char)| x == y;
    let head: usize = a.chars().zip(b.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    // Mark whole words.
    let head = a[..head]
        .rfind(|c: char| !c.is_alphanumeric())
        .map_or(0, |i| i + a[i..].chars().next().map_or(1, char::len_utf8));
    let tail = a[head..].chars().rev().zip(b[head..].chars().rev()).take_while(same);
    let tail: usize = tail.map(|(c, _)| c.len_utf8()).sum();
    let shared = &a[a.len() - tail..];
    let tail = shared.find(|c: char| !c.is_alphanumeric()).map_or(0, |i| shared.len() - i);
    let (end_a, end_b) = (a.len() - tail, b.len() - tail);
    let whole = || vec![[head..end_a, head..end_b]];
    let (Some(x), Some(y)) = (words(&a[head..end_a]), words(&b[head..end_b])) else {
        return whole();
    };
    if x.len() + y.len() > MAX_WORDS {
        return whole();
    }
    let offsets = |words: &[&str]| {
        let mut ends = vec![head];
        ends.extend(words.iter().scan(head, |at, word| {
            *at += word.len();
            Some(*at)
        }));
        ends
    };
    let (at_a, at_b) = (offsets(&x), offsets(&y));
    diff(&x, &y)
        .iter()
        .filter(|op| op.tag() != DiffTag::Equal)
        .map(|op| {
            let (old, new) = (op.old_range(), op.new_range());
            [at_a[old.start]..at_a[old.end], at_b[new.start]..at_b[new.end]]
        })
        .collect()
}

/// Splits a text into words and what is between them; `None` if there are too many.
fn words(text: &str) -> Option<Vec<&str>> {
    let mut words = Vec::new();
    let mut from = 0;
    let mut last: Option<u8> = None;
    for (i, c) in text.char_indices() {
        // Letters stay together, and so do blanks; every other character is its own word.
        let class = match c {
            _ if c.is_alphanumeric() => 0,
            _ if c.is_whitespace() => 1,
            _ => 2,
        };
        if last.is_some_and(|l| l != class || class == 2) {
            words.push(&text[from..i]);
            from = i;
        }
        last = Some(class);
        if words.len() > MAX_WORDS {
            return None;
        }
    }
    if from < text.len() {
        words.push(&text[from..]);
    }
    Some(words)
}

/// The frame that brought byte `at` of a channel's text, choice after choice.
pub(super) fn frame_at(exchange: &Exchange, channel: Channel, at: usize) -> Option<usize> {
    let answer = exchange.inspection.answer();
    let mut before = 0;
    for (choice, text) in answer.texts(channel) {
        if at < before + text.len() {
            return answer.delta_at(channel, choice, at - before).map(|d| d.frame as usize);
        }
        before += text.len();
    }
    None
}

/// Returns the position in a channel's text once a frame had arrived: the beginning of what arrived last.
pub(super) fn place_of(exchange: &Exchange, channel: Channel, frame: usize) -> usize {
    let answer = exchange.inspection.answer();
    let deltas = answer.deltas();
    let upto = deltas.partition_point(|d| d.frame as usize <= frame);
    let own = |d: &Delta| d.channel == channel && !d.duplicate;
    let Some(delta) = deltas.range(0..upto).rfind(own) else { return 0 };
    let choices = answer.texts(channel).take_while(|(choice, _)| *choice < delta.choice);
    choices.map(|(_, text)| text.len()).sum::<usize>() + answer.range_of(&delta).start
}

/// The tool calls of an exchange as a text.
pub(super) fn tools(exchange: &Exchange) -> String {
    let mut out = String::new();
    for (i, tool) in exchange.inspection.answer().tools().iter().enumerate() {
        let choice = match tool.choice {
            0 => String::new(),
            n => format!(" of choice {n}"),
        };
        let counted = if tool.counted { " (counted)" } else { "" };
        let name = tool.name.as_deref().unwrap_or("no name");
        let id = tool.id.as_deref().unwrap_or("none");
        out.push_str(&format!(
            "{}  {name}{choice}\nindex {}{counted}\nid {id}\n",
            i + 1,
            tool.index
        ));
        out.push_str(&json::pretty(&tool.arguments));
        out.push_str("\n\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(a: &str, b: &str) -> [Vec<String>; 2] {
        let texts = ComparedTexts::new([a.to_owned(), b.to_owned()], true);
        [0, 1].map(|side| {
            let text = &texts.docs[side].text;
            texts.marks[side].iter().map(|(r, _)| text[r.clone()].to_owned()).collect()
        })
    }

    #[test]
    fn whole_words_are_marked_and_nothing_else() {
        assert_eq!(marked("the same", "the same"), [vec![""; 0], vec![""; 0]]);
        assert_eq!(marked("one two three", "one zwei three"), [["two"], ["zwei"]]);
        assert_eq!(marked("Paris, May", "Paris, June"), [["May"], ["June"]]);
        let [a, b] = marked("a b c d e", "a x c d y");
        assert_eq!((a, b), (vec!["b".into(), "e".into()], vec!["x".into(), "y".into()]));
        assert_eq!(marked("日本語 é", "日本 é"), [["日本語"], ["日本"]]);
        let [a, b] = marked("all of it", "all");
        assert_eq!((a.concat(), b.concat()), (" of it".to_owned(), String::new()));
    }

    #[test]
    fn the_marks_are_inside_the_text_whatever_it_is() {
        let some = ["", "a", "é", "日本語\u{1b}[2J", "aé aé aé", "é日é日", "\n\n", "word wörd"];
        for a in some {
            for b in some {
                for (side, text) in [a, b].into_iter().enumerate() {
                    let texts = ComparedTexts::new([a.to_owned(), b.to_owned()], true);
                    let mut end = 0;
                    for (range, _) in &texts.marks[side] {
                        assert!(
                            range.start >= end && text.get(range.clone()).is_some(),
                            "{a:?} {b:?}"
                        );
                        end = range.end;
                    }
                    assert_eq!(texts.starts.is_empty(), a == b);
                }
            }
        }
    }

    #[test]
    fn of_long_texts_that_differ_all_over_the_middle_is_marked() {
        let of = |word: &str| -> String {
            let many: String = (0..40_000).map(|i| format!("{word}{i} ")).collect();
            format!("begin {many}end")
        };
        let [a, b] = marked(&of("a"), &of("b"));
        assert_eq!((a.len(), b.len()), (1, 1));
        assert!(a[0].starts_with("a0 ") && a[0].ends_with("a39999"));
    }
}
