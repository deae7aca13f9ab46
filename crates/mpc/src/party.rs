//! What every step of the protocol works with at one party: the links, its global key, its randomness, its counters.

use crate::{
    coin::{Commitments, Step},
    comms::Comms,
    error::Error,
    shares::Me,
    stats::Progress,
};
use chacha20::ChaCha20Rng;
use cotenant_core::{Block, Channel, Digest, Domain, PartyId, hash::Tmmo};
use rand_core::SeedableRng;

/// Called with progress of long steps.
pub type Observer = Box<dyn FnMut(Progress) + Send>;

/// One party in one session.
pub(crate) struct Party<C> {
    pub(crate) comms: Comms<C>,
    pub(crate) me: Me,
    pub(crate) session: Digest,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) commitments: Commitments,
    pub(crate) hash: Tmmo,
    tweaks: u64,
    observer: Option<Observer>,
}

impl<C: Channel> Party<C> {
    pub(crate) fn new(mut comms: Comms<C>, session: Digest, delta: Block, rng: ChaCha20Rng, observer: Option<Observer>) -> Self {
        comms.bind(&session);
        let me = Me::new(comms.me(), comms.n(), delta);
        let mut key = [0; 16];
        Domain::HashKey.hasher().field(&session.0).expand(&mut key);
        let hash = Tmmo::new(Block(u128::from_le_bytes(key)));
        let commitments = Commitments::new(session, me.id());
        Party { comms, me, session, rng, commitments, hash, tweaks: 0, observer }
    }

    /// `count` numbers for tweaks that no one in this session has used or will use again; the first of them.
    pub(crate) fn take_tweaks(&mut self, count: usize) -> u64 {
        let first = self.tweaks;
        self.tweaks += count as u64;
        first
    }

    /// A coin that all toss.
    pub(crate) async fn toss(&mut self, step: Step) -> Result<Block, Error> {
        self.commitments.toss(&mut self.comms, &mut self.rng, step).await
    }

    /// Everyone commits to `value`, then opens it.
    pub(crate) async fn exchange(&mut self, step: Step, value: &[u8], echo: bool) -> Result<Vec<Vec<u8>>, Error> {
        self.commitments.exchange(&mut self.comms, &mut self.rng, step, value, echo).await
    }

    pub(crate) fn progress(&mut self, progress: impl FnOnce(u64) -> Progress) {
        if let Some(f) = &mut self.observer {
            f(progress(self.comms.stats.total().sent_bytes));
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
