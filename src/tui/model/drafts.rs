//! The requests that the exchanges of the session sent: kept so that they can be sent once more, beside
//! something else.
//!
//! The entries have the requests as the journal may know them, with their secrets masked; these are the drafts
//! as they were typed. They stay in memory and are never shown whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Model;
use crate::action::Draft;
use crate::dialect;
use crate::dialect::request::are_alike;
use crate::journal::{ExchangeId, Request};
use crate::tui::ProviderInfo;

/// The most requests to choose from: the bodies of a long session are not all looked through.
const MOST: usize = 20;

/// The drafts that were sent, by the number of their exchange. Equal drafts are kept once.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    by_exchange: BTreeMap<ExchangeId, Arc<Draft>>,
    /// Handed out, its exchange not begun.
    next: Option<Draft>,
}

impl Drafts {
    /// A request goes out; its number arrives with its first entry.
    pub(super) fn hand_out(&mut self, draft: Draft) {
        self.next = Some(draft);
    }

    /// Keeps the draft that was handed out: its first entry has arrived. Both sides of a comparison have
    /// numbers from the start and were not handed out here.
    pub(super) fn begun(&mut self, id: ExchangeId) {
        if let Some(draft) = self.next.take() {
            self.keep(id, &draft);
        }
    }

    /// Forgets the draft that was handed out: it was not sent.
    pub(super) fn forget(&mut self) {
        self.next = None;
    }

    /// That exchange sent this.
    pub(super) fn keep(&mut self, id: ExchangeId, draft: &Draft) {
        let same = self.by_exchange.values().find(|d| ***d == *draft).cloned();
        self.by_exchange.insert(id, same.unwrap_or_else(|| Arc::new(draft.clone())));
    }
}

impl Model {
    /// Returns the draft that an exchange sent, as it was typed, if it was sent from here.
    pub(super) fn sent_draft(&self, id: ExchangeId, live: bool) -> Option<Draft> {
        self.drafts.by_exchange.get(&id).filter(|_| live).map(|draft| Draft::clone(draft))
    }

    /// The requests of the session that are not the one in the editor, the newest first, each with
    /// the exchange that sent it last.
    pub(in crate::tui) fn other_requests(&self) -> Vec<(ExchangeId, Arc<Draft>)> {
        let own = self.request.to_send();
        let mut others: Vec<(ExchangeId, Arc<Draft>)> = Vec::new();
        for exchange in self.exchanges.iter().rev() {
            if others.len() == MOST {
                break;
            }
            let draft = match exchange.live {
                true => self.drafts.by_exchange.get(&exchange.id).cloned(),
                false => {
                    let request = exchange.inspection.request.as_ref();
                    request.and_then(|r| self.again(&own, r)).map(Arc::new)
                }
            };
            if let Some(draft) = draft
                && *draft != own
                && others.iter().all(|(_, other)| *other != draft)
            {
                others.push((exchange.id, draft));
            }
        }
        others
    }

    /// A recorded request as a draft that goes where the editor's goes: with the same provider's
    /// key, so only where it went to that very place. What was masked in it is lost.
    fn again(&self, own: &Draft, recorded: &Request) -> Option<Draft> {
        let provider = self.provider()?;
        let speaks = own.dialect.as_deref().unwrap_or(&provider.dialect);
        let (from, to) = (dialect::find(&recorded.dialect)?, dialect::find(speaks)?);
        if !recorded.masked.is_empty() || recorded.url.contains("****") || !are_alike(from, to) {
            return None;
        }
        let there = own.url.clone().unwrap_or_else(|| provider.address());
        // The lab has another port each time.
        let embedded = own.url.is_none() && provider.base_url.starts_with("lab:");
        let same = match embedded {
            true => recorded.provider == provider.name,
            false => origin(&there).is_some_and(|o| Some(o) == origin(&recorded.url)),
        };
        same.then(|| {
            let asked = ProviderInfo { model: recorded.model.clone(), ..provider.clone() };
            let usual = embedded || asked.address() == recorded.url;
            // Leave out what is the default, so that one request does not look like two.
            let post = own.method.is_empty() && recorded.method == "POST";
            Draft {
                model: recorded.model.clone(),
                url: (!usual).then(|| recorded.url.clone()),
                method: if post { String::new() } else { recorded.method.clone() },
                body: recorded.body.to_vec(),
                ..own.clone()
            }
        })
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> Option<url::Origin> {
    url::Url::parse(url).ok().map(|url| url.origin()).filter(url::Origin::is_tuple)
}
