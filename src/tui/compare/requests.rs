//! The differences between two requests, in a few words.

use serde_json::Value;

use crate::action::Draft;
use crate::dialect::{self, request::are_alike};
use crate::journal::Request;
use crate::text::{group, preview};
use crate::tui::model::Exchange;

/// Number of names of fields or headers that are shown.
const NAMES: usize = 3;

/// The parts of a request that are compared.
struct ComparedRequest<'a> {
    provider: &'a str,
    model: &'a str,
    method: &'a str,
    /// The address, if the user provided one, and the user's own headers.
    own: (Option<&'a str>, &'a [(String, String)]),
    body: &'a [u8],
}

impl<'a> ComparedRequest<'a> {
    fn of_draft(draft: &'a Draft) -> Self {
        Self {
            provider: &draft.provider,
            model: &draft.model,
            method: if draft.method.is_empty() { "POST" } else { &draft.method },
            own: (draft.url.as_deref(), &draft.headers),
            body: &draft.body,
        }
    }

    fn of_request(request: &'a Request) -> Self {
        Self {
            provider: &request.provider,
            model: &request.model,
            method: &request.method,
            own: (None, &[]),
            body: &request.body,
        }
    }
}

/// Returns what distinguishes two drafts; no value of a header is in it.
pub(super) fn of_drafts(a: &Draft, b: &Draft) -> String {
    differences(&ComparedRequest::of_draft(a), &ComparedRequest::of_draft(b)).join(" · ")
}

/// Returns what distinguishes the requests of two exchanges, beyond the provider and the model: nothing where
/// they are one request in two places, or were written for two dialects. Of two that were chosen as two
/// (`apart`) everything is shown.
pub(in crate::tui) fn of_exchanges(a: &Exchange, b: &Exchange, apart: bool) -> Option<String> {
    let (x, y) = (a.inspection.request.as_ref()?, b.inspection.request.as_ref()?);
    let speaks = |r: &Request| dialect::find(&r.dialect);
    let alike = match (speaks(x), speaks(y)) {
        (Some(x), Some(y)) => are_alike(x, y),
        _ => true,
    };
    if !apart && (!alike || x.body == y.body || members(&x.body, &y.body) == [MODEL]) {
        return None;
    }
    let differences = differences(&ComparedRequest::of_request(x), &ComparedRequest::of_request(y));
    let differences: Vec<_> =
        differences.into_iter().filter(|t| apart || t.starts_with(BODY)).collect();
    (!differences.is_empty()).then(|| differences.join(" · "))
}

const MODEL: &str = "model";
const BODY: &str = "body";

fn differences(a: &ComparedRequest<'_>, b: &ComparedRequest<'_>) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, x, y) in [
        ("provider", a.provider, b.provider),
        (MODEL, a.model, b.model),
        ("method", a.method, b.method),
    ] {
        if x != y {
            differences.push(format!("{name} {} ↔ {}", preview(x, 40), preview(y, 40)));
        }
    }
    if a.own.0 != b.own.0 {
        differences.push("address".to_owned());
    }
    let differing = |x: &[(String, String)], y: &[(String, String)]| -> Vec<String> {
        x.iter().filter(|h| !y.contains(h)).map(|(name, _)| name.to_ascii_lowercase()).collect()
    };
    let mut headers = differing(a.own.1, b.own.1);
    headers.extend(differing(b.own.1, a.own.1));
    if !headers.is_empty() {
        differences.push(format!("headers ({})", some(headers)));
    }
    differences.extend(body(a.body, b.body));
    differences
}

/// Returns the differences between two bodies; nothing where it is the model, which is shown separately.
fn body(a: &[u8], b: &[u8]) -> Option<String> {
    if a == b {
        return None;
    }
    let names = members(a, b);
    if names == [MODEL] {
        return None;
    }
    let bytes = |body: &[u8]| group(body.len() as u64);
    let size = match a.len() == b.len() {
        true => format!("{BODY} {} B", bytes(a)),
        false => format!("{BODY} {} B ↔ {} B", bytes(a), bytes(b)),
    };
    let at = a.iter().zip(b).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
    let names = if names.is_empty() { String::new() } else { format!(" ({})", some(names)) };
    Some(format!("{size}, from byte {} on{names}", group(at as u64)))
}

/// The members that differ, of two JSON objects.
fn members(a: &[u8], b: &[u8]) -> Vec<String> {
    let read = |body: &[u8]| serde_json::from_slice::<Value>(body).ok();
    let (Some(Value::Object(a)), Some(Value::Object(b))) = (read(a), read(b)) else {
        return Vec::new();
    };
    let differs = a.iter().filter(|(name, value)| b.get(*name) != Some(value));
    let only_b = b.iter().filter(|(name, _)| !a.contains_key(*name));
    differs.chain(only_b).map(|(name, _)| name.clone()).collect()
}

/// The first names, once each, and how many there are beside.
fn some(mut names: Vec<String>) -> String {
    names.sort();
    names.dedup();
    let more = names.len().saturating_sub(NAMES);
    let first: Vec<_> = names.iter().take(NAMES).map(|n| preview(n, 30)).collect();
    match more {
        0 => first.join(", "),
        n => format!("{} and {n} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(body: &str) -> Draft {
        Draft { provider: "lab".into(), body: body.into(), ..Draft::default() }
    }

    fn bodies(a: &str, b: &str) -> String {
        of_drafts(&draft(a), &draft(b))
    }

    #[test]
    fn bodies_are_told_apart_by_size_place_and_members() {
        assert_eq!(bodies("{\"a\":1}", "{\"a\":1}"), "");
        assert_eq!(
            bodies(r#"{"model":"m","n":1,"x":1}"#, r#"{"model":"m","n":10,"y":1}"#),
            "body 25 B ↔ 26 B, from byte 18 on (n, x, y)"
        );
        assert_eq!(bodies("{\"a\":1}", "{\"a\": 1}"), "body 7 B ↔ 8 B, from byte 5 on");
        assert_eq!(bodies("abc", "abd"), "body 3 B, from byte 2 on");
        assert_eq!(bodies("abc", "abcd"), "body 3 B ↔ 4 B, from byte 3 on");
        let many = r#"{"a":1,"b":1,"c":1,"d":1,"e":1}"#;
        assert!(bodies("{}", many).ends_with("(a, b, c and 2 more)"));
    }

    #[test]
    fn the_model_is_told_once_and_no_header_by_its_value() {
        let named = |model: &str, key: &str| Draft {
            model: model.into(),
            headers: vec![("Authorization".into(), key.into())],
            ..draft(&format!("{{\"model\":\"{model}\"}}"))
        };
        assert_eq!(of_drafts(&named("a", "k"), &named("b", "k")), "model a ↔ b");
        let differences = of_drafts(&named("a", "sk-one"), &named("a", "sk-two"));
        assert_eq!(differences, "headers (authorization)");
        let elsewhere = Draft { url: Some("http://h/?key=secret".into()), ..named("a", "k") };
        assert_eq!(of_drafts(&named("a", "k"), &elsewhere), "address");
    }
}
