//! Reports, and names for the files that are written.

use super::Model;
use crate::tui::BugReport;

/// The subject of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tui) enum ReportSubject {
    Session,
    Comparison,
    Repetition,
}

impl ReportSubject {
    /// Returns its part of the proposed file name.
    pub(in crate::tui) fn part(self) -> &'static str {
        match self {
            ReportSubject::Session => "-report",
            ReportSubject::Comparison => "-comparison",
            ReportSubject::Repetition => "-repetition",
        }
    }
}

impl Model {
    /// Returns a report as Markdown; `None` where there is nothing to report.
    pub(in crate::tui) fn report(&self, of: ReportSubject) -> Option<String> {
        let all: Vec<_> = self.exchanges.iter().map(|e| (e.id, &*e.inspection)).collect();
        let report = match of {
            ReportSubject::Session => BugReport::Exchanges(&all),
            ReportSubject::Comparison => self.comparison_report()?,
            ReportSubject::Repetition => return self.repetition_report(),
        };
        Some((self.tools().to_markdown)(report))
    }

    /// A file name after what is shown that this run has not written: `lab-stall-1.jsonl`. Nothing
    /// here may ask whether there is a file of that name.
    pub(in crate::tui) fn free_name(&self, part: &str) -> String {
        let model = match self.exchange() {
            Some(e) if part.is_empty() => {
                match (&e.inspection.request, &e.inspection.answer().model) {
                    (Some(r), _) if !r.model.is_empty() => r.model.clone(),
                    (_, Some(model)) => model.clone(),
                    _ => "session".to_owned(),
                }
            }
            _ => self.request.draft().model.clone(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let base: String = model.chars().take(60).map(|c| if plain(c) { c } else { '-' }).collect();
        // The name must not be a hidden file or look like an option of a command.
        let base = match base.trim_start_matches(['.', '-']) {
            "" => "session",
            base => base,
        };
        let end = if part.is_empty() { "jsonl" } else { "json" };
        let number = if part.is_empty() { self.shown + 1 } else { self.exchanges.len() + 1 };
        let name = |again: usize| match again {
            1 => format!("{base}-{number}{part}.{end}"),
            n => format!("{base}-{number}-{n}{part}.{end}"),
        };
        (1..).map(name).find(|n| !self.proposed.contains(n)).unwrap_or_else(|| name(1))
    }

    /// A name was used: it is not proposed again.
    pub(in crate::tui) fn propose_no_more(&mut self, name: &str) {
        self.proposed.insert(name.to_owned());
    }
}
