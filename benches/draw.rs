//! What a drawing costs with a million frames loaded, against a thousand: it must cost what is on
//! the screen, not what is loaded. Goal: at most 1.2 times as much, in the middle and at the end,
//! at rest and while something changes between two drawings. How long a million frames take to
//! arrive is reported, too.

#![expect(clippy::expect_used, reason = "a benchmark that fails has to stop")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::{Event as Input, KeyCode, KeyEvent};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use sselens::action::Keymap;
use sselens::config::{Config, ConfigSources};
use sselens::journal::{Entry, EntryKind, Head, Request};
use sselens::transport::{Draft, News};
use sselens::tui::{App, Event, Startup, Tools};

const FEW: usize = 1_000;
const MANY: usize = 1_000_000;
const SIZE: (u16, u16) = (160, 45);
const RUNS: usize = 201;

/// A screen with so many frames, and the terminal that it is drawn on.
struct Loaded {
    app: App,
    terminal: Terminal<TestBackend>,
    frames: usize,
}

impl Loaded {
    fn new(frames: usize) -> Self {
        let config = Config::load(ConfigSources::default()).expect("the built-in configuration");
        let app = App::new(Startup {
            keeps_drafts: false,
            providers: Vec::new(),
            draft: Draft { body: b"{}".to_vec(), ..Draft::default() },
            session: None,
            open: None,
            options: Arc::default(),
            keys: Keymap::new(&config.keys, &sselens::tui::pane_contexts())
                .expect("the built-in keys"),
            requests: std::path::PathBuf::new(),
            notify: sselens::config::Notifications::default(),
            keymap: sselens::config::keys::Preset::Default,
            looks: sselens::tui::Looks::built_in("dark"),
            messages: Vec::new(),
            tools: Tools {
                parse_curl: Arc::new(|_| Err(sselens::storage::curl::CurlError::NotCurl)),
                to_curl: Arc::new(|_| String::new()),
                to_markdown: Arc::new(|_| String::new()),
                variables: Arc::new(|_| Vec::new()),
                body: Arc::new(|_, _| String::new()),
            },
        });
        let terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).expect("a terminal");
        let mut loaded = Self { app, terminal, frames: 0 };
        loaded.app.resize(SIZE.0, SIZE.1);
        let request = Request { dialect: "openai-chat".into(), ..Request::default() };
        loaded.push(EntryKind::Request(Box::new(request)));
        let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
        loaded.push(EntryKind::Head(Head { status: 200, headers, ..Head::default() }));
        (0..frames).for_each(|_| loaded.frame());
        loaded
    }

    fn now(&self) -> u64 {
        1_000 * self.frames as u64
    }

    fn push(&mut self, what: EntryKind) {
        let at = self.now();
        let entry = Entry { exchange: 0, at: Some(at), kind: what };
        self.app.update(at, Event::News(News::Entry(entry)));
    }

    /// One more frame comes, in a read of its own.
    fn frame(&mut self) {
        let i = self.frames;
        let bytes = bytes::Bytes::from(format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1795251234,\
             \"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" w{i:07}\"}},\
             \"finish_reason\":null}}]}}\n\n"
        ));
        self.frames += 1;
        self.push(EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() });
    }

    fn key(&mut self, code: KeyCode) {
        let at = self.now();
        self.app.update(at, Event::Input(Input::Key(KeyEvent::from(code))));
    }

    /// Selects the frame in the middle, as a user gets there: by searching for its text.
    fn go_to_middle(&mut self) {
        let text = format!("w{:07}", self.frames / 2);
        self.key(KeyCode::Char('2'));
        self.key(KeyCode::Char('/'));
        text.chars().for_each(|c| self.key(KeyCode::Char(c)));
        self.key(KeyCode::Enter);
        self.draw();
        let shown = self.terminal.backend().to_string();
        assert!(shown.contains(&text), "{shown}");
    }

    fn draw(&mut self) {
        let app = &self.app;
        let drawn = self.terminal.draw(|frame| app.draw(frame.area(), frame.buffer_mut()));
        black_box(drawn.expect("no terminal to lose"));
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench has a clock of its own")]
fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// Times the same thing with few and with many, in turns.
fn compare(name: &str, few: &mut Loaded, many: &mut Loaded, work: impl Fn(&mut Loaded)) -> f64 {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        a.push(time(|| work(few)));
        b.push(time(|| work(many)));
    }
    let (a, b) = (median(a), median(b));
    println!("{name:<44} {a:8.0} µs {b:8.0} µs   {:5.2}×", b / a);
    b / a
}

fn main() {
    let mut few = Loaded::new(FEW);
    let mut many = None;
    let took = time(|| many = Some(Loaded::new(MANY))).as_secs_f64();
    let mut many = many.expect("just made");
    println!("{MANY} frames arrive in {took:.2} s ({:.2} µs each)", took * 1e6 / MANY as f64);
    println!("{:<44} {FEW:>11} {MANY:>11}", format!("a drawing of {}×{}, loaded:", SIZE.0, SIZE.1));
    let mut worst = 0.0_f64;
    let mut row = |name, few: &mut Loaded, many: &mut Loaded, work: fn(&mut Loaded)| {
        worst = worst.max(compare(name, few, many, work));
    };
    row("following at the end, at rest", &mut few, &mut many, Loaded::draw);
    row("following at the end, a frame came", &mut few, &mut many, |l| {
        l.frame();
        l.draw();
    });
    few.go_to_middle();
    many.go_to_middle();
    row("in the middle, at rest", &mut few, &mut many, Loaded::draw);
    row("in the middle, a frame came", &mut few, &mut many, |l| {
        l.frame();
        l.draw();
    });
    row("in the middle, one row down", &mut few, &mut many, |l| {
        l.key(KeyCode::Char('j'));
        l.draw();
    });
    println!("the worst is {worst:.2}× (goal: at most 1.2×)");
}
