//! Text on its way to a terminal.

use std::io;

use super::{is_hazard, push_hazard};

/// The colors and weights that reports are written in, as escape sequences.
const STYLES: [&str; 7] =
    ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[1;31m"];

/// Text that may reach a terminal. Reports for people are written to nothing else, so that what
/// was received cannot get past it: every hazard ([`is_hazard`]) but a line feed becomes visible,
/// and of escape sequences only the styles of reports are left, where there is color at all.
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

    /// What was written, made visible.
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
            let style = STYLES.iter().find(|s| self.color && rest.starts_with(**s));
            if let Some(style) = style {
                self.text.push_str(style);
                rest = &rest[style.len()..];
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
            writeln!(page, "\x1b[1mhead\x1b[0m \x1b[2J\x1b]52;c;QQ==\x07\u{9b}x\u{202e}\u{e0041}é")
                .unwrap();
            page.write_all(b"\xff\x1b").unwrap();
            let styled = |text: &str| match color {
                true => format!("\x1b[1m{text}\x1b[0m"),
                false => format!("␛[1m{text}␛[0m"),
            };
            let rest = " ␛[2J␛]52;c;QQ==␇\\x9bx⟨U+202E⟩⟨U+E0041⟩é\n\u{fffd}␛";
            assert_eq!(page.as_str(), styled("head") + rest);
        }
    }
}
