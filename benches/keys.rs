//! From a key to the drawing that answers it, in the real program in a pty, while a large session
//! opens, when it has opened, and while it is compared with another one; against the least that a
//! ratatui program can do in the same terminal. Goal: no key waits longer than 50 ms. On a busy machine a key also
//! waits for what else runs there, so the CPU time that the thread of the screen used meanwhile stands beside it.
//!
//! The bare program is this very binary, called with `bare`. `cargo bench --bench keys -- 65 300`
//! names the sizes of the sessions in MB, `-- streams` measures only while streams arrive. SSELENS names another program
//! than the one that was built with it.

#![expect(clippy::expect_used, reason = "a benchmark that fails has to stop")]

use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode};
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use crossterm::{cursor, execute, queue};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Borders, Paragraph, Widget as _};

#[path = "support/session.rs"]
mod session;
#[path = "support/streams.rs"]
mod streams;

const COLS: u16 = 160;
const ROWS: u16 = 45;
/// The longest that a key may wait.
const GOAL: Duration = Duration::from_millis(50);
/// Between the answer to a key and the next one, so that keys fall on every moment of the work.
const PAUSE: Duration = Duration::from_millis(7);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// The help has it, and no other screen.
const HELP: &str = "─ Keys ─";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|a| a == "bare") {
        bare().expect("a terminal");
        return;
    }
    let mut sizes: Vec<u64> = args.iter().filter_map(|a| a.parse().ok()).collect();
    let only_streams = args.iter().any(|a| a == "streams");
    if sizes.is_empty() && !only_streams {
        sizes = vec![65, 300];
    }
    let home = tempfile::tempdir().expect("a folder");
    let this = std::env::current_exe().expect("this program");
    println!("from a key to its drawing, {COLS}×{ROWS}");
    let mut worst = Wait::default();
    for size in sizes {
        let (a, b) = (home.path().join("a.jsonl"), home.path().join("b.jsonl"));
        let of = session::Size::Megabytes(size);
        session::write(&a, of, "word ").expect("a session");
        session::write(&b, of, "wort ").expect("a session");
        let mut yardstick = Screen::start(&this, &["bare"], home.path());
        yardstick.until("the end of the bare screen");
        show(&format!("{size} MB: bare ratatui"), &yardstick.keys_while(300, |_| true));
        drop(yardstick);
        let mut screen =
            Screen::start(&program(), &["--no-autosave", &a.display().to_string()], home.path());
        screen.until("opening ");
        let mut phase = |name: &str, times: Vec<Wait>| {
            let longest = show(&format!("{size} MB: {name}"), &times);
            worst = Wait { wall: worst.wall.max(longest.wall), cpu: worst.cpu.max(longest.cpu) };
        };
        phase("while it opens", screen.keys_while(usize::MAX, |s| s.contains("opening ")));
        phase("when it is open", screen.keys_while(100, |_| true));
        screen.press("Cfile\r");
        screen.until("Compare with the recording");
        screen.press(&format!("{}\r", b.display()));
        screen.until("opening ");
        let busy = |s: &str| s.contains("opening ") || s.contains("Comparing");
        phase("while another opens and is compared", screen.keys_while(usize::MAX, busy));
        screen.until("Differences");
        phase("in the comparison", screen.keys_while(100, |_| true));
        screen.press("q\x0f");
        screen.until("Open (");
        screen.press(&format!("{}\r", b.display()));
        screen.until("opening ");
        phase("while it is replaced", screen.keys_while(usize::MAX, |s| s.contains("opening ")));
        phase("when it is replaced", screen.keys_while(100, |_| true));
    }
    for longest in while_streams_arrive(home.path()) {
        worst = Wait { wall: worst.wall.max(longest.wall), cpu: worst.cpu.max(longest.cpu) };
    }
    let held = |time: Duration| if time <= GOAL { "held" } else { "missed" };
    println!(
        "the longest wait was {:.1} ms (goal: at most 50 ms, {}), the most CPU time {:.1} ms ({})",
        ms(worst.wall),
        held(worst.wall),
        ms(worst.cpu),
        held(worst.cpu)
    );
}

