//! The signals that end the daemon.

use super::error::ServeError;
use std::{future::poll_fn, task::Poll};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on, so that none is lost while the daemon starts.
pub(super) struct Signals([Signal; 3]);

impl Signals {
    pub(super) fn listen() -> Result<Self, ServeError> {
        let listen = |kind| signal(kind).map_err(|source| ServeError::System { what: "listening for signals", source });
        Ok(Signals([listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?, listen(SignalKind::hangup())?]))
    }

    /// Ends when one has come.
    pub(super) async fn next(&mut self) {
        poll_fn(|cx| match self.0.iter_mut().any(|signal| signal.poll_recv(cx).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}
