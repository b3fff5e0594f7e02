//! Rules of the family `sse`.

use super::{Family, Rule};

pub(super) const RULES: &[Rule] = &[];

#[derive(Default)]
pub(super) struct Sse;

impl Family for Sse {}
