//! Requirements for an event: its type, and the fields that its row of the table names.

use super::super::{Code, Severity};
use super::engine::{BlockEngine, tag_of};
use super::table::{EventRow, Table};
use crate::json::Value;

impl BlockEngine {
    /// An event that does not say what it is.
    pub(super) fn untyped(&mut self, table: &'static Table, event: &str, json: Value<'_>) {
        const TELLING: &[&str] =
            &["delta", "content_block", "output_index", "item_id", "step", "content_index"];
        let named = table.has(event);
        if !named && !TELLING.iter().any(|key| json.get(key).is_some()) {
            return;
        }
        self.untyped = true;
        let key = table.name_key;
        self.fault_once(Code::EventTypeMissing, "event", Severity::Error, |e| {
            let named =
                if named { format!(", only the event line {event}") } else { String::new() };
            format!("Frame {} has no \"{key}\" in its JSON{named}", e.frame)
        });
    }

    /// Members that clients need and the event lacks.
    pub(super) fn needs(&mut self, table: &'static Table, row: &'static EventRow, json: Value<'_>) {
        let missing = |v: Option<Value<'_>>| v.is_none_or(Value::is_null);
        for need in row.needs {
            let kind = || tag_of(&table.spaces[row.space].kind, row, json).unwrap_or_default();
            if !missing(json.at(need.path)) || !need.kind.is_empty() && kind() != need.kind {
                continue;
            }
            let there = (1..need.path.len())
                .find(|n| missing(json.at(&need.path[..*n])))
                .unwrap_or(need.path.len());
            // The enclosing object is missing: that is reported separately, if any client reads it.
            if there < need.path.len() && need.path.len() > 1 && row.needs.len() > 1 {
                continue;
            }
            let code =
                if there == need.path.len() { need.code } else { Code::RequiredFieldMissing };
            let path = need.path[..there].join(".");
            self.fault_once(code, need.path[there - 1], need.severity, |e| {
                format!("{} has no {path} in frame {}: {}", row.event, e.frame, need.breaks)
            });
        }
    }
}
