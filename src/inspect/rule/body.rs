//! Rules of the family `body`.

use super::{Family, Rule};

pub(super) const RULES: &[Rule] = &[];

#[derive(Default)]
pub(super) struct Body;

impl Family for Body {}
