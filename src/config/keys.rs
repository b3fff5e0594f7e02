//! Key bindings as they appear in the configuration: rows of text with their place. Their meaning is
//! `action`'s.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One binding as written: `"key" = "action"` in `[keys.CONTEXT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenBinding {
    /// The file, for messages.
    pub file: Arc<str>,
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

/// The built-in configuration, taken apart when the program was built: nobody waits for its text to be read.
/// Most of it is text, for the loader corrects each address in a table before the program begins.
pub(super) struct BuiltIn {
    /// The `[keys.*]` tables: a line for each key, with its context, the action and its line between tabs.
    keys: &'static str,
    /// The theme that it asks for.
    pub(super) theme: Option<&'static str>,
    /// The themes by name: a line for each role, with its style after a tab.
    pub(super) themes: &'static [(&'static str, &'static str)],
    /// Everything else as JSON.
    pub(super) rest: &'static str,
}

pub(super) const BUILT_IN: BuiltIn = include!(concat!(env!("OUT_DIR"), "/configuration.rs"));

/// Returns the built-in rows.
pub fn built_in() -> Vec<WrittenBinding> {
    let file: Arc<str> = "built-in configuration".into();
    let rows = BUILT_IN.keys.lines().filter_map(|row| {
        let mut parts = row.split('\t');
        let words = (parts.next()?, parts.next()?, parts.next()?);
        Some(binding(&file, parts.next()?.parse().ok()?, words))
    });
    rows.collect()
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
    let file: Arc<str> = document.file.into();
    document.sections("keys", |context, key, action, line| {
        rows.push(binding(&file, line, (context, key, action)));
    })?;
    // A parsed table is sorted by key; people read a file from the top.
    rows.sort_by_key(|r| r.line);
    Ok(rows)
}

fn binding(file: &Arc<str>, line: usize, words: (&str, &str, &str)) -> WrittenBinding {
    let (context, key, action) = words;
    let (context, key, action) = (context.to_owned(), key.to_owned(), action.to_owned());
    WrittenBinding { file: Arc::clone(file), line, context, key, action }
}

/// A configuration file, taken apart once for all who read it: the program begins with this, and
/// somebody waits.
pub(super) struct Document<'a> {
    pub(super) file: &'a str,
    table: Spanned<DeTable<'a>>,
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
        Self { file, table, ends }
    }

    /// Returns its tables.
    pub(super) fn into_table(self) -> Spanned<DeTable<'a>> {
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
        mut add: impl FnMut(&str, &str, &str, usize),
    ) -> Result<(), Problem> {
        let problem = |offset: usize, message: String| Problem {
            file: self.file.to_owned(),
            line: self.line(offset),
            message,
        };
        let Some(tables) = self.table.get_ref().get(section) else { return Ok(()) };
        let DeValue::Table(names) = tables.get_ref() else {
            return Err(problem(tables.span().start, format!("[{section}] is not a table")));
        };
        for (name, table) in names {
            let DeValue::Table(rows) = table.get_ref() else {
                let at = name.span().start;
                // `[theme] name = "dark"`: a value of the section itself.
                if let (Some(value), "theme") = (table.get_ref().as_str(), section) {
                    add("", name.get_ref(), value, self.line(at));
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
                add(name.get_ref(), key.get_ref(), value, self.line(at));
            }
        }
        Ok(())
    }
}
