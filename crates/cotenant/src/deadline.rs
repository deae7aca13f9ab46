//! The limit of one joint call, by this party's own clock: no peer and no server can hold a party for longer, and nothing that was agreed on is
//! sent after it.

use std::{pin::pin, time::Duration};
use tokio::time::{Instant, sleep_until};

/// When a call must be finished.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
}

/// The deadline has passed; the work was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed;

impl Deadline {
    /// This long from now.
    pub fn after(limit: Duration) -> Self {
        Deadline { at: Instant::now() + limit }
    }

    /// Does the work, but no step of it after the deadline: the clock is looked at first whenever the work could go on.
    ///
    /// # Errors
    /// [`Passed`].
    pub async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, Passed> {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            () = sleep_until(self.at) => Err(Passed),
            done = &mut work => Ok(done),
        }
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
        assert_eq!(short.bound(async { panic!("it must not begin") }).await, Err::<(), _>(Passed));
    }
}
