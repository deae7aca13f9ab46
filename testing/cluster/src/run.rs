//! Running all parties of a session on one thread.

use crate::link::{Local, Meddler, Network};
use chacha20::ChaCha20Rng;
use cotenant_core::PartyId;
use rand_core::SeedableRng;
use std::{
    pin::Pin,
    task::{Context, Waker},
};

/// What each party ended with.
pub type Outcome<T> = Vec<Result<T, cotenant_mpc::Error>>;

/// The randomness of one party in a run.
pub fn session_rng(seed: u64, party: PartyId) -> ChaCha20Rng {
    let mut s = [0; 32];
    s[..8].copy_from_slice(&seed.to_le_bytes());
    s[8] = party.index() as u8;
    ChaCha20Rng::from_seed(s)
}

/// Runs `party` for each of `n` parties until all have ended. A party may wait for its links and for nothing else; so when all wait and no message is on its
/// way, the run is stuck, and links fall silent (see [`link`](crate::link)) until it has ended. Every run ends.
pub fn run<T, F>(n: usize, meddler: impl Meddler + 'static, party: impl Fn(Local) -> F) -> Outcome<T>
where
    F: Future<Output = Result<T, cotenant_mpc::Error>>,
{
    let network = Network::new(n, meddler);
    run_on(&network, PartyId::all(n).map(|p| Box::pin(party(network.end(p)))).collect())
}

/// Runs the given parties of one network, which need not all be of one kind.
pub fn run_on<T, F: Future<Output = T> + ?Sized>(network: &Network, parties: Vec<Pin<Box<F>>>) -> Vec<T> {
    let mut waiting: Vec<Option<Pin<Box<F>>>> = parties.into_iter().map(Some).collect();
    let mut ended: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    let mut context = Context::from_waker(Waker::noop());
    while waiting.iter().any(Option::is_some) {
        let before = network.events();
        for (party, end) in waiting.iter_mut().zip(&mut ended) {
            if let Some(future) = party
                && let std::task::Poll::Ready(outcome) = future.as_mut().poll(&mut context)
            {
                *end = Some(outcome);
                *party = None;
            }
        }
        if network.events() == before {
            network.time_out();
        }
    }
    ended.into_iter().flatten().collect()
}
