//! One party's part of the joint Diffie-Hellman key, in the clear at that party.
//!
//! The client's share is K = sum of K_i, K_i = k_i * G, and the shared point is the sum of D_i = k_i * S for the server's share S. Each K_i comes with a
//! proof of knowledge of k_i (Schnorr, J. Cryptology 1991; made non-interactive by hashing session, party, group, K_i and the commitment), and all are
//! committed to before any is opened: without both the last party could choose K, and so know the whole key.
//!
//! On Curve25519 k_i = 8 k' with k' in [1, L). S may carry a component of small order: D_i is k' * (8 S), the cofactor first, so that it has none. Scalars
//! are never clamped and 8 k' is never reduced modulo L. K_i must be of prime order too. Its Montgomery coordinates are u = (1 + y) / (1 - y) and
//! v = c u / x with c = sqrt(-486664) (RFC 7748 section 4.1); either root gives the same sum, if all take the same.

use chacha20::ChaCha20Rng;
use cotenant_core::{Domain, PartyId};
use cotenant_tls::{Group, ServerShare};
use crypto_bigint::modular::ConstMontyForm;
use crypto_bigint::{U256, const_prime_monty_params};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar as EdwardsScalar;
use curve25519_dalek::traits::IsIdentity;
use p256::elliptic_curve::{group::GroupEncoding, ops::Reduce, point::AffineCoordinates, sec1::ToSec1Point};
use p256::{AffinePoint, NonZeroScalar, ProjectivePoint, Scalar};
use rand_core::Rng;
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

/// This party's secret scalar.
pub(super) enum Secret {
    Secp256r1(Zeroizing<Scalar>),
    /// k' of the text.
    X25519(Zeroizing<EdwardsScalar>),
}

/// A party's point and proof, to be committed to and opened: K_i in 33 or 32 bytes, challenge and response of 32 bytes each.
pub(super) type Contribution = Vec<u8>;

/// What a proof is bound to.
pub(super) struct Context<'a> {
    /// Fresh and public: drawn by all parties for this attempt.
    pub(super) attempt: &'a [u8; 64],
    pub(super) group: Group,
    pub(super) party: PartyId,
}

/// Why the parties' points make no key share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareFault {
    /// This party's contribution is no point of prime order with a right proof of knowledge.
    Proof(PartyId),
    /// The points sum to the identity: somebody chose his by the others'.
    Identity,
}

impl Context<'_> {
    /// The challenge for a point and the commitment of its proof.
    fn challenge(&self, point: &[u8], commitment: &[u8]) -> [u8; 32] {
        let mut h = Domain::KeyShareProof.hasher();
        h.field(self.attempt).number(self.group.code().into()).number(self.party.index() as u64).field(point).field(commitment);
        h.digest().0
    }
}

/// Draws a scalar; its point with the proof.
pub(super) fn contribute(context: &Context<'_>, rng: &mut ChaCha20Rng) -> (Secret, Contribution) {
    match context.group {
        Group::Secp256r1 => secp256r1(context, rng),
        Group::X25519 => x25519(context, rng),
    }
}

fn secp256r1(context: &Context<'_>, rng: &mut ChaCha20Rng) -> (Secret, Contribution) {
    let (k, r) = (p256_scalar(rng), p256_scalar(rng));
    let encode = |s: &Scalar| (ProjectivePoint::GENERATOR * s).to_affine().to_bytes();
    let (point, commitment) = (encode(&k), encode(&r));
    let challenge = context.challenge(&point, &commitment);
    let response = *r + p256_reduce(&challenge) * *k;
    (Secret::Secp256r1(k), [&point[..], &challenge, &response.to_bytes()].concat())
}

