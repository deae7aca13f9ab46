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
use zeroize::Zeroizing;

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

    /// Commits to this party's value towards all; in the same flight as whatever is sent next.
    pub(crate) async fn promise<C: Channel>(
        &mut self,
        comms: &mut Comms<C>,
        rng: &mut ChaCha20Rng,
        step: Step,
        value: &[u8],
    ) -> Result<Promise, Error> {
        let counter = self.next();
        let (commitment, nonce) = self.commit(step, counter, value, rng);
        comms.send_all(&Kind::Commit.message().bytes(&commitment.0).done()).await?;
        Ok(Promise { step, counter, value: Zeroizing::new(value.to_vec()), nonce, commitment })
    }

    /// A part of a coin, promised.
    pub(crate) async fn promise_coin<C: Channel>(
        &mut self,
        comms: &mut Comms<C>,
        rng: &mut ChaCha20Rng,
        step: Step,
    ) -> Result<Promise, Error> {
        let part = Block::random(rng).0.to_le_bytes();
        self.promise(comms, rng, step, &part).await
    }

    /// Opens what everyone holds commitments to, all in one round. The values of each, by party.
    pub(crate) async fn open<C: Channel>(&self, comms: &mut Comms<C>, held: &[&Held]) -> Result<Vec<Vec<Vec<u8>>>, Error> {
        for Held { promise, .. } in held {
            comms.send_all(&Kind::Opening.message().bytes(&promise.value).bytes(promise.nonce.bytes()).done()).await?;
        }
        let mut all = Vec::with_capacity(held.len());
        for Held { promise, commitments } in held {
            let mine = [&promise.value[..], promise.nonce.bytes()].concat();
            let openings = comms.collect(Kind::Opening, mine).await?;
            let values = PartyId::all(comms.n()).zip(commitments.iter().zip(&openings));
            let values = values.map(|(p, (c, o))| self.read(promise, p, c, o).map_err(|e| comms.blame(p, e)));
            all.push(values.collect::<Result<_, _>>()?);
        }
        Ok(all)
    }

    /// The value of one opening, as long as this party's.
    fn read(&self, promise: &Promise, who: PartyId, commitment: &[u8], opening: &[u8]) -> Result<Vec<u8>, Failed> {
        let (value, nonce) =
            opening.split_last_chunk::<32>().filter(|(v, _)| v.len() == promise.value.len()).ok_or(Failed(Check::Format))?;
        self.verify((promise.step, promise.counter), who, commitment, value, nonce)?;
        Ok(value.to_vec())
    }

    /// Everyone commits to a value and opens it when it holds all commitments and all have compared every broadcast so far, the commitments included.
    /// Returns the values by party. Commitments and openings are in the echo. Two rounds, three with the comparison.
    pub(crate) async fn exchange<C: Channel>(
        &mut self,
        comms: &mut Comms<C>,
        rng: &mut ChaCha20Rng,
        step: Step,
        value: &[u8],
    ) -> Result<Vec<Vec<u8>>, Error> {
        let held = self.promise(comms, rng, step, value).await?.hold(comms).await?;
        comms.check_echo().await?;
        Ok(self.open(comms, &[&held]).await?.remove(0))
    }

    /// The seed that the opened parts of a coin come to.
    pub(crate) fn coin(&self, held: &Held, parts: &[Vec<u8>]) -> Block {
        let sum = parts.iter().fold(0, |s, v| s ^ u128::from_le_bytes(v[..].try_into().expect("parts of a coin have 16 bytes")));
        let Promise { step, counter, .. } = held.promise;
        let mut seed = [0; 16];
        Domain::Coin.hasher().field(&self.session.0).number(step as u64).number(counter).field(&sum.to_le_bytes()).expand(&mut seed);
        Block(u128::from_le_bytes(seed))
    }
}

/// A value that this party has committed to; the others' commitments are under way.
pub(crate) struct Promise {
    step: Step,
    counter: u64,
    value: Zeroizing<Vec<u8>>,
    nonce: Nonce,
    commitment: Digest,
}

/// A value that this party has committed to, with the commitments of all.
///
/// A coin needs no comparison of commitments before it is opened: an honest party opens only when it holds all of them and has received all that the coin
/// challenges, so whoever sends different commitments to different parties still cannot foresee any honest party's part. That all hold the same coin has to be
/// compared before anything that follows from it is used or opened, where commitments were not compared before.
pub(crate) struct Held {
    promise: Promise,
    commitments: Vec<Vec<u8>>,
}

impl Promise {
    /// Receives the others' commitments.
    pub(crate) async fn hold<C: Channel>(self, comms: &mut Comms<C>) -> Result<Held, Error> {
        let commitments = comms.collect(Kind::Commit, self.commitment.0.to_vec()).await?;
        Ok(Held { promise: self, commitments })
    }
}
