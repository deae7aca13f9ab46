//! What every step of the protocol works with at one party: the links, its global key, its randomness, its counters.

use crate::{
    coin::{Commitments, Promise, Step},
    comms::Comms,
    error::Error,
    shares::Me,
    stats::{Progress, Task},
    workers::Workers,
};
use chacha20::ChaCha20Rng;
use cotenant_core::{Block, Channel, Digest, Domain, PartyId, hash::Tmmo};
use rand_core::SeedableRng;
use std::num::NonZeroUsize;

/// Called with progress of long steps.
pub type Observer = Box<dyn FnMut(Progress) + Send>;

/// What the caller of a session may choose; the other parties need not choose alike.
pub struct Options {
    /// Called with progress of long steps; nobody by default.
    pub observer: Option<Observer>,
    /// Threads that compute, 1 by default. Parties that share a processor should not have more together than it has cores.
    pub threads: NonZeroUsize,
}

impl Default for Options {
    fn default() -> Options {
        Options { observer: None, threads: NonZeroUsize::MIN }
    }
}

/// One party in one session.
pub(crate) struct Party<C> {
    pub(crate) comms: Comms<C>,
    pub(crate) me: Me,
    pub(crate) session: Digest,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) commitments: Commitments,
    pub(crate) hash: Tmmo,
    pub(crate) workers: Workers,
    tweaks: u64,
    observer: Option<Observer>,
    at: Progress,
}

impl<C: Channel> Party<C> {
    pub(crate) fn new(mut comms: Comms<C>, session: Digest, delta: Block, rng: ChaCha20Rng, options: Options) -> Self {
        comms.bind(&session);
        let me = Me::new(comms.me(), comms.n(), delta);
        let mut key = [0; 16];
        Domain::HashKey.hasher().field(&session.0).expand(&mut key);
        let hash = Tmmo::new(Block(u128::from_le_bytes(key)));
        let commitments = Commitments::new(session, me.id());
        let workers = Workers::new(options.threads);
        let at = Progress { phase: comms.phase(), task: Task::Masks, done: 0, wanted: 0, sent_bytes: 0 };
        Party { comms, me, session, rng, commitments, hash, workers, tweaks: 0, observer: options.observer, at }
    }

    /// `count` numbers for tweaks that no one in this session has used or will use again; the first of them.
    pub(crate) fn take_tweaks(&mut self, count: usize) -> u64 {
        let first = self.tweaks;
        self.tweaks += count as u64;
        first
    }

    /// Commits to this party's part of a coin, in the same flight as what is sent next.
    pub(crate) async fn promise_coin(&mut self, step: Step) -> Result<Promise, Error> {
        self.commitments.promise_coin(&mut self.comms, &mut self.rng, step).await
    }

    /// Opens a coin: a seed that no set of fewer than all parties could choose or foresee. Call it when what it challenges is fixed at everyone.
    pub(crate) async fn toss(&mut self, promise: Promise) -> Result<Block, Error> {
        let held = promise.hold(&mut self.comms).await?;
        let parts = self.commitments.open(&mut self.comms, &[&held]).await?.remove(0);
        Ok(self.commitments.coin(&held, &parts))
    }

    /// Everyone commits to `value` and to a part of a coin, then opens both: the values, and the coin, for what all values are fixed for by then.
    pub(crate) async fn exchange_and_toss(&mut self, (step, value): (Step, &[u8]), coin: Step) -> Result<(Vec<Vec<u8>>, Block), Error> {
        let value = self.commitments.promise(&mut self.comms, &mut self.rng, step, value).await?;
        let coin = self.promise_coin(coin).await?;
        let held = [value.hold(&mut self.comms).await?, coin.hold(&mut self.comms).await?];
        self.comms.check_echo().await?;
        let mut opened = self.commitments.open(&mut self.comms, &held.each_ref()).await?;
        let coin = self.commitments.coin(&held[1], &opened[1]);
        Ok((opened.swap_remove(0), coin))
    }

    /// Everyone commits to `value`, then opens it.
    pub(crate) async fn exchange(&mut self, step: Step, value: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        self.commitments.exchange(&mut self.comms, &mut self.rng, step, value).await
    }

    /// Tells the observer that a step begins, of so many items.
    pub(crate) fn begin(&mut self, task: Task, wanted: u64) {
        self.at = Progress { phase: self.comms.phase(), task, done: 0, wanted, sent_bytes: 0 };
        self.tell();
    }

    /// Tells the observer that so many more items of the step are done.
    pub(crate) fn advance(&mut self, items: u64) {
        self.at.done += items;
        self.tell();
    }

    fn tell(&mut self) {
        self.at.sent_bytes = self.comms.stats.total().sent_bytes;
        if let Some(observer) = &mut self.observer {
            observer(self.at);
        }
    }

    /// Erases this party's global key and its randomness, past and future.
    pub(crate) fn erase(&mut self) {
        self.me.erase();
        self.rng = ChaCha20Rng::from_seed([0; 32]);
    }

    pub(crate) fn n(&self) -> usize {
        self.comms.n()
    }

    pub(crate) fn id(&self) -> PartyId {
        self.me.id()
    }
}
