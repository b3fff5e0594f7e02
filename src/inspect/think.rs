//! Reasoning that a model wrote into its content between tags.
//!
//! `<think>…</think>` stays in `content` as it arrived; this only marks which parts of it are thought. Tags are
//! split over deltas as often as not, so this works on the joined text and continues where it stopped.

use std::ops::Range;

/// Opening and closing tags, as providers write them.
const TAGS: &[(&str, &str)] =
    &[("<think>", "</think>"), ("<thought>", "</thought>"), ("<thinking>", "</thinking>")];

/// The parts of a choice's content that are thought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Think {
    /// Finished stretches of thought, tags included, as byte ranges of the content.
    pub spans: Vec<Range<usize>>,
    /// The position of the tag of an open stretch.
    pub open: Option<usize>,
    /// True if a closing tag arrived without an opening one: all before it was thought.
    pub close_only: bool,
    /// The tag that is looked for or was found.
    tag: usize,
    /// Up to here nothing is to be found any more.
    scan: usize,
}

impl Think {
    /// Looks at `content`, which has grown since the last call.
    pub fn update(&mut self, content: &str) {
        // A delta is mostly shorter than a vectorized search is worth.
        let new = &content.as_bytes()[self.scan..];
        if new.len() < 32 && !new.contains(&b'<') {
            self.scan = content.len();
            return;
        }
        loop {
            let Some(i) = memchr::memchr(b'<', &content.as_bytes()[self.scan..]) else {
                self.scan = content.len();
                return;
            };
            let at = self.scan + i;
            let rest = &content[at..];
            let starts = |tag: &str| rest.starts_with(tag);
            if let Some(open) = self.open {
                let close = TAGS[self.tag].1;
                if starts(close) {
                    self.spans.push(open..at + close.len());
                    self.open = None;
                } else if close.starts_with(rest) {
                    return;
                }
            } else if let Some(tag) = TAGS.iter().position(|t| starts(t.0)) {
                self.tag = tag;
                self.open = Some(at);
            } else if let Some(tag) = TAGS.iter().position(|t| starts(t.1)) {
                if self.spans.is_empty() {
                    self.close_only = true;
                    self.spans.push(0..at + TAGS[tag].1.len());
                }
            } else if TAGS.iter().any(|t| t.0.starts_with(rest) || t.1.starts_with(rest)) {
                // This may be the beginning of a tag: the next delta decides.
                return;
            }
            self.scan = at + 1;
        }
    }

    /// Returns whether any of the content is thought.
    pub fn any(&self) -> bool {
        self.open.is_some() || !self.spans.is_empty()
    }

    /// `content` cut into stretches: (is it thought, range).
    pub fn stretches(&self, content: &str) -> Vec<(bool, Range<usize>)> {
        let mut out = Vec::new();
        let mut at = 0;
        let open = self.open.map(|from| from..content.len());
        for span in self.spans.iter().cloned().chain(open) {
            if span.start > at {
                out.push((false, at..span.start));
            }
            at = span.end;
            out.push((true, span));
        }
        if at < content.len() {
            out.push((false, at..content.len()));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretches(content: &str, step: usize) -> Vec<(bool, String)> {
        let mut think = Think::default();
        let mut end = 0;
        while end < content.len() {
            end = (end + step).min(content.len());
            while !content.is_char_boundary(end) {
                end += 1;
            }
            think.update(&content[..end]);
        }
        think.stretches(content).into_iter().map(|(t, r)| (t, content[r].to_owned())).collect()
    }

    #[test]
    fn tags_are_found_however_they_are_cut() {
        let content = "<think>a < b</think>é <b> <thought>x</thought>y";
        let expected = [
            (true, "<think>a < b</think>".to_owned()),
            (false, "é <b> ".into()),
            (true, "<thought>x</thought>".into()),
            (false, "y".into()),
        ];
        for step in 1..content.len() {
            assert_eq!(stretches(content, step), expected, "step {step}");
        }
    }

    #[test]
    fn a_lone_closing_tag_makes_all_before_it_thought() {
        assert_eq!(
            stretches("hm\n</think>hi", 3),
            [(true, "hm\n</think>".into()), (false, "hi".into())]
        );
        assert_eq!(
            stretches("<think>never closed</thi", 2),
            [(true, "<think>never closed</thi".into())]
        );
        assert_eq!(stretches("a <", 1), [(false, "a <".into())]);
    }
}
