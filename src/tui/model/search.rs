//! Searching a text in every exchange, and the filter of the table of frames.

use super::Model;
use crate::inspect::Inspection;
use crate::query::{self, Filter, FilterError, Hit, Needle, Spot};
use crate::text::{group, preview};

/// Above so many bytes of bodies only the shown exchange is searched, and only for the next place:
/// a key must not wait.
const MAX_SEARCHED: u64 = 64 << 20;
/// Largest number of bytes of frames that are filtered between two drawings.
const MAX_FILTERED: u64 = 4 << 20;

/// The text that was searched, and where it was found.
#[derive(Debug, Default)]
pub(in crate::tui) struct Search {
    text: String,
    needle: Option<Needle>,
    hits: Vec<Hit>,
    /// Number of exchanges and frames that there were when the hits were collected.
    searched: Option<(usize, usize)>,
}

/// The filter of the table of frames, and the frames of the shown exchange that match.
#[derive(Debug)]
pub(in crate::tui) struct FrameFilter {
    text: String,
    filter: Filter,
    rows: Vec<u32>,
    /// So many frames were looked at.
    upto: usize,
    /// The revision of the model and the number of findings when that began.
    begun: (u64, usize),
}

/// The rows of the table of frames: all frames, or those that match.
#[derive(Debug, Clone, Copy)]
pub(in crate::tui) enum FrameRows<'a> {
    /// All of so many.
    All(usize),
    /// These.
    Matching(&'a [u32]),
}

impl FrameRows<'_> {
    /// Returns the number of rows.
    pub(in crate::tui) fn len(self) -> usize {
        match self {
            Self::All(len) => len,
            Self::Matching(rows) => rows.len(),
        }
    }

    /// The frame of a row.
    pub(in crate::tui) fn frame(self, row: usize) -> Option<usize> {
        match self {
            Self::All(len) => (row < len).then_some(row),
            Self::Matching(rows) => rows.get(row).map(|f| *f as usize),
        }
    }

    /// Returns the row of a frame, or the one after which it would be.
    pub(in crate::tui) fn row(self, frame: usize) -> usize {
        match self {
            Self::All(_) => frame,
            Self::Matching(rows) => {
                rows.partition_point(|f| (*f as usize) <= frame).saturating_sub(1)
            }
        }
    }
}

impl Model {
    /// Returns the text that was last searched; empty where that was nothing.
    pub(in crate::tui) fn searched_text(&self) -> &str {
        &self.search.text
    }

    /// Returns what is marked on the screen.
    pub(in crate::tui) fn needle(&self) -> Option<&Needle> {
        self.search.needle.as_ref()
    }

    pub(in crate::tui) fn set_needle(&mut self, text: &str) {
        let needle = Needle::new(text);
        self.search = Search { text: text.to_owned(), needle, ..Search::default() };
    }

    /// Marks nothing any more; returns whether something was marked.
    pub(in crate::tui) fn clear_search(&mut self) -> bool {
        self.search.needle.take().is_some()
    }

    /// Goes to the next place of what was searched, or the one before, in whichever exchange.
    pub(in crate::tui) fn search(&mut self, forward: bool) {
        if self.search.needle.is_none() {
            self.search.needle = Needle::new(&self.search.text);
        }
        let Some(needle) = self.search.needle.clone() else { return };
        let bytes: u64 = self.exchanges.iter().map(|e| e.inspection.body().len() as u64).sum();
        if bytes > MAX_SEARCHED {
            self.search_shown(&needle, forward);
            return;
        }
        self.collect_hits(&needle);
        let shown = |text: &str| preview(text, 60);
        let hits = &self.search.hits;
        if hits.is_empty() {
            let text = shown(&self.search.text);
            self.notify(format!("Not found: {text}"));
            return;
        }
        let here = self.exchange().and_then(|e| e.frame).map_or(Spot::Headers, Spot::Frame);
        let here = Hit { exchange: self.shown, spot: here };
        let (next, wrapped) = if forward {
            let next = hits.partition_point(|hit| *hit <= here);
            (next % hits.len(), next == hits.len())
        } else {
            let before = hits.partition_point(|hit| *hit < here);
            (before.checked_sub(1).unwrap_or(hits.len() - 1), before == 0)
        };
        let hit = hits[next];
        let mut notice =
            format!("{}/{} {}", next + 1, group(hits.len() as u64), shown(&self.search.text));
        if hit.exchange != self.shown {
            self.show(hit.exchange);
        }
        match (hit.spot, self.exchange_mut()) {
            (Spot::Frame(frame), Some(exchange)) => exchange.select(frame as usize),
            _ => notice.push_str(" · in the headers"),
        }
        if wrapped {
            notice.push_str(if forward {
                " · wrapped to the top"
            } else {
                " · wrapped to the end"
            });
        }
        self.notify(notice);
    }

