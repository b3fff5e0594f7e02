//! Searching long sorted lists from a guess.

/// What `partition_point` gives, searched from `guess` outwards.
///
/// A bisection of a million rows touches twenty places that are far apart in memory, and to draw a
/// screen takes hundreds of them. Where things come at a nearly even pace a guess is nearly right,
/// and a search around it touches two or three; a bad guess costs twice a bisection.
pub fn partition_galloping<T>(rows: &[T], guess: usize, is_before: impl Fn(&T) -> bool) -> usize {
    let guess = guess.min(rows.len());
    let (mut from, mut to) = (guess, guess);
    let mut step = 1;
    if rows.get(guess).is_some_and(&is_before) {
        to = guess + 1;
        while rows.get(to).is_some_and(&is_before) {
            from = to;
            to = (to + step).min(rows.len());
            step *= 2;
        }
    } else {
        while from > 0 && !is_before(&rows[from - 1]) {
            to = from - 1;
            from = to.saturating_sub(step);
            step *= 2;
        }
    }
    from + rows[from..to].partition_point(is_before)
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
                    let found = partition_galloping(&rows, guess, |r| *r < wanted);
                    assert_eq!(found, expected, "{len} {wanted} {guess}");
                }
            }
        }
    }
}
