//! Screen tests of one line: a size, keys, and what the screen has then. A line that begins with
//! `!` is what it must not have.
//!
//! Keys are as in [`super::play::keys`]. The recording reasons and says nothing (19 frames).

use super::play::screen;

const ROWS: &[(&str, &str, &[&str])] = &[
    // Navigation: a pane by its number, its tabs by t and T.
    ("80x24", "1", &["━ 1 Request ━", "!━ 2 Frames ━"]),
    ("80x24", "2", &["━ 2 Frames ━", "!━ 1 Request ━"]),
    ("80x24", "3", &["━ 3 Bytes ━"]),
    ("80x24", "4", &["━ 4 Answer ━", "via choices[].delta.reasoning ×15"]),
    ("80x24", "5", &["━ 5 Timeline ━", "reasoning-only"]),
    ("80x24", "6", &["Exchanges has nothing to show here"]),
    ("80x24", "4<tab>", &["━ 5 Timeline ━"]),
    ("80x24", "5<s-tab>", &["━ 4 Answer ━"]),
    ("100x30", "2z", &["━ 2 Frames ━", "!4 Answer ─"]),
    // Moving stops at the first and last row.
    ("80x24", "2g", &["▸   0"]),
    ("80x24", "2gk", &["▸   0"]),
    ("80x24", "2gj", &["▸·  1"]),
    ("80x24", "2gjjk", &["▸·  1"]),
    ("80x24", "2gG", &["▸  18"]),
    ("80x24", "2gGj", &["▸  18"]),
    ("80x24", "2g<end><home>", &["▸   0"]),
    // The next problem, from any pane, and its explanation.
    ("80x24", "e", &["▸✖ 17"]),
    ("80x24", "5e2", &["▸✖ 17"]),
    ("80x24", "ev", &["╭─ reasoning-only ─", "What it is", "3 Bytes"]),
    ("80x24", "e<enter>", &["╭─ reasoning-only ─"]),
    ("160x45", "1e<enter>", &["╭─ reasoning-only ─", "Who it breaks", "Fix", "5 Timeline"]),
    ("80x24", "ev<esc>", &["!╭─ reasoning-only ─"]),
    // Overlays open, and close by Escape or by their key.
    ("80x24", "?", &["╭─ Keys ─"]),
    ("80x24", "2?", &["In the frames"]),
    ("80x24", "4?", &["In the answer"]),
    ("80x24", "?<esc>", &["!╭─ Keys ─"]),
    ("80x24", "<f1>", &["╭─ Keys ─"]),
    ("80x24", ":zoom<esc>", &["!zoom"]),
    // A pane that has the whole screen cannot grow, and says so.
    ("80x24", "3", &["!z zoom"]),
    ("80x24", "3z", &["This size has room for one pane"]),
    ("160x45", "3", &["z zoom"]),
    // Search selects the frame, and n the next one.
    ("80x24", "2g/greet<enter>", &["▸   4"]),
    ("80x24", "2g/greet<enter>n", &["▸   7"]),
    ("80x24", "2g/no such words<enter>", &["no such words"]),
    // One key selects the frame after the longest wait.
    ("80x24", "2gw", &["▸·  1", "+20ms before frame 1; the longest"]),
    ("80x24", "2gww", &["▸·  2", "+20ms before frame 2; number 2 by length"]),
    // Every size draws, and one that is too small shows a message.
    ("40x10", "2", &["2 Frames"]),
    ("38x9", "2", &["terminal too small: 38×9", "!2 Frames"]),
];

#[test]
fn keys_lead_to_lines() {
    let mut wrong = Vec::new();
    for (size, keys, lines) in ROWS {
        let (width, height) = size.split_once('x').unwrap();
        let text = screen(width.parse().unwrap(), height.parse().unwrap(), keys).text();
        for line in *lines {
            let (so, line) = line.strip_prefix('!').map_or((true, *line), |rest| (false, rest));
            if text.lines().any(|l| l.contains(line)) != so {
                let not = if so { "no" } else { "still a" };
                wrong.push(format!("{size} {keys:?}: {not} line with {line:?}\n{text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
