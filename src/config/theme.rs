//! Themes as they appear in the configuration: for each role of the screen a style in words.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use ratatui::style::{Color, Modifier, Style};

use super::keys::{BUILT_IN, Document, Problem};

/// The styles of one theme, by role.
pub type Styles = BTreeMap<String, Style>;

/// Every theme: the built-in ones, which are read when they are asked for, changed and added to by the user's
/// files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Themes {
    /// The theme that the configuration asks for.
    pub chosen: Option<String>,
    /// Styles of the user's files, by the theme's name.
    by_name: BTreeMap<String, Styles>,
}

impl Themes {
    /// Returns the built-in themes.
    pub fn built_in() -> Self {
        Self { chosen: BUILT_IN.theme.map(str::to_owned), by_name: BTreeMap::new() }
    }

    /// Adds what the `[theme]` and `[theme.NAME]` tables of a configuration file say.
    ///
    /// # Errors
    /// The text is not TOML, a style is not one, or a role or the chosen theme does not exist.
    pub fn read(&mut self, file: &str, text: &str) -> Result<(), Problem> {
        self.take(&Document::parse(file, text)?)
    }

    pub(super) fn take(&mut self, document: &Document<'_>) -> Result<(), Problem> {
        let known: Vec<&str> = built_in("dark").map(|(role, _)| role).collect();
        let mut wrong = None;
        let mut fail = |line, message| {
            wrong.get_or_insert(Problem { file: document.file.to_owned(), line, message });
        };
        document.sections("theme", |theme, role, words, line| {
            if theme.is_empty() {
                match role {
                    "name" => self.chosen = Some(words.to_owned()),
                    _ => fail(line, format!("[theme] has a name only, and no \"{role}\"")),
                }
                return;
            }
            if !known.contains(&role) {
                fail(line, format!("no role is called \"{role}\"; there are {}", known.join(", ")));
                return;
            }
            match style(words) {
                Ok(style) => {
                    let styles = self.by_name.entry(theme.to_owned()).or_default();
                    styles.insert(role.to_owned(), style);
                }
                Err(why) => fail(line, why.to_string()),
            }
        })?;
        match wrong {
            Some(problem) => Err(problem),
            None => Ok(()),
        }
    }

    /// The names of all themes.
    pub fn names(&self) -> BTreeSet<&str> {
        let built_in = BUILT_IN.themes.iter().map(|(name, _)| *name);
        self.by_name.keys().map(String::as_str).chain(built_in).collect()
    }

    /// The theme of that name, with the dark theme's styles where it says nothing.
    pub fn get(&self, name: &str) -> Option<Styles> {
        if !self.names().contains(name) {
            return None;
        }
        let mut all = Styles::new();
        let names = ["dark", name];
        for name in &names[usize::from(name == "dark")..] {
            // A test ensures that each is a style.
            let of =
                built_in(name).filter_map(|(r, words)| Some((r.to_owned(), style(words).ok()?)));
            all.extend(of);
            let own = self.by_name.get(*name).into_iter().flatten();
            all.extend(own.map(|(role, style)| (role.clone(), *style)));
        }
        Some(all)
    }
}

/// The roles of a built-in theme, each with its style in words.
fn built_in(theme: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let theme = BUILT_IN.themes.iter().find(|(name, _)| *name == theme);
    theme.into_iter().flat_map(|(_, rows)| rows.lines().filter_map(|row| row.split_once('\t')))
}

/// A word of a style that is neither a color nor an attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is neither a color (cyan, darkgray, lightred, 208, #ff8800) nor one of bold, dim, \
     italic, underline, reverse, plain, on"
)]
pub struct StyleError(String);

/// Reads a style in words: `bold cyan`, `white on blue`, `dim italic`, `reverse`, `#ff8800`.
///
/// # Errors
/// A word is neither a color nor an attribute.
pub fn style(words: &str) -> Result<Style, StyleError> {
    let mut style = Style::new();
    let mut background = false;
    for word in words.split_whitespace() {
        let modifier = match word {
            "on" => {
                background = true;
                continue;
            }
            "plain" => continue,
            "bold" => Modifier::BOLD,
            "dim" => Modifier::DIM,
            "italic" => Modifier::ITALIC,
            "underline" => Modifier::UNDERLINED,
            "reverse" => Modifier::REVERSED,
            color => {
                let parsed = plain_color(color).or_else(|| Color::from_str(color).ok());
                let parsed = parsed.ok_or_else(|| StyleError(color.to_owned()))?;
                style = if background { style.bg(parsed) } else { style.fg(parsed) };
                background = false;
                continue;
            }
        };
        style = style.add_modifier(modifier);
    }
    Ok(style)
}

