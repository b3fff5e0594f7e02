//! The text of a block: as its deltas arrived, and as the stream repeated it.

/// A block's text as its deltas arrived, and as the stream restated it.
#[derive(Debug, Default, Clone)]
pub(super) struct BlockText {
    text: String,
    /// End of each delta's text, and its frame.
    pieces: Vec<(u32, u32)>,
    /// Text of the opening event.
    prefill: String,
    /// The restated text, where it differs from the deltas.
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

    /// Returns whether there is anything to compare a restatement with.
    pub(super) fn is_given(&self) -> bool {
        !self.text.is_empty() || self.whole.is_some()
    }

    /// Returns whether `whole` is what was streamed, or restated before.
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

    /// Returns the position of the first difference, in bytes, and the frame of the delta there.
    pub(super) fn difference(&self, whole: &str) -> (usize, Option<u32>) {
        let value = self.value();
        let same = value.bytes().zip(whole.bytes()).take_while(|(a, b)| a == b).count();
        let at = (0..=same).rev().find(|i| whole.is_char_boundary(*i)).unwrap_or(0);
        let piece = self.pieces.partition_point(|(end, _)| *end as usize <= at);
        let frame = self.pieces.get(piece).or(self.pieces.last()).map(|p| p.1);
        (at, frame)
    }
}
