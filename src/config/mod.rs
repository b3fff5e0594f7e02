//! The configuration.

pub mod keys;
pub mod theme;
