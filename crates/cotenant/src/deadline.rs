//! The limit of one joint call, by this party's own clock: no peer and no server can hold a party for longer, and nothing that was agreed on is
//! sent after it.

use std::{
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep_until};

/// When a call must be finished, by two clocks: one that nobody sets, but that stands still while a machine sleeps, and the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    time_of_day: SystemTime,
}

/// The deadline has passed; the work was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed;

impl Deadline {
    /// This long from now.
    pub fn after(limit: Duration) -> Self {
        Deadline { at: Instant::now() + limit, time_of_day: SystemTime::now() + limit }
    }

    /// Does the work, but no step of it after the deadline: the clocks are looked at first whenever the work could go on.
    ///
    /// # Errors
    /// [`Passed`].
    pub async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, Passed> {
        let (mut work, mut alarm) = (pin!(work), pin!(sleep_until(self.at)));
        poll_fn(|cx| {
            if self.has_passed() {
                return Poll::Ready(Err(Passed));
            }
            match work.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Ok(done)),
                Poll::Pending => alarm.as_mut().poll(cx).map(|()| Err(Passed)),
            }
        })
        .await
    }

    fn has_passed(self) -> bool {
        Instant::now() >= self.at || SystemTime::now() >= self.time_of_day
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn nothing_goes_on_after_it() {
        let long = Deadline::after(Duration::from_secs(3600));
        assert_eq!(long.bound(ready(1)).await, Ok(1));
        let short = Deadline::after(Duration::from_millis(1));
        assert_eq!(short.bound(pending::<()>()).await, Err(Passed));
        // Work that is ready, but only after the deadline, is not taken up.
        let never = || async { panic!("it must not begin") };
        assert_eq!(short.bound(never()).await, Err::<(), _>(Passed));
        let slept = Deadline { time_of_day: SystemTime::now(), ..long };
        assert_eq!(slept.bound(never()).await, Err::<(), _>(Passed));
    }
}
