//! Searching the bytes of the frames.

use super::Model;

impl Model {
    /// What was last searched.
    pub(in crate::tui) fn needle(&self) -> &str {
        &self.needle
    }

    pub(in crate::tui) fn set_needle(&mut self, needle: &str) {
        self.needle = needle.to_owned();
    }

    /// Selects the next frame whose bytes hold what was searched; capitals count if there are any.
    pub(in crate::tui) fn search(&mut self, forward: bool) {
        let needle = self.needle.clone();
        let Some(exchange) = self.exchange_mut() else { return };
        if needle.is_empty() {
            return;
        }
        let body = exchange.inspection.body();
        let frames = exchange.inspection.frames();
        let frame = exchange.frame.and_then(|f| frames.get(f as usize));
        let hit = if forward {
            let from = (frame.map_or(0, |f| f.end()) as usize).min(body.len());
            find(&body[from..], needle.as_bytes(), true)
                .map(|i| (i + from, false))
                .or_else(|| find(body, needle.as_bytes(), true).map(|i| (i, true)))
        } else {
            let to = (frame.map_or(0, |f| f.offset) as usize).min(body.len());
            find(&body[..to], needle.as_bytes(), false)
                .map(|i| (i, false))
                .or_else(|| find(body, needle.as_bytes(), false).map(|i| (i, true)))
        };
        let Some((at, wrapped)) = hit else {
            let shown = crate::text::preview(&needle, 60);
            self.notify(format!("Not found in the bytes: {shown}"));
            return;
        };
        let index = frames.partition_point(|f| f.end() <= at as u64);
        exchange.select(index);
        if wrapped {
            let end = if forward { "top" } else { "end" };
            self.notify(format!("Search wrapped to the {end}"));
        }
    }
}

/// The first (or last) place of `needle`; capitals count if it has any.
fn find(text: &[u8], needle: &[u8], first: bool) -> Option<usize> {
    let exact = needle.iter().any(u8::is_ascii_uppercase);
    if exact {
        return if first {
            memchr::memmem::find(text, needle)
        } else {
            memchr::memmem::rfind(text, needle)
        };
    }
    let lead = *needle.first()?;
    let upper = lead.to_ascii_uppercase();
    let fits =
        |i: &usize| text.get(*i..*i + needle.len()).is_some_and(|t| t.eq_ignore_ascii_case(needle));
    if first {
        memchr::memchr2_iter(lead, upper, text).find(fits)
    } else {
        memchr::memchr2_iter(lead, upper, text).rev().find(fits)
    }
}
