//! The counts of tokens on both sides, compared where they mean the same.

use super::side::{ComparedSide, foreign, members};
use super::{FoundDifferences, both};
use crate::dialect::Usage;
use crate::rule::Code;

pub(super) fn usage(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let (x, mut y) = (a.seen.answer().usage, b.seen.answer().usage);
    if let Some(n) = y.reasoning.filter(|n| *n > 0)
        && x.is_given()
        && x.reasoning.is_none()
        && !a.was_cut_short()
    {
        let message =
            format!("{a} reported no reasoning tokens; the count of {b} ({n}) is fabricated");
        let right = format!("{n} reasoning tokens");
        found.add(Code::GwFabricatedUsage, both("no reasoning tokens", right), message);
        y.reasoning = None;
    }
    match (x.is_given(), y.is_given()) {
        (false, true) if (!b.failed() || a.failed()) && !a.was_cut_short() => {
            let right = word(x, y)[1].clone();
            let message = format!("{a} reported no usage; that of {b} ({right}) is fabricated");
            found.add(Code::GwFabricatedUsage, both("no usage", right), message);
        }
        (true, false) if b.error().is_none() && !b.was_stopped() => {
            let left = word(x, y)[0].clone();
            let asked = members(b).is_none_or(|m| m.iter().any(|k| k == "stream_options"));
            let why = if asked { "" } else { "; the request did not ask for it (stream_options)" };
            let message = format!("{a} reported usage ({left}), {b} none{why}");
            found.add(Code::GwUsageDropped, both(left, "no usage"), message);
        }
        (true, true) if x.input.is_none() && y.input.is_some() => {
            let n = y.input.unwrap_or(0);
            let message =
                format!("{a} reported no input tokens; the count of {b} ({n}) is fabricated");
            let [left, right] = word(x, y);
            found.add(Code::GwFabricatedUsage, both(left, right), message);
        }
        (true, true) if !alike(a, x, b, y) => {
            let [left, right] = word(x, y);
            let message = format!("the usage differs: {a} {left}; {b} {right}");
            found.add(Code::GwUsageWrong, both(left, right), message);
        }
        _ => {}
    }
}

/// Returns both in words, with details if only these differ.
fn word(x: Usage, y: Usage) -> [String; 2] {
    let details = x.output == y.output && x.input == y.input && x.total == y.total;
    [x, y].map(|u| {
        let n = |v: Option<u64>| v.map_or("–".to_owned(), |v| v.to_string());
        let mut word = format!("{} in, {} out, {} in all", n(u.input), n(u.output), n(u.total));
        if details && x.is_given() && y.is_given() {
            word += &format!(", {} reasoning", n(u.reasoning));
        }
        word
    })
}

/// Returns whether the counts say the same, as far as they can be compared.
///
/// Across dialects a count may hold more: Anthropic and Bedrock leave out of the input what a cache supplied,
/// Gemini leaves the thoughts out of the output, and each has its own idea of a total.
fn alike(a: &ComparedSide<'_>, x: Usage, b: &ComparedSide<'_>, y: Usage) -> bool {
    if foreign(a, b) {
        let equal = |n: [Option<u64>; 2], m: [Option<u64>; 2]| {
            let sums = |n: [Option<u64>; 2]| n[0].map(|v| [v, v.saturating_add(n[1].unwrap_or(0))]);
            let (Some(n), Some(m)) = (sums(n), sums(m)) else { return true };
            n.iter().any(|v| m.contains(v))
        };
        return (equal([x.input, x.cached], [y.input, y.cached])
            || writes_cache(a)
            || writes_cache(b))
            && equal([x.output, x.reasoning], [y.output, y.reasoning]);
    }
    // Some providers count a cached prompt under `cached` and not in the input.
    let warm = |u: Usage| u.input.map(|input| input.saturating_add(u.cached.unwrap_or(0)));
    let cached = x.cached != y.cached && warm(x) == warm(y) || writes_cache(a) != writes_cache(b);
    // A total that B merely adds is not a different count.
    let sum = y.input.zip(y.output).map(|(i, o)| i.saturating_add(o));
    let total = x.total == y.total || x.total.is_none() && y.total == sum;
    let detail = |n: Option<u64>, m: Option<u64>| n.is_none() || m.is_none() || n == m;
    (x.input == y.input || cached)
        && x.output == y.output
        && (total || cached)
        && detail(x.reasoning, y.reasoning)
}

/// Returns whether its input counts leave out what was written to a cache.
fn writes_cache(s: &ComparedSide<'_>) -> bool {
    let written = ["cache_creation_input_tokens", "cacheWriteInputTokens"];
    let rows = s.seen.shape().rows();
    rows.iter().any(|r| written.iter().any(|w| r.path.ends_with(w)) && r.sample != "0")
}

pub(super) fn shape(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    if let (Some(x), Some(y)) = (a.usage_alone, b.usage_alone)
        && x != y
        && !foreign(a, b)
    {
        let word = |alone| if alone { "choices []" } else { "a choice beside it" };
        let message = format!("the usage chunk has {} at {a} and {} at {b}", word(x), word(y));
        found.add(Code::GwUsageChunkReshaped, both(word(x), word(y)), message);
    }
}
