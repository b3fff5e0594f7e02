//! Lists whose items are made when they are asked for: of a stream of a million events each has one, and
//! what can be computed from the others is not stored.

/// A column of numbers that hardly fall and rise slowly (offsets, times), four bytes each.
///
/// A number is kept as its distance from a base; one that is too far from the last base, or before it,
/// begins another.
#[derive(Debug, Default, Clone)]
pub struct Rising {
    distances: Vec<u32>,
    /// Each with the place of the first number that counts from it.
    bases: Vec<(u32, u64)>,
}

impl Rising {
    /// Adds a number.
    #[inline]
    pub fn push(&mut self, number: u64) {
        let base = self.bases.last().map(|base| base.1);
        match base.and_then(|base| u32::try_from(number.checked_sub(base)?).ok()) {
            Some(distance) => self.distances.push(distance),
            None => self.push_base(number),
        }
    }

    /// Adds a number, which is the next base.
    #[cold]
    fn push_base(&mut self, number: u64) {
        self.bases.push((self.distances.len() as u32, number));
        self.distances.push(0);
    }

    /// Returns how many numbers there are.
    pub fn len(&self) -> usize {
        self.distances.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.distances.is_empty()
    }

    /// The number at a place, which must be one.
    #[inline]
    pub fn at(&self, index: usize) -> u64 {
        let base = match self.bases.as_slice() {
            [(_, base)] => *base,
            bases => bases[bases.partition_point(|base| base.0 as usize <= index) - 1].1,
        };
        base + u64::from(self.distances[index])
    }

    /// Takes all numbers out, and keeps the memory.
    pub fn clear(&mut self) {
        self.distances.clear();
        self.bases.clear();
    }

    /// Puts another number in the place of the last.
    pub fn set_last(&mut self, number: u64) {
        if self.distances.pop().is_some() {
            let len = self.distances.len();
            self.bases.pop_if(|base| base.0 as usize == len);
            self.push(number);
        }
    }

    /// Returns how many of the first numbers match, if all that match precede the others.
    pub fn partition_point(&self, mut is: impl FnMut(u64) -> bool) -> usize {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from + (to - from) / 2;
            if is(self.at(middle)) { from = middle + 1 } else { to = middle }
        }
        from
    }
}

/// A column of values that are mostly the one before.
#[derive(Debug, Clone)]
pub struct Runs<T> {
    /// Each with the place of the first that it is the value of.
    runs: Vec<(u32, T)>,
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self { runs: Vec::new() }
    }
}

impl<T: Copy + PartialEq> Runs<T> {
    /// Adds the value of a place that follows all earlier ones.
    #[inline]
    pub fn push(&mut self, index: usize, value: T) {
        if self.runs.last().is_none_or(|run| run.1 != value) {
            self.begin(index, value);
        }
    }

    /// Adds another value.
    #[cold]
    fn begin(&mut self, index: usize, value: T) {
        self.runs.push((index as u32, value));
    }

    /// Takes all values out, and keeps the memory.
    pub fn clear(&mut self) {
        self.runs.clear();
    }

    /// The value at a place; `None` before the first.
    #[inline]
    pub fn at(&self, index: usize) -> Option<T> {
        let after = match self.runs.last() {
            Some(last) if last.0 as usize <= index => self.runs.len(),
            _ => self.runs.partition_point(|run| run.0 as usize <= index),
        };
        Some(self.runs[after.checked_sub(1)?].1)
    }
}

/// Adds the methods of slices to a list with `len` and `at`, for items that are made when asked for.
macro_rules! packed_list {
    ($list:ty, $item:ty) => {
        impl $list {
            /// Returns whether there are none.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The item at a place, if there is one.
            pub fn get(&self, index: usize) -> Option<$item> {
                (index < self.len()).then(|| self.at(index))
            }

            /// The first item.
            pub fn first(&self) -> Option<$item> {
                self.get(0)
            }

            /// The last item.
            pub fn last(&self) -> Option<$item> {
                self.get(self.len().wrapping_sub(1))
            }

            /// The items, in order.
            pub fn iter(
                &self,
            ) -> impl DoubleEndedIterator<Item = $item> + ExactSizeIterator + Clone + '_ {
                self.range(0..self.len())
            }

            /// Some of the items, in order.
            pub fn range(
                &self,
                places: std::ops::Range<usize>,
            ) -> impl DoubleEndedIterator<Item = $item> + ExactSizeIterator + Clone + '_ {
                places.map(|index| self.at(index))
            }

            /// Returns how many of the first items match, if all that match precede the others.
            pub fn partition_point(&self, mut is: impl FnMut(&$item) -> bool) -> usize {
                let (mut from, mut to) = (0, self.len());
                while from < to {
                    let middle = from + (to - from) / 2;
                    if is(&self.at(middle)) { from = middle + 1 } else { to = middle }
                }
                from
            }
        }
    };
}

pub(crate) use packed_list;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Rising, Runs};

    proptest! {
        #[test]
        fn runs_give_back_what_was_put_in(values in prop::collection::vec(0..3u8, 0..40)) {
            let mut runs = Runs::default();
            values.iter().enumerate().for_each(|(i, value)| runs.push(i, *value));
            let all: Vec<u8> = (0..values.len()).filter_map(|i| runs.at(i)).collect();
            prop_assert_eq!(all, values);
        }

        #[test]
        fn a_column_gives_back_what_was_put_in(
            numbers in prop::collection::vec(prop_oneof![0..9u64, Just(u64::MAX), any::<u64>()], 0..40),
            last in any::<u64>(),
        ) {
            let mut column = Rising::default();
            numbers.iter().for_each(|number| column.push(*number));
            let all = |column: &Rising| (0..column.len()).map(|i| column.at(i)).collect::<Vec<_>>();
            prop_assert_eq!(all(&column), numbers.clone());
            column.set_last(last);
            let mut numbers = numbers;
            if let Some(number) = numbers.last_mut() {
                *number = last;
            }
            prop_assert_eq!(all(&column), numbers);
        }
    }
}
