//! Rules about payloads as JSON, and about `[DONE]`, which is none.

use super::page::begins_page;
use super::{Code, Detector, FindingPlace, Findings, FrameView, allowed, cut, refused, tail};
use crate::frame::FrameKind;
use crate::inspect::Facts;
use crate::inspect::surrogate::Lone;
use crate::json::{self, ErrorKind};
use crate::text;

#[derive(Default)]
pub(super) struct JsonDetector {
    /// A web page has begun, which is reported as that: no line of it is JSON.
    page: bool,
}

impl Detector for JsonDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        let Some(data) = view.data else { return };
        if refused(facts) {
            return;
        }
        if let Some(lone) = Lone::find(data)
            && !findings.again(Code::SurrogateSplit)
        {
            let message = format!(
                "Character split in two: lone UTF-16 surrogate \\u{:04x} in frame {}",
                lone.first, view.index
            );
            findings.raise(Code::SurrogateSplit, view.place(), message);
        }
        // The first byte settles the normal case.
        if view.json_error.is_none() && data.starts_with('{') {
            return odd_object(view, findings);
        }
        if data.starts_with("[DONE]") {
            return sentinel(facts, view, data, findings);
        }
        if allowed(facts, view) {
            return;
        }
        // Without a dialect it is unknown what the data was meant as.
        if is_variant(data) && facts.dialect().is_some() {
            let message = format!(
                "`{}` is meant as [DONE]; no client reads it as that",
                text::preview(data, 20)
            );
            return findings.raise(Code::DoneVariant, view.place(), message);
        }
        let is_line = view.frame.kind == FrameKind::Line;
        if view.index > 0 && view.frame.kind != FrameKind::Body && begins_page(data.as_bytes()) {
            self.page |= is_line;
            return;
        }
        if self.page && is_line {
            return;
        }
        match view.json_error {
            Some(error) => no_json(facts, view, data, error, findings),
            None => not_object(facts, view, findings),
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if !self.page {
            tail::line(facts, findings);
        }
        let answer = facts.answer();
        let Some(done) = answer.sentinel else { return };
        let deltas = answer.deltas();
        let after = deltas.len() - deltas.partition_point(|d| d.frame <= done);
        let finish = answer.finish().filter_map(|f| answer.finish_frame(f.0)).any(|f| f > done);
        if after == 0 && !finish {
            return;
        }
        let what = match after {
            0 => "the finish".to_owned(),
            n => text::count(n as u64, "delta"),
        };
        let place = FindingPlace {
            frame: Some(done),
            offset: facts.frames().get(done as usize).map(|f| f.offset),
        };
        let message = format!("[DONE] is frame {done}, followed by {what} of the answer");
        findings.raise(Code::DoneEarly, place, message);
    }
}

fn odd_object(view: &FrameView<'_>, findings: &mut Findings) {
    if let Some(key) = view.duplicate_key {
        let message = format!("An object has the key \"{}\" twice", text::preview(key, 40));
        findings.raise_once(Code::JsonDuplicateKeys, view.place(), message);
    }
    if view.tape.has_nonfinite() {
        let message = "A number is NaN or infinite, which JSON does not have";
        findings.raise_once(Code::JsonNan, view.place(), message);
    }
}

fn sentinel(facts: &Facts, view: &FrameView<'_>, data: &str, findings: &mut Findings) {
    if data != "[DONE]" {
        let rest = text::preview(&data[6..], 40);
        let message = format!("\"{rest}\" follows [DONE] in the same data");
        findings.raise_once(Code::DoneTrailingBytes, view.place(), message);
    }
    if facts.answer().sentinel.is_some_and(|first| first < view.index) {
        findings.raise_once(Code::DoneDuplicated, view.place(), "[DONE] is repeated");
    }
}

/// Returns whether data can only have been meant as `[DONE]`. With leading spaces it has a separate rule.
fn is_variant(data: &str) -> bool {
    let word =
        data.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '[' | ']'));
    data.len() <= 16
        && !data.starts_with(' ')
        && word.eq_ignore_ascii_case("done")
        && (data.contains('[') || !data.contains('"'))
}

fn no_json(
    facts: &Facts,
    view: &FrameView<'_>,
    data: &str,
    error: json::Error,
    findings: &mut Findings,
) {
    // Other detectors have their own findings for these.
    let two_spaces = data.starts_with(' ') && data.trim_start().starts_with("[DONE]");
    if data.trim().is_empty() || two_spaces || view.event == "error" {
        return;
    }
    if view.frame.kind == FrameKind::Body
        && (cut(facts) || !matches!(data.trim_start().as_bytes().first(), Some(b'{' | b'[')))
    {
        return;
    }
    if error.kind == ErrorKind::Trailing {
        let rest = &data[error.offset..];
        let joined = view.frame.data_span().is_none() && data[..error.offset].ends_with('\n');
        if joined && (rest.starts_with('{') || rest.starts_with("[DONE]")) {
            return;
        }
        if rest.starts_with('{') {
            let message =
                format!("Frame {} has two JSON values, one right after the other", view.index);
            return findings.raise(
                Code::JsonConcatenated,
                view.place_in_data(error.offset),
                message,
            );
        }
    }
    if let Some(inner) = data.strip_prefix("data:") {
        let inner = text::preview(inner.trim_start(), 24);
        let message = format!(
            "Frame {} begins with `data:` inside its data: an event was framed twice around `{inner}`",
            view.index
        );
        return findings.raise(Code::JsonMalformed, view.place_in_data(0), message);
    }
    let mut from = error.offset.saturating_sub(12);
    while !data.is_char_boundary(from) {
        from -= 1;
    }
    let excerpt = text::preview(&data[from..], 32);
    let message = format!("Frame {} is not JSON: {error}, near `{excerpt}`", view.index);
    findings.raise(Code::JsonMalformed, view.place_in_data(error.offset), message);
}

fn not_object(facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
    let Some(json) = view.json else { return };
    match json.kind() {
        json::Kind::Object => odd_object(view, findings),
        // A whole body that is null, or a Gemini array, is judged with the head.
        _ if view.frame.kind == FrameKind::Body && facts.status().is_some() => {}
        json::Kind::Array if view.frame.kind == FrameKind::Body => {}
        json::Kind::Null => {
            let message = format!("The data of frame {} is null", view.index);
            findings.raise(Code::JsonNull, view.place(), message);
        }
        kind => {
            let message = format!(
                "The data of frame {} is {} {}, not an object: `{}`",
                view.index,
                if kind == json::Kind::Array { "an" } else { "a" },
                kind.name(),
                text::preview(json.source(), 40)
            );
            findings.raise(Code::JsonNotObject, view.place(), message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_variant;

    #[test]
    fn done_in_other_words_is_known() {
        for data in ["[done]", "\"[DONE]\"", "DONE", "[ DONE ]", "[Done]"] {
            assert!(is_variant(data), "{data}");
        }
        for data in [" [DONE]", "{}", "\"done\"", "done and dusted", "[1]"] {
            assert!(!is_variant(data), "{data}");
        }
    }
}
