//! What a link is like, and when bytes arrive that are given to it.
//!
//! b bytes are on a line for b / rate after those before them, and arrive half a round trip later: `due = max(now, free) + b / rate + rtt / 2`.

use std::time::{Duration, Instant};

/// What a link is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// The time that a byte takes there and back.
    pub round_trip: Duration,
    /// Gbit/s each way; as fast as this machine if none.
    pub gbit: Option<f64>,
}

/// One direction of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    line: Line,
    /// When all that was taken is on its way.
    free: Instant,
}

impl Queue {
    pub(crate) fn new(line: Line, now: Instant) -> Self {
        Queue { line, free: now }
    }

    /// Takes so many bytes; says when they arrive.
    pub(crate) fn take(&mut self, bytes: usize, now: Instant) -> Instant {
        let carried = self.line.gbit.map_or(Duration::ZERO, |gbit| Duration::from_secs_f64(bytes as f64 * 8e-9 / gbit));
        self.free = self.free.max(now) + carried;
        self.free + self.line.round_trip / 2
    }

    /// How long what is taken now waits for its turn.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.free.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn bytes_follow_each_other_at_the_rate() {
        let start = Instant::now();
        // 1 Gbit/s carries 125 000 bytes in a millisecond.
        let mut queue = Queue::new(Line { round_trip: 20 * MS, gbit: Some(1.0) }, start);
        assert_eq!(queue.take(125_000, start), start + 11 * MS);
        assert_eq!(queue.take(250_000, start), start + 13 * MS, "after the first");
        assert_eq!((queue.wait(start), queue.wait(start + 5 * MS)), (3 * MS, Duration::ZERO));
        assert_eq!(queue.take(125_000, start + 50 * MS), start + 61 * MS, "at once when the line is idle");
    }

    #[test]
    fn a_line_without_a_rate_only_delays() {
        let start = Instant::now();
        let mut queue = Queue::new(Line { round_trip: 20 * MS, gbit: None }, start);
        assert_eq!([queue.take(1 << 30, start), queue.take(1, start)], [start + 10 * MS; 2]);
    }
}
