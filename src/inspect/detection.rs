//! Detection of what is spoken: the dialect, how sure that is and by what, and whose variant of it.

use std::borrow::Cow;

use super::findings::JudgingContext;
use crate::dialect::{
    self, Confidence, DecodeEvent, Dialect, ErrorShape, Evidence, Payload, Variant,
};
use crate::journal::{Head, Request};

/// Maximum number of payloads that are asked for their dialect until one is certain; after them only those
/// with a field that none before had.
const MAX_ASKED: u16 = 256;

/// The dialect of Chat Completions' family, which alone has variants.
const CHAT: &str = "openai-chat";

/// A dialect that was recognized.
#[derive(Clone)]
pub struct Recognized {
    /// The dialect.
    pub dialect: &'static dyn Dialect,
    /// The confidence in it, and the reason for that.
    pub sign: Evidence,
    /// The frame that showed it.
    pub frame: u32,
}

/// Knowledge of what is spoken.
#[derive(Default, Clone)]
pub(super) struct Detection {
    configured: Option<&'static dyn Dialect>,
    found: Option<Recognized>,
    asked: u16,
    /// Size of the shape table when a payload was last asked.
    asked_paths: usize,
    variant: Option<(&'static Variant, Cow<'static, str>)>,
    /// Size of the shape table when a chunk was last asked for its variant.
    paths: usize,
    /// By what findings are judged, as it follows from the rest.
    context: JudgingContext,
}

impl Detection {
    /// Takes in the dialect that the user named, and returns it.
    pub(super) fn configure(&mut self, name: &str) -> Option<&'static dyn Dialect> {
        self.configured = dialect::find(name);
        self.settle();
        self.configured
    }

    /// Takes in where the request goes.
    pub(super) fn request(&mut self, request: &Request) {
        self.variant = Variant::of_address(&request.url)
            .map(|(variant, host)| (variant, format!("the host {host}").into()));
        self.settle();
    }

    /// Takes in the response headers, and returns the dialect that they name, if none is set. The provider's
    /// name, which is the user's, counts only if nothing else shows the variant.
    pub(super) fn head(
        &mut self,
        head: &Head,
        request: Option<&Request>,
    ) -> Option<&'static dyn Dialect> {
        if self.variant.is_none() {
            let header = head.headers.iter().find_map(|(name, _)| Variant::of_header(name));
            let by_name = || {
                let named = Variant::of_provider(&request?.provider)?;
                Some((named, "the provider's name".into()))
            };
            self.variant =
                header.map(|(v, by)| (v, format!("a header {by}…").into())).or_else(by_name);
        }
        let named = dialect::by_head(head).map(|(dialect, sign)| {
            self.found = Some(Recognized { dialect, sign, frame: 0 });
            dialect
        });
        self.settle();
        let dialect = named?;
        self.configured.is_none().then_some(dialect)
    }

    /// Asks a payload for its dialect, until one is certain (`paths` is the size of the shape table with it).
    /// Returns the one to read from here on if that is another than before. What was read is kept, and
    /// nothing is read twice.
    pub(super) fn ask(
        &mut self,
        frame: u32,
        payload: &Payload<'_>,
        paths: usize,
    ) -> Option<&'static dyn Dialect> {
        let held = self.found.as_ref().map(|f| f.sign.confidence);
        let is_new = std::mem::replace(&mut self.asked_paths, paths) != paths;
        if held == Some(Confidence::Certain) || (self.asked == MAX_ASKED && !is_new) {
            return None;
        }
        if payload.json.is_some() && self.asked < MAX_ASKED {
            self.asked += 1;
        }
        let (dialect, sign) = dialect::recognize(payload)?;
        if held.is_some_and(|held| held >= sign.confidence) {
            return None;
        }
        let fresh = self.found.as_ref().is_none_or(|f| f.dialect.name() != dialect.name());
        self.found = Some(Recognized { dialect, sign, frame });
        self.settle();
        (fresh && self.configured.is_none()).then_some(dialect)
    }

    /// Returns whether no payload that looks like one before is asked any more.
    pub(super) fn is_settled(&self) -> bool {
        let held = self.found.as_ref().map(|f| f.sign.confidence);
        held == Some(Confidence::Certain) || self.asked == MAX_ASKED
    }

    /// Asks a chunk for its variant, where the shape table has grown by it to `paths`.
    pub(super) fn ask_variant(&mut self, payload: &Payload<'_>, paths: usize) {
        if std::mem::replace(&mut self.paths, paths) == paths || self.variant.is_some() {
            return;
        }
        let chunk = payload.json.filter(|_| self.is_chat() || self.is_responses());
        self.variant = chunk
            .and_then(Variant::of_chunk)
            .filter(|(variant, _)| self.has_accent(variant))
            .map(|(variant, by)| (variant, format!("the member {by}").into()));
        self.settle();
    }

    pub(super) fn dialect(&self) -> Option<&'static dyn Dialect> {
        self.configured.or(self.found.as_ref().map(|f| f.dialect))
    }

    fn is_chat(&self) -> bool {
        self.dialect().is_some_and(|d| d.family() == CHAT)
    }

    pub(super) fn variant(&self) -> Option<(&'static Variant, &str)> {
        let (variant, by) = self.variant.as_ref().filter(|(v, _)| self.has_accent(v))?;
        Some((variant, by))
    }

    fn is_responses(&self) -> bool {
        self.dialect().is_some_and(|d| d.name() == "openai-responses")
    }

    /// Returns whether the variant is one of the dialect that is read.
    fn has_accent(&self, variant: &Variant) -> bool {
        self.is_chat() || self.is_responses() && !variant.normal_in_responses.is_empty()
    }

    pub(super) fn misread(&self) -> Option<&Recognized> {
        let configured = self.configured?;
        self.found.as_ref().filter(|f| {
            f.sign.confidence >= Confidence::Likely && f.dialect.family() != configured.family()
        })
    }

    /// Returns whether a fact is only what a decoder of the wrong dialect treats as an error: a payload
    /// without an `error` key, which is one of the right dialect's.
    pub(super) fn makes_up(&self, fact: &DecodeEvent<'_>, payload: &Payload<'_>) -> bool {
        matches!(fact, DecodeEvent::Error(e) if e.shape == ErrorShape::Flat)
            && self.misread().is_some_and(|found| {
                let reported = dialect::recognize(payload);
                reported.is_some_and(|(d, _)| d.family() == found.dialect.family())
            })
    }

    /// Returns whether the user set the dialect.
    pub(super) fn is_configured(&self) -> bool {
        self.configured.is_some()
    }

    /// The dialect that the bytes are of.
    pub(super) fn recognized(&self) -> Option<&Recognized> {
        self.found.as_ref()
    }

    /// By what findings are judged.
    pub(super) fn context(&self) -> JudgingContext {
        self.context
    }

    /// Works out by what findings are judged, which each frame asks: whatever changes has to call it.
    fn settle(&mut self) {
        let misread = self.misread().is_some();
        let variant = self.variant().map(|v| v.0).filter(|_| !misread);
        self.context = JudgingContext { variant, misread, responses: self.is_responses() };
    }
}
