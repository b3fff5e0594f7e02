//! Development only: the screen with the real engine and lab, until `cli::ui` wires it.
#![allow(missing_docs, clippy::unwrap_used)]
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::EventStream;
use sselens::action::{Done, Effect, Keymap};
use sselens::config::{Config, Environment, Sources};
use sselens::inspect::Options;
use sselens::journal::Request;
use sselens::source::request::{Transport, compose, resolve};
use sselens::source::{Clock, Draft, Engine};
use sselens::tui::{self, Deeds, ProviderInfo, Run, Startup, Theme, Tools, terminal};
use sselens::{lab, source};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

struct Real {
    config: Arc<Config>,
    engine: Engine,
    lab: lab::Running,
}

impl Deeds for Real {
    fn perform(&mut self, effect: Effect, done: &UnboundedSender<Done>) {
        let answer = match effect {
            Effect::Send(draft) => {
                let transport = Transport::default();
                match resolve(&draft, &self.config, &transport, Some(self.lab.addr)) {
                    Ok(outgoing) => {
                        self.engine.send(outgoing);
                        return;
                    }
                    Err(why) => Done::Failed(why),
                }
            }
            Effect::Cancel(x) => return self.engine.cancel(x),
            Effect::WriteFile { path, bytes } => match std::fs::write(&path, &bytes) {
                Ok(()) => Done::Said(format!("saved to {}", path.display())),
                Err(e) => Done::Failed(format!("{}: {e}", path.display())),
            },
            Effect::LoadRequest(path) => match std::fs::read(&path) {
                Ok(bytes) => Done::Request(bytes),
                Err(e) => Done::Failed(format!("{}: {e}", path.display())),
            },
            Effect::LoadFile(path) => match source::file::open(&path, &Default::default()) {
                Ok(r) => Done::Loaded { name: path.display().to_string(), entries: r.entries },
                Err(e) => Done::Failed(e),
            },
            other => Done::Failed(format!("the demo cannot: {other:?}")),
        };
        let _ = done.send(answer);
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let clock = Clock::start();
    let (tx, rx) = unbounded_channel();
    let environment = Environment::of_process();
    let config = Arc::new(Config::load(Sources { environment, ..Sources::default() }).unwrap());
    let name = std::env::var("THEME").ok().or(config.themes.chosen.clone()).unwrap();
    let theme = Theme::new(&config.themes.get(&name).unwrap(), std::env::var("NO_COLOR").is_err());
    let pace = std::env::var("PACE").ok().and_then(|p| p.parse().ok()).unwrap_or(1.0);
    let lab = lab::start(lab::Options { pace, seed: Some(1) }).unwrap();
    let providers = config
        .providers
        .values()
        .map(|p| ProviderInfo {
            name: p.name.clone(),
            dialect: p.dialect.clone(),
            base_url: if p.name == "lab" {
                format!("{}/chat/completions", lab.base_url())
            } else {
                p.base_url.clone()
            },
            model: p.model.clone(),
            key_variable: p.key_env.clone(),
            key_is_set: config.key(p).is_some(),
            about: p.about.clone(),
            models: match p.name.as_str() {
                "lab" => lab::scenarios()
                    .iter()
                    .map(|s| {
                        (format!("lab/{}", s.name.trim_start_matches("lab/")), s.about.clone())
                    })
                    .collect(),
                _ => vec![],
            },
        })
        .collect();
    let session = args.get(1).filter(|a| !a.starts_with("lab/")).map(|f| {
        let r = source::file::open(f.as_ref(), &Default::default()).unwrap();
        (f.clone(), r.entries)
    });
    let model = args.get(1).filter(|a| a.starts_with("lab/")).cloned().unwrap_or_default();
    let c = Arc::clone(&config);
    let startup = Startup {
        providers,
        draft: Draft { provider: "lab".into(), model, ..Draft::default() },
        session,
        options: Arc::new(Options::default()),
        keys: Keymap::new(&config.keys).unwrap(),
        theme,
        messages: vec![],
        tools: Tools {
            parse_curl: Arc::new(source::curl::parse),
            to_curl: Arc::new(|r: &Request| sselens::report::curl(r, None)),
            body: Arc::new(move |p: &ProviderInfo, prompt: &str| {
                let draft =
                    Draft { provider: p.name.clone(), model: p.model.clone(), ..Draft::default() };
                let draft = compose(&c, draft, prompt, None).unwrap_or_default();
                String::from_utf8(draft.body).unwrap_or_default()
            }),
        },
    };
    let ended = rt.block_on(async {
        let (mut terminal, mut tty) = terminal::take(true, std::env::var("TMUX").is_ok()).unwrap();
        let engine = Engine::start(clock, 0, tx, |_| {}).unwrap();
        let mut deeds = Real { config, engine, lab };
        let signals = terminal::signals().unwrap();
        let on = Run { terminal: &mut terminal, screen: &mut tty, deeds: &mut deeds, clock };
        tui::run(on, startup, EventStream::new(), signals, rx).await
    });
    rt.shutdown_timeout(Duration::from_millis(100));
    eprintln!("{ended:?}");
    std::process::exit(i32::from(ended.status()));
}
