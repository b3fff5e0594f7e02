//! The answer that a request gets: a scenario, a page of the lab itself, or a refusal.

use std::sync::atomic::Ordering;

use super::Lab;
use super::ask::Ask;
use super::page::{self, SEEDED_TIME, WholeAnswer};
use super::play::{PlayContext, play};
use super::random::Random;
use super::request::ReceivedRequest;
use super::scenario::{Scenario, UsageMode, find, scenarios};
use super::script::{self, Script};
use super::speaker::{self, Endpoint, Manner, Refusal};
use super::wire::{AfterAnswer, Gone, Wire};
use crate::clock::Clock;

/// Ends of the paths by which clients have tokens counted: Anthropic's and Gemini's.
const COUNTS: [&str; 2] = ["/messages/count_tokens", ":countTokens"];

/// The scenario that is played once the tool that a scenario called has been run.
const AFTER_A_CALL: &str = "tool-result";

/// Answers one request.
pub(super) async fn answer(
    wire: &mut Wire,
    lab: &Lab,
    request: &ReceivedRequest,
) -> Result<AfterAnswer, Gone> {
    let path = request.path.as_str();
    let read = matches!(request.method.as_str(), "GET" | "HEAD");
    let endpoint = speaker::at(path, &request.query);
    let is_endpoint = endpoint.is_some();
    if let Some((row, model)) = endpoint.filter(|_| request.method == "POST") {
        return chat(wire, lab, request, row, model).await;
    }
    if request.method == "POST" && COUNTS.iter().any(|end| path.ends_with(end)) {
        let page = match Ask::parse(path, None, &request.body) {
            Some(ask) => WholeAnswer::token_count(ask.input_tokens()),
            None => WholeAnswer::error(400, "The request's body is not a JSON object.", None),
        };
        return page.send(wire, request).await;
    }
    let one = path.split_once("/models/").and_then(|(_, name)| find(name));
    let page = match (path, one) {
        _ if is_endpoint => WholeAnswer::not_allowed(path, "POST"),
        ("/", _) if read => WholeAnswer::index(),
        ("/", _) => WholeAnswer::not_allowed(path, "GET"),
        (_, Some(scenario)) if read => WholeAnswer::json(200, &page::model(scenario)),
        _ if path.ends_with("/models") && read => WholeAnswer::models(),
        _ if path.ends_with("/api/tags") && read => WholeAnswer::tags(),
        _ if path.ends_with("/api/version") && read => WholeAnswer::version(),
        _ => WholeAnswer::unknown_path(&request.method, path),
    };
    page.send(wire, request).await
}

async fn chat(
    wire: &mut Wire,
    lab: &Lab,
    request: &ReceivedRequest,
    row: &Endpoint,
    model: Option<String>,
) -> Result<AfterAnswer, Gone> {
    let (ask, scenario) = match asked(request, row, model) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.send(wire, request).await,
    };
    let number = lab.played.fetch_add(1, Ordering::Relaxed);
    let mut random = Random::of_exchange(lab.seed, number);
    // An agent that is called back with a result wants an answer, not the same call again.
    let after = find(AFTER_A_CALL).filter(|_| scenario.calls_tools() && ask.brings_result());
    let Some(answer) = ask.choose(after.unwrap_or(scenario), &mut random) else {
        // The parser ensures that the last answer always applies.
        return Ok(AfterAnswer::Close);
    };
    let _open = lab.open();
    let request_id = format!("req_lab{:016x}", random.next());
    let manner = Manner {
        id: format!("{}{:016x}", row.id, random.next()),
        model: format!("lab/{}", scenario.name),
        created: lab.now(),
        input_tokens: ask.input_tokens(),
        include_usage: ask.include_usage(),
        usage_every: answer.usage == UsageMode::Every,
        usage: answer.usage_step(),
        tools: ask.tools(),
    };
    if !ask.stream(row.streams)
        && let Some(mut spoken) = script::plain(answer, &manner.tools, random.clone())
    {
        let whole = (row.new)(manner).whole(&mut spoken);
        return WholeAnswer::json(200, &whole).send(wire, request).await;
    }
    let stage = PlayContext {
        answer,
        content_type: row.envelope.content_type(),
        error_header: row.error_header(answer.status),
        request_id: &request_id,
        close: request.close,
        http10: request.http10,
        pace: lab.pace,
    };
    let script = || Script::new(answer, row, manner.clone(), random.clone());
    play(wire, &stage, script).await
}

/// Returns what a request asks for and the scenario that it names, or the refusal.
fn asked(
    request: &ReceivedRequest,
    row: &Endpoint,
    model: Option<String>,
) -> Result<(Ask, &'static Scenario), WholeAnswer> {
    let refuse = |status, message: &str, param, code| {
        let error = (row.refusal)(&Refusal { status, message, kind: None, param, code });
        WholeAnswer::json(status, &error).with(row.error_header(status))
    };
    let Some(ask) = Ask::parse(&request.path, model, &request.body) else {
        return Err(refuse(400, "The request's body is not a JSON object.", None, None));
    };
    let Some(name) = ask.model() else {
        return Err(refuse(400, "The request names no model.", Some("model"), None));
    };
    let Some(scenario) = find(&name) else {
        let code = Some("model_not_found");
        return Err(refuse(404, &unknown(&name), Some("model"), code));
    };
    if !scenario.plays(row) {
        let message = format!(
            "The scenario lab/{} has no form in {}; it plays in: {}.",
            scenario.name,
            row.dialect,
            scenario.dialects().join(", ")
        );
        return Err(refuse(400, &message, Some("model"), Some("unsupported_dialect")));
    }
    Ok((ask, scenario))
}

/// Returns the message about a model that is no scenario.
fn unknown(name: &str) -> String {
    // No name has a thousand letters, and comparing costs.
    let short: String = name.rsplit('/').next().unwrap_or(name).chars().take(64).collect();
    let names = scenarios().iter().map(|it| (strsim::sorensen_dice(&short, &it.name), &it.name));
    let mut ranked: Vec<_> = names.filter(|(similarity, _)| *similarity > 0.5).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let similar_names: Vec<String> =
        ranked.into_iter().take(4).map(|(_, name)| format!("lab/{name}")).collect();
    match similar_names.is_empty() {
        true => {
            format!("The model lab/{short} does not exist. GET /v1/models lists the scenarios.")
        }
        false => {
            format!(
                "The model lab/{short} does not exist. Similar names: {}.",
                similar_names.join(", ")
            )
        }
    }
}

impl Lab {
    /// Returns the Unix time for `created`. With a seed it is always the same, so that the same seed produces
    /// the same bytes.
    fn now(&self) -> u64 {
        if self.seeded {
            return SEEDED_TIME;
        }
        Clock::start().unix_seconds()
    }
}
