//! The key that distinguishes one block from another: its index, or its id.

use std::borrow::Cow;

use super::super::{Code, Severity};
use super::engine::BlockEngine;
use super::table::{Does, EventRow, Space, Table};
use crate::json::Value;
use crate::text;

impl BlockEngine {
    /// The index of a block in its space. Where it is missing, that is reported, and it is the last
    /// that opened (or the next, for one that opens).
    pub(super) fn index(
        &mut self,
        table: &'static Table,
        row: &'static EventRow,
        json: Value<'_>,
    ) -> Option<(u64, u64)> {
        let space = &table.spaces[row.space];
        if space.by_id {
            return Some((0, self.index_of_name(space, row, json)));
        }
        let mut found = [0, 0];
        for (i, key) in space.keys.iter().enumerate() {
            let own = i + 1 == space.keys.len();
            let given = json.get(key);
            let number = given.and_then(Value::as_u64);
            // Loosely typed clients read a number in quotes, the others do not.
            let quoted = given.and_then(Value::as_str).and_then(|text| text.parse().ok());
            let severity = if quoted.is_some() { Severity::Warn } else { space.index };
            let of = if own { row.space } else { space.parent.unwrap_or(row.space) };
            found[usize::from(own)] = match number {
                Some(number) => number,
                None => {
                    if !self.untyped || given.is_some() {
                        self.fault_once(Code::BlockIndexMissing, key, severity, |e| {
                            let how = match given.filter(|g| !g.is_null()) {
                                Some(given) => {
                                    format!("{key} {}", text::preview(given.source(), 20))
                                }
                                None => format!("no {key}"),
                            };
                            format!("{} in frame {} has {how}", row.event, e.frame)
                        });
                    }
                    let outer = if own { found[0] } else { 0 };
                    let next = self.next.get(&(row.space as u8, outer)).copied();
                    match self.latest.get(&(of as u8)) {
                        _ if quoted.is_some() => quoted.unwrap_or_default(),
                        _ if own && row.does == Does::Open => next.unwrap_or(0),
                        Some(at) => self.list[*at as usize].key,
                        None => 0,
                    }
                }
            };
        }
        Some((found[0], found[1]))
    }

    /// Returns the index for the id of a block. Where there is no key, there is one block at a time.
    fn index_of_name(
        &mut self,
        space: &'static Space,
        row: &'static EventRow,
        json: Value<'_>,
    ) -> u64 {
        let Some(key) = space.keys.first() else { return 0 };
        let given = json.get(key).filter(|id| !id.is_null());
        let Some(given) = given else {
            self.fault_once(Code::BlockIndexMissing, key, space.index, |e| {
                format!("{} in frame {} has no {key}", row.event, e.frame)
            });
            let latest = self.latest.get(&(row.space as u8));
            return latest.map_or(0, |at| self.list[*at as usize].key);
        };
        let name = given.as_str().map_or_else(|| given.source().into(), Cow::into_owned);
        let (space, next) = (row.space as u8, self.names.len() as u64);
        let name = text::preview(&name, 200);
        let index = *self.names.entry((space, name.clone())).or_insert(next);
        if index == next {
            self.named.insert((space, index), name);
        }
        index
    }

    /// Returns the id for an index.
    pub(super) fn name_of(&self, space: usize, key: u64) -> Option<&str> {
        self.named.get(&(space as u8, key)).map(String::as_str)
    }

    /// Returns the name of a block in a sentence: `item 0`, `message "m1"`.
    pub(super) fn called(&self, table: &Table, space: usize, key: u64) -> String {
        let of = &table.spaces[space];
        match self.name_of(space, key) {
            Some(name) => format!("{} \"{}\"", of.noun, text::preview(name, 40)),
            None if of.by_id => of.noun.to_owned(),
            None => format!("{} {key}", of.noun),
        }
    }
}
