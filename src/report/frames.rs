//! The frames that a filter selects, a line each.

use std::io::{self, Write};

use super::Palette;
use crate::inspect::Inspection;
use crate::query::Filter;
use crate::text::{Newlines, Page, count, group, visible, visible_bytes};

/// Writes a line for each frame that matches: number, seconds since the request, seconds since the
/// frame before, bytes, kind, and what it holds (or what a query selects in it, as JSON).
///
/// # Errors
/// Those of the writer.
pub fn frames(
    inspection: &Inspection,
    filter: &Filter,
    palette: Palette,
    out: &mut Page,
) -> io::Result<()> {
    let all = inspection.frames().len();
    let mut matched = 0;
    for index in (0..all).filter(|i| filter.matches(inspection, *i)) {
        matched += 1;
        let frame = &inspection.frames().at(index);
        let at = inspection.frame_at(index);
        let before = match index.checked_sub(1) {
            Some(before) => inspection.frame_at(before),
            None => inspection.timing.request,
        };
        let seconds = |from: Option<u64>| match (at, from) {
            (Some(at), Some(from)) => format!("{:.3}", at.saturating_sub(from) as f64 / 1e6),
            _ => "-".to_owned(),
        };
        let (since, gap) = (seconds(inspection.timing.request), seconds(before));
        let (number, len) = (group(index as u64), group(frame.len));
        let kind = frame.kind.name();
        let columns = format!("{number:>7} {since:>9} {gap:>8} {len:>8}  {kind:<10}");
        writeln!(out, "{}  {}", palette.dim(&columns), preview(inspection, filter, index))?;
    }
    let of = count(all as u64, "frame");
    writeln!(out, "{}", palette.dim(&format!("{} of {of} match", group(matched))))
}

/// Returns what a query selects, or the frame's bytes; on one line, and made visible.
fn preview(inspection: &Inspection, filter: &Filter, index: usize) -> String {
    if let Some(query) = filter.query() {
        let values = query.select(inspection, index);
        let values: Vec<_> = values.iter().map(ToString::to_string).collect();
        return visible(&values.join(" "), Newlines::Show).into_owned();
    }
    let bytes = inspection.frames().at(index).bytes(inspection.body());
    visible_bytes(bytes.trim_ascii_end(), Newlines::Show).into_owned()
}
