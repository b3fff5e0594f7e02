//! Driving the real loop over a `TestBackend`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use futures_util::{Stream, stream};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use sselens::action::{
    Done, Effect, Keymap, Opened, SavedExchange, SavedSession, SentRequest, SessionHit,
    StoredRequest,
};
use sselens::config::keys::Preset;
use sselens::config::{Environment, Notifications};
use sselens::inspect::InspectOptions;
use sselens::journal::{EndCause, Entry, EntryKind, Head, Request};
use sselens::transport::{Clock, Draft, News};
use sselens::tui::{
    self, Console, EditError, EffectRunner, Ended, Looks, ProviderInfo, Run, Signal, Startup, Tools,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// A chunk of `openai-chat`.
pub(crate) fn chunk(delta: &str) -> String {
    let id = r#"{"id":"c1","object":"chat.completion.chunk","model":"qwen3-32b""#;
    format!(
        "data: {id},\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n"
    )
}

/// The frames of a stream that reasons and says nothing.
pub(crate) fn reasoning_only() -> Vec<String> {
    let mut frames = vec![chunk(r#"{"role":"assistant","content":""}"#), ": keep-alive\n\n".into()];
    for word in "The user greets me. I greet back, and I do so in one short sentence.".split(' ') {
        frames.push(chunk(&format!("{{\"reasoning\":\"{word} \"}}")));
    }
    frames.push(chunk("{}").replace("null}", "\"stop\"}"));
    frames.push("data: [DONE]\n\n".into());
    frames
}

/// An exchange that brings these pieces, one read each, 20 ms apart.
pub(crate) fn exchange<T: AsRef<[u8]>>(x: u32, pieces: &[T]) -> Vec<Entry> {
    let entry = |at, what| Entry { exchange: x, at: Some(at), kind: what };
    let headers = |list: &[(&str, &str)]| {
        list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
    };
    let request = Request {
        method: "POST".into(),
        url: "http://127.0.0.1:4000/v1/chat/completions".into(),
        headers: headers(&[("authorization", "Bearer ********")]),
        body: Bytes::from_static(b"{\n  \"model\": \"lab/reasoning-only\",\n  \"stream\": true\n}"),
        provider: "lab".into(),
        dialect: "openai-chat".into(),
        model: "lab/reasoning-only".into(),
        ..Request::default()
    };
    let head = Head {
        status: 200,
        version: "HTTP/1.1".into(),
        headers: headers(&[("content-type", "text/event-stream")]),
        ..Head::default()
    };
    let mut entries = vec![
        entry(0, EntryKind::Request(Box::new(request))),
        entry(4_000, EntryKind::Connected { peer: Some("127.0.0.1:4000".into()) }),
        entry(60_000, EntryKind::Head(head)),
    ];
    let mut at = 60_000;
    for piece in pieces {
        at += 20_000;
        let bytes = Bytes::copy_from_slice(piece.as_ref());
        let len = bytes.len() as u32;
        entries.push(entry(at, EntryKind::Body { len, bytes, masked: Vec::new() }));
    }
    entries.push(entry(
        at + 1_000,
        EntryKind::End { cause: EndCause::Complete, detail: String::new() },
    ));
    entries
}

/// Keys as a string: `jj<tab>?<f5><c-s>`, `<paste:…>`, `<click:X,Y>`, `<wheel:X,Y>`.
pub(crate) fn keys(text: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((name, after)) =
            rest.strip_prefix('<').and_then(|r| r.split_once('>')).filter(|_| c == '<')
        {
            events.push(named(name));
            rest = after;
        } else {
            events.push(key(KeyCode::Char(c), KeyModifiers::NONE));
            rest = &rest[c.len_utf8()..];
        }
    }
    events
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn named(name: &str) -> Event {
    let mouse = |kind, at: &str| {
        let (column, row) = at.split_once(',').unwrap();
        let (column, row) = (column.parse().unwrap(), row.parse().unwrap());
        Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
    };
    if let Some(text) = name.strip_prefix("paste:") {
        return Event::Paste(text.to_owned());
    }
    if let Some(at) = name.strip_prefix("click:") {
        return mouse(MouseEventKind::Down(MouseButton::Left), at);
    }
    if let Some(at) = name.strip_prefix("wheel:") {
        return mouse(MouseEventKind::ScrollDown, at);
    }
    if let Some(c) = name.strip_prefix("c-") {
        return key(KeyCode::Char(c.chars().next().unwrap()), KeyModifiers::CONTROL);
    }
    let code = match name {
        "tab" => KeyCode::Tab,
        "s-tab" => return key(KeyCode::BackTab, KeyModifiers::SHIFT),
        "s-left" => return key(KeyCode::Left, KeyModifiers::SHIFT),
        "s-right" => return key(KeyCode::Right, KeyModifiers::SHIFT),
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "end" => KeyCode::End,
        "home" => KeyCode::Home,
        "bs" => KeyCode::Backspace,
        "del" => KeyCode::Delete,
        "pgdn" => KeyCode::PageDown,
        "pgup" => KeyCode::PageUp,
        f => KeyCode::F(f.strip_prefix('f').unwrap().parse().unwrap()),
    };
    key(code, KeyModifiers::NONE)
}

/// The beginning of a test: two providers, the lab chosen.
pub(crate) fn startup() -> Startup {
    let lab = ProviderInfo {
        name: "lab".into(),
        dialect: "openai-chat".into(),
        base_url: "http://127.0.0.1:4000/v1/chat/completions".into(),
        model: "lab/reasoning-only".into(),
        about: "embedded, no key, no network".into(),
        models: vec![
            ("lab/reasoning-only".into(), "reasons and says nothing".into()),
            ("lab/empty-stream".into(), "200 and not one byte".into()),
        ]
        .into(),
        ..ProviderInfo::default()
    };
    let other = ProviderInfo {
        name: "openai".into(),
        dialect: "openai-chat".into(),
        base_url: "https://api.openai.com/v1/chat/completions".into(),
        model: "gpt-4.1-mini".into(),
        key_variable: Some("OPENAI_API_KEY".into()),
        about: "OpenAI".into(),
        ..ProviderInfo::default()
    };
    Startup {
        keeps_drafts: false,
        requests: "requests".into(),
        notify: Notifications::default(),
        providers: vec![lab, other],
        draft: Draft { provider: "lab".into(), ..Draft::default() },
        session: None,
        open: None,
        options: Arc::new(InspectOptions::default()),
        keys: Keymap::built_in(&sselens::tui::pane_contexts()),
        keymap: Preset::Default,
        looks: Looks::built_in("dark"),
        messages: Vec::new(),
        tools: Tools {
            parse_curl: Arc::new(|command: &str| {
                sselens::storage::curl::parse(command, &|_| None).map(|curl| curl.draft)
            }),
            to_curl: Arc::new(|r| format!("curl {}", r.url)),
            to_markdown: Arc::new(|report| report.markdown(&|_| None)),
            variables: Arc::new(|draft| {
                let environment = Environment::of(&[("TEST_SET", "value of the environment")]);
                sselens::transport::request::variables(draft, &environment)
            }),
            body: Arc::new(|p, prompt| {
                format!("{{\"model\":\"{}\",\"messages\":[\"{prompt}\"],\"stream\":true}}", p.model)
            }),
        },
    }
}

/// The same with a recording opened.
pub(crate) fn opened(entries: Vec<Entry>) -> Startup {
    let session = Some(Opened::new("recording.sselens", entries, &Arc::default()));
    Startup { session, ..startup() }
}

/// What the outside saw.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    pub(crate) effects: Vec<Effect>,
    pub(crate) copies: Vec<String>,
    /// What was said outside of the screen.
    pub(crate) notified: Vec<String>,
    pub(crate) draws: usize,
    /// What sending answers with.
    pub(crate) answers: Vec<Entry>,
    pub(crate) news: Option<UnboundedSender<News>>,
}

/// The one session that was saved before.
pub(crate) fn saved() -> SavedSession {
    SavedSession {
        path: "/saved/old.jsonl".into(),
        pinned: false,
        size: 26_400,
        created: "2026-11-28T20:11:05Z".to_owned(),
        exchanges: Ok(vec![SavedExchange {
            id: 0,
            host: "api.example.com".to_owned(),
            model: "gpt-5".to_owned(),
            outcome: "failed",
            verdict: "Stream closed after the error without [DONE]".to_owned(),
            first_token: Some(94_000),
        }]),
    }
}

pub(crate) struct TestEffects<'a>(pub(crate) &'a std::cell::RefCell<Outside>);
pub(crate) struct TestScreen<'a>(pub(crate) &'a std::cell::RefCell<Outside>);

