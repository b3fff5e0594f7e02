//! JSONPath (RFC 9535) over the payloads of frames.

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::inspect::Inspection;

/// A JSONPath query, such as `$.choices[*].delta.reasoning`.
#[derive(Debug, Clone)]
pub struct PathQuery(JsonPath);

/// Reason that a text is no JSONPath query.
#[derive(Debug, thiserror::Error)]
#[error("not a JSONPath query: {0}")]
pub struct QueryError(String);

impl PathQuery {
    /// Parses a query.
    ///
    /// # Errors
    /// The text is no query of RFC 9535; the message has the place.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        JsonPath::parse(text.trim()).map(Self).map_err(|e| QueryError(e.to_string()))
    }

    /// Returns what it selects in a frame's payload; empty where the payload is no JSON.
    pub fn select(&self, inspection: &Inspection, frame: usize) -> Vec<Value> {
        let data = inspection.frames().get(frame).and_then(|f| f.data(inspection.body()));
        let Some(value) = data.and_then(|d| serde_json::from_str::<Value>(&d).ok()) else {
            return Vec::new();
        };
        self.0.query(&value).iter().map(|node| (*node).clone()).collect()
    }

    /// Returns whether it selects anything in a frame's payload.
    pub fn matches(&self, inspection: &Inspection, frame: usize) -> bool {
        !self.select(inspection, frame).is_empty()
    }
}
