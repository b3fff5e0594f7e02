//! Arrivals that are not part of an exchange yet, and the work on it that another thread does.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::inspect::{ClientView, Inspection, Judges};
use crate::journal::{Entry, EntryKind};

/// A task of another thread for an exchange.
#[derive(Debug)]
pub(in crate::tui) enum Task {
    /// Copy it is, to be shown while it is elsewhere.
    Copy(Arc<Inspection>),
    /// Take these entries in.
    TakeIn(Box<Inspection>, Vec<Entry>),
    /// Work out what clients would have returned of an exchange that is over.
    Views(Arc<Inspection>),
    /// Judge its end.
    Judge(Arc<Inspection>, Judges),
}

/// The result of another thread's task.
#[derive(Debug)]
pub(in crate::tui) enum TaskResult {
    /// The copy.
    Copy(Box<Inspection>),
    /// The exchange with the entries in it, and whether its end is to be judged.
    TakenIn(Box<Inspection>, bool),
    /// The results that clients would have returned.
    Views(Vec<ClientView>),
    /// The judgment of its end.
    Judged(Judges),
}

impl Task {
    /// Does it.
    pub(in crate::tui) fn run(self) -> TaskResult {
        match self {
            // The inspection is changed when the report arrives, so drop the counted reference before that.
            Self::Copy(inspection) => TaskResult::Copy(Box::new(inspection.copy())),
            Self::TakeIn(mut inspection, entries) => {
                let mut ends = false;
                for entry in entries {
                    ends |= inspection.push_but_judge(&entry);
                }
                TaskResult::TakenIn(inspection, ends)
            }
            Self::Views(inspection) => TaskResult::Views(inspection.views()),
            Self::Judge(inspection, judges) => TaskResult::Judged(judges.judge(inspection.facts())),
        }
    }
}

/// The arrivals that are not part of an exchange yet.
#[derive(Debug, Default)]
pub(in crate::tui) struct Arrival {
    /// Entries that arrived while the exchange was elsewhere, or another thread read it.
    pub(super) waiting: VecDeque<Entry>,
    pub(super) elsewhere: Elsewhere,
}

/// State of another thread's work on the exchange.
#[derive(Debug, Default)]
pub(super) enum Elsewhere {
    /// Nowhere else.
    #[default]
    No,
    /// Another thread is to be asked.
    Wanted(Task),
    /// Another thread works, on the task of this number.
    Runs(u64),
    /// It has; nothing else may read the inspection when what it returned is taken in.
    Returned(TaskResult),
}

impl Arrival {
    /// Returns whether another thread takes the exchange further.
    pub(super) fn is_elsewhere(&self) -> bool {
        !matches!(self.elsewhere, Elsewhere::No)
    }

    /// Returns whether more has arrived than is shown.
    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty() || self.is_elsewhere()
    }

    /// The entries that wait, up to an end: what follows one is taken in after it was judged.
    pub(super) fn batch(&mut self) -> Vec<Entry> {
        let is_end = |entry: &Entry| matches!(entry.kind, EntryKind::End { .. });
        let end = self.waiting.iter().position(is_end);
        let len = end.map_or(self.waiting.len(), |at| at + 1);
        self.waiting.drain(..len).collect()
    }
}
