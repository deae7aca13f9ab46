//! Authenticating segments: every AND's masked value is what its masks demand.
//!
//! For an AND with masked inputs x, y and masked output z, `<t> = <l*> ^ x<l_b> ^ y<l_a> ^ x*y ^ z` must share 0. All ANDs of the segments that were evaluated
//! together are tested at once on a random GF(2^128) combination. The order matters (a garbler that answers under masked values it has not verified gives the
//! evaluator its mask shares of every gate that a falsified wire feeds):
//!
//! 1. The evaluator sends all z, and each garbler j alone `mu_j = sum of chi * (M_j[t^1] ^ (^ over i of T_ij))`. P_j, with its own copy of the masked values,
//!    requires `mu_j = sum of chi * ((^ over i of K_j[t^i]) ^ t^j * Delta_j)`.
//! 2. Only then P_j sends `m_j = sum of chi * M_1[t^j]` to the evaluator, and, for n > 2, a digest of the masked values to the other garblers.
//! 3. The evaluator requires `xor of all m_j = sum of chi * ((^ over i of K_1[t^i]) ^ t^1 * Delta_1)`; garblers require equal digests.
//!
//! The public part of t, `x*y ^ z`, belongs to nobody's bit: MACs and keys are combined without it, and who tests adds it times its Delta to the keys.
//!
//! Masked values of inputs are broadcast, and compared by all when they are given, not here: in a segment without ANDs every sum is 0 and chi binds nothing.
//! The digests of step 3 then catch an evaluator that sends garblers different z.
//!
//! chi is expanded from a hash of the session, the segments and all their masked values, their inputs' included. That is Fiat-Shamir, which is allowed here:
//! the challenge has 128 bits, a false t passes one challenge with 2^-128, and every party holds every byte that is hashed, so a grinding adversary gains
//! 2^-128 a hash query. It does not matter that a later segment takes wires of an earlier one that is tested in the same sum: all their z are hashed, and a
//! sum that has any false t fails.

use crate::{
    error::{Check, Error, Failed},
    evaluate::Evaluated,
    garble::{Masks, Places},
    kind::Kind,
    party::Party,
    shares::{Me, Shares},
    workers::Workers,
};
use cotenant_core::{Bits, Block, Channel, Digest, Domain, PartyId, buffer::Buffer, gf128, prg::Prg, vector};
use subtle::ConstantTimeEq;

/// Gates whose tested values are in cache at a time.
const STRETCH: usize = 1024;

/// Stretches for one thread at a time.
const BATCH: usize = 16;

/// A segment with the masked values that it is said to have.
pub(crate) struct Tested {
    /// Its number in the plan.
    pub(crate) index: usize,
    pub(crate) places: Places,
    /// Masked values of its inputs.
    pub(crate) inputs: Bits,
    pub(crate) values: Evaluated,
}

impl Tested {
    fn stretches(&self) -> impl Iterator<Item = Cut<'_>> {
        self.places.stretches(STRETCH).map(|(place, at, count)| Cut { values: &self.values, place, at, count })
    }
}

/// Some gates of one segment: where their masks begin, where their masked values do, how many.
struct Cut<'a> {
    values: &'a Evaluated,
    place: usize,
    at: usize,
    count: usize,
}

/// The evaluator: proves the masked values to every garbler, then checks the garblers' answers.
pub(crate) async fn prove<C: Channel>(party: &mut Party<C>, masks: &Masks, tested: &[Tested]) -> Result<(), Error> {
    let (_, seed) = seed(party, tested);
    let garblers: Vec<PartyId> = party.comms.others().collect();
    let sums = Sums::new(&party.workers, &party.me, masks, tested, seed, &garblers);
    for (&j, mu) in garblers.iter().zip(&sums.macs) {
        party.comms.send(j, Kind::EvaluatorProof.message().blocks(&[*mu]).done()).await?;
    }
    let mut total = Block::ZERO;
    for j in garblers {
        total ^= party.comms.recv_read(j, Kind::GarblerProof, |r| r.block()).await?;
    }
    if bool::from(total.ct_eq(&sums.own)) { Ok(()) } else { Err(party.comms.blame_any(Check::GarblerProof)) }
}

/// A garbler: verifies the evaluator's proof, and only then answers.
pub(crate) async fn answer<C: Channel>(party: &mut Party<C>, masks: &Masks, tested: &[Tested]) -> Result<(), Error> {
    let (digest, seed) = seed(party, tested);
    let sums = Sums::new(&party.workers, &party.me, masks, tested, seed, &[PartyId::EVALUATOR]);
    let proof = party.comms.recv_read(PartyId::EVALUATOR, Kind::EvaluatorProof, |r| r.block()).await?;
    if !bool::from(proof.ct_eq(&sums.own)) {
        // With more than two parties another garbler's rows or labels may have misled the evaluator.
        return Err(party.comms.blame_if_two(PartyId::EVALUATOR, Failed(Check::EvaluatorProof)));
    }
    party.comms.send(PartyId::EVALUATOR, Kind::GarblerProof.message().blocks(&sums.macs).done()).await?;
    compare_digests(party, digest).await
}

