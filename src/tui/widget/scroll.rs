//! The rows of a long list that are on the screen.

/// The first row shown of a list of any length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Scroll {
    /// Index of the row at the top.
    pub top: usize,
}

impl Scroll {
    /// Keeps the window inside the list.
    pub(crate) fn clamp(&mut self, height: usize, len: usize) {
        self.top = self.top.min(len.saturating_sub(height.max(1)));
    }

    /// Moves the window as little as needed to show `row`.
    pub(crate) fn reveal(&mut self, row: usize, height: usize, len: usize) {
        let height = height.max(1);
        if row < self.top {
            self.top = row;
        } else if row >= self.top + height {
            self.top = row + 1 - height;
        }
        self.clamp(height, len);
    }

    /// Moves the window by some rows.
    pub(crate) fn by(&mut self, rows: isize, height: usize, len: usize) {
        self.top = self.top.saturating_add_signed(rows);
        self.clamp(height, len);
    }

    /// Shows the end of the list.
    pub(crate) fn bottom(&mut self, height: usize, len: usize) {
        self.top = len.saturating_sub(height.max(1));
    }
}

/// The row that a movement by `by` rows leads to in a list of `len` rows; the first where none was
/// selected. `None` in an empty list.
pub(crate) fn moved(at: Option<usize>, by: isize, len: usize) -> Option<usize> {
    let last = len.checked_sub(1)?;
    Some(at.map_or(0, |at| at.saturating_add_signed(by)).min(last))
}

#[cfg(test)]
mod tests {
    use super::moved;

    #[test]
    fn movement_stays_in_the_list() {
        assert_eq!(moved(None, 5, 10), Some(0));
        assert_eq!(moved(Some(3), -5, 10), Some(0));
        assert_eq!(moved(Some(3), isize::MAX / 2, 10), Some(9));
        assert_eq!(moved(Some(3), 1, 0), None);
    }
}
