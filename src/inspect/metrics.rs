//! Times, all from the entries: nothing here reads a clock.
//!
//! TTFT and inter-token latency are kept apart the way benchmarking tools define them: the headers, the first
//! byte, the first frame (a comment counts), the first reasoning and the first content are five different
//! moments, and most confusion about "slow" is due to naming one by another.

use crate::dialect::Channel;
use crate::journal::Micros;

/// Times when things happened; `None` if they did not, or were not measured.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "each is the moment it is named for")]
pub struct Timing {
    pub request: Option<Micros>,
    pub resolved: Option<Micros>,
    pub connected: Option<Micros>,
    pub tls: Option<Micros>,
    pub head: Option<Micros>,
    pub first_byte: Option<Micros>,
    pub first_frame: Option<Micros>,
    pub first_reasoning: Option<Micros>,
    pub first_content: Option<Micros>,
    pub last_content: Option<Micros>,
    pub end: Option<Micros>,
    /// Time when a frame with data last arrived: no comment, no ping.
    pub last_data: Option<Micros>,
    /// The frame that `last_data` is about.
    pub(super) data_frame: Option<u32>,
    /// Times in which this side did not read: from and to.
    pub pauses: Vec<(Micros, Micros)>,
    last_delta: Option<Micros>,
    /// Waits between successive frames that carried a delta.
    gaps: Vec<u32>,
    longest: u32,
}

/// Inter-token latency: waits between successive frames that carried text or a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    /// Median.
    pub p50: Micros,
    /// 99th percentile (nearest rank).
    pub p99: Micros,
    /// Longest.
    pub max: Micros,
}

impl Timing {
    /// Returns how long the other side was silent between two moments. Time in which this side did not read
    /// is not counted as its silence.
    pub fn silence(&self, from: Micros, to: Micros) -> Micros {
        let within =
            |(begin, end): &(Micros, Micros)| (*end).min(to).saturating_sub((*begin).max(from));
        let paused: Micros = self.pauses.iter().map(within).sum();
        to.saturating_sub(from).saturating_sub(paused)
    }

    pub(super) fn text(&mut self, channel: Channel, at: Option<Micros>) {
        match channel {
            Channel::Reasoning => self.first_reasoning = self.first_reasoning.or(at),
            Channel::Content => {
                self.first_content = self.first_content.or(at);
                self.last_content = at.or(self.last_content);
            }
            _ => {}
        }
    }

    pub(super) fn delta(&mut self, at: Option<Micros>) {
        if let (Some(last), Some(at)) = (self.last_delta, at) {
            let gap = at.saturating_sub(last).min(u64::from(u32::MAX)) as u32;
            self.gaps.push(gap);
            self.longest = self.longest.max(gap);
        }
        self.last_delta = at.or(self.last_delta);
    }

    /// The client said something on a WebSocket: the wait before the next delta is no gap.
    pub(super) fn turn(&mut self) {
        self.last_delta = None;
    }

    /// Returns every moment of an exchange by its name, in the order in which they occur.
    pub fn moments(&self) -> [(&'static str, Option<Micros>); 10] {
        [
            ("resolved", self.resolved),
            ("connected", self.connected),
            ("TLS", self.tls),
            ("head", self.head),
            ("first byte", self.first_byte),
            ("first frame", self.first_frame),
            ("first reasoning", self.first_reasoning),
            ("first content", self.first_content),
            ("last content", self.last_content),
            ("end", self.end),
        ]
    }

    /// Seconds from the request to `moment`.
    pub fn since_request(&self, moment: Option<Micros>) -> Option<f64> {
        let (from, to) = (self.request?, moment?);
        Some(crate::journal::file::seconds(to.saturating_sub(from)))
    }

    /// The waits between deltas, in order.
    pub fn gaps(&self) -> &[u32] {
        &self.gaps
    }

    /// The waits' distribution; `None` with less than two deltas. Sorts a copy.
    pub fn gap_summary(&self) -> Option<Gaps> {
        Self::summary(self.gaps.clone())
    }

    /// The same from no more than about `most` of the waits, evenly taken: of any number of waits
    /// a drawing can pay for that. The longest is the longest of all.
    pub fn gap_sample(&self, most: usize) -> Option<Gaps> {
        let step = self.gaps.len().div_ceil(most.max(1)).max(1);
        let some = Self::summary(self.gaps.iter().copied().step_by(step).collect())?;
        Some(Gaps { max: self.longest.into(), ..some })
    }

    fn summary(mut sorted: Vec<u32>) -> Option<Gaps> {
        sorted.sort_unstable();
        let rank = |q: f64| {
            let i = (q * sorted.len() as f64).ceil() as usize;
            sorted.get(i.saturating_sub(1)).map(|g| Micros::from(*g))
        };
        Some(Gaps { p50: rank(0.5)?, p99: rank(0.99)?, max: rank(1.0)? })
    }
}

#[cfg(test)]
mod tests {
    use super::Timing;

    #[test]
    fn a_sample_of_the_waits_keeps_the_longest_and_the_middle() {
        let mut timing = Timing::default();
        let mut at = 0;
        for i in 0..10_000u64 {
            at += if i == 7_777 { 1_000_000 } else { 100 + i % 7 };
            timing.delta(Some(at));
        }
        let (all, some) = (timing.gap_summary().unwrap(), timing.gap_sample(500).unwrap());
        assert_eq!((all.max, some.max), (1_000_000, 1_000_000));
        assert!(some.p50.abs_diff(all.p50) <= 1, "{some:?} {all:?}");
        assert_eq!(timing.gap_sample(20_000), Some(all));
        assert_eq!(Timing::default().gap_sample(5), None);
    }
}
