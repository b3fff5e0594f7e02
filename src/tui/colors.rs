//! The colors that a terminal shows, and the nearest ones to those that it does not.

use anstyle::{Ansi256Color, RgbColor};
use anstyle_lossy::palette::DEFAULT;
use anstyle_lossy::{rgb_to_ansi, rgb_to_xterm, xterm_to_ansi};
use ratatui::style::{Color, Style};

/// The colors that a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Colors {
    /// None: `NO_COLOR`.
    None,
    /// The sixteen that have names.
    Sixteen,
    /// The 256 that have numbers.
    Indexed,
    /// All: 24 bits.
    All,
}

/// The sixteen colors in the order of their numbers.
const NAMED: [Color; 16] = [
    Color::Black,
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::Gray,
    Color::DarkGray,
    Color::LightRed,
    Color::LightGreen,
    Color::LightYellow,
    Color::LightBlue,
    Color::LightMagenta,
    Color::LightCyan,
    Color::White,
];

/// Values of `TERM` that promise no more than sixteen colors. Other names are those of terminals of
/// today, or say how many they have.
const FEW: &[&str] =
    &["", "ansi", "cygwin", "dumb", "linux", "rxvt", "screen", "vt100", "vt220", "xterm"];

impl Colors {
    /// The colors of the terminal that environment variables describe: `NO_COLOR`, `COLORTERM`, `TERM`.
    pub fn of_terminal(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if set("NO_COLOR").is_some() {
            return Self::None;
        }
        // Windows consoles show all colors, and set neither variable.
        let of_windows = cfg!(windows) && set("TERM").is_none();
        let colorterm = set("COLORTERM").unwrap_or_default();
        let term = set("TERM").unwrap_or_default();
        if of_windows || matches!(&*colorterm, "truecolor" | "24bit") || term.ends_with("-direct") {
            return Self::All;
        }
        let few = term.ends_with("-color") || term.ends_with("-16color") || FEW.contains(&&*term);
        if few { Self::Sixteen } else { Self::Indexed }
    }

    /// The style in these colors: each color that the terminal lacks becomes the nearest it has.
    pub(super) fn fit(self, style: Style) -> Style {
        let fit = |color: Option<Color>| color.map(|color| self.nearest(color));
        Style {
            fg: fit(style.fg),
            bg: fit(style.bg),
            underline_color: fit(style.underline_color),
            ..style
        }
    }

    fn nearest(self, color: Color) -> Color {
        let named = |number: Ansi256Color| NAMED[usize::from(number.0) % NAMED.len()];
        match (self, color) {
            (Self::Indexed, Color::Rgb(r, g, b)) => {
                Color::Indexed(rgb_to_xterm(RgbColor(r, g, b)).0)
            }
            (Self::Sixteen, Color::Rgb(r, g, b)) => {
                named(Ansi256Color::from_ansi(rgb_to_ansi(RgbColor(r, g, b), DEFAULT)))
            }
            (Self::Sixteen, Color::Indexed(n)) => {
                named(Ansi256Color::from_ansi(xterm_to_ansi(Ansi256Color(n), DEFAULT)))
            }
            // Without color support, the drawing code removes the colors.
            _ => color,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal(variables: &[(&str, &str)]) -> Colors {
        let of = |name: &str| variables.iter().find(|(n, _)| *n == name);
        Colors::of_terminal(|name| of(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_environment_says_how_many_colors_there_are() {
        for (term, colors) in [
            ("linux", Colors::Sixteen),
            ("xterm", Colors::Sixteen),
            ("xterm-16color", Colors::Sixteen),
            ("screen", Colors::Sixteen),
            ("xterm-256color", Colors::Indexed),
            ("tmux-256color", Colors::Indexed),
            ("xterm-kitty", Colors::Indexed),
            ("alacritty", Colors::Indexed),
            ("xterm-direct", Colors::All),
        ] {
            assert_eq!(terminal(&[("TERM", term)]), colors, "{term}");
            let all = terminal(&[("TERM", term), ("COLORTERM", "truecolor")]);
            assert_eq!(all, Colors::All, "{term}");
            let none = terminal(&[("TERM", term), ("NO_COLOR", "1")]);
            assert_eq!(none, Colors::None, "{term}");
        }
    }

    #[test]
    fn a_color_becomes_the_nearest_that_there_is() {
        let style = Style::new().fg(Color::Rgb(0xff, 0x88, 0)).bg(Color::Rgb(0, 0, 0));
        assert_eq!(Colors::All.fit(style), style);
        let indexed = Colors::Indexed.fit(style);
        assert_eq!((indexed.fg, indexed.bg), (Some(Color::Indexed(208)), Some(Color::Indexed(16))));
        let sixteen = Colors::Sixteen.fit(style);
        assert_eq!(sixteen.bg, Some(Color::Black));
        let is_named = |color: Option<Color>| color.is_some_and(|color| NAMED.contains(&color));
        assert!(is_named(sixteen.fg), "{sixteen:?}");
        assert!(is_named(Colors::Sixteen.fit(Style::new().fg(Color::Indexed(208))).fg));
        let plain = Style::new().fg(Color::LightRed);
        assert_eq!(Colors::Sixteen.fit(plain), plain);
    }
}
