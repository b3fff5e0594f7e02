//! What several modules need.

pub(crate) mod corpus;
pub(crate) mod program;
