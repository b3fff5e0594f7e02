//! The difference between two lists of pieces of text.

use similar::DiffOp;
use similar::algorithms::{Capture, Compact, Replace, myers};

/// The steps from one list to the other, by Myers' algorithm.
pub(in crate::tui) fn diff(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let mut steps = Compact::new(Replace::new(Capture::new()), old, new);
    // To capture steps cannot fail.
    let Ok(()) = myers::diff(&mut steps, old, 0..old.len(), new, 0..new.len());
    steps.into_inner().into_inner().into_ops()
}
