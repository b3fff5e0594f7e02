//! Development only: the screen on a recording, played as if it came from the network.
#![allow(missing_docs, clippy::unwrap_used)]
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossterm::event::EventStream;
use sselens::action::{Done, Effect, Keymap};
use sselens::config::theme::Themes;
use sselens::inspect::Options;
use sselens::journal::{EndCause, Entry, Head, Request, What};
use sselens::source::{Clock, Draft, News};
use sselens::tui::{self, Deeds, ProviderInfo, Run, Startup, Theme, Tools, terminal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

struct Play {
    file: String,
    news: UnboundedSender<News>,
    clock: Clock,
    n: u32,
    cancel: Arc<std::sync::atomic::AtomicBool>,
    pace: u64,
}

impl Deeds for Play {
    fn perform(&mut self, effect: Effect, done: &UnboundedSender<Done>) {
        match effect {
            Effect::Send(draft) => {
                let body = std::fs::read(&self.file).unwrap();
                let (tx, clock, x) = (self.news.clone(), self.clock, self.n);
                self.n += 1;
                let cancel = Arc::clone(&self.cancel);
                cancel.store(false, std::sync::atomic::Ordering::SeqCst);
                let pace = self.pace;
                tokio::spawn(async move {
                    let say = |what| {
                        tx.send(News::Entry(Entry { x, at: Some(clock.now()), what })).unwrap()
                    };
                    say(What::Request(Box::new(Request {
                        method: "POST".into(),
                        url: "http://127.0.0.1:4000/v1/chat/completions".into(),
                        headers: vec![
                            ("content-type".into(), "application/json".into()),
                            ("authorization".into(), "Bearer **********".into()),
                        ],
                        body: draft.body.into(),
                        provider: draft.provider,
                        dialect: "auto".into(),
                        model: draft.model,
                        ..Request::default()
                    })));
                    let nap = |ms: u64| tokio::time::sleep(Duration::from_micros(ms * 10 * pace));
                    nap(20).await;
                    say(What::Connected { peer: Some("127.0.0.1:4000".into()) });
                    nap(150).await;
                    say(What::Head(Head {
                        status: 200,
                        version: "HTTP/1.1".into(),
                        headers: vec![
                            ("content-type".into(), "text/event-stream; charset=utf-8".into()),
                            ("server".into(), "demo".into()),
                        ],
                        interim: false,
                    }));
                    nap(60).await;
                    let mut at = 0;
                    let mut i = 0u64;
                    while at < body.len() {
                        if cancel.load(std::sync::atomic::Ordering::SeqCst) {
                            say(What::End { cause: EndCause::Cancelled, detail: String::new() });
                            return;
                        }
                        let end = body[at..]
                            .windows(2)
                            .position(|w| w == b"\n\n")
                            .map_or(body.len(), |p| at + p + 2);
                        let piece = &body[at..end];
                        say(What::Body {
                            len: piece.len() as u32,
                            bytes: Bytes::copy_from_slice(piece),
                            masked: vec![],
                        });
                        at = end;
                        i += 1;
                        nap(if i % 37 == 0 { 120 } else { 5 + i % 7 }).await;
                    }
                    say(What::End { cause: EndCause::Complete, detail: String::new() });
                });
            }
            Effect::Cancel(_) => self.cancel.store(true, std::sync::atomic::Ordering::SeqCst),
            Effect::WriteFile { path, bytes } => {
                let _ = done.send(match std::fs::write(&path, &bytes) {
                    Ok(()) => Done::Said(format!("saved to {}", path.display())),
                    Err(e) => Done::Failed(format!("{}: {e}", path.display())),
                });
            }
            other => {
                let _ = done.send(Done::Failed(format!("the demo cannot: {other:?}")));
            }
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let file = args[1].clone();
    let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let clock = Clock::start();
    let (tx, rx) = unbounded_channel();
    let themes = Themes::built_in();
    let name = std::env::var("THEME").unwrap_or("dark".into());
    let theme = Theme::new(&themes.get(&name).unwrap(), std::env::var("NO_COLOR").is_err());
    let provider = ProviderInfo {
        name: "lab".into(),
        dialect: "openai-chat".into(),
        base_url: "http://127.0.0.1:4000/v1/chat/completions".into(),
        model: "lab/reasoning-delta".into(),
        about: "embedded; plays scenarios, no key, no network".into(),
        models: vec![
            ("lab/reasoning-delta".into(), "reasoning in delta.reasoning, then nothing".into()),
            ("lab/empty-stream".into(), "200 and not one byte".into()),
        ],
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
    let startup = Startup {
        providers: vec![provider, other],
        draft: Draft { provider: "lab".into(), ..Draft::default() },
        session: None,
        options: Arc::new(Options::default()),
        keys: Keymap::built_in(),
        theme,
        messages: vec![],
        tools: Tools {
            parse_curl: |_| Err("not in the demo".into()),
            to_curl: |r| format!("curl {}", r.url),
            body: |p, prompt| {
                let d = sselens::dialect::find(&p.dialect).unwrap();
                (d.request().body)(&sselens::dialect::RequestParts {
                    model: &p.model,
                    prompt,
                    system: None,
                })
            },
        },
    };
    let ended = rt.block_on(async {
        let (mut terminal, mut tty) = terminal::take(true, std::env::var("TMUX").is_ok()).unwrap();
        let mut deeds = Play {
            file,
            news: tx,
            clock,
            n: 0,
            cancel: Arc::default(),
            pace: args.get(2).and_then(|p| p.parse().ok()).unwrap_or(100),
        };
        let signals = terminal::signals().unwrap();
        let on = Run { terminal: &mut terminal, screen: &mut tty, deeds: &mut deeds, clock };
        tui::run(on, startup, EventStream::new(), signals, rx).await
    });
    rt.shutdown_timeout(Duration::from_millis(100));
    eprintln!("{ended:?}");
    std::process::exit(i32::from(ended.status()));
}
