//! Themes: chosen, by the terminal's background, and read again with the configuration.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use sselens::action::{Effect, Keymap};
use sselens::config::keys::Preset;
use sselens::config::theme::Themes;
use sselens::tui::{AUTO, App, Colors, Event, Looks, Reloaded, Startup};

use super::play::{keys, play, startup};

const SIZE: Rect = Rect::new(0, 0, 100, 30);

fn app(name: &str) -> App {
    let looks = Looks::built_in(name);
    let mut app = App::new(Startup { looks, ..startup() });
    app.resize(SIZE.width, SIZE.height);
    app
}

fn press(app: &mut App, text: &str) {
    for key in keys(text) {
        app.update(0, Event::Input(key));
    }
}

fn drawn(app: &App) -> Buffer {
    let mut buffer = Buffer::empty(SIZE);
    app.draw(SIZE, &mut buffer);
    buffer
}

/// The color of the pane's name that has the keys: that of the focus.
fn focus(app: &App) -> Color {
    let buffer = drawn(app);
    let row = (0..SIZE.height).find(|y| buffer[(0, *y)].symbol() == "━").unwrap();
    buffer[(0, row)].fg
}

#[test]
fn the_terminals_background_decides_where_nothing_else_does() {
    let mut auto = app(AUTO);
    assert_eq!(focus(&auto), Color::Cyan, "dark until it is known");
    auto.update(0, Event::Background { light: true });
    assert_eq!(focus(&auto), Color::Blue);
    auto.update(0, Event::Background { light: false });
    assert_eq!(focus(&auto), Color::Cyan);
    let mut chosen = app("dark");
    chosen.update(0, Event::Background { light: true });
    assert_eq!(focus(&chosen), Color::Cyan);
    let light = Looks::new(Themes::built_in(), Colors::All, Some(true)).unwrap();
    assert!(!light.asks_terminal() && Looks::built_in(AUTO).asks_terminal());
}

#[test]
fn a_theme_is_seen_while_it_is_chosen() {
    let mut app = app("dark");
    let background = |app: &App| drawn(app)[(50, 20)].bg;
    press(&mut app, "<c-t>nord");
    assert_eq!(background(&app), Color::Rgb(0x2e, 0x34, 0x40));
    press(&mut app, "<esc>");
    assert_eq!(background(&app), Color::Reset, "left without a choice");
    press(&mut app, "<c-t>nord<enter>");
    assert_eq!(background(&app), Color::Rgb(0x2e, 0x34, 0x40));
    // Overlays have the theme's background, too.
    press(&mut app, "?");
    let all = drawn(&app);
    let bare = |i: &usize| all.content[*i].bg == Color::Reset;
    let bare: Vec<_> = (0..all.content.len()).filter(bare).map(|i| all.pos_of(i)).collect();
    assert!(bare.is_empty(), "{bare:?}");
    play(startup(), (100, 30), "<c-t>", Vec::new()).shows("solarized-light");
}

#[test]
fn another_configuration_counts_at_once_and_a_wrong_one_changes_nothing() {
    let mut app = app("dark");
    let rows = sselens::config::keys::read("mine", "[keys.panes]\n\"D\" = \"help\"\n").unwrap();
    let Startup { mut providers, options, tools, requests, notify, .. } = startup();
    providers.remove(0);
    let looks = Looks::built_in("light");
    let keys = Keymap::new(&rows, &sselens::tui::pane_contexts()).unwrap();
    let keymap = Preset::Default;
    let new = Reloaded { providers, requests, notify, options, keys, keymap, looks, tools };
    app.update(0, Event::Configured(Err("mine.toml:3: no action is called \"hlep\"".into())));
    let text = super::play::text_of(&drawn(&app));
    assert!(text.contains("✖ The configuration is unchanged: mine.toml:3: no action"), "{text}");
    assert_eq!(focus(&app), Color::Cyan);
    app.update(0, Event::Configured(Ok(Box::new(new))));
    assert_eq!(focus(&app), Color::Blue);
    press(&mut app, "D");
    assert!(super::play::text_of(&drawn(&app)).contains("╭─ Keys ─"));
    let played = play(startup(), (100, 30), ":read the configuration<enter>", Vec::new());
    let by_hand = Effect::ReloadConfig { if_changed: false };
    assert!(played.outside.effects.contains(&by_hand));
}

#[test]
fn the_configuration_is_looked_at_after_keys_and_seldom() {
    let mut app = app("dark");
    let mut looks = |at: u64| {
        let effects = app.update(at, Event::Input(keys("j").remove(0)));
        effects.contains(&Effect::ReloadConfig { if_changed: true })
    };
    let looked: Vec<bool> = [1, 1_500_000, 2_000_000, 2_600_000].map(&mut looks).into();
    assert_eq!(looked, [false, true, false, true]);
}
