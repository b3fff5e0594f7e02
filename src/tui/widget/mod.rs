//! Pieces that panes are made of.

pub mod doc;
pub mod editor;
pub mod json;
pub mod line;
pub mod scroll;
pub mod text;
pub mod wrap;

pub use doc::Doc;
pub use scroll::Scroll;
