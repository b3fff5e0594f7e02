//! Which calls a gateway made for which call of a client.

use std::collections::BTreeMap;

use crate::journal::{ExchangeId, Request};
use crate::transport::request::prompt_of;

/// Headers that name a call wherever it goes.
const IDS: &[&str] = &[
    "traceparent",
    "x-request-id",
    "x-correlation-id",
    "x-client-request-id",
    "request-id",
    "idempotency-key",
    "x-litellm-call-id",
];

/// By what a pair was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum By {
    /// It was the latest of several calls that were open; nothing else tells.
    #[strum(serialize = "time (several were open)")]
    LatestOpen,
    /// No other call of a client was open.
    Time,
    /// The prompt is the same, and it was open.
    Body,
    /// A header names the same call.
    Id,
}

impl By {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What tells one call from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Fingerprint {
    prompt: Option<String>,
    ids: Vec<String>,
}

impl Fingerprint {
    fn of(request: &Request) -> Self {
        let ids = request
            .headers
            .iter()
            .filter(|(k, v)| IDS.iter().any(|id| k.eq_ignore_ascii_case(id)) && v.len() >= 8);
        // Of a trace only the trace is passed on; each call has its own span.
        let id = |v: &String| match v.split('-').collect::<Vec<_>>()[..] {
            ["00", trace, _, _] => trace.to_owned(),
            _ => v.clone(),
        };
        Self { prompt: prompt_of(&request.body), ids: ids.map(|(_, v)| id(v)).collect() }
    }
}

/// The calls of clients, and what they caused.
#[derive(Debug, Default)]
pub struct Pairing {
    open: BTreeMap<ExchangeId, Fingerprint>,
}

impl Pairing {
    /// A client's call has begun.
    pub fn client(&mut self, x: ExchangeId, request: &Request) {
        self.open.insert(x, Fingerprint::of(request));
    }

    /// A client's call is over: what begins from now on is not for it.
    pub fn client_is_over(&mut self, x: ExchangeId) {
        self.open.remove(&x);
    }

    /// The gateway calls upstream: for which call of a client, and by what that is told.
    pub fn upstream(&self, request: &Request) -> Option<(ExchangeId, By)> {
        let print = Fingerprint::of(request);
        let by = |other: &Fingerprint| {
            if print.ids.iter().any(|id| other.ids.contains(id)) {
                By::Id
            } else if print.prompt.is_some() && print.prompt == other.prompt {
                By::Body
            } else if self.open.len() == 1 {
                By::Time
            } else {
                By::LatestOpen
            }
        };
        // The best of them; of equals the latest.
        self.open.iter().map(|(x, other)| (*x, by(other))).max_by_key(|(x, by)| (*by, *x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(prompt: &str, headers: &[(&str, &str)]) -> Request {
        let body = serde_json::json!({"messages": [{"role": "user", "content": prompt}]});
        Request {
            body: body.to_string().into(),
            headers: headers.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            ..Request::default()
        }
    }

    #[test]
    fn ids_come_before_bodies_and_these_before_time() {
        let mut pairing = Pairing::default();
        assert_eq!(pairing.upstream(&request("a", &[])), None);
        pairing.client(1, &request("a", &[("traceparent", "00-aaaaaaaaaa-bb-01")]));
        assert_eq!(pairing.upstream(&request("z", &[])), Some((1, By::Time)));
        pairing.client(2, &request("b", &[]));
        pairing.client(4, &request("b", &[]));
        assert_eq!(pairing.upstream(&request("z", &[])), Some((4, By::LatestOpen)));
        assert_eq!(pairing.upstream(&request("b", &[])), Some((4, By::Body)));
        assert_eq!(pairing.upstream(&request("a", &[])), Some((1, By::Body)));
        let traced = request("b", &[("traceparent", "00-aaaaaaaaaa-cc-01")]);
        assert_eq!(pairing.upstream(&traced), Some((1, By::Id)));
        pairing.client_is_over(1);
        assert_eq!(pairing.upstream(&traced), Some((4, By::Body)));
    }
}
