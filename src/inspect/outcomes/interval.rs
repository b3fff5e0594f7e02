//! The certainty of a share, and the way it is written.

use crate::journal::Micros;
use crate::text;

/// The 97.5 % quantile of the normal distribution: 95 % lie within it on both sides.
const Z: f64 = 1.959_963_984_540_054;

/// The 95 % interval of Wilson's score for a share of `count` in `n`: between which shares the true
/// one lies. Of nothing, anything may be true. Wilson 1927, <https://doi.org/10.2307/2276774>.
pub fn wilson(count: u64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (k, n) = (count.min(n) as f64, n as f64);
    let (p, z2) = (k / n, Z * Z);
    let middle = p + z2 / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let low = (middle - half) / (1.0 + z2 / n);
    let high = (middle + half) / (1.0 + z2 / n);
    // At the edges the formula is exact, but rounding is not.
    (if k == 0.0 { 0.0 } else { low }, if k == n { 1.0 } else { high })
}

/// A share in percent, with as many digits as mean something.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        // Nearly all is not all: round down, so that it never shows as 100 %.
        p if p > 99.0 && p < 100.0 => format!("{:.1} %", (p * 10.0).floor() / 10.0),
        p if p > 0.0 && p < 10.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

/// A count's share of `n` and its interval: `30 %  (25–36 %)`.
pub fn share(count: u64, n: u64) -> String {
    let (low, high) = wilson(count, n);
    let share = if n == 0 { 0.0 } else { count as f64 / n as f64 };
    let low = percent(low);
    format!("{:>6}  ({}–{})", percent(share), low.trim_end_matches(" %"), percent(high))
}

/// Formats the progress of many exchanges for a line on the screen: `38 of 1,000 · 41.2/s · 23 s left`.
/// `elapsed` is in microseconds.
pub fn rate(done: u64, n: u64, failed: u64, elapsed: Micros) -> String {
    let mut line = format!("{} of {}", text::group(done), text::group(n));
    if done > 0 && elapsed > 0 {
        let rate = done as f64 / (elapsed as f64 / 1e6);
        let left = (n.saturating_sub(done) as f64 / rate).ceil();
        let digits = usize::from(rate < 100.0);
        line.push_str(&format!(" · {rate:.digits$}/s"));
        if done < n {
            line.push_str(&match left as u64 {
                s @ 0..120 => format!(" · {s} s left"),
                s => format!(" · {} min left", s.div_ceil(60)),
            });
        }
    }
    if failed > 0 {
        line.push_str(&format!(" · {} failed", text::group(failed)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcombe 1998, table I, method 3 (Wilson without continuity correction): the examples that
    /// every implementation is held against.
    #[test]
    fn the_interval_is_the_published_one() {
        for (k, n, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
            (29, 29, 0.8830, 1.0),
        ] {
            let (l, h) = wilson(k, n);
            assert!((l - low).abs() < 5e-5 && (h - high).abs() < 5e-5, "{k} of {n}: {l} {h}");
        }
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn shares_are_written_with_as_many_digits_as_mean_something() {
        assert_eq!(share(0, 20), "   0 %  (0–16 %)");
        assert_eq!(share(1, 1000), " 0.1 %  (0.0–0.6 %)");
        assert_eq!(share(20, 20), " 100 %  (84–100 %)");
        assert_eq!(share(9999, 10_000), "99.9 %  (99.9–99.9 %)");
        assert_eq!(share(1000, 1000), " 100 %  (99.6–100 %)");
    }

    #[test]
    fn the_rate_tells_what_is_left() {
        assert_eq!(rate(0, 20, 0, 0), "0 of 20");
        assert_eq!(
            rate(10, 1000, 0, 2_000_000),
            format!("10 of {} · 5.0/s · 4 min left", text::group(1000))
        );
        assert_eq!(rate(20, 20, 3, 100_000), "20 of 20 · 200/s · 3 failed");
    }
}