/// The program that is measured.
fn program() -> PathBuf {
    std::env::var_os("SSELENS").map_or_else(|| env!("CARGO_BIN_EXE_sselens").into(), PathBuf::from)
}

/// Keys while a server sends what is hard to keep up with, and after it; the longest wait of each.
fn while_streams_arrive(home: &Path) -> Vec<Wait> {
    let mut longest = Vec::new();
    for (name, what) in [
        ("50 MB/s", streams::Stream::Quick),
        ("a line of 200 MB", streams::Stream::Line),
        ("300,000 choices", streams::Stream::Choices),
    ] {
        let (url, done) = streams::serve(what).expect("a server");
        let args = ["--no-autosave", "--url", &url, "--dialect", "openai-chat", "-m", "m"];
        let mut screen = Screen::start(&program(), &args, home);
        screen.until("F5");
        screen.press("\x1b[15~");
        let sent = || done.load(Ordering::Relaxed);
        let times = screen.keys_while(usize::MAX, |_| !sent());
        longest.push(show(&format!("{name}: while it arrives"), &times));
        // The last data is still read and judged after it was received.
        let until = now() + Duration::from_secs(6);
        let times = screen.keys_while(usize::MAX, |_| now() < until);
        longest.push(show(&format!("{name}: after it"), &times));
    }
    longest
}

/// How long a key waited, and how much CPU time the thread of the screen used meanwhile.
#[derive(Debug, Clone, Copy, Default)]
struct Wait {
    wall: Duration,
    cpu: Duration,
}

