//! Blocks that no event of their own opened: deltas open them, or they are missed.

use super::super::{Code, Severity};
use super::engine::{BlockEngine, capital};
use super::table::{Does, EventRow, Fit, Table, Tag};

impl BlockEngine {
    /// Returns the outer block of one in `space`; one that was never announced is created.
    pub(super) fn outer(
        &mut self,
        table: &'static Table,
        row: &'static EventRow,
        outer: u64,
    ) -> Option<u32> {
        let parent = table.spaces[row.space].parent?;
        if let Some(at) = self.keys.get(&(parent as u8, 0, outer)) {
            return Some(*at);
        }
        let kind = row.outer.first().filter(|_| row.outer.len() == 1).copied().unwrap_or_default();
        Some(self.unopened(table, parent, row, (0, outer), None, kind))
    }

    /// A block of which the stream says more without having opened it.
    pub(super) fn unopened(
        &mut self,
        table: &'static Table,
        space: usize,
        row: &'static EventRow,
        (outer, key): (u64, u64),
        parent: Option<u32>,
        kind: &str,
    ) -> u32 {
        let of = &table.spaces[space];
        let excused = self.resumed == Some(true)
            || parent
                .is_some_and(|p| self.live[p as usize].accused || self.live[p as usize].misfit)
            || table.midway && self.is_midway(row)
            || of.keys.first().is_some_and(|key| {
                (self.untyped || of.by_id)
                    && self.reported.contains(&(Code::BlockIndexMissing, key))
            });
        let code = if row.does == Does::Add { of.unopened } else { Code::BlockNotOpened };
        if !excused {
            let inside = self.inside(parent);
            let what = if row.does == Does::Close { "ends" } else { "continues" };
            self.fault(code, Severity::Error, |e| {
                let breaks = match of.breaks {
                    "" => String::new(),
                    breaks => format!(": {breaks}"),
                };
                let called = capital(&e.called(table, space, key));
                format!("{called}{inside} {what} in frame {} but was never opened{breaks}", e.frame)
            });
        }
        let at = self.push(table, space, (outer, key), parent, kind.to_owned());
        self.live[at as usize].accused = true;
        at
    }

    /// Returns whether a recording may have begun after the block opened, or omits what only opens: nothing
    /// of this container was announced.
    fn is_midway(&self, row: &EventRow) -> bool {
        let fills = matches!(row.does, Does::Add | Does::Restate);
        self.begun.is_none() || fills && !self.announced
    }

    /// A delta of a block that nothing opened: it opens it, where the dialect has it so.
    pub(super) fn opened_by_delta(
        &mut self,
        table: &'static Table,
        row: &'static EventRow,
        index: (u64, u64),
        parent: Option<u32>,
        fit: Option<&Fit>,
        tag: &str,
    ) -> Option<u32> {
        let space = &table.spaces[row.space];
        let kind = match (&space.kind, fit) {
            (Tag::KeyOf(_), Some(_)) => tag,
            (_, Some(fit)) if fit.kinds.len() == 1 => fit.kinds[0],
            _ => "",
        };
        match space.implicit {
            Some(announced) if !announced.contains(&kind) => {
                let inside = self.inside(parent);
                self.offset(row.space, space, index, &inside);
                self.overlap(table, row.space, parent);
                Some(self.push(table, row.space, index, parent, kind.to_owned()))
            }
            _ => Some(self.unopened(table, row.space, row, index, parent, kind)),
        }
    }
}
