//! Rules of the family `end`.

use super::{Family, Rule};

pub(super) const RULES: &[Rule] = &[];

#[derive(Default)]
pub(super) struct End;

impl Family for End {}
