//! Pieces that panes are made of.

pub(super) mod diff;
pub(super) mod doc;
pub(super) mod editor;
pub(super) mod json;
pub(super) mod line;
pub(super) mod scroll;
pub(super) mod secrets;
pub(super) mod text;
pub(super) mod wrap;

pub(super) use doc::Doc;
pub(super) use scroll::{Scroll, moved};
