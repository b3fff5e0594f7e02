//! Contenders measured side by side: in turns, in one run, by the CPU time of the thread, so that
//! what else the machine does falls on all of them alike.

use std::hint::black_box;
use std::time::Duration;

use futures_util::{FutureExt as _, Stream, StreamExt as _};

/// One side of a comparison: its name, and what it does once. It returns how many events it saw.
pub(crate) type Contender<'a> = (&'static str, Box<dyn FnMut() -> usize + 'a>);

/// How often each contender runs; the median counts.
const RUNS: usize = 25;

/// Prints a row for each contender: nanoseconds per event, and the ratio to the floor (the first
/// contender) and to the fastest peer (all but the floor and those named `sselens…`).
///
/// # Panics
/// If a contender saw another number of events: it would be fast because it does less.
pub(crate) fn compare(title: &str, events: usize, mut contenders: Vec<Contender<'_>>) {
    for (name, run) in &mut contenders {
        assert_eq!(run(), events, "{title}: {name}");
    }
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..RUNS {
        for ((_, run), times) in contenders.iter_mut().zip(&mut times) {
            let start = cpu_time();
            black_box(run());
            times.push(cpu_time() - start);
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[RUNS / 2].as_secs_f64() * 1e9 / events as f64
    };
    let times: Vec<f64> = times.iter_mut().map(median).collect();
    let names = contenders.iter().map(|(name, _)| *name);
    let peer = names.clone().zip(&times).skip(1).filter(|(name, _)| !name.starts_with("sselens"));
    let peer = peer.map(|(_, time)| *time).fold(f64::INFINITY, f64::min);
    println!("\n{title:<44} {:>11} {:>9} {:>9}", "ns/event", "/floor", "/peer");
    for (name, time) in names.zip(&times) {
        println!("  {name:<42} {time:>11.1} {:>9.2} {:>9.2}", time / times[0], time / peer);
    }
}

/// Drains a stream that is always ready, and returns how many items `count` says that it had.
pub(crate) fn drain<S: Stream>(stream: S, mut count: impl FnMut(S::Item) -> usize) -> usize {
    let mut stream = std::pin::pin!(stream);
    let mut events = 0;
    while let Some(item) = stream.next().now_or_never().flatten() {
        events += count(item);
    }
    events
}

/// The CPU time that this thread has used.
#[cfg(unix)]
fn cpu_time() -> Duration {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// Elsewhere the time that has passed.
#[cfg(not(unix))]
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn cpu_time() -> Duration {
    use std::time::Instant;
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