/// The CPU time that the main thread of a process has used, as Linux tells it; elsewhere 0.
fn cpu_time(process: Option<u32>) -> Duration {
    let text = process.and_then(|id| std::fs::read_to_string(format!("/proc/{id}/schedstat")).ok());
    let nanoseconds = text.and_then(|t| t.split(' ').next()?.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints a line about these times; returns the longest.
fn show(name: &str, waits: &[Wait]) -> Wait {
    let sorted = |of: fn(&Wait) -> Duration| {
        let mut times: Vec<Duration> = waits.iter().map(of).collect();
        times.sort_unstable();
        times
    };
    let (wall, cpu) = (sorted(|w| w.wall), sorted(|w| w.cpu));
    let (Some(longest), Some(most)) = (wall.last().copied(), cpu.last().copied()) else {
        println!("{name:<46} no key: it was over at once");
        return Wait::default();
    };
    let at = |times: &[Duration], share: usize| ms(times[(times.len() - 1) * share / 100]);
    println!(
        "{name:<46} {:>5} keys   median {:6.2}   p99 {:6.2}   longest {:6.2} ms   CPU p99 {:6.2}   most {:6.2} ms",
        wall.len(),
        at(&wall, 50),
        at(&wall, 99),
        ms(longest),
        at(&cpu, 99),
        ms(most)
    );
    Wait { wall: longest, cpu: most }
}

#[expect(clippy::disallowed_methods, reason = "a bench has a clock of its own")]
fn now() -> Instant {
    Instant::now()
}

/// A program in a pty.
struct Screen {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    /// What it wrote, and when that was read.
    output: Receiver<(Instant, Vec<u8>)>,
    parser: vt100::Parser,
    _pty: Box<dyn MasterPty + Send>,
}

impl Screen {
    fn start(program: &Path, args: &[&str], home: &Path) -> Self {
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.cwd(home);
        command.env_clear();
        command.env("HOME", home);
        command.env("TERM", "xterm-256color");
        let size = PtySize { rows: ROWS, cols: COLS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pty");
        let mut reader = pair.master.try_clone_reader().expect("its output");
        let keys = pair.master.take_writer().expect("its input");
        let child = pair.slave.spawn_command(command).expect("a process");
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if send.send((now(), buffer[..n].to_vec())).is_err() {
                    return;
                }
            }
        });
        let cells = |n| std::num::NonZeroU16::new(n).expect("a size");
        let parser = vt100::Parser::new(cells(ROWS), cells(COLS), 0);
        Self { child, keys, output, parser, _pty: pair.master }
    }

    fn text(&self) -> String {
        self.parser.screen().contents()
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("a terminal");
        self.keys.flush().expect("a terminal");
    }

    /// Waits until the screen has this text.
    fn until(&mut self, text: &str) -> Instant {
        self.until_so(text, |screen| screen.contains(text))
    }

    /// Waits until the screen is so; returns when what made it so was read.
    fn until_so(&mut self, what: &str, so: impl Fn(&str) -> bool) -> Instant {
        let mut read = now();
        let begun = read;
        while !so(&self.text()) {
            match self.output.recv_timeout(PATIENCE) {
                Ok((at, bytes)) => {
                    read = at;
                    self.parser.process(&bytes);
                }
                Err(_) => panic_with(what, &self.text()),
            }
            if begun.elapsed() > PATIENCE {
                panic_with(what, &self.text());
            }
        }
        read
    }

    /// Takes in what was written meanwhile.
    fn pause(&mut self) {
        let until = now() + PAUSE;
        loop {
            match self.output.recv_timeout(until.saturating_duration_since(now())) {
                Ok((_, bytes)) => self.parser.process(&bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Opens and closes the help, so many times at most, while the screen below it is so; returns
    /// how long each key waited.
    fn keys_while(&mut self, most: usize, so: impl Fn(&str) -> bool) -> Vec<Wait> {
        let mut times = Vec::new();
        while times.len() < most && so(&self.text()) {
            for (key, opens) in [("?", true), ("\x1b", false)] {
                let (pressed, used) = (now(), cpu_time(self.child.process_id()));
                self.press(key);
                let answered = self.until_so("the help", |s| s.contains(HELP) == opens);
                times.push(Wait {
                    wall: answered.saturating_duration_since(pressed),
                    cpu: cpu_time(self.child.process_id()).saturating_sub(used),
                });
                self.pause();
            }
        }
        times
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends the benchmark: nothing it could say would be true.
#[expect(clippy::panic, reason = "a benchmark that fails has to stop")]
fn panic_with(what: &str, screen: &str) -> ! {
    panic!("waited in vain for {what:?}:\n{screen}")
}

/// The least: a page of text, and another one over it while `?` was pressed and Esc was not.
fn bare() -> io::Result<()> {
    crossterm::terminal::enable_raw_mode()?;
    let mut out = io::stdout();
    execute!(out, crossterm::terminal::EnterAlternateScreen, cursor::Hide)?;
    let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
    let mut help = false;
    loop {
        queue!(out, BeginSynchronizedUpdate)?;
        terminal.draw(|frame| {
            let area = frame.area();
            let buf = frame.buffer_mut();
            let line = "something to read on every line, as there is on a screen in use ".repeat(2);
            let text = vec![line; usize::from(area.height)].join("\n");
            Paragraph::new(text).block(Block::new().borders(Borders::ALL)).render(area, buf);
            if help {
                let inner = Rect { x: 20, y: 5, width: 100, height: 30 };
                let text = vec![HELP; usize::from(inner.height)].join("\n");
                Paragraph::new(text).block(Block::new().borders(Borders::ALL)).render(inner, buf);
            }
            let last = Rect { y: area.bottom() - 1, height: 1, ..area };
            Paragraph::new("the end of the bare screen").render(last, buf);
        })?;
        execute!(out, EndSynchronizedUpdate)?;
        loop {
            if let Event::Key(key) = crossterm::event::read()? {
                help = key.code == KeyCode::Char('?');
                break;
            }
        }
    }
}
