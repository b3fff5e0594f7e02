//! The look of each thing on the screen.

use ratatui::style::Style;

use crate::config::theme::Styles;

/// Makes the roles and their names from one table.
macro_rules! roles {
    ($($variant:ident $name:literal)*) => {
        /// A role that a piece of the screen plays; the theme sets its style.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are the configuration's")]
        pub enum Role { $($variant),* }

        impl Role {
            /// Every role.
            pub const ALL: &'static [Role] = &[$(Role::$variant),*];

            /// Its name in the configuration.
            pub fn name(self) -> &'static str {
                match self { $(Role::$variant => $name),* }
            }
        }
    };
}

roles! {
    Text "text"
    Dim "dim"
    Title "title"
    Line "line"
    Focus "focus"
    Tab "tab"
    Selected "selected"
    Unfocused "unfocused"
    Mark "mark"
    Key "key"
    Label "label"
    Number "number"
    Content "content"
    Reasoning "reasoning"
    Thought "thought"
    Tool "tool"
    Refusal "refusal"
    Comment "comment"
    JsonKey "json-key"
    JsonString "json-string"
    JsonNumber "json-number"
    JsonWord "json-word"
    Control "control"
    Delta "delta"
    Match "match"
    Ok "ok"
    Info "info"
    Warn "warn"
    Error "error"
    Fatal "fatal"
    Running "running"
    BarConnect "bar-connect"
    BarWait "bar-wait"
    BarReasoning "bar-reasoning"
    BarContent "bar-content"
    BarTool "bar-tool"
    BandHealthy "band-healthy"
    BandDegraded "band-degraded"
    BandFailed "band-failed"
    BandRunning "band-running"
    BandStalled "band-stalled"
    BandNeutral "band-neutral"
    BandIdle "band-idle"
}

/// The styles of the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    styles: Vec<Style>,
    /// True if colors are shown at all (`NO_COLOR`); attributes always are.
    pub color: bool,
}

impl Theme {
    /// A theme from the configuration's styles; a role that they leave out looks plain.
    pub fn new(styles: &Styles, color: bool) -> Self {
        let named = |r: Role| styles.get(r.name()).copied().unwrap_or_default();
        // A theme's own background applies to everything.
        let background = named(Role::Text).bg;
        let of = |r: &Role| {
            let style = named(*r);
            Style { bg: style.bg.or(background), ..style }
        };
        Self { styles: Role::ALL.iter().map(of).collect(), color }
    }

    /// The style of a role.
    pub fn of(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::theme::Themes;

    #[test]
    fn the_configuration_names_every_role() {
        let themes = Themes::built_in();
        for name in themes.names() {
            let styles = themes.get(name).unwrap();
            for role in Role::ALL {
                assert!(styles.contains_key(role.name()), "{name} lacks {}", role.name());
            }
            assert_eq!(styles.len(), Role::ALL.len(), "{name} has unknown roles");
        }
    }
}
