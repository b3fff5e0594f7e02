//! Keys to actions.

use crokey::{KeyCombination, KeyCombinationFormat, OneToThree};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Action, Context, OwnContext};
use crate::config::keys::{Problem, WrittenBinding};

/// One key in one context.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Binding {
    /// Context in which it counts.
    pub context: Context,
    /// The key.
    pub key: KeyCombination,
    /// Action that it triggers.
    pub action: Action,
}

/// Every binding, in the order of the files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keymap {
    bindings: Vec<Binding>,
    /// Keys that mean nothing in a context, whatever they mean in those after it.
    unbound: Vec<(Context, KeyCombination)>,
    /// Contexts of the panes' own keys.
    panes: Vec<&'static OwnContext>,
}

/// The file in which each key was bound last, context by context: few keys count in one.
#[derive(Default)]
struct Seen<'a>(Vec<(Context, Vec<(KeyCombination, &'a str)>)>);

impl<'a> Seen<'a> {
    /// Binds a key in a file; returns the file in which it was bound before.
    fn bind(&mut self, context: Context, key: KeyCombination, file: &'a str) -> Option<&'a str> {
        let at = self.0.iter().position(|(of, _)| *of == context).unwrap_or(self.0.len());
        if at == self.0.len() {
            self.0.push((context, Vec::new()));
        }
        let bound = &mut self.0[at].1;
        if let Some((_, before)) = bound.iter_mut().find(|(of, _)| *of == key) {
            return Some(std::mem::replace(before, file));
        }
        bound.push((key, file));
        None
    }
}

impl Keymap {
    /// Makes sense of the rows of the configuration; a later file's row wins over an earlier one's,
    /// and any over the keys that `panes` bring.
    ///
    /// # Errors
    /// The first row with an unknown context, key or action, or a key that its file binds twice in
    /// one context.
    pub fn new(rows: &[WrittenBinding], panes: &[&'static OwnContext]) -> Result<Self, Problem> {
        let mut seen = Seen::default();
        let mut keymap = Keymap { panes: panes.to_vec(), ..Keymap::default() };
        for pane in panes {
            for action in pane.actions {
                let keys = action.keys.iter().filter_map(|key| parse(key));
                let (context, action) = (Context::Own(pane), Action::Own(action));
                keymap.bindings.extend(keys.map(|key| Binding { context, key, action }));
            }
        }
        let mut actions: Vec<(&str, Action)> = keymap.actions().map(|a| (a.name(), a)).collect();
        actions.sort_unstable_by_key(|(name, _)| *name);
        for row in rows {
            let problem =
                |message: String| Problem { file: row.file.to_string(), line: row.line, message };
            let context = keymap.context(&row.context).ok_or_else(|| {
                let names: Vec<_> = keymap.contexts().map(Context::name).collect();
                problem(format!(
                    "no place for keys is called \"{}\"; there are {}",
                    row.context,
                    names.join(", ")
                ))
            })?;
            let key =
                parse(&row.key).ok_or_else(|| problem(format!("\"{}\" is not a key", row.key)))?;
            let action = match row.action.as_str() {
                "" => None,
                name => match actions.binary_search_by_key(&name, |(name, _)| name) {
                    Ok(at) => Some(actions[at].1),
                    Err(_) => {
                        let nearest = keymap.nearest(name);
                        return Err(problem(format!("no action is called \"{name}\"{nearest}")));
                    }
                },
            };
            let before = seen.bind(context, key, &row.file);
            if before == Some(&*row.file) {
                return Err(problem(format!(
                    "the key \"{}\" is bound twice in [keys.{}]",
                    row.key, row.context
                )));
            }
            if before.is_some() || matches!(context, Context::Own(_)) {
                keymap.bindings.retain(|b| b.context != context || b.key != key);
                keymap.unbound.retain(|u| *u != (context, key));
            }
            match action {
                Some(action) => keymap.bindings.push(Binding { context, key, action }),
                None => keymap.unbound.push((context, key)),
            }
        }
        Ok(keymap)
    }

    /// Returns the built-in bindings of the program.
    pub fn built_in(panes: &[&'static OwnContext]) -> Self {
        // A test ensures that the rows of the default configuration are valid.
        Self::new(&crate::config::keys::built_in(), panes).unwrap_or_default()
    }

    /// Every action, those that panes bring last.
    pub fn actions(&self) -> impl Iterator<Item = Action> {
        let own = self.panes.iter().flat_map(|pane| pane.actions).copied().map(Action::Own);
        Action::ALL.iter().copied().chain(own)
    }

    /// Every place where keys count, each pane after what counts in all of them.
    pub fn contexts(&self) -> impl Iterator<Item = Context> {
        let own = self.panes.iter().copied().map(Context::Own);
        let all = Context::ALL.iter().position(|c| *c == Context::Panes).map_or(0, |i| i + 1);
        let (before, after) = Context::ALL.split_at(all);
        before.iter().copied().chain(own).chain(after.iter().copied())
    }

    /// The context of that name.
    fn context(&self, name: &str) -> Option<Context> {
        self.contexts().find(|c| c.name() == name)
    }

    /// `; did you mean …?` where a name is near.
    fn nearest(&self, name: &str) -> String {
        let same =
            |a: &Action| a.name().chars().zip(name.chars()).take_while(|(x, y)| x == y).count();
        let is_similar =
            |a: &Action| same(a) >= 4 || a.name().contains(name) || name.contains(a.name());
        let found = self.actions().filter(is_similar).max_by_key(same);
        found.map_or_else(String::new, |a| format!("; did you mean \"{}\"?", a.name()))
    }

    /// Returns the action of a key in the first of these contexts that knows it. Where letters type, letters
    /// that move elsewhere do not move.
    pub fn action(&self, contexts: &[Context], key: KeyEvent) -> Option<Action> {
        let key = combination(key);
        for context in contexts {
            if types_instead(contexts, *context, key) {
                continue;
            }
            let here = |(c, k): &(Context, KeyCombination)| *c == *context && *k == key;
            if self.unbound.iter().any(here) {
                return None;
            }
            let mut own = self.bindings.iter().filter(|b| b.context == *context);
            if let Some(binding) = own.find(|b| b.key == key) {
                return Some(binding.action);
            }
        }
        None
    }

    /// The bindings of one context.
    pub fn of(&self, context: Context) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(move |b| b.context == context)
    }

    /// The first key that asks for `action` in one of these contexts, as the footer shows it: of a
    /// movement the one that moves everywhere.
    pub fn key_for(&self, contexts: &[Context], action: Action) -> Option<String> {
        let moves = |c: &&Context| **c == Context::Movement && action.scrolls(1).is_some();
        let first = contexts.iter().filter(moves);
        first.chain(contexts).find_map(|c| {
            let mut of = self.bindings.iter().filter(|b| b.context == *c);
            of.find(|b| b.action == action && !types_instead(contexts, *c, b.key))
                .map(|b| show(b.key))
        })
    }

    /// The keys that ask for `action` anywhere, separated by blanks.
    pub fn all_keys_for(&self, action: Action) -> String {
        self.keys_for(&self.contexts().collect::<Vec<_>>(), action)
    }

    /// The keys that ask for `action` in one of these contexts, separated by blanks.
    pub fn keys_for(&self, contexts: &[Context], action: Action) -> String {
        let all = contexts.iter().flat_map(|c| {
            self.bindings.iter().filter(move |b| b.context == *c && b.action == action)
        });
        let mut keys: Vec<String> = Vec::new();
        for key in all.map(|b| show(b.key)) {
            // One key may trigger the action in several contexts.
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys.join(" ")
    }
}

/// Returns whether a key is typed as text in the first of these contexts, whatever it means in `context`.
pub fn types_instead(contexts: &[Context], context: Context, key: KeyCombination) -> bool {
    let types = contexts.first().is_some_and(|c| c.types());
    types && context == Context::Movement && matches!(key.codes, OneToThree::One(KeyCode::Char(_)))
}

/// Reads a key as the configuration spells it: `ctrl-s`, `G`, `f5`, `shift-tab`, `?`.
fn parse(text: &str) -> Option<KeyCombination> {
    let last = text.chars().next_back()?;
    let shift =
        last.is_ascii_uppercase() && (text.len() == 1 || text.ends_with(&format!("-{last}")));
    let spelled = match text {
        "shift-tab" => "backtab".to_owned(),
        _ if shift => format!("shift-{}", text),
        _ => text.to_owned(),
    };
    // crokey treats `shift-ctrl-G` and `ctrl-shift-g` as the same key.
    Some(tidy(crokey::parse(&spelled).ok()?.normalized()))
}

/// The combination that a key event is.
pub fn combination(event: KeyEvent) -> KeyCombination {
    tidy(KeyCombination::from(event))
}

/// Terminals disagree on whether `?` was typed with shift: it is in the character already.
fn tidy(mut key: KeyCombination) -> KeyCombination {
    if let OneToThree::One(KeyCode::Char(c)) = key.codes
        && !c.is_ascii_alphabetic()
    {
        key.modifiers.remove(KeyModifiers::SHIFT);
    }
    key
}

/// A key as the screen shows it: `^S`, `G`, `F5`, `S-Tab`.
pub fn show(key: KeyCombination) -> String {
    if let OneToThree::One(code) = key.codes {
        let plain = match code {
            KeyCode::PageDown => Some("PgDn"),
            KeyCode::PageUp => Some("PgUp"),
            KeyCode::BackTab => return "S-Tab".to_owned(),
            KeyCode::Up => Some("↑"),
            KeyCode::Down => Some("↓"),
            KeyCode::Left => Some("←"),
            KeyCode::Right => Some("→"),
            _ => None,
        };
        if let Some(plain) = plain.filter(|_| key.modifiers.is_empty()) {
            return plain.to_owned();
        }
        if let KeyCode::Char(c) = code
            && key.modifiers == KeyModifiers::CONTROL
        {
            return format!("^{}", c.to_ascii_uppercase());
        }
        if let KeyCode::Char(c) = code
            && c != ' '
            && (key.modifiers.is_empty() || key.modifiers == KeyModifiers::SHIFT)
        {
            return c.to_string();
        }
    }
    KeyCombinationFormat::default()
        .with_implicit_shift()
        .with_control("^")
        .with_alt("M-")
        .with_shift("S-")
        .to_string(key)
}
