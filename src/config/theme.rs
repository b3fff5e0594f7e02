//! Themes as they appear in the configuration: for each role of the screen a style in words.

use std::collections::BTreeMap;
use std::str::FromStr;

use ratatui::style::{Color, Modifier, Style};

use super::keys::{Document, Problem};

/// The styles of one theme, by role.
pub type Styles = BTreeMap<String, Style>;

/// Every theme: the built-in ones, changed and added to by the user's files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Themes {
    /// The theme that the configuration asks for.
    pub chosen: Option<String>,
    /// The themes by name.
    pub by_name: BTreeMap<String, Styles>,
}

impl Themes {
    /// Returns the built-in themes.
    pub fn built_in() -> Self {
        let mut themes = Self::default();
        // A test ensures that this succeeds.
        let _ = themes.take(&Document::built_in());
        themes
    }

    /// Adds what the `[theme]` and `[theme.NAME]` tables of a configuration file say.
    ///
    /// # Errors
    /// The text is not TOML, a style is not one, or a role or the chosen theme does not exist.
    pub fn read(&mut self, file: &str, text: &str) -> Result<(), Problem> {
        self.take(&Document::parse(file, text)?)
    }

    pub(super) fn take(&mut self, document: &Document<'_>) -> Result<(), Problem> {
        let known: Vec<String> =
            self.by_name.get("dark").map(|t| t.keys().cloned().collect()).unwrap_or_default();
        let mut wrong = None;
        let mut fail = |line, message| {
            wrong.get_or_insert(Problem { file: document.file.to_owned(), line, message });
        };
        document.sections("theme", |theme, role, words, line| {
            if theme.is_empty() {
                match role.as_str() {
                    "name" => self.chosen = Some(words),
                    _ => fail(line, format!("[theme] has a name only, and no \"{role}\"")),
                }
                return;
            }
            if !known.is_empty() && !known.contains(&role) {
                fail(line, format!("no role is called \"{role}\"; there are {}", known.join(", ")));
                return;
            }
            match style(&words) {
                Ok(style) => {
                    self.by_name.entry(theme).or_default().insert(role, style);
                }
                Err(why) => fail(line, why.to_string()),
            }
        })?;
        match wrong {
            Some(problem) => Err(problem),
            None => Ok(()),
        }
    }

    /// The theme of that name, with the dark theme's styles where it says nothing.
    pub fn get(&self, name: &str) -> Option<Styles> {
        let own = self.by_name.get(name)?;
        let mut all = self.by_name.get("dark").cloned().unwrap_or_default();
        all.extend(own.iter().map(|(k, v)| (k.clone(), *v)));
        Some(all)
    }
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
        let mut themes = Themes::default();
        themes.read("default", DEFAULT).unwrap();
        assert_eq!(
            themes.by_name.keys().collect::<Vec<_>>(),
            ["contrast", "dark", "light", "mono", "nord", "solarized-light"]
        );
        for (name, styles) in &themes.by_name {
            assert_eq!(styles.len(), themes.by_name["dark"].len(), "{name}");
        }
        let mono = &themes.by_name["mono"];
        assert!(mono.values().all(|s| s.fg.is_none() && s.bg.is_none()), "mono has no color");
    }

    #[test]
    fn a_users_theme_changes_single_roles() {
        let mut themes = Themes::built_in();
        themes.read("mine", "[theme]\nname = \"mine\"\n[theme.mine]\nok = \"blue\"\n").unwrap();
        assert_eq!(themes.chosen.as_deref(), Some("mine"));
        let mine = themes.get("mine").unwrap();
        assert_eq!(mine["ok"], Style::new().fg(Color::Blue));
        assert_eq!(mine.len(), themes.by_name["dark"].len());
        let wrong = themes.read("mine", "[theme.mine]\nokk = \"blue\"\n").unwrap_err();
        assert!(wrong.to_string().starts_with("mine:2: no role is called \"okk\""), "{wrong}");
    }
}
