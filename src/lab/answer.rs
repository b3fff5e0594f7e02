//! Which answer a request gets: a scenario, a list of them, or a refusal.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::ask::Ask;
use super::play::{After, Stage, play};
use super::random::Random;
use super::request::Request;
use super::scenario::{Scenario, find, scenarios};
use super::script::{self, Script};
use super::speaker::{self, Manner, Row, SPEAKERS};
use super::wire::{Gone, Wire};
use super::{Lab, head, reason};

/// 2026-01-01: the time of every answer of a lab with a seed.
const SEEDED_TIME: u64 = 1_767_225_600;

/// Answers one request.
pub(super) async fn answer(wire: &mut Wire, lab: &Lab, request: &Request) -> Result<After, Gone> {
    let path = request.path.as_str();
    let read = matches!(request.method.as_str(), "GET" | "HEAD");
    if let Some(row) = speaker::at(path) {
        return match request.method == "POST" {
            true => chat(wire, lab, request, row).await,
            false => not_allowed(wire, request, "POST").await,
        };
    }
    let json = "application/json";
    if path == "/" {
        let kind = "text/plain; charset=utf-8";
        return match read {
            true => send(wire, request, 200, kind, &index()).await,
            false => not_allowed(wire, request, "GET").await,
        };
    }
    if path.ends_with("/models") && read {
        let data: Vec<Value> = scenarios().iter().map(model).collect();
        let list = json!({ "object": "list", "data": data });
        return send(wire, request, 200, json, &list.to_string()).await;
    }
    if let Some((_, name)) = path.split_once("/models/").filter(|_| read)
        && let Some(scenario) = find(name)
    {
        return send(wire, request, 200, json, &model(scenario).to_string()).await;
    }
    let message = format!(
        "The lab has no {} {path}. It answers POST …/chat/completions, GET …/models and GET /.",
        request.method
    );
    let error = own_error(&message, Some("unknown_url"));
    send(wire, request, 404, json, &error.to_string()).await
}

/// Answers what could not be read as a request.
pub(super) async fn refuse(wire: &mut Wire, status: u16, message: &str) {
    let error = own_error(message, None);
    // Whether the client still listens makes no difference.
    drop(
        whole(
            wire,
            status,
            "application/json",
            &error.to_string(),
            true,
            true,
        )
        .await,
    );
}

async fn chat(wire: &mut Wire, lab: &Lab, request: &Request, row: &Row) -> Result<After, Gone> {
    let json = "application/json";
    let refuse = |message: &str, param, code| {
        (row.refusal)(message, "invalid_request_error", param, code).to_string()
    };
    let Some(ask) = Ask::parse(&request.path, &request.body) else {
        let body = refuse("The request's body is not a JSON object.", None, None);
        return send(wire, request, 400, json, &body).await;
    };
    let Some(name) = ask.model() else {
        let body = refuse("The request names no model.", Some("model"), None);
        return send(wire, request, 400, json, &body).await;
    };
    let Some(scenario) = find(&name) else {
        let body = refuse(&unknown(&name), Some("model"), Some("model_not_found"));
        return send(wire, request, 404, json, &body).await;
    };
    let number = lab.played.fetch_add(1, Ordering::Relaxed);
    let mut random = Random::of_exchange(lab.seed, number);
    let Some(answer) = ask.choose(scenario, &mut random) else {
        // The parser has seen to it that the last answer always holds.
        return Ok(After::Close);
    };
    let _open = lab.open();
    let request_id = format!("req_lab{:016x}", random.next());
    let manner = Manner {
        id: format!("chatcmpl-lab{:016x}", random.next()),
        model: format!("lab/{}", scenario.name),
        created: lab.now(),
        input_tokens: ask.input_tokens(),
        include_usage: ask.include_usage(),
        usage_every: answer.usage == super::scenario::UsageMode::Every,
    };
    if !ask.stream()
        && let Some(mut spoken) = script::plain(answer, random.clone())
    {
        let body = (row.new)(manner).whole(&mut spoken).to_string();
        return send(wire, request, 200, json, &body).await;
    }
    let stage = Stage {
        answer,
        content_type: (row.new)(manner.clone()).content_type(),
        request_id: &request_id,
        close: request.close,
        http10: request.http10,
        pace: lab.pace,
    };
    let script = || Script::new(answer, row, manner.clone(), random.clone());
    play(wire, &stage, script).await
}