fn p256_scalar(rng: &mut ChaCha20Rng) -> Zeroizing<Scalar> {
    let mut bytes = Zeroizing::new([0; 32]);
    loop {
        rng.fill_bytes(&mut bytes[..]);
        // By rejection: nearly every draw is in [1, n).
        let drawn: Option<NonZeroScalar> = NonZeroScalar::from_repr((*bytes).into()).into();
        if let Some(s) = drawn {
            return Zeroizing::new(*s);
        }
    }
}

fn p256_reduce(bytes: &[u8; 32]) -> Scalar {
    <Scalar as Reduce<p256::FieldBytes>>::reduce(&(*bytes).into())
}

fn x25519(context: &Context<'_>, rng: &mut ChaCha20Rng) -> (Secret, Contribution) {
    let (k, r) = (edwards_scalar(rng), edwards_scalar(rng));
    let encode = |s: &EdwardsScalar| EdwardsPoint::mul_base(s).mul_by_cofactor().compress().to_bytes();
    let (point, commitment) = (encode(&k), encode(&r));
    let challenge = context.challenge(&point, &commitment);
    let response = *r + EdwardsScalar::from_bytes_mod_order(challenge) * *k;
    (Secret::X25519(k), [&point[..], &challenge, response.as_bytes()].concat())
}

fn edwards_scalar(rng: &mut ChaCha20Rng) -> Zeroizing<EdwardsScalar> {
    let mut wide = Zeroizing::new([0; 64]);
    loop {
        rng.fill_bytes(&mut wide[..]);
        let s = Zeroizing::new(EdwardsScalar::from_bytes_mod_order_wide(&wide));
        if *s != EdwardsScalar::ZERO {
            return s;
        }
    }
}

/// Checks every party's contribution and adds the points: the encoded client share.
pub(super) fn combine(attempt: &[u8; 64], group: Group, contributions: &[Vec<u8>]) -> Result<Vec<u8>, ShareFault> {
    let contexts = PartyId::all(contributions.len()).map(|party| Context { attempt, group, party });
    match group {
        Group::Secp256r1 => {
            let mut sum = ProjectivePoint::IDENTITY;
            for (c, bytes) in contexts.zip(contributions) {
                sum += verify_secp256r1(&c, bytes).ok_or(ShareFault::Proof(c.party))?;
            }
            if sum == ProjectivePoint::IDENTITY {
                return Err(ShareFault::Identity);
            }
            Ok(sum.to_affine().to_sec1_point(false).as_bytes().to_vec())
        }
        Group::X25519 => {
            let mut sum = EdwardsPoint::default();
            for (c, bytes) in contexts.zip(contributions) {
                sum += verify_x25519(&c, bytes).ok_or(ShareFault::Proof(c.party))?;
            }
            if sum.is_identity() {
                return Err(ShareFault::Identity);
            }
            Ok(sum.to_montgomery().to_bytes().to_vec())
        }
    }
}

fn verify_secp256r1(context: &Context<'_>, bytes: &[u8]) -> Option<ProjectivePoint> {
    let (point, rest) = bytes.split_at_checked(33)?;
    let (challenge, response) = parts(rest)?;
    let k: Option<AffinePoint> = AffinePoint::from_bytes(point.try_into().ok()?).into();
    let k = ProjectivePoint::from(k?);
    let response: Option<NonZeroScalar> = NonZeroScalar::from_repr(response.into()).into();
    let commitment = (ProjectivePoint::GENERATOR * *response? - k * p256_reduce(&challenge)).to_affine().to_bytes();
    (k != ProjectivePoint::IDENTITY && context.challenge(point, &commitment) == challenge).then_some(k)
}

fn verify_x25519(context: &Context<'_>, bytes: &[u8]) -> Option<EdwardsPoint> {
    let (point, rest) = bytes.split_at_checked(32)?;
    let (challenge, response) = parts(rest)?;
    let compressed = CompressedEdwardsY::from_slice(point).ok()?;
    let k = compressed.decompress()?;
    let response: Option<EdwardsScalar> = EdwardsScalar::from_canonical_bytes(response).into();
    let commitment = EdwardsPoint::mul_base(&response?).mul_by_cofactor() - k * EdwardsScalar::from_bytes_mod_order(challenge);
    let canonical = k.compress() == compressed && k.is_torsion_free() && !k.is_identity();
    (canonical && context.challenge(point, &commitment.compress().to_bytes()) == challenge).then_some(k)
}

