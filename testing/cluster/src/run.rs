//! Running all parties of a session on one thread.

use crate::link::{Local, Meddler};
use cotenant_core::PartyId;
use futures::{executor::block_on, future::join_all};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::sync::{Arc, Mutex};

/// What each party ended with.
pub type Outcome<T> = Vec<Result<T, cotenant_mpc::Error>>;

/// The randomness of one party in a run.
pub fn session_rng(seed: u64, party: PartyId) -> ChaCha20Rng {
    let mut s = [0; 32];
    s[..8].copy_from_slice(&seed.to_le_bytes());
    s[8] = party.index() as u8;
    ChaCha20Rng::from_seed(s)
}

/// Runs `party` for each of `n` parties until all have ended. A message that was dropped leaves its receiver waiting until the sender has gone.
pub fn run<T, F>(n: usize, meddler: impl Meddler + 'static, party: impl Fn(Local) -> F) -> Outcome<T>
where
    F: Future<Output = Result<T, cotenant_mpc::Error>>,
{
    let links = Local::cluster(n, Arc::new(Mutex::new(meddler)));
    block_on(join_all(links.into_iter().map(party)))
}
