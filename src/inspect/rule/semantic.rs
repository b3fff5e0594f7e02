//! Rules of the family `semantic`.

use super::{Family, Rule};

pub(super) const RULES: &[Rule] = &[];

#[derive(Default)]
pub(super) struct Semantic;

impl Family for Semantic {}
