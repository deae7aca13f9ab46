//! Commitments and coin tosses.
//!
//! A commitment is `H('commitment', session, step, counter, committer, value, nonce)` with a 256-bit nonce: hiding and binding for BLAKE3 as a random
//! oracle. The committer's index is inside because a rushing party could otherwise copy an honest commitment and later its opening; then every coin of two
//! parties would be 0.

use crate::{
    comms::Comms,
    error::{Check, Error, Failed},
    kind::Kind,
};
use chacha20::ChaCha20Rng;
use cotenant_core::{Block, Channel, Digest, Domain, PartyId};
use rand_core::Rng;
use subtle::ConstantTimeEq;

/// What a coin or a committed value is for. Part of every commitment and of the coin's expansion.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Step {
    /// Coefficients of the correlated-OT check.
    CotCheck = 1,
    /// Coefficients of the triple check.
    TripleCheck = 2,
    /// Sums of the triple check.
    TripleSum = 3,
    /// Shifts of the buckets.
    Buckets = 4,
    /// Values of the global-key check.
    DeltaCheck = 5,
    /// A coin of the caller.
    Caller = 6,
    /// Values that the caller wants opened at once.
    CallerValue = 7,
}

/// Makes this party's and checks others' commitments within one session.
pub(crate) struct Commitments {
    session: Digest,
    me: PartyId,
    counter: u64,
}

/// A commitment's nonce, kept until it is opened.
pub(crate) struct Nonce([u8; 32]);

impl Nonce {
    /// To be sent with the value, when the commitment is opened.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Commitments {
    pub(crate) fn new(session: Digest, me: PartyId) -> Self {
        Commitments { session, me, counter: 0 }
    }

    /// A number for the next use; all parties count alike, as they take the same steps in the same order.
    pub(crate) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn digest(&self, step: Step, counter: u64, who: PartyId, value: &[u8], nonce: &[u8; 32]) -> Digest {
        let mut h = Domain::Commit.hasher();
        h.field(&self.session.0).number(step as u64).number(counter).number(who.index() as u64).field(value).field(nonce);
        h.digest()
    }

    /// Commits to this party's `value`.
    pub(crate) fn commit(&self, step: Step, counter: u64, value: &[u8], rng: &mut ChaCha20Rng) -> (Digest, Nonce) {
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        (self.digest(step, counter, self.me, value, &nonce), Nonce(nonce))
    }

    /// Checks that `who` had committed to `value`.
    pub(crate) fn verify(
        &self,
        (step, counter): (Step, u64),
        who: PartyId,
        commitment: &[u8],
        value: &[u8],
        nonce: &[u8; 32],
    ) -> Result<(), Failed> {
        let wanted = self.digest(step, counter, who, value, nonce);
        if bool::from(wanted.0[..].ct_eq(commitment)) { Ok(()) } else { Err(Failed(Check::Commitment)) }
    }

    /// Everyone commits to a value of `len` bytes and opens it when it holds all commitments. Returns the values by party.
    ///
    /// With `echo_before_opening`, all compare every broadcast so far, the commitments included, before anything is opened. Commitments and openings are
    /// in the echo. Two rounds, three with the comparison.
    pub(crate) async fn exchange<C: Channel>(
        &mut self,
        comms: &mut Comms<C>,
        rng: &mut ChaCha20Rng,
        step: Step,
        value: &[u8],
        echo_before_opening: bool,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let counter = self.next();
        let (commitment, nonce) = self.commit(step, counter, value, rng);
        let commitments = comms.broadcast(Kind::Commit, Kind::Commit.message().bytes(&commitment.0).done()).await?;
        if echo_before_opening {
            comms.check_echo().await?;
        }
        let openings = comms.broadcast(Kind::Opening, Kind::Opening.message().bytes(value).bytes(nonce.bytes()).done()).await?;
        let mut values = Vec::with_capacity(openings.len());
        for (p, opening) in PartyId::all(comms.n()).zip(openings) {
            let fits = opening.len() == value.len() + 32;
            let checked = if fits {
                let (v, nonce) = opening.split_at(value.len());
                self.verify((step, counter), p, &commitments[p.index()], v, nonce.try_into().expect("the rest is 32 bytes"))
            } else {
                Err(Failed(Check::Format))
            };
            checked.map_err(|e| comms.blame(p, e))?;
            values.push(opening[..value.len()].to_vec());
        }
        Ok(values)
    }

    /// A seed that no set of fewer than all parties could choose or foresee. Call it when what it challenges is fixed at everyone.
    ///
    /// The commitments need no comparison before they are opened: an honest party opens only when it holds all of them and has received all that the coin
    /// challenges, so whoever sends different commitments to different parties still cannot foresee any honest party's part. That all hold the same coin is
    /// compared at the end, before anything depends on it.
    pub(crate) async fn toss<C: Channel>(&mut self, comms: &mut Comms<C>, rng: &mut ChaCha20Rng, step: Step) -> Result<Block, Error> {
        let mine = Block::random(rng).0.to_le_bytes();
        let all = self.exchange(comms, rng, step, &mine, false).await?;
        let sum = all.iter().fold(0, |s, v| s ^ u128::from_le_bytes(v[..].try_into().expect("exchange returns values of the same length")));
        comms.check_echo().await?;
        let mut seed = [0; 16];
        Domain::Coin.hasher().field(&self.session.0).number(step as u64).number(self.counter).field(&sum.to_le_bytes()).expand(&mut seed);
        Ok(Block(u128::from_le_bytes(seed)))
    }
}