impl EffectRunner for TestEffects<'_> {
    fn perform(&mut self, effect: Effect, done: &UnboundedSender<Done>) {
        let mut outside = self.0.borrow_mut();
        match &effect {
            Effect::Send(_) => {
                for entry in std::mem::take(&mut outside.answers) {
                    let _ = outside.news.as_ref().unwrap().send(News::Entry(entry));
                }
            }
            Effect::SaveSession(path) => {
                let _ = done.send(Done::Notice(format!("saved to {}", path.display())));
            }
            Effect::ListModels(provider) => {
                let models = vec!["asked-1".to_owned(), "asked-2".to_owned()];
                let _ = done.send(Done::Models { provider: provider.clone(), models });
            }
            Effect::ListRequests => {
                let stored = |path: &str, about: Result<&str, &str>, environments: &[&str]| {
                    let about = about.map(str::to_owned).map_err(str::to_owned);
                    let environments = environments.iter().map(|e| (*e).to_owned()).collect();
                    StoredRequest { path: path.into(), about, environments }
                };
                let list = vec![
                    stored("requests/hello.toml", Ok("lab · lab/hello · greets"), &["prod"]),
                    stored("requests/broken.toml", Err("requests/broken.toml:1:1: no"), &[]),
                ];
                let _ = done.send(Done::Requests(list));
            }
            Effect::ListSent => {
                let SavedSession { path, created, exchanges, .. } = saved();
                let exchange = exchanges.unwrap().remove(0);
                let sent = SentRequest { path, created, exchange, prompt: "Say hello".into() };
                let _ = done.send(Done::Sent(vec![sent]));
            }
            Effect::TakeSent { .. } => {
                let request = Request {
                    provider: "lab".into(),
                    model: "lab/hello".into(),
                    body: b"{\"sent\": \"before\"}".to_vec().into(),
                    ..Request::default()
                };
                let _ = done.send(Done::SentRequest(Box::new(request)));
            }
            Effect::StoreRequest { path, .. } => {
                let about = format!("Request saved to {}", path.display());
                let _ = done.send(Done::RequestStored(path.clone(), about));
            }
            Effect::ListSessions => {
                let _ = done.send(Done::Sessions(vec![saved()]));
            }
            Effect::PinSession(_) => {
                let pinned = SavedSession { pinned: true, ..saved() };
                let _ = done.send(Done::Sessions(vec![pinned]));
            }
            Effect::SearchSessions(_) => {
                let SavedSession { path, created, exchanges, .. } = saved();
                let exchange = exchanges.unwrap().remove(0);
                let hit = SessionHit { path, created, exchange, places: 3 };
                let _ = done.send(Done::SessionHits { hits: vec![hit], skipped: 1 });
            }
            Effect::CompletePath(typed) => {
                let names = ["out/a-1.jsonl", "out/a-2.jsonl", "other/"];
                let names = names.into_iter().filter(|n| n.starts_with(typed.as_str()));
                let names = names.map(str::to_owned).collect();
                let _ = done.send(Done::Completions { typed: typed.clone(), names });
            }
            _ => {}
        }
        outside.effects.push(effect);
    }
}

