//! The screen.

use super::args::{Global, Ui};
use super::{Exit, Failure};

pub(super) fn run(_global: &Global, _args: &Ui) -> Result<Exit, Failure> {
    Err(Failure::Usage("the screen is not wired up yet; `sselens send` works".into()))
}
