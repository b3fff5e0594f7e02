//! From the start of the process to the first whole screen, and the memory at rest, against the least that a
//! ratatui program can do: take the terminal, draw one frame of the same size, wait. Both run in a pty, in
//! turns, so that what else the machine does falls on both. Goals: at most 1.4 times as long, 2.5 times the
//! memory. The first screen of a session of a million reads is compared too: at most 3 times as long.
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

#[path = "support/session.rs"]
mod session;

const COLS: u16 = 160;
const ROWS: u16 = 45;
const RUNS: usize = 21;
/// After the first screen, until the memory is looked at.
const REST: Duration = Duration::from_millis(100);
/// Both programs say so that a drawing is complete.
const DRAWN: &[u8] = b"\x1b[?2026l";

fn main() {
    if std::env::args().any(|a| a == "bare") {
        bare().expect("a terminal");
        return;
    }
    let home = tempfile::tempdir().expect("a folder");
    // Copies, as an installed program is one: a linker writes its file in pieces, of which the system's cache
    // has more and smaller parts.
    let copy = |program: &Path, name: &str| {
        let copy = home.path().join(name);
        std::fs::copy(program, &copy).expect("a copy");
        copy
    };
    let this = copy(&std::env::current_exe().expect("this program"), "bare");
    let program = copy(Path::new(env!("CARGO_BIN_EXE_sselens")), "sselens");
    let file = home.path().join("long.jsonl");
    session::write(&file, session::Size::Reads(1_000_000), "word ").expect("a session");
    let file = file.display().to_string();
    let bare = || start(&this, &["bare"], "the end of the bare screen");
    let ours = || start(&program, &[], "F5 send");
    let opens = || start(&program, &["--no-autosave", &file], "word");
    // Discard the first run of each: it reads from the disk.
    let mut all = [bare(), ours(), opens(), ours()].map(|_| Vec::new());
    for _ in 0..RUNS {
        all[0].push(bare());
        all[1].push(ours());
    }
    // Apart from those: it fills the caches.
    for _ in 0..RUNS {
        all[2].push(opens());
        all[3].push(ours());
    }
    println!("from the start to the first screen of {COLS}×{ROWS}, {RUNS} runs, medians");
    let names = ["bare ratatui", "sselens", "opening a million reads", "sselens between those"];
    let of = std::array::from_fn::<_, 4, _>(|i| show(names[i], &all[i]));
    println!(
        "{:<24} time {:.2}× (goal 1.4×), CPU time {:.2}×, memory {:.2}× (goal 2.5×), of its own {:.2}×",
        "sselens to bare",
        of[1].wall / of[0].wall,
        of[1].cpu / of[0].cpu,
        of[1].resident / of[0].resident,
        of[1].anonymous / of[0].anonymous
    );
    println!("{:<24} time {:.2}×", "opening to sselens", of[2].wall / of[3].wall);
}

/// What a start took, in milliseconds and MB. CPU time and memory are read where the system tells.
#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: f64,
    /// Of all threads.
    cpu: f64,
    resident: f64,
    anonymous: f64,
}

fn show(name: &str, costs: &[Cost]) -> Cost {
    let median = |of: fn(&Cost) -> f64| {
        let mut all: Vec<f64> = costs.iter().map(of).collect();
        all.sort_unstable_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let cost = Cost {
        wall: median(|c| c.wall),
        cpu: median(|c| c.cpu),
        resident: median(|c| c.resident),
        anonymous: median(|c| c.anonymous),
    };
    println!(
        "{name:<24} {:6.2} ms   CPU {:6.2} ms   resident {:5.2} MB, of its own {:5.2} MB",
        cost.wall, cost.cpu, cost.resident, cost.anonymous
    );
    cost
}

/// CPU time of all threads so far, and the memory, as Linux tells them; elsewhere 0.
fn usage(process: Option<u32>) -> (f64, f64, f64) {
    let Some(process) = process else { return Default::default() };
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let of_task = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    let nanoseconds: f64 = tasks.filter_map(of_task).sum();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let megabytes = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        line.and_then(|l| l.split_whitespace().next()?.parse().ok())
            .map_or(0.0, |kb: f64| kb / 1024.0)
    };
    (nanoseconds / 1e6, megabytes("VmRSS:"), megabytes("RssAnon:"))
}

#[expect(clippy::disallowed_methods, reason = "a bench has a clock of its own")]
fn now() -> Instant {
    Instant::now()
}

/// Starts a program in a pty and times it until a whole screen is there, which must have `text`.
fn start(program: &Path, args: &[&str], text: &str) -> Cost {
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
    let wall = begun.elapsed().as_secs_f64() * 1e3;
    // Measure the CPU time now: work after the first screen does not count, and at rest there is none.
    let (cpu, ..) = usage(child.process_id());
    std::thread::sleep(REST);
    let (_, resident, anonymous) = usage(child.process_id());
    let cells = |n| std::num::NonZeroU16::new(n).expect("a size");
    let mut parser = vt100::Parser::new(cells(ROWS), cells(COLS), 0);
    parser.process(&seen);
    let screen = parser.screen().contents();
    assert!(screen.contains(text), "no {text:?} in\n{screen}");
    // Only this run's own process, and wait until it has ended: the next run must not share the machine with
    // it.
    let _ = child.kill();
    let _ = child.wait();
    Cost { wall, cpu, resident, anonymous }
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
