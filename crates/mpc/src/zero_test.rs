//! Authenticating a segment: every AND's masked value is what its masks demand.
//!
//! For an AND with masked inputs x, y and masked output z, `<t> = <l*> ^ x<l_b> ^ y<l_a> ^ x*y ^ z` must share 0. All ANDs are tested at once on a random
//! GF(2^128) combination. The order matters (a garbler that answers under masked values it has not verified gives the evaluator its mask shares of every
//! gate that a falsified wire feeds):
//!
//! 1. The evaluator sends all z, and each garbler j alone `mu_j = sum of chi * (M_j[t^1] ^ (^ over i of T_ij))`. P_j, with its own copy of the masked values,
//!    requires `mu_j = sum of chi * ((^ over i of K_j[t^i]) ^ t^j * Delta_j)`.
//! 2. Only then P_j sends `m_j = sum of chi * M_1[t^j]` to the evaluator, and, for n > 2, a digest of the masked values to the other garblers.
//! 3. The evaluator requires `xor of all m_j = sum of chi * ((^ over i of K_1[t^i]) ^ t^1 * Delta_1)`; garblers require equal digests.
//!
//! Masked values of inputs are broadcast, and compared by all when they are given, not here: in a segment without ANDs every sum is 0 and chi binds nothing.
//! The digests of step 3 then catch an evaluator that sends garblers different z.
//!
//! chi is expanded from a hash of the session, the segment and all its masked values, its inputs' included. That is Fiat-Shamir, which is allowed here: the
//! challenge has 128 bits, a false t passes one challenge with 2^-128, and every party holds every byte that is hashed, so a grinding adversary gains
//! 2^-128 a hash query.

use crate::{
    error::{Check, Error, Failed},
    evaluate::Evaluated,
    garble::Garbled,
    kind::Kind,
    party::Party,
};
use cotenant_core::{Bits, Block, Channel, Digest, Domain, PartyId, gf128, prg::Prg};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The evaluator: proves the masked values to every garbler, then checks the garblers' answers.
pub(crate) async fn prove<C: Channel>(
    party: &mut Party<C>,
    segment: usize,
    garbled: &Garbled,
    inputs: &Bits,
    e: &Evaluated,
) -> Result<(), Error> {
    let garblers = party.n() - 1;
    let seed = seed(party, segment, inputs, &e.out).1;
    let me = &party.me;
    let sums = combine(seed, e.out.len(), garblers + 1, |k, out| {
        let (x, y) = (e.left.get(k), e.right.get(k));
        let (left, right, star) = (garbled.masks.left.row(k), garbled.masks.right.row(k), garbled.masks.star.row(k));
        for (j, out) in out[..garblers].iter_mut().enumerate() {
            let mac = me.mac(PartyId::new(j + 1));
            *out = star[mac] ^ right[mac].when(x) ^ left[mac].when(y);
            if garblers > 1 {
                *out ^= e.proofs[k * garblers + j];
            }
        }
        out[garblers] = tested(party, garbled, e, k);
    });
    for j in party.comms.others() {
        party.comms.send(j, Kind::EvaluatorProof.message().blocks(&sums[j.index() - 1..j.index()]).done()).await?;
    }
    let mut total = Block::ZERO;
    for j in party.comms.others() {
        total ^= party.comms.recv_read(j, Kind::GarblerProof, |r| r.block()).await?;
    }
    if bool::from(total.ct_eq(&sums[garblers])) { Ok(()) } else { Err(party.comms.blame_any(Check::GarblerProof)) }
}

/// A garbler: verifies the evaluator's proof, and only then answers.
pub(crate) async fn answer<C: Channel>(
    party: &mut Party<C>,
    segment: usize,
    garbled: &Garbled,
    inputs: &Bits,
    e: &Evaluated,
) -> Result<(), Error> {
    let proof = party.comms.recv_read(PartyId::EVALUATOR, Kind::EvaluatorProof, |r| r.block()).await?;
    let (digest, seed) = seed(party, segment, inputs, &e.out);
    let mac = party.me.mac(PartyId::EVALUATOR);
    let sums = combine(seed, e.out.len(), 2, |k, out| {
        let (x, y) = (e.left.get(k), e.right.get(k));
        let (left, right, star) = (garbled.masks.left.row(k), garbled.masks.right.row(k), garbled.masks.star.row(k));
        out[0] = tested(party, garbled, e, k);
        out[1] = star[mac] ^ right[mac].when(x) ^ left[mac].when(y);
    });
    if !bool::from(proof.ct_eq(&sums[0])) {
        // With more than two parties another garbler's rows or labels may have misled the evaluator.
        return Err(party.comms.blame_if_two(PartyId::EVALUATOR, Failed(Check::EvaluatorProof)));
    }
    party.comms.send(PartyId::EVALUATOR, Kind::GarblerProof.message().blocks(&sums[1..]).done()).await?;
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

/// This party's part of `t * Delta_me` for gate `k`: the xor of its keys and its own bit times Delta, the public part of t included.
fn tested<C: Channel>(party: &Party<C>, garbled: &Garbled, e: &Evaluated, k: usize) -> Block {
    let (me, m) = (&party.me, &garbled.masks);
    let (x, y) = (e.left.get(k), e.right.get(k));
    let mut sum = me.b(m.star.bit(k), m.star.row(k));
    sum ^= me.b(m.right.bit(k), m.right.row(k)).when(x) ^ me.b(m.left.bit(k), m.left.row(k)).when(y);
    sum ^ me.delta().when((x & y) ^ e.out.get(k))
}

/// Digest of all masked values of the segment, and the seed of the coefficients.
fn seed<C: Channel>(party: &Party<C>, segment: usize, inputs: &Bits, out: &Bits) -> (Digest, Block) {
    let mut h = Domain::Lambda.hasher();
    h.field(&party.session.0).number(segment as u64).field(&inputs.to_packed()).field(&out.to_packed());
    let digest = h.digest();
    (digest, Block(u128::from_le_bytes(digest.0[..16].try_into().expect("16 of 32 bytes"))))
}

/// `width` sums over all `gates` of chi * value, where `values` writes the values of one gate.
fn combine(seed: Block, gates: usize, width: usize, mut values: impl FnMut(usize, &mut [Block])) -> Vec<Block> {
    const STEP: usize = 256;
    let mut prg = Prg::new(seed);
    let mut chi = [Block::ZERO; STEP];
    let mut columns = Zeroizing::new(vec![[Block::ZERO; STEP]; width]);
    let mut one = Zeroizing::new(vec![Block::ZERO; width]);
    let mut sums = vec![Block::ZERO; width];
    for from in (0..gates).step_by(STEP) {
        prg.fill(&mut chi);
        let count = STEP.min(gates - from);
        for k in 0..count {
            values(from + k, &mut one);
            columns.iter_mut().zip(one.iter()).for_each(|(c, &v)| c[k] = v);
        }
        for (s, c) in sums.iter_mut().zip(columns.iter()) {
            *s ^= gf128::inner_product(&chi[..count], &c[..count]);
        }
    }
    sums
}
