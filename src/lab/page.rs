//! Answers of the lab itself: pages, lists and refusals.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::request::ReceivedRequest;
use super::scenario::{Scenario, scenarios};
use super::speaker::SPEAKERS;
use super::wire::{AfterAnswer, Gone, Wire};
use super::{head, reason};

/// 2026-01-01: the time of every answer of a lab with a seed.
pub(super) const SEEDED_TIME: u64 = 1_767_225_600;

/// A whole answer with a length.
#[derive(Debug)]
pub(super) struct WholeAnswer {
    status: u16,
    content_type: &'static str,
    body: String,
    /// A further header.
    header: Option<(&'static str, &'static str)>,
}

impl WholeAnswer {
    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self { status, content_type: "application/json", body: value.to_string(), header: None }
    }

    /// The same with a further header.
    pub(super) fn with(self, header: Option<(&'static str, &'static str)>) -> Self {
        Self { header, ..self }
    }

    /// An error before any dialect is known, in the form that most clients
    /// know.
    pub(super) fn error(status: u16, message: &str, code: Option<&str>) -> Self {
        let error = json!({ "error": {
            "message": message, "type": "invalid_request_error", "param": null, "code": code,
        } });
        Self::json(status, &error)
    }

    pub(super) fn not_allowed(path: &str, allow: &'static str) -> Self {
        let message = format!("{path} is for {allow}.");
        Self::error(405, &message, Some("method_not_allowed")).with(Some(("allow", allow)))
    }

    pub(super) fn unknown_path(method: &str, path: &str) -> Self {
        let posts: Vec<String> = endpoints().map(|it| format!("POST …{it}")).collect();
        let message = format!(
            "The lab has no {method} {path}. It answers {}, GET …/models and GET /.",
            posts.join(", ")
        );
        Self::error(404, &message, Some("unknown_url"))
    }

    /// The list of scenarios, as models.
    pub(super) fn models() -> Self {
        let data: Vec<Value> = scenarios().iter().map(model).collect();
        Self::json(200, &json!({ "object": "list", "data": data }))
    }

    /// The same in Ollama's form.
    pub(super) fn tags() -> Self {
        let models: Vec<Value> = scenarios()
            .iter()
            .map(|scenario| {
                let name = format!("lab-{}:latest", scenario.name);
                json!({ "name": name, "model": name, "modified_at": "2026-01-01T00:00:00Z",
                    "size": 0, "digest": "", "details": { "family": "lab" } })
            })
            .collect();
        Self::json(200, &json!({ "models": models }))
    }

    /// The version, as Ollama's clients ask for it.
    pub(super) fn version() -> Self {
        Self::json(200, &json!({ "version": env!("CARGO_PKG_VERSION") }))
    }

    /// Reports the number of tokens of a request, in Anthropic's and Gemini's words.
    pub(super) fn token_count(tokens: u64) -> Self {
        Self::json(200, &json!({ "input_tokens": tokens, "totalTokens": tokens }))
    }

    /// Explains what this is, for people.
    pub(super) fn index() -> Self {
        let mut page = String::from(
            "This is the lab of sselens: a provider that plays scenarios, broken ones too.\n\
         POST to one of these with a model below, and ask for a stream.\n\
         GET /v1/models has the list as JSON. No key is needed.\n\n",
        );
        for row in SPEAKERS {
            // Chat has the well-known address; the other dialects need their name in front, as some of them
            // share a path.
            let before = match row.dialect {
                "openai-chat" => String::new(),
                name => format!("/{name}"),
            };
            let query = if row.query.is_empty() { "" } else { "?" };
            let path = format!("{before}/v1{}{query}{}", row.path, row.query);
            page += &format!("{:20}  POST {path}\n", row.dialect);
        }
        page += "\n";
        let width = scenarios().iter().map(|it| it.name.len()).max().unwrap_or(0);
        for scenario in scenarios() {
            page += &format!("lab/{:width$}  {}\n", scenario.name, scenario.about);
        }
        Self { status: 200, content_type: "text/plain; charset=utf-8", body: page, header: None }
    }

    /// Sends the page as the answer to this request.
    pub(super) async fn send(
        &self,
        wire: &mut Wire,
        request: &ReceivedRequest,
    ) -> Result<AfterAnswer, Gone> {
        self.write(wire, request.close, request.method != "HEAD").await?;
        Ok(match request.close {
            true => AfterAnswer::Close,
            false => AfterAnswer::Keep,
        })
    }

    /// Sends the page to a client whose request could not be read.
    pub(super) async fn send_last(&self, wire: &mut Wire) {
        // Whether the client still listens makes no difference.
        drop(self.write(wire, true, true).await);
    }

    async fn write(&self, wire: &mut Wire, close: bool, with_body: bool) -> Result<(), Gone> {
        let connection = if close { "close" } else { "keep-alive" };
        let mut headers = vec![
            ("server", "sselens-lab".to_owned()),
            ("content-type", self.content_type.to_owned()),
            ("content-length", self.body.len().to_string()),
            ("connection", connection.to_owned()),
        ];
        headers.extend(self.header.map(|(name, value)| (name, value.to_owned())));
        let mut bytes = head(self.status, reason(self.status), &headers);
        if with_body {
            bytes.extend_from_slice(self.body.as_bytes());
        }
        wire.write(&bytes).await
    }
}

/// The paths of all endpoints, without repetition.
fn endpoints() -> impl Iterator<Item = &'static str> {
    let paths: BTreeSet<&str> = SPEAKERS.iter().map(|row| row.path).collect();
    paths.into_iter()
}

/// A scenario as a model.
pub(super) fn model(scenario: &Scenario) -> Value {
    json!({
        "id": format!("lab/{}", scenario.name),
        "object": "model",
        "created": SEEDED_TIME,
        "owned_by": "sselens-lab",
        "description": scenario.about,
        "findings": scenario.findings,
        "dialects": scenario.dialects(),
    })
}
