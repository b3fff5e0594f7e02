//! Rules of the family `chat`.

use super::{Family, Rule};

pub(super) const RULES: &[Rule] = &[];

#[derive(Default)]
pub(super) struct Chat;

impl Family for Chat {}
