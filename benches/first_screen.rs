//! From the start of the process to the first whole screen, against the least that a ratatui
//! program can do: take the terminal, draw one frame of the same size, wait. Both run in a pty, in
//! turns, so that what else the machine does falls on both. Goal: at most 1.5 times as long.
//!
//! The bare program is this very binary, called with `bare`.

#![expect(clippy::expect_used, reason = "a benchmark that fails has to stop")]

use std::io::{self, Read as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use crossterm::{cursor, execute, queue};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Borders, Paragraph, Widget as _};

const COLS: u16 = 160;
const ROWS: u16 = 45;
const RUNS: usize = 21;
/// Both programs say so that a drawing is complete.
const DRAWN: &[u8] = b"\x1b[?2026l";

fn main() {
    if std::env::args().any(|a| a == "bare") {
        bare().expect("a terminal");
        return;
    }
    let this = std::env::current_exe().expect("this program");
    let bare = || start(&this, &["bare"], "the end of the bare screen");
    let ours = || start(Path::new(env!("CARGO_BIN_EXE_sselens")), &[], "F5 send");
    // The first of each comes from the disk.
    bare();
    ours();
    let (mut bares, mut all) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        bares.push(bare());
        all.push(ours());
    }
    println!("from the start to the first screen of {COLS}×{ROWS}, {RUNS} runs");
    let bare = show("bare ratatui", &mut bares);
    let ours = show("sselens", &mut all);
    println!("sselens takes {:.2}× as long (goal: at most 1.5×)", ours / bare);
}

fn show(name: &str, times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let ms = |i: usize| times[i].as_secs_f64() * 1e3;
    let median = ms(times.len() / 2);
    println!("{name:<14} median {median:6.2} ms   {:6.2} to {:6.2}", ms(0), ms(times.len() - 1));
    median
}

#[expect(clippy::disallowed_methods, reason = "a bench has a clock of its own")]
fn now() -> Instant {
    Instant::now()
}

/// Starts a program in a pty and times it until a whole screen is there, which must have `text`.
fn start(program: &Path, args: &[&str], text: &str) -> Duration {
    let home = tempfile::tempdir().expect("a folder");
    let mut command = CommandBuilder::new(program);
    command.args(args);
    command.cwd(home.path());
    command.env_clear();
    command.env("HOME", home.path());
    command.env("TERM", "xterm-256color");
    let size = PtySize { rows: ROWS, cols: COLS, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).expect("a pty");
    let mut reader = pair.master.try_clone_reader().expect("its output");
    let begun = now();
    let mut child = pair.slave.spawn_command(command).expect("a process");
    let mut seen = Vec::new();
    let mut buffer = [0; 65536];
    while !seen.windows(DRAWN.len()).any(|w| w == DRAWN) {
        let n = reader.read(&mut buffer).expect("a first screen");
        assert!(n > 0, "it ended: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..n]);
    }
    let took = begun.elapsed();
    let cells = |n| std::num::NonZeroU16::new(n).expect("a size");
    let mut parser = vt100::Parser::new(cells(ROWS), cells(COLS), 0);
    parser.process(&seen);
    let screen = parser.screen().contents();
    assert!(screen.contains(text), "no {text:?} in\n{screen}");
    // Its own processes only, and to the end: the next run must not share the machine with it.
    let _ = child.kill();
    let _ = child.wait();
    took
}

/// The least: raw mode, the other screen, one drawing.
fn bare() -> io::Result<()> {
    crossterm::terminal::enable_raw_mode()?;
    let mut out = io::stdout();
    execute!(out, crossterm::terminal::EnterAlternateScreen, cursor::Hide)?;
    let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
    queue!(out, BeginSynchronizedUpdate)?;
    terminal.draw(|frame| {
        let area = frame.area();
        let buf = frame.buffer_mut();
        let line = "something to read on every line, as there is on a screen in use ".repeat(2);
        let text = vec![line; usize::from(area.height)].join("\n");
        Paragraph::new(text).block(Block::new().borders(Borders::ALL)).render(area, buf);
        let last = Rect { y: area.bottom() - 1, height: 1, ..area };
        Paragraph::new("the end of the bare screen").render(last, buf);
    })?;
    execute!(out, EndSynchronizedUpdate)?;
    crossterm::event::read()?;
    Ok(())
}
