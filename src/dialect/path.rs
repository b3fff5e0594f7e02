//! JSON paths of deltas, small enough to keep one with each of a million deltas.

use std::fmt;
use std::hash::{Hash, Hasher};

/// A JSON path such as `choices[0].delta.reasoning`: a template in which each `#` represents one of up to
/// three array positions.
#[derive(Debug, Clone, Copy, Eq)]
pub struct Path {
    template: &'static str,
    positions: [u16; 3],
}

impl Path {
    /// A path of `template` with the first `#` at `first`.
    pub const fn new(template: &'static str, first: usize) -> Self {
        Self { template, positions: [clamp(first), 0, 0] }
    }

    /// The same with the second `#` at `position`.
    pub const fn second(mut self, position: usize) -> Self {
        self.positions[1] = clamp(position);
        self
    }

    /// The same with the third `#` at `position`.
    pub const fn third(mut self, position: usize) -> Self {
        self.positions[2] = clamp(position);
        self
    }

    /// The path for all positions alike, `choices[].delta.reasoning`, as the shape table has it.
    pub fn general(self) -> String {
        self.template.replace('#', "")
    }

    /// Returns whether they are the same except for positions.
    #[inline]
    pub fn is_alike(self, other: Self) -> bool {
        std::ptr::eq(self.template, other.template) || self.template == other.template
    }

    /// The template, positions as `#`.
    pub fn template(self) -> &'static str {
        self.template
    }
}

impl PartialEq for Path {
    /// Nearly always the templates are one and the same, which takes no comparison of text.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.positions == other.positions && self.is_alike(*other)
    }
}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.template, self.positions).hash(state);
    }
}

const fn clamp(position: usize) -> u16 {
    if position > u16::MAX as usize { u16::MAX } else { position as u16 }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.template.split('#').enumerate() {
            if i > 0 {
                write!(f, "{}", self.positions.get(i - 1).copied().unwrap_or(0))?;
            }
            f.write_str(part)?;
        }
        Ok(())
    }
}
