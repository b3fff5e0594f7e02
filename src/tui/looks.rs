//! The theme that is shown: the one that was chosen, or by the terminal's background.

use super::colors::Colors;
use super::theme::Theme;
use crate::config::theme::Themes;

/// The name that leaves the choice to the terminal.
pub const AUTO: &str = "auto";

/// The themes to choose from, and which of them is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Looks {
    themes: Themes,
    /// The colors that the terminal shows.
    colors: Colors,
    chosen: String,
    /// True if the terminal is light, as far as it is known.
    light: Option<bool>,
}

/// A theme that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no theme is called {name:?}; there are {AUTO}, {}", known.join(", "))]
pub struct UnknownTheme {
    /// Its name.
    pub name: String,
    /// Those that there are.
    pub known: Vec<String>,
}

impl Looks {
    /// The looks of a configuration.
    ///
    /// # Errors
    /// It chooses a theme that it does not have.
    pub fn new(themes: Themes, colors: Colors, light: Option<bool>) -> Result<Self, UnknownTheme> {
        let chosen = themes.chosen.clone().unwrap_or_else(|| AUTO.to_owned());
        if chosen != AUTO && !themes.names().contains(&*chosen) {
            let known = themes.names().into_iter().map(str::to_owned).collect();
            return Err(UnknownTheme { name: chosen, known });
        }
        Ok(Self { themes, colors, chosen, light })
    }

    /// The looks with the built-in theme of that name, in color.
    pub fn built_in(name: &str) -> Self {
        let themes = Themes::built_in();
        Self { themes, colors: Colors::All, chosen: name.to_owned(), light: None }
    }

    /// The same without colors.
    pub fn without_color(self) -> Self {
        Self { colors: Colors::None, ..self }
    }

    /// Returns whether the terminal's background decides, and is not known.
    pub fn asks_terminal(&self) -> bool {
        self.colors != Colors::None && self.chosen == AUTO && self.light.is_none()
    }

    /// The terminal is light, or dark.
    pub(super) fn set_light(&mut self, light: bool) {
        self.light = Some(light);
    }

    /// The choice: a theme's name, or that the terminal decides.
    pub(super) fn chosen(&self) -> &str {
        &self.chosen
    }

    pub(super) fn choose(&mut self, name: &str) {
        name.clone_into(&mut self.chosen);
    }

    /// Takes what the configuration says now; what is known of the terminal stays.
    pub(super) fn reload(&mut self, new: Looks) {
        let light = self.light.or(new.light);
        *self = Looks { light, ..new };
    }

    /// The names to choose from.
    pub(super) fn names(&self) -> Vec<String> {
        let own = self.themes.names();
        std::iter::once(AUTO).chain(own).map(str::to_owned).collect()
    }

    /// The theme that is shown.
    pub fn theme(&self) -> Theme {
        self.named(&self.chosen)
    }

    /// The theme of that name. Without color it is `mono`, whatever the name: the others say too much
    /// by color alone.
    pub(super) fn named(&self, name: &str) -> Theme {
        let color = self.colors != Colors::None;
        let name = match (color, name, self.light) {
            (false, ..) => "mono",
            (true, AUTO, Some(true)) => "light",
            (true, AUTO, _) => "dark",
            (true, name, _) => name,
        };
        let mut styles = self.themes.get(name).unwrap_or_default();
        styles.values_mut().for_each(|style| *style = self.colors.fit(*style));
        Theme::new(&styles, color)
    }
}