/// Garblers compare their copies of the masked values; of two that differ the evaluator sent one, or one of them lies.
async fn compare_digests<C: Channel>(party: &mut Party<C>, digest: Digest) -> Result<(), Error> {
    for j in party.comms.other_garblers() {
        party.comms.send(j, Kind::LambdaDigest.message().bytes(&digest.0).done()).await?;
    }
    for j in party.comms.other_garblers() {
        let theirs = party.comms.recv_read(j, Kind::LambdaDigest, |r| r.array::<32>()).await?;
        if theirs != digest.0 {
            return Err(Error::Check { check: Check::MaskedValues, suspects: vec![PartyId::EVALUATOR, j], phase: crate::Phase::Online });
        }
    }
    Ok(())
}

/// Digest of all masked values, and the seed of the coefficients.
fn seed<C: Channel>(party: &Party<C>, tested: &[Tested]) -> (Digest, Block) {
    let mut h = Domain::Lambda.hasher();
    h.field(&party.session.0).number(tested.len() as u64);
    for t in tested {
        h.number(t.index as u64);
        for bits in [&t.inputs, &t.values.out] {
            h.number(bits.len() as u64).field(&bits.to_packed());
        }
    }
    let digest = h.digest();
    (digest, Block(u128::from_le_bytes(digest.0[..16].try_into().expect("16 of 32 bytes"))))
}

/// What one party sends and expects.
pub(crate) struct Sums {
    /// For each party that tests, the sum of chi * (MAC of this party's bit of t, and at the evaluator T).
    pub(crate) macs: Vec<Block>,
    /// This party's part of the sum of chi * t * Delta_me: of the keys of the others' bits of t, and its own bit and the public one times Delta.
    pub(crate) own: Block,
}

impl Sums {
    pub(crate) fn new(workers: &Workers, me: &Me, masks: &Masks, tested: &[Tested], seed: Block, testers: &[PartyId]) -> Sums {
        let zero = || Sums { macs: vec![Block::ZERO; testers.len()], own: Block::ZERO };
        let stretches: Vec<Cut<'_>> = tested.iter().flat_map(Tested::stretches).collect();
        let mut prg = Prg::new(seed);
        let batches = stretches.chunks(BATCH).map(|batch| {
            let own = prg.clone();
            prg = prg.skip(batch.iter().map(|cut| cut.count as u64).sum());
            (own, batch)
        });
        let sums = workers.map(batches.collect(), |(mut prg, batch)| {
            let (mut sums, mut chi, mut buffer) = (zero(), vec![Block::ZERO; STRETCH], Buffer::zeroed(STRETCH));
            for cut in batch {
                let (chi, buffer) = (&mut chi[..cut.count], &mut buffer[..cut.count]);
                prg.fill(chi);
                sums.add(me, &Stretch::new(masks, cut), testers, chi, buffer);
            }
            sums
        });
        sums.into_iter().fold(zero(), |mut total, sums| {
            total.macs.iter_mut().zip(sums.macs).for_each(|(total, mac)| *total ^= mac);
            Sums { own: total.own ^ sums.own, ..total }
        })
    }

    fn add(&mut self, me: &Me, stretch: &Stretch<'_>, testers: &[PartyId], chi: &[Block], buffer: &mut [Block]) {
        let mut t = stretch.public();
        for (k, &j) in testers.iter().enumerate() {
            buffer.fill(Block::ZERO);
            stretch.add_column(me.mac(j), buffer);
            if k == 0 {
                t.xor_assign(&lowest(buffer));
            }
            if let Some(proofs) = stretch.cut.values.proofs.get(k) {
                vector::xor(buffer, &proofs[stretch.cut.at..][..chi.len()]);
            }
            self.macs[k] ^= gf128::inner_product(chi, buffer);
        }
        buffer.fill(Block::ZERO);
        me.others().for_each(|j| stretch.add_column(me.key(j), buffer));
        vector::add_where(buffer, t.words(), me.delta());
        self.own ^= gf128::inner_product(chi, buffer);
    }
}

/// The bits whose MACs these are.
fn lowest(macs: &[Block]) -> Bits {
    let mut words = vec![0; macs.len().div_ceil(64)];
    vector::low_bits(macs, &mut words);
    Bits::from_words(words, macs.len())
}

/// What some gates of one segment are tested by.
struct Stretch<'a> {
    masks: &'a Masks,
    cut: &'a Cut<'a>,
    /// Masked values of the left and right inputs and of the outputs.
    x: Bits,
    y: Bits,
    z: Bits,
}

impl<'a> Stretch<'a> {
    fn new(masks: &'a Masks, cut: &'a Cut<'a>) -> Stretch<'a> {
        let values = cut.values;
        let [x, y, z] = [&values.left, &values.right, &values.out].map(|bits| bits.slice(cut.at, cut.count));
        Stretch { masks, cut, x, y, z }
    }

    /// Adds one column of `<l*> ^ x<l_b> ^ y<l_a>`.
    fn add_column(&self, column: usize, to: &mut [Block]) {
        let of = |shares: &'a Shares| &shares.column(column)[self.cut.place..][..self.cut.count];
        vector::xor(to, of(&self.masks.star));
        vector::xor_where(to, self.x.words(), of(&self.masks.right));
        vector::xor_where(to, self.y.words(), of(&self.masks.left));
    }

    /// `x*y ^ z`.
    fn public(&self) -> Bits {
        let words = self.x.words().iter().zip(self.y.words()).zip(self.z.words()).map(|((x, y), z)| x & y ^ z);
        Bits::from_words(words.collect(), self.x.len())
    }
}
