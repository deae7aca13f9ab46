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
//!
//! Doubled points are encoded many at once for the price of one square root, so every scalar is kept as its half, and what is encoded is twice a point.

use super::{KAPPA, OtFault, Pair};
use crate::workers::Workers;
use cotenant_core::{Block, Domain};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

/// A base OT's sender, which gets both keys of every index.
pub(super) struct BaseSender {
    pair: Pair,
    /// Halves of the scalars a.
    halves: Zeroizing<Vec<Scalar>>,
    message: Vec<u8>,
}

impl BaseSender {
    /// With its message: A of every index.
    pub(super) fn start(pair: Pair, workers: &Workers, rng: &mut impl CryptoRng) -> (BaseSender, Vec<u8>) {
        let halves = Zeroizing::new((0..KAPPA).map(|_| Scalar::random(rng)).collect::<Vec<_>>());
        let points = workers.map(halves.iter().collect(), RistrettoPoint::mul_base);
        let message: Vec<u8> = encode_doubles(&points).as_flattened().to_vec();
        (BaseSender { pair, halves, message: message.clone() }, message)
    }

    /// Both keys of every index, given the receiver's message.
    pub(super) fn finish(self, choices: &[u8], workers: &Workers) -> Result<Zeroizing<Vec<[Block; 2]>>, OtFault> {
        let encodings = encodings::<64>(choices)?;
        let both = |(index, half): (usize, &Scalar)| {
            let (r0, r1) = encodings[index].split_at(32);
            let point = |b, r, other| decode(r).map(|r| half * (r + hash_to_group(&self.pair, index, b, other)));
            Ok([point(0, r0, r1)?, point(1, r1, r0)?])
        };
        let points = workers.map(self.halves.iter().enumerate().collect(), both);
        let points = Zeroizing::new(points.into_iter().collect::<Result<Vec<_>, OtFault>>()?);
        let shared = encode_doubles(points.as_flattened());
        let own_key = |index: usize, b: usize| {
            let a = &self.message[32 * index..][..32];
            key(&self.pair, index, a, &encodings[index], b as u8, &shared[2 * index + b])
        };
        Ok(Zeroizing::new((0..KAPPA).map(|index| [own_key(index, 0), own_key(index, 1)]).collect()))
    }
}

/// A base OT's receiver, which gets the key of its choice of every index.
pub(super) struct BaseReceiver {
    pair: Pair,
    choices: Zeroizing<Block>,
    /// Halves of the scalars t.
    halves: Zeroizing<Vec<Scalar>>,
    message: Vec<u8>,
}

impl BaseReceiver {
    /// With its message: (R_0, R_1) of every index, whose choice is bit `index` of `choices`.
    pub(super) fn start(pair: Pair, choices: Block, workers: &Workers, rng: &mut impl CryptoRng) -> (BaseReceiver, Vec<u8>) {
        let halves = Zeroizing::new((0..KAPPA).map(|_| Scalar::random(rng)).collect::<Vec<_>>());
        let mut uniform = [[0; 64]; KAPPA];
        uniform.iter_mut().for_each(|bytes| rng.fill_bytes(bytes));
        let others = encode_doubles(&workers.map(uniform.iter().collect(), RistrettoPoint::from_uniform_bytes));
        let own = |((index, half), other): ((usize, &Scalar), &[u8; 32])| {
            let hashed = hash_to_group(&pair, index, choices.bit(index) as u8, other);
            (RistrettoPoint::mul_base(&(half + half)) - hashed).compress().0
        };
        let own = workers.map(halves.iter().enumerate().zip(others.iter()).collect(), own);
        let mut message = Vec::with_capacity(KAPPA * 64);
        for ((index, own), other) in own.iter().enumerate().zip(others.iter()) {
            for b in [false, true] {
                let chosen = Choice::from(u8::from(b == choices.bit(index)));
                message.extend(other.iter().zip(own).map(|(other, own)| u8::conditional_select(other, own, chosen)));
            }
        }
        (BaseReceiver { pair, choices: Zeroizing::new(choices), halves, message: message.clone() }, message)
    }

    /// The chosen key of every index, given the sender's message.
    pub(super) fn finish(self, points: &[u8], workers: &Workers) -> Result<Zeroizing<Vec<Block>>, OtFault> {
        let encodings = encodings::<32>(points)?;
        let shared = workers.map(self.halves.iter().zip(encodings).collect(), |(half, a)| Ok(half * decode(a)?));
        let shared = Zeroizing::new(shared.into_iter().collect::<Result<Vec<_>, OtFault>>()?);
        let own_key = |(index, shared): (usize, &[u8; 32])| {
            let (a, r) = (&points[32 * index..][..32], &self.message[64 * index..][..64]);
            key(&self.pair, index, a, r, self.choices.bit(index) as u8, shared)
        };
        Ok(Zeroizing::new(encode_doubles(&shared).iter().enumerate().map(own_key).collect()))
    }
}

/// What the other party sent for every index, `N` bytes each.
fn encodings<const N: usize>(message: &[u8]) -> Result<&[[u8; N]], OtFault> {
    let (encodings, rest) = message.as_chunks();
    if encodings.len() == KAPPA && rest.is_empty() { Ok(encodings) } else { Err(OtFault::Format) }
}

