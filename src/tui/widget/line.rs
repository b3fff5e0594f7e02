//! Drawing single lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

/// Writes pieces of text from the left and returns the column after them. What does not fit is left out.
/// Callers pass text that was made visible.
pub(crate) fn put(buf: &mut Buffer, area: Rect, pieces: &[(&str, Style)]) -> u16 {
    let mut x = area.x;
    for (text, style) in pieces {
        if x >= area.right() || area.height == 0 {
            break;
        }
        // The cell's previous content, such as a rule, must not color the text.
        let style = Style::reset().patch(*style);
        x = buf.set_stringn(x, area.y, text, usize::from(area.right() - x), style).0;
    }
    x
}

/// Writes pieces so that they end at the right edge; returns the column where they begin. Nothing is written
/// if they do not fit.
pub(crate) fn put_right(buf: &mut Buffer, area: Rect, pieces: &[(&str, Style)]) -> u16 {
    let wide: usize = pieces.iter().map(|p| p.0.width()).sum();
    if wide > usize::from(area.width) || area.height == 0 {
        return area.right();
    }
    let x = area.right() - wide as u16;
    put(buf, Rect { x, width: wide as u16, ..area }, pieces);
    x
}

/// `text` cut to `width` columns, with `…` where something is missing.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut wide = 0;
    for c in text.chars() {
        let w = super::wrap::char_width(c);
        if wide + w + 1 > width {
            break;
        }
        wide += w;
        out.push(c);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// Returns `text` truncated to `width` columns in its middle, where paths and addresses are least
/// informative.
pub(crate) fn fit_middle(text: &str, width: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if text.width() <= width || width < 5 || text.width() != chars.len() {
        return fit(text, width);
    }
    let head = (width - 1) / 2;
    let tail = width - 1 - head;
    let (a, b) = (&chars[..head], &chars[chars.len() - tail..]);
    a.iter().chain(['…'].iter()).chain(b).collect()
}

/// Seconds with the precision that a reader can use: `0.031`, `12.4`.
pub(crate) fn seconds(micros: u64) -> String {
    let s = micros as f64 / 1e6;
    match micros {
        0..10_000_000 => format!("{s:.3}"),
        10_000_000..1_000_000_000 => format!("{s:.1}"),
        _ => format!("{s:.0}"),
    }
}

/// A wait: `+850µs`, `+21ms`, `+3.2s`.
pub(crate) fn wait(micros: u64) -> String {
    match micros {
        0..1000 => format!("+{micros}µs"),
        1000..10_000 => format!("+{:.1}ms", micros as f64 / 1e3),
        10_000..1_000_000 => format!("+{}ms", micros / 1000),
        1_000_000..100_000_000 => format!("+{:.1}s", micros as f64 / 1e6),
        _ => format!("+{}s", micros / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_with_a_sign() {
        assert_eq!(fit("hello", 5), "hello");
        assert_eq!(fit("hello!", 5), "hell…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit_middle("http://localhost:4000/v1/chat", 15), "http://…v1/chat");
    }

    #[test]
    fn times_are_short() {
        assert_eq!((seconds(31_234), seconds(12_400_000)), ("0.031".into(), "12.4".into()));
        let waits: Vec<_> = [850, 1_500, 21_400, 3_200_000].map(wait).into();
        assert_eq!(waits, ["+850µs", "+1.5ms", "+21ms", "+3.2s"]);
    }
}
