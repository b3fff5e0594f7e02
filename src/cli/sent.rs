//! The requests that were sent, in saved sessions.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::sessions::{MAX_LISTED, exchange, folded, kept};
use crate::action::SentRequest;
use crate::dialect::request::user_text::prompt_of;
use crate::inspect::InspectOptions;
use crate::journal::{EntryKind, ExchangeId, Request};
use crate::storage::file::{self, BodyHints};

/// So many are listed.
const MOST: usize = 200;
/// In a longer body no prompt is looked for.
const MAX_BODY: usize = 4 << 20;

/// The requests of the saved sessions, the newest first, each once.
pub(super) fn list(options: &Arc<InspectOptions>) -> Vec<SentRequest> {
    let mut listed = Vec::new();
    let mut seen = HashSet::new();
    let small = kept().into_iter().filter(|p| p.metadata().is_ok_and(|m| m.len() <= MAX_LISTED));
    for path in small {
        let Ok(recording) = file::open(&path, &BodyHints::default()) else { continue };
        for (id, inspection) in folded(&recording.entries, options).iter().rev() {
            let Some(request) = &inspection.request else { continue };
            let Request { provider, url, model, body, .. } = &**request;
            if seen.insert((provider.clone(), url.clone(), model.clone(), body.clone())) {
                listed.push(SentRequest {
                    path: path.clone(),
                    created: recording.created.clone(),
                    exchange: exchange(*id, inspection),
                    prompt: prompt(request).unwrap_or_default(),
                });
            }
        }
        if listed.len() >= MOST {
            break;
        }
    }
    listed.truncate(MOST);
    listed
}

fn prompt(request: &Request) -> Option<String> {
    let is_short = request.body.len() <= MAX_BODY;
    is_short.then(|| prompt_of(&request.body)).flatten()
}

/// The request of an exchange of a saved session.
///
/// # Errors
/// Where the file cannot be read, or the exchange is no longer in it.
pub(super) fn request(path: &Path, exchange: ExchangeId) -> io::Result<Box<Request>> {
    let recording = file::open(path, &BodyHints::default()).map_err(io::Error::other)?;
    let of_exchange = recording.entries.into_iter().filter(|entry| entry.exchange == exchange);
    let request = of_exchange.into_iter().find_map(|entry| match entry.kind {
        EntryKind::Request(request) => Some(request),
        _ => None,
    });
    request.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the request is gone from it"))
}
