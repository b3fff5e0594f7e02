//! The colors of reports on a terminal.

use crate::inspect::Severity;
use crate::text::Style;

/// Colors, or none: the same words either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// True if colors are written.
    pub color: bool,
}

impl Palette {
    fn paint(self, style: Style, text: &str) -> String {
        if self.color { style.of(text) } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint(Style::Bold, text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint(Style::Dim, text)
    }

    pub(super) fn severity(self, severity: Severity, text: &str) -> String {
        let style = match severity {
            Severity::Info => Style::Cyan,
            Severity::Warn => Style::Yellow,
            Severity::Error => Style::Red,
            Severity::Fatal => Style::BoldRed,
        };
        self.paint(style, text)
    }
}
