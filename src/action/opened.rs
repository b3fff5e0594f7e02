//! A recording that was read and folded on a background thread.

use std::collections::HashMap;
use std::sync::Arc;

use crate::inspect::around::Pairs;
use crate::inspect::{InspectOptions, Inspection};
use crate::journal::{Entry, EntryKind, ExchangeId, Micros};

/// One exchange of a recording.
#[derive(Debug)]
pub struct Folded {
    /// Its number in the recording.
    pub id: ExchangeId,
    /// All that is known about it.
    pub inspection: Inspection,
    /// Time of its last entry, in microseconds; `None` if nothing was timed.
    pub last: Option<Micros>,
}

/// A recording with its exchanges.
#[derive(Debug)]
pub struct Opened {
    /// The name to show for it.
    pub name: String,
    /// Its entries.
    pub entries: Arc<Vec<Entry>>,
    /// Its exchanges, in order of their first entries.
    pub exchanges: Vec<Folded>,
    /// Pairs of an exchange and those that a gateway made for it, if both its sides were recorded.
    pub pairs: Pairs,
}

impl Opened {
    /// Folds all entries of a recording.
    pub fn new(
        name: impl Into<String>,
        entries: impl Into<Arc<Vec<Entry>>>,
        options: &Arc<InspectOptions>,
    ) -> Self {
        let (name, entries) = (name.into(), entries.into());
        let exchanges = fold(&entries, options, &mut |_| true).unwrap_or_default();
        let pairs = Pairs::of(&*entries);
        Self { name, entries, exchanges, pairs }
    }

    /// Folds all entries of a recording and reports how many are done after each. `None` when
    /// `progress` returned false: the user stopped it.
    pub fn watched(
        name: impl Into<String>,
        entries: impl Into<Arc<Vec<Entry>>>,
        options: &Arc<InspectOptions>,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Option<Self> {
        let (name, entries) = (name.into(), entries.into());
        let exchanges = fold(&entries, options, progress)?;
        let pairs = Pairs::of(&*entries);
        Some(Self { name, entries, exchanges, pairs })
    }
}

fn fold(
    entries: &[Entry],
    options: &Arc<InspectOptions>,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Option<Vec<Folded>> {
    let mut exchanges: Vec<Folded> = Vec::new();
    let mut newest: HashMap<ExchangeId, usize> = HashMap::new();
    for (done, entry) in entries.iter().enumerate() {
        if !progress(done) {
            return None;
        }
        let begins = matches!(entry.kind, EntryKind::Request(_) | EntryKind::Bare { .. });
        let index = match newest.get(&entry.exchange) {
            // A second request under the same number begins another exchange.
            Some(i) if !(begins && exchanges[*i].inspection.request.is_some()) => *i,
            _ => {
                let inspection = Inspection::new(Arc::clone(options));
                exchanges.push(Folded { id: entry.exchange, inspection, last: None });
                newest.insert(entry.exchange, exchanges.len() - 1);
                exchanges.len() - 1
            }
        };
        let exchange = &mut exchanges[index];
        exchange.inspection.push(entry);
        exchange.last = entry.at.or(exchange.last);
    }
    Some(exchanges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::EndCause;

    fn entry(exchange: ExchangeId, at: Micros, kind: EntryKind) -> Entry {
        Entry { exchange, at: Some(at), kind }
    }

    #[test]
    fn a_number_that_comes_again_begins_another_exchange() {
        let request = || EntryKind::Request(Box::default());
        let end = || EntryKind::End { cause: EndCause::Closed, detail: String::new() };
        let entries = vec![
            entry(0, 1, request()),
            entry(1, 2, request()),
            entry(0, 3, end()),
            entry(0, 4, request()),
            entry(0, 5, end()),
        ];
        let opened = Opened::new("r", entries.clone(), &Arc::default());
        let parts: Vec<_> = opened.exchanges.iter().map(|e| (e.id, e.last)).collect();
        assert_eq!(parts, [(0, Some(3)), (1, Some(2)), (0, Some(5))]);
        let stopped = Opened::watched("r", entries, &Arc::default(), &mut |n| n < 2);
        assert!(stopped.is_none());
    }
}
