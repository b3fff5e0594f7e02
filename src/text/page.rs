//! Text on its way to a terminal.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::sync::LazyLock;

use super::{is_hazard, push_hazard};

/// A style of a piece of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Bold.
    Bold,
    /// Dim.
    Dim,
    /// Red.
    Red,
    /// Yellow.
    Yellow,
    /// Cyan.
    Cyan,
    /// Bold and red.
    BoldRed,
}

/// The styles, and how each begins.
const STYLES: [(char, Style, &str); 6] = [
    ('b', Style::Bold, "\x1b[1m"),
    ('d', Style::Dim, "\x1b[2m"),
    ('r', Style::Red, "\x1b[31m"),
    ('y', Style::Yellow, "\x1b[33m"),
    ('c', Style::Cyan, "\x1b[36m"),
    ('f', Style::BoldRed, "\x1b[1;31m"),
];

/// The end of each style.
const END: (char, &str) = ('e', "\x1b[0m");

/// The prefix of a style in text that was not written to a [`Page`] yet. It has a part that is unknown
/// outside of this process: received text that begins an escape sequence is never a style.
static MARK: LazyLock<String> = LazyLock::new(|| {
    let random = || RandomState::new().build_hasher().finish();
    format!("\x1b{:016x}{:016x}", random(), random())
});

impl Style {
    /// The text in this style, to be written to a [`Page`].
    pub fn of(self, text: &str) -> String {
        let sign = STYLES.iter().find(|(_, style, _)| *style == self).map_or(END.0, |row| row.0);
        let mark = MARK.as_str();
        format!("{mark}{sign}{text}{mark}{}", END.0)
    }
}

/// The escape sequence of a style at the beginning of `text`, and what follows its mark.
fn style_of(text: &str) -> Option<(&'static str, &str)> {
    let rest = text.strip_prefix(MARK.as_str())?;
    let sign = rest.chars().next()?;
    let begins = STYLES.iter().find(|row| row.0 == sign).map(|row| row.2);
    let sequence = begins.or((sign == END.0).then_some(END.1))?;
    Some((sequence, &rest[sign.len_utf8()..]))
}

/// Text that may reach a terminal. Reports for people are written to nothing else, so that what
/// was received cannot get past it: every hazard ([`is_hazard`]) but a line feed becomes visible. Only a [`Style`]
/// becomes an escape sequence, where there is color at all.
///
/// ```
/// use std::io::Write as _;
///
/// let mut page = sselens::text::Page::new(false);
/// write!(page, "title: {}", "\x1b]0;owned\x07").unwrap();
/// assert_eq!(page.as_str(), "title: ␛]0;owned␇");
/// ```
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    color: bool,
}

impl Page {
    /// An empty page; with `color`, styles stay.
    pub fn new(color: bool) -> Self {
        Self { text: String::new(), color }
    }

    /// Returns what was written, made visible.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    fn push(&mut self, text: &str) {
        let stays = |c: char| c == '\n' || !is_hazard(c);
        let mut rest = text;
        while let Some(at) = rest.find(|c| !stays(c)) {
            self.text.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some((style, after)) = style_of(rest) {
                self.text.push_str(if self.color { style } else { "" });
                rest = after;
            } else if let Some(c) = rest.chars().next() {
                push_hazard(&mut self.text, c);
                rest = &rest[c.len_utf8()..];
            }
        }
        self.text.push_str(rest);
    }
}

/// Every write is text of its own: bytes that are not UTF-8 become U+FFFD.
impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(&super::lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn nothing_but_styles_gets_through() {
        for color in [false, true] {
            let mut page = Page::new(color);
            let head = Style::Bold.of("he\x1b[0mad");
            writeln!(page, "{head} \x1b[31m\x1b[2J\x1b]52;c;QQ==\x07\u{9b}x\u{202e}\u{e0041}é")
                .unwrap();
            page.write_all(b"\xff\x1b").unwrap();
            let styled = |text: &str| match color {
                true => format!("\x1b[1m{text}\x1b[0m"),
                false => text.to_owned(),
            };
            let rest = " ␛[31m␛[2J␛]52;c;QQ==␇\\x9bx⟨U+202E⟩⟨U+E0041⟩é\n\u{fffd}␛";
            assert_eq!(page.as_str(), styled("he␛[0mad") + rest);
        }
    }
}
