//! Key bindings as they appear in the configuration: rows of text with their place. Their meaning is
//! `action`'s.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One binding as written: `"key" = "action"` in `[keys.CONTEXT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenBinding {
    /// The file, for messages.
    pub file: String,
    /// The line in it, from 1.
    pub line: usize,
    /// The context's name.
    pub context: String,
    /// The key as written.
    pub key: String,
    /// The action's name; empty to unbind the key.
    pub action: String,
}

/// A problem with a configuration, and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line in it, from 1.
    pub line: usize,
    /// The problem.
    pub message: String,
}

/// Keys for those who are used to another program's: they override the default ones, and determine how the
/// body of a request is typed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Preset {
    /// The keys of the default configuration.
    #[default]
    Default,
    /// Vim's modes while typing.
    Vim,
    /// Emacs' keys, everywhere where they do not take another's meaning away.
    Emacs,
}

impl Preset {
    /// Returns the rows that override the default ones.
    ///
    /// # Errors
    /// Never, as a test checks.
    pub fn rows(self) -> Result<Vec<WrittenBinding>, Problem> {
        match self {
            Preset::Default => Ok(Vec::new()),
            Preset::Vim => read("keymap \"vim\"", include_str!("../../assets/keymaps/vim.toml")),
            Preset::Emacs => {
                read("keymap \"emacs\"", include_str!("../../assets/keymaps/emacs.toml"))
            }
        }
    }
}

/// The built-in configuration.
pub const DEFAULT: &str = include_str!("../../assets/default-config.toml");

/// A string of a table `[SECTION.NAME]`: section, name, key, value and line. A value of the section itself has
/// an empty name.
type SectionRow = (&'static str, &'static str, &'static str, &'static str, usize);

/// The built-in configuration, taken apart when the program was built: nobody waits for its text to be read.
/// The strings of `[keys.*]` and `[theme.*]`, and everything else as JSON.
pub(super) const BUILT_IN: (&[SectionRow], &str) =
    include!(concat!(env!("OUT_DIR"), "/configuration.rs"));

/// Returns the built-in rows.
///
/// # Errors
/// Never, as a test checks.
pub fn built_in() -> Result<Vec<WrittenBinding>, Problem> {
    rows(&Document::built_in())
}

/// Reads the `[keys.*]` tables of a configuration file.
///
/// # Errors
/// The text is not TOML, or a row is not a string.
pub fn read(file: &str, text: &str) -> Result<Vec<WrittenBinding>, Problem> {
    rows(&Document::parse(file, text)?)
}

pub(super) fn rows(document: &Document<'_>) -> Result<Vec<WrittenBinding>, Problem> {
    let mut rows = Vec::new();
    document.sections("keys", |context, key, action, line| {
        rows.push(WrittenBinding { file: document.file.to_owned(), line, context, key, action });
    })?;
    // A parsed table is sorted by key; people read a file from the top.
    rows.sort_by_key(|r| r.line);
    Ok(rows)
}

/// A configuration file, taken apart once for all who read it: the program begins with this, and
/// somebody waits.
pub(super) struct Document<'a> {
    pub(super) file: &'a str,
    /// Its tables; `None` for the built-in configuration, which was taken apart before.
    table: Option<Spanned<DeTable<'a>>>,
    /// Positions of the line feeds.
    ends: Vec<usize>,
}

impl<'a> Document<'a> {
    pub(super) fn parse(file: &'a str, text: &'a str) -> Result<Self, Problem> {
        let table = DeTable::parse(text).map_err(|e| Problem {
            file: file.to_owned(),
            line: crate::json::line_column(text, e.span().map_or(0, |s| s.start)).0,
            message: e.message().to_owned(),
        })?;
        Ok(Self::new(file, text, table))
    }

    /// A file of which the table was parsed.
    pub(super) fn new(file: &'a str, text: &str, table: Spanned<DeTable<'a>>) -> Self {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).collect();
        Self { file, table: Some(table), ends }
    }

    /// The built-in configuration.
    pub(super) fn built_in() -> Self {
        Self { file: "built-in configuration", table: None, ends: Vec::new() }
    }

    /// Returns its tables; `None` for the built-in configuration.
    pub(super) fn into_table(self) -> Option<Spanned<DeTable<'a>>> {
        self.table
    }

    /// The line of a place, from 1.
    fn line(&self, offset: usize) -> usize {
        self.ends.partition_point(|end| *end < offset) + 1
    }

    /// Reports every string of the tables `[SECTION.NAME]` with its line.
    pub(super) fn sections(
        &self,
        section: &str,
        mut add: impl FnMut(String, String, String, usize),
    ) -> Result<(), Problem> {
        let problem = |offset: usize, message: String| Problem {
            file: self.file.to_owned(),
            line: self.line(offset),
            message,
        };
        let Some(table) = &self.table else {
            for (_, name, key, value, line) in BUILT_IN.0.iter().filter(|row| row.0 == section) {
                add((*name).to_owned(), (*key).to_owned(), (*value).to_owned(), *line);
            }
            return Ok(());
        };
        let Some(tables) = table.get_ref().get(section) else { return Ok(()) };
        let DeValue::Table(names) = tables.get_ref() else {
            return Err(problem(tables.span().start, format!("[{section}] is not a table")));
        };
        for (name, table) in names {
            let DeValue::Table(rows) = table.get_ref() else {
                let at = name.span().start;
                // `[theme] name = "dark"`: a value of the section itself.
                if let (Some(value), "theme") = (table.get_ref().as_str(), section) {
                    let name = name.get_ref().to_string();
                    add(String::new(), name, value.to_owned(), self.line(at));
                    continue;
                }
                return Err(problem(
                    at,
                    format!("\"{}\" must be in a table [{section}.NAME]", name.get_ref()),
                ));
            };
            for (key, value) in rows {
                let at = key.span().start;
                let Some(value) = value.get_ref().as_str() else {
                    return Err(problem(
                        at,
                        format!("the value of \"{}\" must be a string", key.get_ref()),
                    ));
                };
                let (name, key) = (name.get_ref().to_string(), key.get_ref().to_string());
                add(name, key, value.to_owned(), self.line(at));
            }
        }
        Ok(())
    }
}