fn parts(rest: &[u8]) -> Option<([u8; 32], [u8; 32])> {
    let (challenge, response) = rest.split_at_checked(32)?;
    Some((challenge.try_into().ok()?, response.try_into().ok()?))
}

/// The affine coordinates of D_i, least significant byte first; Montgomery's on Curve25519.
pub(super) fn coordinates(secret: &Secret, server: &ServerShare) -> Option<[Zeroizing<[u8; 32]>; 2]> {
    match secret {
        Secret::Secp256r1(k) => {
            let point = (ProjectivePoint::from(*server.secp256r1()?.as_affine()) * **k).to_affine();
            Some([reversed(point.x().as_ref()), reversed(point.y().as_ref())])
        }
        Secret::X25519(k) => Some(montgomery(&(server.x25519()?.1.mul_by_cofactor() * **k))),
    }
}

fn reversed(big_endian: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    out.iter_mut().zip(big_endian.iter().rev()).for_each(|(o, &b)| *o = b);
    out
}

const_prime_monty_params!(P25519, U256, "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed", 2);
type Fe = ConstMontyForm<P25519, { U256::LIMBS }>;

/// u and v of a point that is not the identity and has odd order.
fn montgomery(point: &EdwardsPoint) -> [Zeroizing<[u8; 32]>; 2] {
    let mut encoded = Zeroizing::new(point.compress().to_bytes());
    let sign = encoded[31] >> 7;
    encoded[31] &= 0x7f;
    let y = Fe::new(&U256::from_le_slice(&encoded[..]));
    let one = Fe::ONE;
    // x^2 = (y^2 - 1) / (d y^2 + 1), d = -121665 / 121666.
    let d = small(121_665).neg().mul(&invert(&small(121_666)));
    let y2 = y.square();
    let root = sqrt(&y2.sub(&one).mul(&invert(&d.mul(&y2).add(&one))));
    let odd = root.retrieve().to_le_bytes().as_ref()[0] & 1;
    let x = Fe::conditional_select(&root, &root.neg(), Choice::from(odd ^ sign));
    let u = one.add(&y).mul(&invert(&one.sub(&y)));
    let v = sqrt(&small(486_664).neg()).mul(&u).mul(&invert(&x));
    [number(&u), number(&v)]
}

fn small(n: u32) -> Fe {
    Fe::new(&U256::from_u32(n))
}

/// 1 / f for f that is not 0, as no coordinate of a point of odd order other than the identity makes a denominator 0.
fn invert(f: &Fe) -> Fe {
    f.invert().into_option().expect("no denominator is zero")
}

/// A root of a square.
fn sqrt(f: &Fe) -> Fe {
    f.sqrt().into_option().expect("points of the curve have both coordinates")
}

