//! Choice of the recorded exchange for a request.

use std::sync::Arc;

use super::recording::Recorded;
use crate::lab::request::ReceivedRequest;
use crate::transport::request::model_of;

/// By what an exchange is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenBy {
    /// The path, and the model where both have one.
    Path,
    /// The same request body.
    Body,
    /// One after the other, each once.
    Order,
    /// One after the other, and then again from the first.
    Any,
}

/// The path, model and body that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The path, without the query.
    pub path: String,
    /// The model, where the body names one.
    pub model: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Wanted {
    /// Returns what a request asks for.
    pub(crate) fn of(request: &ReceivedRequest) -> Self {
        let model = model_of(&request.body);
        Self { path: request.path.clone(), model, body: request.body.clone() }
    }
}

/// Chooses exchanges of a recording.
#[derive(Debug)]
pub struct Chooser {
    recorded: Vec<(Arc<Recorded>, u32)>,
    by: ChosenBy,
    next: usize,
}

impl Chooser {
    /// Chooses among these. A recording that knows no request is served to any.
    pub fn new(recorded: Vec<Recorded>, by: ChosenBy) -> Self {
        let known = recorded.iter().any(|r| !r.target.is_empty());
        let by = if known || by == ChosenBy::Order { by } else { ChosenBy::Any };
        let recorded = recorded.into_iter().map(|r| (Arc::new(r), 0)).collect();
        Self { recorded, by, next: 0 }
    }

    /// The exchange for a request. Where several fit, each gets its turn, and the last one stays.
    pub fn choose(&mut self, wanted: &Wanted) -> Option<Arc<Recorded>> {
        let fits = |r: &Recorded| match self.by {
            ChosenBy::Path => {
                same_path(&r.target, &wanted.path)
                    && wanted.model.as_ref().is_none_or(|m| r.model.is_empty() || *m == r.model)
            }
            ChosenBy::Body => same_body(r, &wanted.body),
            ChosenBy::Order | ChosenBy::Any => true,
        };
        let index = match self.by {
            ChosenBy::Order => {
                self.next += 1;
                self.next - 1
            }
            ChosenBy::Any => {
                self.next += 1;
                (self.next - 1) % self.recorded.len().max(1)
            }
            ChosenBy::Path | ChosenBy::Body => {
                let fitting = self.recorded.iter().enumerate().filter(|(_, (r, _))| fits(r));
                // The first one that was not served yet, or the last one if all were.
                let fitting: Vec<_> = fitting.map(|(i, (_, served))| (i, *served)).collect();
                let fresh = fitting.iter().find(|(_, served)| *served == 0);
                fresh.or(fitting.last())?.0
            }
        };
        let (recorded, served) = self.recorded.get_mut(index)?;
        *served += 1;
        Some(Arc::clone(recorded))
    }
}

/// Returns whether one path is the other, or its end: gateways add and remove prefixes.
fn same_path(target: &str, path: &str) -> bool {
    let target = target.split('?').next().unwrap_or(target).trim_end_matches('/');
    let path = path.trim_end_matches('/');
    let ends = |long: &str, short: &str| {
        !short.is_empty() && long.strip_suffix(short).is_some_and(|_| short.starts_with('/'))
    };
    target == path || ends(target, path) || ends(path, target)
}

/// Returns whether the body is the recorded one; masked bytes may have been any.
fn same_body(recorded: &Recorded, body: &[u8]) -> bool {
    if recorded.request.len() != body.len() {
        return false;
    }
    let mut known = recorded.request.to_vec();
    for (offset, len) in &recorded.masked {
        let span = *offset as usize..offset.saturating_add(*len) as usize;
        if let (Some(to), Some(from)) = (known.get_mut(span.clone()), body.get(span)) {
            to.copy_from_slice(from);
        }
    }
    known == body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Entry, EntryKind, Request};
    use crate::replay::recording::exchanges;

    fn chooser(by: ChosenBy) -> Chooser {
        let request = |x, path: &str, model: &str, body: &str, masked| {
            let request = Request {
                url: format!("https://h{path}"),
                model: model.into(),
                body: body.to_owned().into(),
                masked,
                ..Request::default()
            };
            Entry { exchange: x, at: None, kind: EntryKind::Request(Box::new(request)) }
        };
        let entries = [
            request(4, "/v1/a?q", "m", r#"{"model":"m","k":"*"}"#, vec![(18, 1)]),
            request(5, "/v1/a", "m", "{}", vec![]),
            request(6, "/v1/b", "n", "{}", vec![]),
        ];
        Chooser::new(exchanges(&entries), by)
    }

    fn wanted(path: &str, body: &str) -> Wanted {
        let model = model_of(body.as_bytes());
        Wanted { path: path.into(), model, body: body.into() }
    }

    #[test]
    fn each_way_chooses_its_own() {
        let number = |c: &mut Chooser, path: &str, body: &str| {
            c.choose(&wanted(path, body)).map(|r| r.number)
        };
        let mut by_path = chooser(ChosenBy::Path);
        let got = [(); 3].map(|()| number(&mut by_path, "/gw/v1/a", r#"{"model":"m"}"#));
        assert_eq!(got, [Some(4), Some(5), Some(5)]);
        assert_eq!(number(&mut by_path, "/v1/a", r#"{"model":"n"}"#), None);
        assert_eq!(number(&mut by_path, "/b", ""), Some(6));
        assert_eq!(number(&mut by_path, "/c", ""), None);
        let mut by_body = chooser(ChosenBy::Body);
        assert_eq!(number(&mut by_body, "/x", r#"{"model":"m","k":"z"}"#), Some(4));
        assert_eq!(number(&mut by_body, "/x", r#"{"model":"z","k":"z"}"#), None);
        let mut order = chooser(ChosenBy::Order);
        let got = [(); 4].map(|()| number(&mut order, "/x", ""));
        assert_eq!(got, [Some(4), Some(5), Some(6), None]);
        let mut any = chooser(ChosenBy::Any);
        let got = [(); 4].map(|()| number(&mut any, "/x", ""));
        assert_eq!(got, [Some(4), Some(5), Some(6), Some(4)]);
    }
}
