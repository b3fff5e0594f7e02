//! Rules about payloads as JSON, and about `[DONE]`, which is none.

use super::{Code, Detector, FrameView, Out, Place, allowed, cut, refused, tail};
use crate::frame::Kind;
use crate::inspect::Inspection;
use crate::inspect::surrogate::Lone;
use crate::json::{self, ErrorKind};
use crate::text;

#[derive(Default)]
pub(super) struct Json;

impl Detector for Json {
    fn frame(&mut self, now: &Inspection, seen: &FrameView<'_>, out: &mut Out<'_>) {
        let Some(data) = seen.data else { return };
        if refused(now) {
            return;
        }
        if let Some(lone) = Lone::find(data)
            && !out.again(Code::SurrogateSplit)
        {
            let message = format!(
                "A character was cut in two: lone UTF-16 surrogate \\u{:04x} in frame {}",
                lone.first, seen.index
            );
            out.raise(Code::SurrogateSplit, seen.place(), message);
        }
        // The first byte settles the normal case.
        if seen.json_error.is_none() && data.starts_with('{') {
            return odd_object(seen, out);
        }
        if data.starts_with("[DONE]") {
            return sentinel(now, seen, data, out);
        }
        if allowed(now, seen) {
            return;
        }
        // Without a dialect nobody knows what it was meant as.
        if is_variant(data) && now.dialect().is_some() {
            let message = format!(
                "`{}` was meant as [DONE], and no client reads it so.",
                text::preview(data, 20)
            );
            return out.raise(Code::DoneVariant, seen.place(), message);
        }
        match seen.json_error {
            Some(error) => no_json(now, seen, data, error, out),
            None => not_object(now, seen, out),
        }
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        tail::line(now, out);
        let answer = now.answer();
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
        let place =
            Place { frame: Some(done), offset: now.frames().get(done as usize).map(|f| f.offset) };
        let message = format!("[DONE] came in frame {done}, and {what} of the answer after it.");
        out.raise(Code::DoneEarly, place, message);
    }
}

fn odd_object(seen: &FrameView<'_>, out: &mut Out<'_>) {
    if let Some(key) = seen.duplicate_key {
        let message = format!("An object has the key \"{}\" twice.", text::preview(key, 40));
        out.raise_once(Code::JsonDuplicateKeys, seen.place(), message);
    }
    if seen.tape.has_nonfinite() {
        let message = "A number is NaN or infinite, which JSON does not have.";
        out.raise_once(Code::JsonNan, seen.place(), message);
    }
}

fn sentinel(now: &Inspection, seen: &FrameView<'_>, data: &str, out: &mut Out<'_>) {
    if data != "[DONE]" {
        let rest = text::preview(&data[6..], 40);
        let message = format!("\"{rest}\" follows [DONE] in the same data.");
        out.raise_once(Code::DoneTrailingBytes, seen.place(), message);
    }
    if now.answer().sentinel.is_some_and(|first| first < seen.index) {
        out.raise_once(Code::DoneDuplicated, seen.place(), "[DONE] came again.");
    }
}

/// Whether data can only have been meant as `[DONE]`. With leading spaces it has a rule of its own.
fn is_variant(data: &str) -> bool {
    let word =
        data.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '[' | ']'));
    data.len() <= 16
        && !data.starts_with(' ')
        && word.eq_ignore_ascii_case("done")
        && (data.contains('[') || !data.contains('"'))
}

fn no_json(
    now: &Inspection,
    seen: &FrameView<'_>,
    data: &str,
    error: json::Error,
    out: &mut Out<'_>,
) {
    // What has a name of its own in another family.
    let two_spaces = data.starts_with(' ') && data.trim_start().starts_with("[DONE]");
    if data.trim().is_empty() || two_spaces || seen.event == "error" {
        return;
    }
    if seen.frame.kind == Kind::Body
        && (cut(now) || !matches!(data.trim_start().as_bytes().first(), Some(b'{' | b'[')))
    {
        return;
    }
    if error.kind == ErrorKind::Trailing {
        let rest = &data[error.offset..];
        let joined = seen.frame.data_span().is_none() && data[..error.offset].ends_with('\n');
        if joined && (rest.starts_with('{') || rest.starts_with("[DONE]")) {
            return;
        }
        if rest.starts_with('{') {
            let message =
                format!("Frame {} holds two JSON values, one right after the other.", seen.index);
            return out.raise(Code::JsonConcatenated, seen.place_in_data(error.offset), message);
        }
    }
    let mut from = error.offset.saturating_sub(12);
    while !data.is_char_boundary(from) {
        from -= 1;
    }
    let near = text::preview(&data[from..], 32);
    let message = format!("Frame {} is not JSON: {error}, near `{near}`.", seen.index);
    out.raise(Code::JsonMalformed, seen.place_in_data(error.offset), message);
}

fn not_object(now: &Inspection, seen: &FrameView<'_>, out: &mut Out<'_>) {
    let Some(json) = seen.json else { return };
    match json.kind() {
        json::Kind::Object => odd_object(seen, out),
        // A whole body that is null, or a Gemini array, is judged with the head.
        _ if seen.frame.kind == Kind::Body && now.status().is_some() => {}
        json::Kind::Array if seen.frame.kind == Kind::Body => {}
        json::Kind::Null => {
            let message = format!("The data of frame {} is null.", seen.index);
            out.raise(Code::JsonNull, seen.place(), message);
        }
        kind => {
            let message = format!(
                "The data of frame {} is {} {}, not an object: `{}`.",
                seen.index,
                if kind == json::Kind::Array { "an" } else { "a" },
                kind.name(),
                text::preview(json.source(), 40)
            );
            out.raise(Code::JsonNotObject, seen.place(), message);
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
