//! What all rooms of a daemon share: its identity and store, the one address at which it is reached, and its clock.

use super::problems;
use crate::{
    party::fresh_rng,
    serve::{daemon::Daemon, problem::Problem},
    store::{Store, StoreError},
};
use chacha20::ChaCha20Rng;
use cotenant_agent::room::Address;
use cotenant_net::{Hub, Identity};
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Milliseconds since 1970.
pub(super) type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What all rooms share.
pub(super) struct Context {
    pub(super) daemon: Arc<Daemon>,
    pub(super) hub: Arc<Hub>,
    pub(super) clock: Clock,
}

impl Context {
    /// This party's key.
    pub(super) fn identity(&self) -> &Identity {
        self.daemon.identity()
    }

    /// Its time, in seconds since 1970.
    pub(super) fn seconds(&self) -> u64 {
        (self.clock)() / 1000
    }

    /// A generator, from the operating system's randomness.
    pub(super) fn rng(&self) -> Result<ChaCha20Rng, Problem> {
        fresh_rng().map_err(|error| problems::fault(&error.to_string()))
    }

    /// Where others reach this party: what its configuration says, else where it listens if that is one address.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let public = &self.daemon.config().peers.public;
        let here = self.hub.address();
        match here.ip().is_unspecified() {
            false if public.is_empty() => vec![here.to_string().parse().expect("a bound address is one")],
            _ => public.clone(),
        }
    }

    /// Works with the store where a thread may wait.
    pub(super) async fn store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let daemon = self.daemon.clone();
        tokio::task::spawn_blocking(move || work(&mut daemon.store())).await.expect("the store does not panic")
    }
}

/// This machine's clock.
pub(super) fn system_clock() -> Clock {
    Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64))
}
