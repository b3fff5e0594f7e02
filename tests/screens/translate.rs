//! Another provider, another dialect: what becomes of a body that the user has written.

use std::sync::Arc;

use sselens::action::{Draft, Effect};
use sselens::dialect::{find, request};
use sselens::tui::{ProviderInfo, Startup, Tools};

use super::play::{Played, play, startup};

/// A request with something that Anthropic cannot say.
const BODY: &str = r#"{
  "model": "lab/reasoning-only",
  "messages": [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Why is the sky blue?"}
  ],
  "temperature": 0.4,
  "logit_bias": {"50256": -100},
  "reasoning_effort": "high",
  "stream": true,
  "stream_options": {"include_usage": true}
}"#;

/// Three providers that speak differently, and a body of the user's own.
fn with(body: &str) -> Startup {
    let mut start = startup();
    for (name, dialect, model) in
        [("anthropic", "anthropic", "claude-sonnet-5"), ("google", "gemini", "gemini-2.5-flash")]
    {
        start.providers.push(ProviderInfo {
            name: name.into(),
            dialect: dialect.into(),
            base_url: format!("https://{name}.example/v1"),
            model: model.into(),
            ..ProviderInfo::default()
        });
    }
    start.tools = Tools {
        body: Arc::new(|provider, prompt| {
            let side = find(&provider.dialect).unwrap().request().unwrap();
            let ask = request::ChatRequest::minimal(&provider.model, prompt, None);
            let body = (side.write)(&ask, &mut request::Notes::default());
            serde_json::to_string(&body).unwrap()
        }),
        ..start.tools
    };
    let body = body.as_bytes().to_vec();
    start.draft = Draft { body, ..start.draft };
    start
}

fn sent(played: &Played) -> (&str, String) {
    let draft = played.outside.effects.iter().find_map(|e| match e {
        Effect::Send(draft) => Some(draft),
        _ => None,
    });
    let draft = draft.unwrap();
    (&draft.provider, String::from_utf8(draft.body.clone()).unwrap())
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_would_be_lost_is_shown_before_anything_is_done() {
    for (width, height) in [(120, 36), (80, 24), (60, 20)] {
        let played = play(with(BODY), (width, height), "panthropic<enter>", Vec::new());
        played.shows("openai-chat → anthropic");
        played.shows("2 lost, 2 changed, 1 added when translated:");
        played.shows("✖ lost      logit_bias");
        played.shows("Enter translate");
        played.shows("n keep my text");
        played.shows("Esc back");
        insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("translate-{width}x{height}"), played.text());
        });
    }
    let played = play(with(BODY), (120, 40), "panthropic<enter>G", Vec::new());
    played.shows("+   \"system\": \"Be brief.\"");
    let played = play(with(BODY), (80, 24), "panthropic<enter><wheel:40,12>", Vec::new());
    played.hides("2 lost, 2 changed");
}

#[test]
fn enter_translates_and_undo_brings_the_text_back() {
    let played = play(with(BODY), (120, 40), "panthropic<enter><enter><f5>", Vec::new());
    let (provider, body) = sent(&played);
    assert_eq!(provider, "anthropic");
    assert_eq!(
        json(&body),
        serde_json::json!({
            "model": "claude-sonnet-5",
            "max_tokens": 25600,
            "system": "Be brief.",
            "messages": [{"role": "user", "content": "Why is the sky blue?"}],
            "thinking": {"type": "enabled", "budget_tokens": 24576},
            "stream": true,
        })
    );
    let played = play(with(BODY), (120, 40), "panthropic<enter><enter>i<c-u><f5>", Vec::new());
    assert_eq!(sent(&played), ("anthropic", BODY.to_owned()));
}

#[test]
fn the_text_is_kept_byte_for_byte_or_the_provider_is() {
    let played = play(with(BODY), (120, 40), "panthropic<enter>n<f5>", Vec::new());
    assert_eq!(sent(&played), ("anthropic", BODY.to_owned()));
    for back in ["<esc>", "q", "<click:0,0>"] {
        let text = format!("panthropic<enter>{back}<f5>");
        let played = play(with(BODY), (120, 40), &text, Vec::new());
        assert_eq!(sent(&played), ("lab", BODY.to_owned()));
    }
}

#[test]
fn the_model_goes_into_the_address_and_comes_back() {
    let played = play(with(BODY), (120, 40), "pgoogle<enter><enter>", Vec::new());
    played.shows("gemini-2.5-flash");
    played.hides("reasoning-only\"");
    let text = "pgoogle<enter><enter>plab<enter><enter><f5>";
    let (provider, body) = (sent(&play(with(BODY), (120, 40), text, Vec::new())).0.to_owned(), {
        let played = play(with(BODY), (120, 40), text, Vec::new());
        json(&sent(&played).1)
    });
    assert_eq!(provider, "lab");
    assert_eq!(body["model"], "lab/reasoning-only");
    assert_eq!(body["messages"], json(BODY)["messages"]);
    assert_eq!(body["reasoning_effort"], "high");
}

#[test]
fn an_untouched_body_is_made_anew_and_keeps_its_prompt() {
    let minimal = r#"{"model":"lab/reasoning-only","messages":[{"role":"user","content":"Mine."}],
        "stream":true,"stream_options":{"include_usage":true}}"#;
    let played = play(with(minimal), (120, 40), "pgoogle<enter><f5>", Vec::new());
    let expected =
        serde_json::json!({"contents": [{"role": "user", "parts": [{"text": "Mine."}]}]});
    assert_eq!(json(&sent(&played).1), expected);
}

#[test]
fn a_body_that_cannot_be_read_stays_and_it_is_said_why() {
    let played = play(with("{\"model\": \"m\",}"), (120, 40), "panthropic<enter>", Vec::new());
    played.shows("✖ The body is unchanged: it is not JSON:");
    let body = "{\"prompt\": \"hi\"}";
    let played = play(with(body), (120, 40), "panthropic<enter>", Vec::new());
    played.shows("there is no message in it as openai-chat has them");
    let played = play(with(body), (120, 40), "panthropic<enter><f5>", Vec::new());
    assert_eq!(sent(&played), ("anthropic", body.to_owned()));
}

#[test]
fn a_pasted_curl_command_speaks_as_its_address_says() {
    let curl = r#"curl https://api.anthropic.com/v1/messages -d '{"model":"m","max_tokens":9,"system":"Be brief.","messages":[{"role":"user","content":"hi"}]}'"#;
    let text = format!("<paste:{curl}>popenai<enter>");
    let played = play(with(BODY), (120, 40), &text, Vec::new());
    played.shows("anthropic → openai-chat");
    played.shows("+       \"content\": \"Be brief.\"");
}

#[test]
fn providers_that_speak_alike_ask_nothing() {
    let played = play(with(BODY), (120, 40), "popenai<enter>", Vec::new());
    played.hides("→");
    played.shows("\"model\": \"gpt-4.1-mini\"");
}