    /// Collects the places again where something was received since.
    fn collect_hits(&mut self, needle: &Needle) {
        let frames = self.exchanges.iter().map(|e| e.inspection.frames().len()).sum();
        let now = Some((self.exchanges.len(), frames));
        if self.search.searched != now {
            let each = self.exchanges.iter().enumerate();
            self.search.hits =
                each.flat_map(|(i, e)| query::search(needle, &e.inspection, i)).collect();
            self.search.searched = now;
        }
    }

    /// Goes to the next place in the bytes of the shown exchange.
    fn search_shown(&mut self, needle: &Needle, forward: bool) {
        let Some(exchange) = self.exchange_mut() else { return };
        let inspection = &exchange.inspection;
        let (body, frames) = (inspection.body(), inspection.frames());
        let frame = exchange.frame.and_then(|f| frames.get(f as usize));
        let hit = if forward {
            let from = frame.map_or(0, |f| f.end()) as usize;
            needle.find(body, from).or_else(|| needle.find(body, 0))
        } else {
            let to = (frame.map_or(0, |f| f.offset) as usize).min(body.len());
            needle.rfind(&body[..to]).or_else(|| needle.rfind(body))
        };
        match hit {
            Some(at) => {
                let index = frames.partition_point(|f| f.end() <= at as u64);
                exchange.select(index);
            }
            None => self.notify("Not found in the bytes of this exchange"),
        }
    }

    /// The text of the filter of frames; empty where there is none.
    pub(in crate::tui) fn filter_text(&self) -> &str {
        self.filter.as_ref().map_or("", |f| &f.text)
    }

    /// Filters the table of frames; an empty text shows all again.
    ///
    /// # Errors
    /// The text is no filter.
    pub(in crate::tui) fn set_filter(&mut self, text: &str) -> Result<(), FilterError> {
        self.filter = match text.trim() {
            "" => None,
            text => {
                let filter = Filter::parse(text)?;
                let begun = (self.revision, 0);
                Some(FrameFilter {
                    text: text.to_owned(),
                    filter,
                    rows: Vec::new(),
                    upto: 0,
                    begun,
                })
            }
        };
        Ok(())
    }

    /// Shows all frames again; returns whether they were filtered.
    pub(in crate::tui) fn clear_filter(&mut self) -> bool {
        self.filter.take().is_some()
    }

    /// The filter of frames.
    pub(in crate::tui) fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref().map(|f| &f.filter)
    }

    /// The rows of the table of frames of the shown exchange.
    pub(in crate::tui) fn frame_rows(&self) -> FrameRows<'_> {
        let len = self.exchange().map_or(0, |e| e.inspection.frames().len());
        match &self.filter {
            Some(filter) => FrameRows::Matching(&filter.rows),
            None => FrameRows::All(len),
        }
    }

    /// Returns whether frames wait to be filtered.
    pub(in crate::tui) fn is_filtering(&self) -> bool {
        let frames = self.exchange().map_or(0, |e| e.inspection.frames().len());
        self.filter.as_ref().is_some_and(|f| f.upto < frames)
    }

    /// Filters frames that are new, as many as are quick.
    pub(in crate::tui) fn refresh_filter(&mut self) {
        let revision = self.revision;
        let shown = self.exchanges.get(self.shown);
        let (Some(filter), Some(exchange)) = (&mut self.filter, shown) else { return };
        filter.refresh(revision, &exchange.inspection);
    }
}

impl Model {
    /// Frames that were found and listed are gone: they are looked for anew.
    pub(super) fn forget_rows(&mut self) {
        self.clear_search();
        if let Some(filter) = &mut self.filter {
            filter.rows.clear();
            filter.upto = 0;
        }
        self.refresh_filter();
    }
}

impl FrameFilter {
    fn refresh(&mut self, revision: u64, inspection: &Inspection) {
        let findings = match self.filter.reads_findings() {
            true => inspection.findings().len(),
            false => 0,
        };
        if self.begun != (revision, findings) {
            self.begun = (revision, findings);
            self.rows.clear();
            self.upto = 0;
        }
        let mut bytes = 0;
        while let Some(frame) = inspection.frames().get(self.upto)
            && bytes <= MAX_FILTERED
        {
            if self.filter.matches(inspection, self.upto) {
                self.rows.push(self.upto as u32);
            }
            bytes += frame.len + 64;
            self.upto += 1;
        }
    }
}
