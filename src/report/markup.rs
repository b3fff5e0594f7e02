//! Text in Markdown: as code, or as prose that formats nothing.

use crate::text::{Newlines, visible};

/// `said` as a code block. The fence is longer than any run of backticks inside.
pub(super) fn fence(text: &str, language: &str) -> String {
    let ticks = "`".repeat((longest_run(text) + 1).max(3));
    format!("{ticks}{language}\n{}\n{ticks}", text.trim_end_matches('\n'))
}

/// `said` as code inside a line.
pub(super) fn code(text: &str) -> String {
    if text.is_empty() {
        return "–".to_owned();
    }
    let text = text.replace(['\n', '\r'], " ");
    let ticks = "`".repeat(longest_run(&text) + 1);
    // Markdown removes one space on both sides; it is needed if the text begins or ends with a backtick.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// Markdown in the cell of a table, where a bar ends it even inside code.
pub(super) fn in_cell(markdown: &str) -> String {
    markdown.replace("\\|", "|").replace('|', "\\|").replace('\n', " ")
}

fn longest_run(text: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// `said` as plain text inside a line: what could begin something in Markdown or HTML is escaped.
/// Sites look for `@name` and `#1` after that, in the text itself: there the sign becomes
/// code.
pub(super) fn prose(text: &str) -> String {
    escaped(text, false)
}

/// `linked`: what sites make links of stays.
fn escaped(text: &str, linked: bool) -> String {
    let mut out = String::new();
    let mut chars = visible(text, Newlines::Keep).replace('\n', " ");
    chars = chars.replace('\r', " ");
    let mut before = ' ';
    let mut rest = chars.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        match c {
            '@' if !linked && next.is_alphanumeric() => out.push_str("`@`"),
            '#' if next.is_ascii_digit() && linked => out.push(c),
            '#' if next.is_ascii_digit() => out.push_str("`#`"),
            // Inside a word it is not markup.
            '_' if before.is_alphanumeric() && next.is_alphanumeric() => out.push(c),
            '\\' | '`' | '*' | '_' | '<' | '[' | '|' | '~' | '&' | '$' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// This program's own words: what they have between backticks is code, the rest is [`prose`] in
/// which `owner/name#1` is a link.
pub(super) fn words(text: &str) -> String {
    let parts: Vec<_> = text.split('`').collect();
    if parts.len() % 2 == 0 {
        return escaped(text, true);
    }
    let part =
        |(n, part): (usize, &&str)| if n % 2 == 0 { escaped(part, true) } else { code(part) };
    parts.iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_fence() {
        let block = fence("a\n```\n<b>\n`````\n", "text");
        assert!(block.starts_with("``````text\n") && block.ends_with("\n``````"), "{block}");
        assert_eq!(fence("a", ""), "```\na\n```");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(in_cell(&code("a|b")), "`a\\|b`");
    }

    #[test]
    fn prose_is_only_text() {
        assert_eq!(
            prose("<img src=x> [a](b) `c` *d* e_f"),
            "\\<img src=x> \\[a](b) \\`c\\` \\*d\\* e_f"
        );
        assert_eq!(prose("@octocat see #12\n# no"), "`@`octocat see `#`12 \\# no");
        assert_eq!(prose("a \x1b[2J\u{202e}"), "a ␛\\[2J⟨U+202E⟩");
    }
}