/// The encodings of twice each point.
fn encode_doubles(points: &[RistrettoPoint]) -> Zeroizing<Vec<[u8; 32]>> {
    Zeroizing::new(RistrettoPoint::double_and_compress_batch(points).iter().map(|c| c.0).collect())
}

/// H_b of an encoding, a random oracle into the group: the one-way map of RFC 9496 section 4.3.4 on 512 hashed bits.
fn hash_to_group(pair: &Pair, index: usize, b: u8, other: &[u8]) -> RistrettoPoint {
    let (mut h, mut wide) = (Domain::BaseOtGroup.hasher(), [0; 64]);
    pair.absorb(&mut h).number(index as u64).number(b.into()).raw(other).expand(&mut wide);
    RistrettoPoint::from_uniform_bytes(&wide)
}

/// The key of choice b from the shared group element and the encodings that were sent: A, and R_0 before R_1.
fn key(pair: &Pair, index: usize, a: &[u8], r: &[u8], b: u8, shared: &[u8; 32]) -> Block {
    let mut key = Zeroizing::new([0; 16]);
    let mut h = Domain::BaseOt.hasher();
    pair.absorb(&mut h).number(index as u64).raw(a).raw(r).number(b.into()).raw(shared).expand(&mut key[..]);
    Block(u128::from_le_bytes(*key))
}

/// The group element of a canonical encoding.
fn decode(encoding: &[u8]) -> Result<RistrettoPoint, OtFault> {
    CompressedRistretto::from_slice(encoding).ok().and_then(|c| c.decompress()).ok_or(OtFault::Point)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    type Keys = (Zeroizing<Vec<[Block; 2]>>, Zeroizing<Vec<Block>>);

    /// Base OTs in which each side believes in a pair of its own and an attacker changes both messages.
    fn run(choices: Block, pairs: [Pair; 2], attack: impl Fn(&mut Vec<u8>, &mut Vec<u8>)) -> Result<Keys, OtFault> {
        let rng = &mut rng(5);
        let (sender, mut points) = BaseSender::start(pairs[0], &ONE, rng);
        let (receiver, mut chosen) = BaseReceiver::start(pairs[1], choices, &ONE, rng);
        attack(&mut points, &mut chosen);
        Ok((sender.finish(&chosen, &ONE)?, receiver.finish(&points, &ONE)?))
    }

    #[test]
    fn the_receiver_gets_the_key_of_its_choice_and_not_the_other() {
        for choices in [Block::ZERO, Block(u128::MAX), Block::random(&mut rng(1))] {
            let (both, chosen) = run(choices, [pair(); 2], |_, _| ()).unwrap();
            for (i, (both, chosen)) in both.iter().zip(chosen.iter()).enumerate() {
                let c = choices.bit(i) as usize;
                assert!(both[c].0 == chosen.0 && both[1 - c].0 != chosen.0);
            }
            let all: std::collections::HashSet<_> = both.iter().flatten().map(|k| k.0).collect();
            assert_eq!(all.len(), 256);
        }
    }

    #[test]
    fn keys_belong_to_one_session_one_pair_and_one_index() {
        let choices = Block::random(&mut rng(1));
        let agree = |(both, chosen): Keys| (0..128).filter(|&i| both[i].iter().any(|k| k.0 == chosen[i].0)).count();
        for other in other_pairs() {
            assert_eq!(agree(run(choices, [pair(), other], |_, _| ()).unwrap()), 0);
        }
        let exchange = |points: &mut Vec<u8>, chosen: &mut Vec<u8>| {
            points.rotate_left(32);
            chosen.rotate_left(64);
        };
        assert_eq!(agree(run(choices, [pair(); 2], exchange).unwrap()), 0);
    }

    #[test]
    fn bytes_that_encode_no_group_element_are_refused() {
        // not canonical: 2^255 - 19 and all ones; negative: 1; not on the curve: 2 (RFC 9496 appendix A.3 has more of each kind)
        let modulus = [&[0xed][..], &[0xff; 30], &[0x7f]].concat();
        let small = |n: u8| [&[n][..], &[0; 31]].concat();
        for bad in [modulus, vec![0xff; 32], small(1), small(2)] {
            for index in [0, 1, 127] {
                for half in [0, 32] {
                    let spoil = |_: &mut Vec<u8>, c: &mut Vec<u8>| c[64 * index + half..][..32].copy_from_slice(&bad);
                    assert!(run(Block(3), [pair(); 2], spoil).is_err_and(|e| e == OtFault::Point));
                }
                let spoil = |p: &mut Vec<u8>, _: &mut Vec<u8>| p[32 * index..][..32].copy_from_slice(&bad);
                assert!(run(Block(3), [pair(); 2], spoil).is_err_and(|e| e == OtFault::Point));
            }
        }
    }

    #[test]
    fn messages_of_another_length_are_refused() {
        let faults = [
            run(Block(3), [pair(); 2], |p, _| p.truncate(127 * 32)),
            run(Block(3), [pair(); 2], |p, _| p.push(0)),
            run(Block(3), [pair(); 2], |_, c| c.truncate(127 * 64)),
            run(Block(3), [pair(); 2], |_, c| c.push(0)),
        ];
        assert!(faults.into_iter().all(|f| f.is_err_and(|e| e == OtFault::Format)));
    }
}
