//! AWS Bedrock InvokeModel, with a model that speaks Anthropic's language: the same events, each in
//! base64 in a message of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::bedrock::{Padding, exception, refusal};
use super::gathered::TokenTally;
use super::{Data, Endpoint, Manner, Speaker, Speech, SpokenFrame, StreamPolicy, anthropic};
use crate::lab::envelope::Envelope;

pub(super) const ROW: Endpoint = Endpoint {
    dialect: "bedrock-invoke",
    path: "/model/{model}/invoke-with-response-stream",
    query: "",
    streams: StreamPolicy::Always,
    envelope: Envelope::Messages,
    choices: false,
    id: "msg_bdrk_lab",
    new: |manner| {
        let inner = (anthropic::ROW.new)(manner.clone());
        let (tally, padding) = (TokenTally::default(), Padding::default());
        Box::new(InvokeSpeaker { manner, tally, padding, inner })
    },
    refusal,
};

/// An answer that is no stream: the model's own.
pub(super) const WHOLE: Endpoint =
    Endpoint { path: "/model/{model}/invoke", streams: StreamPolicy::Never, ..ROW };

/// The speaker that produces this dialect on the wire.
struct InvokeSpeaker {
    manner: Manner,
    tally: TokenTally,
    padding: Padding,
    /// The model.
    inner: Box<dyn Speaker>,
}

impl Speaker for InvokeSpeaker {
    fn speak(&mut self, choice: u32, speech: &Speech, out: &mut Vec<SpokenFrame>) {
        self.tally.count(speech);
        if let Speech::Error(body) = speech {
            return out.push(exception(body));
        }
        let mut words = Vec::new();
        self.inner.speak(choice, speech, &mut words);
        for SpokenFrame { event, data } in words {
            // AWS itself keeps the connection alive.
            if event == Some("ping") {
                continue;
            }
            let mut piece = match data {
                Data::Json(map) => Value::Object(map),
                Data::Text(text) | Data::Bare(text) => text.into(),
            };
            if matches!(speech, Speech::Done) {
                // AWS adds its own counts to the model's.
                let counts = self.manner.counts(self.tally);
                piece["amazon-bedrock-invocationMetrics"] = json!({
                    "inputTokenCount": counts.input,
                    "outputTokenCount": counts.output,
                    "invocationLatency": counts.output.saturating_mul(20),
                    "firstByteLatency": 20,
                });
            }
            let bytes = STANDARD.encode(piece.to_string());
            out.push(self.padding.event("chunk", json!({ "bytes": bytes })));
        }
    }

    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value {
        self.inner.whole(spoken)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{boom, everything, frames, whole};
    use super::*;

    #[test]
    fn pieces_are_the_events_of_the_model() {
        let frames = frames(&ROW, &everything());
        let piece = |frame: &String| -> Value {
            let payload = frame.strip_prefix("chunk ").unwrap();
            let payload: Value = serde_json::from_str(payload).unwrap();
            let bytes = STANDARD.decode(payload["bytes"].as_str().unwrap()).unwrap();
            serde_json::from_slice(&bytes).unwrap()
        };
        let pieces: Vec<Value> = frames.iter().map(piece).collect();
        assert_eq!(pieces[0]["message"]["id"], "msg_bdrk_lab1");
        assert!(pieces.iter().all(|it| it["type"] != "ping"));
        let last = pieces.last().unwrap();
        assert_eq!(last["type"], "message_stop");
        assert_eq!(last["amazon-bedrock-invocationMetrics"]["outputTokenCount"], 5);
        assert_eq!(whole(&WHOLE, &everything())["content"][1]["text"], "Hello");
    }

    #[test]
    fn errors_are_exceptions() {
        let frames = frames(&ROW, &[boom()]);
        assert!(frames[0].starts_with("modelStreamErrorException {"), "{frames:?}");
    }
}
