//! Rules of the family `head`.

use super::{Family, Rule};

pub(super) const RULES: &[Rule] = &[];

#[derive(Default)]
pub(super) struct Head;

impl Family for Head {}