impl Console for TestScreen<'_> {
    fn begin(&mut self) -> io::Result<()> {
        self.0.borrow_mut().draws += 1;
        Ok(())
    }
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn copy(&mut self, text: &str) -> io::Result<String> {
        self.0.borrow_mut().copies.push(text.to_owned());
        Ok(String::new())
    }
    fn edit(&mut self, bytes: &[u8]) -> io::Result<Result<Vec<u8>, EditError>> {
        Ok(String::from_utf8(bytes.to_vec())
            .map(|text| text.replace("Say hello", "Edited elsewhere").into_bytes())
            .map_err(|e| io::Error::other(e).into()))
    }
    fn notify(&mut self, _: Notifications, text: &str) -> io::Result<()> {
        self.0.borrow_mut().notified.push(text.to_owned());
        Ok(())
    }
    fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn resume(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a run went.
pub(crate) struct Played {
    pub(crate) ended: Ended,
    pub(crate) outside: Outside,
    pub(crate) buffer: Buffer,
}

impl Played {
    /// The screen as text.
    pub(crate) fn text(&self) -> String {
        text_of(&self.buffer)
    }

    #[track_caller]
    pub(crate) fn shows(&self, what: &str) {
        assert!(self.text().contains(what), "{what:?} is not on\n{}", self.text());
    }

    #[track_caller]
    pub(crate) fn hides(&self, what: &str) {
        assert!(!self.text().contains(what), "{what:?} is on\n{}", self.text());
    }
}

/// A buffer as text, blanks at line ends left out.
pub(crate) fn text_of(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let mut out = String::new();
    for row in buffer.content.chunks(width) {
        let line: String = row.iter().map(|c| c.symbol()).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Input as a stream that lets everything else come between two keys.
pub(crate) fn typed(events: Vec<Event>) -> Pin<Box<dyn Stream<Item = io::Result<Event>>>> {
    Box::pin(stream::unfold(events.into_iter(), |mut events| async {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        events.next().map(|e| (Ok(e), events))
    }))
}

/// Runs the loop until the keys are typed.
pub(crate) fn play(startup: Startup, size: (u16, u16), text: &str, answers: Vec<Entry>) -> Played {
    let (news, heard) = unbounded_channel();
    let outside = Outside { answers, news: Some(news), ..Outside::default() };
    let outside = std::cell::RefCell::new(outside);
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let on = Run {
            terminal: &mut terminal,
            console: &mut TestScreen(&outside),
            effects: &mut TestEffects(&outside),
            clock: Clock::start(),
        };
        tui::run(on, startup, typed(keys(text)), stream::pending::<Signal>(), heard).await
    });
    let buffer = terminal.backend().buffer().clone();
    Played { ended, outside: outside.into_inner(), buffer }
}

/// The screen after these keys, on the recording that reasons only.
pub(crate) fn screen(width: u16, height: u16, text: &str) -> Played {
    play(opened(exchange(0, &reasoning_only())), (width, height), text, Vec::new())
}
