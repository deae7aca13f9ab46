//! Base OTs: 128 endemic oblivious transfers in one round.
//!
//! For every index, with a hash H_b to the group: the sender draws a and sends A = aG; the receiver with choice c draws t and a random
//! group element R_(1-c), sets R_c = tG - H_c(R_(1-c)) and sends (R_0, R_1). The keys are hashes of a(R_b + H_b(R_(1-b))), b = 0, 1; the
//! receiver knows the one of its choice, as tA. Masny, Rindal, "Endemic Oblivious Transfer", ePrint 2019/706, the construction from
//! Diffie-Hellman key agreement. Endemic means that a corrupt party may choose the keys it gets; the layers above ask no more.
//!
//! Neither message depends on the other, so both parties may speak first. Every index has its own a: sharing one is cheaper by 128
//! multiplications of the base point a session but needs a stronger assumption, and would tie the indices to each other. The group is
//! Ristretto (RFC 9496), of prime order, so every valid encoding is a group element and there are no small subgroups; the neutral
//! element is let through, as it gives its sender nothing that a chosen scalar does not.

use super::{KAPPA, OtFault, Pair};
use cotenant_core::codec::Reader;
use cotenant_core::{Block, Domain};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

/// A base OT's sender, which gets both keys of every index.
pub(super) struct BaseSender {
    pair: Pair,
    scalars: Zeroizing<Vec<Scalar>>,
    message: Vec<u8>,
}

impl BaseSender {
    /// With its message: A of every index.
    pub(super) fn start(pair: Pair, rng: &mut impl CryptoRng) -> (BaseSender, Vec<u8>) {
        let scalars = Zeroizing::new((0..KAPPA).map(|_| Scalar::random(rng)).collect::<Vec<_>>());
        let message: Vec<u8> = scalars.iter().flat_map(|a| RistrettoPoint::mul_base(a).compress().0).collect();
        (BaseSender { pair, scalars, message: message.clone() }, message)
    }

    /// Both keys of every index, given the receiver's message.
    pub(super) fn finish(self, choices: &[u8]) -> Result<Zeroizing<Vec<[Block; 2]>>, OtFault> {
        let mut theirs = Reader::new(choices);
        let mut keys = Zeroizing::new(Vec::with_capacity(KAPPA));
        for (index, a) in self.message.chunks_exact(32).enumerate() {
            let encoded = theirs.bytes(64)?;
            let (r0, r1) = encoded.split_at(32);
            let own_key = |b, r, other| -> Result<Block, OtFault> {
                let shared = self.scalars[index] * (decode(r)? + hash_to_group(&self.pair, index, b, other));
                Ok(key(&self.pair, index, a, encoded, b, shared))
            };
            keys.push([own_key(0, r0, r1)?, own_key(1, r1, r0)?]);
        }
        theirs.end()?;
        Ok(keys)
    }
}

/// A base OT's receiver, which gets the key of its choice of every index.
pub(super) struct BaseReceiver {
    pair: Pair,
    choices: Zeroizing<Block>,
    scalars: Zeroizing<Vec<Scalar>>,
    message: Vec<u8>,
}

impl BaseReceiver {
    /// With its message: (R_0, R_1) of every index, whose choice is bit `index` of `choices`.
    pub(super) fn start(pair: Pair, choices: Block, rng: &mut impl CryptoRng) -> (BaseReceiver, Vec<u8>) {
        let scalars = Zeroizing::new((0..KAPPA).map(|_| Scalar::random(rng)).collect::<Vec<_>>());
        let mut message = Vec::with_capacity(KAPPA * 64);
        for (index, t) in scalars.iter().enumerate() {
            let (choice, other) = (choices.bit(index) as u8, RistrettoPoint::random(rng));
            let own = RistrettoPoint::mul_base(t) - hash_to_group(&pair, index, choice, &other.compress().0);
            for b in [0, 1] {
                let r = RistrettoPoint::conditional_select(&other, &own, Choice::from(u8::from(b == choice)));
                message.extend_from_slice(&r.compress().0);
            }
        }
        (BaseReceiver { pair, choices: Zeroizing::new(choices), scalars, message: message.clone() }, message)
    }

    /// The chosen key of every index, given the sender's message.
    pub(super) fn finish(self, points: &[u8]) -> Result<Zeroizing<Vec<Block>>, OtFault> {
        let mut theirs = Reader::new(points);
        let mut keys = Zeroizing::new(Vec::with_capacity(KAPPA));
        for (index, r) in self.message.chunks_exact(64).enumerate() {
            let a = theirs.bytes(32)?;
            let shared = self.scalars[index] * decode(a)?;
            keys.push(key(&self.pair, index, a, r, self.choices.bit(index) as u8, shared));
        }
        theirs.end()?;
        Ok(keys)
    }
}

/// H_b of an encoding, a random oracle into the group: the one-way map of RFC 9496 section 4.3.4 on 512 hashed bits.
fn hash_to_group(pair: &Pair, index: usize, b: u8, other: &[u8]) -> RistrettoPoint {
    let (mut h, mut wide) = (Domain::BaseOtGroup.hasher(), [0; 64]);
    pair.absorb(&mut h).number(index as u64).number(b.into()).raw(other).expand(&mut wide);
    RistrettoPoint::from_uniform_bytes(&wide)
}

/// The key of choice b from the shared group element and the encodings that were sent: A, and R_0 before R_1.
fn key(pair: &Pair, index: usize, a: &[u8], r: &[u8], b: u8, shared: RistrettoPoint) -> Block {
    let (shared, mut key) = (Zeroizing::new(shared.compress().0), Zeroizing::new([0; 16]));
    let mut h = Domain::BaseOt.hasher();
    pair.absorb(&mut h).number(index as u64).raw(a).raw(r).number(b.into()).raw(&shared[..]).expand(&mut key[..]);
    Block(u128::from_le_bytes(*key))
}

/// The group element of a canonical encoding.
fn decode(encoding: &[u8]) -> Result<RistrettoPoint, OtFault> {
    CompressedRistretto::from_slice(encoding).ok().and_then(|c| c.decompress()).ok_or(OtFault::Point)
}
