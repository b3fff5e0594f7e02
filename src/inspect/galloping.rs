//! Searching long sorted lists from a guess.

/// Returns how many of the first of `len` rows are before something (as a slice's `partition_point`, by
/// number), searching outward from `guess`.
///
/// A bisection of a million rows touches twenty places that are far apart in memory, and to draw a screen
/// takes hundreds of them. If things arrive at a nearly even pace, a guess is nearly right, and a search
/// around it touches two or three; a bad guess costs twice a bisection.
pub fn partition_galloping(len: usize, guess: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let is = |at: usize| at < len && is_before(at);
    let guess = guess.min(len);
    let (mut from, mut to) = (guess, guess);
    let mut step = 1;
    if is(guess) {
        to = guess + 1;
        while is(to) {
            from = to;
            to = (to + step).min(len);
            step *= 2;
        }
    } else {
        while from > 0 && !is_before(from - 1) {
            to = from - 1;
            from = to.saturating_sub(step);
            step *= 2;
        }
    }
    while from < to {
        let middle = from + (to - from) / 2;
        if is_before(middle) { from = middle + 1 } else { to = middle }
    }
    from
}

#[cfg(test)]
mod tests {
    use super::partition_galloping;

    #[test]
    fn any_guess_finds_the_same() {
        for len in 0..20usize {
            let rows: Vec<usize> = (0..len).map(|i| i / 3 * 3).collect();
            for wanted in 0..22 {
                let expected = rows.partition_point(|r| *r < wanted);
                for guess in 0..25 {
                    let found = partition_galloping(rows.len(), guess, |i| rows[i] < wanted);
                    assert_eq!(found, expected, "{len} {wanted} {guess}");
                }
            }
        }
    }
}