async fn not_allowed(wire: &mut Wire, request: &Request, allow: &str) -> Result<After, Gone> {
    let message = format!("{} is for {allow}.", request.path);
    let error = own_error(&message, Some("method_not_allowed"));
    send(wire, request, 405, "application/json", &error.to_string()).await
}

/// An error before any dialect is known, in the form that most clients know.
fn own_error(message: &str, code: Option<&str>) -> Value {
    json!({ "error": {
        "message": message, "type": "invalid_request_error", "param": null, "code": code,
    } })
}

/// Sends a whole answer of the lab's own.
async fn send(
    wire: &mut Wire,
    request: &Request,
    status: u16,
    content_type: &str,
    body: &str,
) -> Result<After, Gone> {
    let with_body = request.method != "HEAD";
    whole(wire, status, content_type, body, request.close, with_body).await?;
    Ok(match request.close {
        true => After::Close,
        false => After::Keep,
    })
}

async fn whole(
    wire: &mut Wire,
    status: u16,
    content_type: &str,
    body: &str,
    close: bool,
    with_body: bool,
) -> Result<(), Gone> {
    let connection = if close { "close" } else { "keep-alive" };
    let headers = [
        ("server", "sselens-lab".to_owned()),
        ("content-type", content_type.to_owned()),
        ("content-length", body.len().to_string()),
        ("connection", connection.to_owned()),
    ];
    let mut bytes = head(status, reason(status), &headers);
    if with_body {
        bytes.extend_from_slice(body.as_bytes());
    }
    wire.write(&bytes).await
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = scenarios().iter().map(|it| it.name.as_str()).collect();
    // Nobody means a name of a thousand letters, and comparing costs.
    let short: String = name
        .rsplit('/')
        .next()
        .unwrap_or(name)
        .chars()
        .take(64)
        .collect();
    let near = similar::get_close_matches(short.as_str(), &names, 4, 0.5);
    let near: Vec<String> = near.into_iter().map(|name| format!("lab/{name}")).collect();
    match near.is_empty() {
        true => {
            format!("The model lab/{short} does not exist. GET /v1/models lists the scenarios.")
        }
        false => format!(
            "The model lab/{short} does not exist. Near it: {}.",
            near.join(", ")
        ),
    }
}

fn model(scenario: &Scenario) -> Value {
    json!({
        "id": format!("lab/{}", scenario.name),
        "object": "model",
        "created": SEEDED_TIME,
        "owned_by": "sselens-lab",
        "description": scenario.about,
        "findings": scenario.findings,
    })
}

fn index() -> String {
    let mut page = String::from(
        "This is the lab of sselens: a provider that plays scenarios, broken ones too.\n\
         POST /v1/chat/completions with a model below and \"stream\": true.\n\
         GET /v1/models has the list as JSON. No key is needed.\n\n",
    );
    let dialects: Vec<&str> = SPEAKERS.iter().map(|row| row.dialect).collect();
    page += &format!("It speaks: {}.\n\n", dialects.join(", "));
    let width = scenarios()
        .iter()
        .map(|it| it.name.len())
        .max()
        .unwrap_or(0);
    for scenario in scenarios() {
        page += &format!("lab/{:width$}  {}\n", scenario.name, scenario.about);
    }
    page
}

impl Lab {
    /// Unix time for `created`; with a seed, always the same, so that the same
    /// seed gives the same bytes.
    fn now(&self) -> u64 {
        if self.seeded {
            return SEEDED_TIME;
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(SEEDED_TIME, |time| time.as_secs())
    }
}