fn number(f: &Fe) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(f.retrieve().to_le_bytes().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    const ATTEMPT: [u8; 64] = [5; 64];

    fn context(group: Group, party: usize) -> Context<'static> {
        Context { attempt: &ATTEMPT, group, party: PartyId::new(party) }
    }

    fn contributions(group: Group, n: usize) -> (Vec<Secret>, Vec<Vec<u8>>) {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        (0..n).map(|p| contribute(&context(group, p), &mut rng)).unzip()
    }

    #[test]
    fn shares_combine_and_every_changed_byte_is_blamed_on_its_party() {
        for group in [Group::Secp256r1, Group::X25519] {
            let (_, good) = contributions(group, 3);
            assert_eq!(combine(&ATTEMPT, group, &good).unwrap().len(), group.share_length());
            for at in 0..good[1].len() {
                let mut bad = good.clone();
                bad[1][at] ^= 4;
                assert_eq!(combine(&ATTEMPT, group, &bad).err(), Some(ShareFault::Proof(PartyId::new(1))), "{group} byte {at}");
            }
        }
    }

    #[test]
    fn proofs_hold_for_one_party_group_and_attempt() {
        for group in [Group::Secp256r1, Group::X25519] {
            let (_, good) = contributions(group, 2);
            let copied = vec![good[0].clone(), good[0].clone()];
            assert_eq!(combine(&ATTEMPT, group, &copied).err(), Some(ShareFault::Proof(PartyId::new(1))));
            assert_eq!(combine(&[6; 64], group, &good).err(), Some(ShareFault::Proof(PartyId::new(0))));
        }
    }

    #[test]
    fn opposite_points_are_no_share() {
        // A party that knows both scalars: the proofs are right, the sum is the identity.
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let k = edwards_scalar(&mut rng);
        let prove = |k: &EdwardsScalar, party: usize| {
            let point = EdwardsPoint::mul_base(k).mul_by_cofactor().compress().to_bytes();
            let r = EdwardsScalar::from(77u8);
            let commitment = EdwardsPoint::mul_base(&r).mul_by_cofactor().compress().to_bytes();
            let challenge = context(Group::X25519, party).challenge(&point, &commitment);
            let response = r + EdwardsScalar::from_bytes_mod_order(challenge) * k;
            [&point[..], &challenge, response.as_bytes()].concat()
        };
        let both = vec![prove(&k, 0), prove(&-*k, 1)];
        assert_eq!(combine(&ATTEMPT, Group::X25519, &both).err(), Some(ShareFault::Identity));
    }

    #[test]
    fn points_with_torsion_are_refused() {
        use curve25519_dalek::constants::EIGHT_TORSION;
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let k = edwards_scalar(&mut rng);
        for torsion in &EIGHT_TORSION[1..] {
            // Tries responses until the challenge hides the torsion: the proof's equation then holds, and only the order gives it away.
            let found = (0u32..64).find_map(|r| {
                let point = (EdwardsPoint::mul_base(&k).mul_by_cofactor() + torsion).compress().to_bytes();
                let r = EdwardsScalar::from(r + 1);
                let commitment = EdwardsPoint::mul_base(&r).mul_by_cofactor();
                let challenge = context(Group::X25519, 0).challenge(&point, &commitment.compress().to_bytes());
                let c = EdwardsScalar::from_bytes_mod_order(challenge);
                (torsion * c).is_identity().then(|| [&point[..], &challenge, (r + c * *k).as_bytes()].concat())
            });
            let bytes = found.expect("one challenge in eight is a multiple of the torsion's order");
            assert!(verify_x25519(&context(Group::X25519, 0), &bytes).is_none());
        }
    }

    #[test]
    fn montgomery_coordinates_are_on_the_curve_and_add_like_the_points() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let fe = |b: &[u8; 32]| Fe::new(&U256::from_le_slice(b));
        let a = small(486_662);
        for _ in 0..20 {
            let (p, q) = (EdwardsPoint::mul_base(&edwards_scalar(&mut rng)), EdwardsPoint::mul_base(&edwards_scalar(&mut rng)));
            let [[u1, v1], [u2, v2]] = [&p, &q].map(|p| montgomery(p).map(|c| fe(&c)));
            assert_eq!(v1.square().retrieve(), u1.square().mul(&u1).add(&a.mul(&u1.square())).add(&u1).retrieve());
            let slope = v2.sub(&v1).mul(&invert(&u2.sub(&u1)));
            let u3 = slope.square().sub(&a).sub(&u1).sub(&u2);
            assert_eq!(number(&u3)[..], (p + q).to_montgomery().to_bytes()[..]);
        }
    }
}