/// Returns a color as the built-in themes spell it. `Color::from_str` knows many spellings, and is the
/// slowest of all that is read at the start.
fn plain_color(word: &str) -> Option<Color> {
    const NAMED: [(&str, Color); 16] = [
        ("black", Color::Black),
        ("red", Color::Red),
        ("green", Color::Green),
        ("yellow", Color::Yellow),
        ("blue", Color::Blue),
        ("magenta", Color::Magenta),
        ("cyan", Color::Cyan),
        ("gray", Color::Gray),
        ("darkgray", Color::DarkGray),
        ("lightred", Color::LightRed),
        ("lightgreen", Color::LightGreen),
        ("lightyellow", Color::LightYellow),
        ("lightblue", Color::LightBlue),
        ("lightmagenta", Color::LightMagenta),
        ("lightcyan", Color::LightCyan),
        ("white", Color::White),
    ];
    if let Some((_, color)) = NAMED.iter().find(|(name, _)| *name == word) {
        return Some(*color);
    }
    let digits = word.strip_prefix('#').filter(|d| d.len() == 6)?;
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?;
    let [_, red, green, blue] = number.to_be_bytes();
    Some(Color::Rgb(red, green, blue))
}

#[cfg(test)]
mod tests {
    use super::super::keys::DEFAULT;
    use super::*;

    #[test]
    fn styles_are_read_in_words() {
        let expected = Style::new().fg(Color::White).bg(Color::Blue).add_modifier(Modifier::BOLD);
        assert_eq!(style("bold white on blue"), Ok(expected));
        assert!(style("blod").unwrap_err().to_string().contains("\"blod\" is neither"));
    }

    #[test]
    fn a_color_is_the_one_that_the_library_reads() {
        let words = "#ff8800 #000000 #FFFFFF #12345 #+12345 #1234567 #gg0000 12 black red green yellow blue \
                     magenta cyan gray darkgray lightred lightgreen lightyellow lightblue lightmagenta \
                     lightcyan white Red";
        for word in words.split(' ') {
            let plain = plain_color(word);
            assert!(plain.is_none() || plain == Color::from_str(word).ok(), "{word}");
        }
    }

    #[test]
    fn the_themes_that_come_along_are_sound_and_complete() {
        // As a user's file, each of its roles must be one and each style a style.
        let mut read = Themes::default();
        read.read("default", DEFAULT).unwrap();
        let themes = Themes::built_in();
        assert_eq!(themes.chosen, read.chosen);
        let names = themes.names();
        assert_eq!(
            names.iter().copied().collect::<Vec<_>>(),
            ["contrast", "dark", "light", "mono", "nord", "solarized-light"]
        );
        for name in names {
            assert_eq!(built_in(name).count(), built_in("dark").count(), "{name}");
            assert_eq!(themes.get(name), read.get(name), "{name}");
            assert_eq!(themes.get(name).unwrap(), read.by_name[name], "{name}");
        }
        let mono = themes.get("mono").unwrap();
        assert!(mono.values().all(|s| s.fg.is_none() && s.bg.is_none()), "mono has no color");
    }

    #[test]
    fn a_users_theme_changes_single_roles() {
        let mut themes = Themes::built_in();
        themes.read("mine", "[theme]\nname = \"mine\"\n[theme.mine]\nok = \"blue\"\n").unwrap();
        assert_eq!(themes.chosen.as_deref(), Some("mine"));
        let mine = themes.get("mine").unwrap();
        assert_eq!(mine["ok"], Style::new().fg(Color::Blue));
        assert_eq!(mine.len(), themes.get("dark").unwrap().len());
        let wrong = themes.read("mine", "[theme.mine]\nokk = \"blue\"\n").unwrap_err();
        assert!(wrong.to_string().starts_with("mine:2: no role is called \"okk\""), "{wrong}");
    }
}
