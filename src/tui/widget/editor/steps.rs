//! The step that one undo reverts: a word that was typed, a stretch that was erased, a command; never a letter
//! alone.

/// A piece of typing that continues in the next key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TypingRun {
    /// Letters of a word.
    Word,
    /// Blanks and signs after one.
    Between,
    /// Characters that are erased one after the other.
    Erasing,
}

impl TypingRun {
    /// The run that a typed character belongs to.
    pub(super) fn of(c: char) -> Self {
        if c.is_alphanumeric() || c == '_' { TypingRun::Word } else { TypingRun::Between }
    }
}

/// Number of edits of the text that each step of undo reverts.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    done: Vec<usize>,
    undone: Vec<usize>,
    run: Option<TypingRun>,
}

impl Steps {
    /// So many edits were made; those of one run are one step.
    pub(super) fn add(&mut self, edits: usize, run: Option<TypingRun>) {
        if edits == 0 {
            return;
        }
        self.undone.clear();
        // A word begins an undo step, and what follows it belongs to that step.
        let goes_on = match (self.run, run) {
            (Some(TypingRun::Word), Some(TypingRun::Word | TypingRun::Between)) => true,
            (before, now) => now.is_some() && before == now,
        };
        match self.done.last_mut().filter(|_| goes_on) {
            Some(step) => *step += edits,
            None => self.done.push(edits),
        }
        self.run = run;
    }

    /// The next edit begins a step.
    pub(super) fn end_run(&mut self) {
        self.run = None;
    }

    /// Returns how many edits are to be undone, if any can be.
    pub(super) fn undo(&mut self) -> Option<usize> {
        self.run = None;
        let edits = self.done.pop()?;
        self.undone.push(edits);
        Some(edits)
    }

    /// Returns how many edits are to be done again, if any were undone.
    pub(super) fn redo(&mut self) -> Option<usize> {
        self.run = None;
        let edits = self.undone.pop()?;
        self.done.push(edits);
        Some(edits)
    }
}
