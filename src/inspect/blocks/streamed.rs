//! The text of a block: as its deltas came, and as the stream said it again.

/// A block's text as its deltas came, and what the stream said that it is.
#[derive(Debug, Default, Clone)]
pub(super) struct BlockText {
    text: String,
    /// Where each delta's text ends, and its frame.
    pieces: Vec<(u32, u32)>,
    /// What stood in the opening event.
    prefill: String,
    /// What a restatement gave, where that is something else than the deltas.
    pub(super) whole: Option<String>,
    /// A difference was reported.
    pub(super) differs: bool,
}

impl BlockText {
    pub(super) fn prefill(&mut self, text: &str) {
        text.clone_into(&mut self.prefill);
    }

    pub(super) fn add(&mut self, text: &str, frame: u32) {
        if !text.is_empty() {
            self.text.push_str(text);
            self.pieces.push((self.text.len() as u32, frame));
        }
    }

    /// Whether there is anything to hold a restatement against.
    pub(super) fn is_given(&self) -> bool {
        !self.text.is_empty() || self.whole.is_some()
    }

    /// Whether `whole` is what was streamed, or restated before.
    pub(super) fn agrees(&self, whole: &str) -> bool {
        match &self.whole {
            Some(words) => words == whole,
            None => {
                self.text == whole
                    || !self.prefill.is_empty()
                        && whole.len() == self.prefill.len() + self.text.len()
                        && whole.starts_with(&self.prefill)
                        && whole.ends_with(&self.text)
            }
        }
    }

    /// The text that counts.
    pub(super) fn value(&self) -> &str {
        self.whole.as_deref().unwrap_or(&self.text)
    }

    /// Where the first difference is, in bytes, and the frame of the delta there.
    pub(super) fn difference(&self, whole: &str) -> (usize, Option<u32>) {
        let value = self.value();
        let same = value.bytes().zip(whole.bytes()).take_while(|(a, b)| a == b).count();
        let at = (0..=same).rev().find(|i| whole.is_char_boundary(*i)).unwrap_or(0);
        let piece = self.pieces.partition_point(|(end, _)| *end as usize <= at);
        let frame = self.pieces.get(piece).or(self.pieces.last()).map(|p| p.1);
        (at, frame)
    }
}
