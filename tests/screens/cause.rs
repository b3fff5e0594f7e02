//! Broken streams of the lab, each of another kind: somebody who knows no key and reads the screen
//! finds the cause with the keys that the screen shows, in five at most.

use std::sync::LazyLock;

use sselens::config::{Config, ConfigSources, Environment};
use sselens::journal::{Entry, EntryKind};
use sselens::lab;
use sselens::transport::request::{Transport, compose, resolve};
use sselens::transport::{Clock, Draft, Engine, News};
use tokio::sync::mpsc::unbounded_channel;

use super::play::{Played, play, startup};

/// A scenario, the dialect in which it is played, and the finding that is its cause.
const BROKEN: &[(&str, &str, &str)] = &[
    ("truncated-chunked", "openai-chat", "truncated-chunked"),
    ("http-422", "openai-chat", "http-422-param"),
    ("http-429", "openai-chat", "http-429"),
    ("empty-stream", "openai-chat", "empty-stream"),
    ("html-200", "openai-chat", "html-200"),
    ("error-200-first-frame", "openai-chat", "error-object"),
    ("reasoning-only", "openai-chat", "reasoning-only"),
    ("json-malformed", "openai-chat", "json-malformed"),
    ("tool-args-invalid-at-end", "openai-chat", "tool-args-invalid-at-end"),
    ("finish-missing", "openai-chat", "finish-missing"),
    ("sse-field-misspelled", "openai-chat", "sse-field-misspelled"),
    ("cumulative-deltas", "openai-chat", "cumulative-deltas"),
    ("block-not-opened", "anthropic", "block-not-opened"),
    ("message-stop-missing", "anthropic", "message-stop-missing"),
];

/// The most keys that it may take, sending included.
const MOST: usize = 5;

/// What a key has to promise to be pressed, in the order in which somebody who looks for a cause
/// follows them.
const PROMISES: &[&str] = &["explain", "show the cause", "page down"];

/// What has to be read of the explanation.
const PARTS: &[&str] = &["What it is", "Who it breaks", "Fix"];

static LAB: LazyLock<lab::RunningLab> =
    LazyLock::new(|| lab::start(lab::LabOptions { pace: 0.0, seed: Some(1) }).unwrap());

/// What arrives where the lab is asked to play a scenario.
fn played_by_lab(scenario: &str, dialect: &str) -> Vec<Entry> {
    let environment = Environment::of(&[("SSELENS_CONFIG", "")]);
    let config = Config::load(ConfigSources { environment, ..ConfigSources::default() }).unwrap();
    let draft = Draft {
        provider: "lab".into(),
        model: format!("lab/{scenario}"),
        dialect: Some(dialect.into()),
        ..Draft::default()
    };
    let draft = compose(&config, draft, "Say hello", None).unwrap();
    let outgoing = resolve(&draft, &config, &Transport::default(), Some(LAB.addr)).unwrap();
    let (news, mut heard) = unbounded_channel();
    let mut engine = Engine::new(Clock::start(), 0, news, |_| {}, Vec::new());
    engine.run().unwrap();
    engine.send(outgoing);
    let mut entries = Vec::new();
    while let Some(item) = heard.blocking_recv() {
        if let News::Entry(entry) = item {
            let is_end = matches!(entry.kind, EntryKind::End { .. });
            entries.push(entry);
            if is_end {
                break;
            }
        }
    }
    engine.close();
    entries
}

/// The key that the screen shows before a promise: in the footer, or in the band at the right.
fn key_before(screen: &str, promise: &str) -> Option<String> {
    let lines: Vec<&str> = screen.lines().filter(|l| !l.trim().is_empty()).collect();
    lines.last().into_iter().chain(lines.iter().take(4)).find_map(|line| {
        let (before, after) = line.split_once(&format!(" {promise}"))?;
        let ends = after.is_empty() || after.starts_with(' ');
        before.split_whitespace().last().filter(|_| ends).map(str::to_owned)
    })
}

/// A key as the screen shows it, as the tests type it.
fn typed(key: &str) -> String {
    match key {
        one if one.chars().count() == 1 => one.to_owned(),
        ctrl if ctrl.starts_with('^') => format!("<c-{}>", ctrl[1..].to_lowercase()),
        named => format!("<{}>", named.to_lowercase()),
    }
}

/// Follows what the screen shows until a finding is explained; returns the last screen, the keys, and
/// the parts of the explanation that were not seen.
fn followed(
    size: (u16, u16),
    answers: &[Entry],
) -> (Played, Vec<String>, Vec<&'static &'static str>) {
    let mut keys: Vec<String> = Vec::new();
    let mut unseen: Vec<_> = PARTS.iter().collect();
    loop {
        let text: String = keys.iter().map(|k| typed(k)).collect();
        let played = play(startup(), size, &text, answers.to_vec());
        let screen = played.text();
        unseen.retain(|part| !screen.contains(**part));
        if unseen.is_empty() || keys.len() == MOST {
            return (played, keys, unseen);
        }
        let next = match keys.is_empty() {
            true => key_before(&screen, "send"),
            false => PROMISES.iter().find_map(|promise| key_before(&screen, promise)),
        };
        match next {
            Some(key) => keys.push(key),
            None => return (played, keys, unseen),
        }
    }
}

#[test]
fn the_keys_on_the_screen_lead_to_the_cause() {
    let mut wrong = Vec::new();
    for (scenario, dialect, cause) in BROKEN {
        let answers = played_by_lab(scenario, dialect);
        for size in [(160, 45), (100, 30), (80, 24)] {
            let (played, keys, unseen) = followed(size, &answers);
            let text = played.text();
            if !text.contains(&format!("─ {cause} ─")) || !unseen.is_empty() {
                wrong.push(format!("{scenario} at {size:?} after {keys:?}: no {unseen:?}\n{text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_stream_that_only_lacks_its_marker_is_healthy() {
    let played = play(startup(), (100, 30), "<f5>", played_by_lab("missing-done", "openai-chat"));
    played.shows(" ✔  Healthy stream");
    played.hides("NO ANSWER");
}
