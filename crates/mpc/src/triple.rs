//! Authenticated AND triples, for any number of parties.
//!
//! Leaky triples `<x>, <y>, <z = x*y>` by half-ANDs on correlated OT with a batched correctness check (KRRW18 section 4.1, for n parties YWZ20 section 4);
//! a cheater passes the check only by guessing bits of x. Buckets of B leaky triples are combined to one that leaks nothing unless all B were spoiled.
//!
//! Leaky triple t, for every ordered pair (i, j), with h = H(.; t, pair) of 128 bits, of which bit 64 serves the half-AND and bits 0..64 the check. The two
//! are disjoint parts of one output of a hash whose outputs on distinct tweaks are pseudo-random, so they are independent; no tweak is used twice.
//!
//! ```text
//! P_j sends  g = bit64(h(K_j[x^i]) ^ h(K_j[x^i] ^ Delta_j)) ^ y^j
//!            U = low (h(K_j[x^i]) ^ h(K_j[x^i] ^ Delta_j)) ^ Phi_j,  Phi_j = y^j*Delta_j ^ (^ over k != j of K_j[y^k] ^ M_k[y^j])
//! z^i = x^i*y^i ^ (^ over j of bit64(h(M_j[x^i])) ^ x^i*g  ^  bit64(h(K_i[x^j])));   d^i = z^i ^ r^i broadcast;   <z> = <r> ^ d
//! S_i = x^i*Phi_i ^ (^ over k of low h(K_i[x^k]) ^ x^i*U ^ low h(M_k[x^i])) ^ z^i*Delta_i ^ (^ over k of K_i[z^k] ^ M_k[z^i])
//! ```
//!
//! The xor of all S_i is (x*y ^ z) * Delta, 0 for a right triple. It is tested on a random GF(2^64) combination of a whole batch; everything here is cut to
//! its low 64 bits. The coefficients are tossed after all U and d have been received, and nobody opens its sum before all have compared the broadcasts.

use crate::{
    auth::CotLinks,
    coin::Step,
    error::{Check, Error, Phase},
    kind::Kind,
    open::open,
    party::Party,
    shares::Shares,
    stats::Progress,
};
use cotenant_core::{
    Bits, Block, Channel, PartyId, gf64,
    hash::{TweakUse, tweak},
    prg::Prg,
};
use zeroize::Zeroizing;

/// Statistical security of bucketing: 2^-40.
const RHO: u32 = 40;

/// Triples `<a>, <b>, <c = a*b>` that nobody knows anything of.
pub(crate) struct Triples {
    pub(crate) a: Shares,
    pub(crate) b: Shares,
    pub(crate) c: Shares,
}

/// The smallest number of triples that is made at once; fewer are padded, as small batches need large buckets.
const MIN_BATCH: usize = 512;

/// Leaky triples in a bucket when `outputs` come out of each of `batches` batches.
///
/// Layers 1..B of candidates are each shifted cyclically by an independent uniform amount. A cheater that spoiled a_k candidates of layer k passes the check
/// with 2^-(sum a_k), and the expected number of buckets with every candidate spoiled is (product a_k) / N^(B-1); a * 2^-a <= 1/2, so the chance that it
/// passes and owns a bucket of one batch is at most 2^-B * N^-(B-1). B is the least for which `batches` times this is 2^-40 or less.
///
/// # Panics
/// For fewer than 2 outputs.
pub fn bucket_size(outputs: usize, batches: usize) -> usize {
    assert!(outputs >= 2, "one output cannot be hidden among others");
    let (n, wanted) = (outputs as u128, (batches as u128) << RHO);
    let enough = |b: u32| n.checked_pow(b - 1).and_then(|p| p.checked_mul(1 << b)).is_none_or(|p| p >= wanted);
    (3..).find(|&b| enough(b)).expect("n >= 2 makes some b large enough") as usize
}

/// How `total` triples are split in batches: the sizes, all alike. As many as keep buckets of 3: k batches of N with N^2 * 2^3 >= k * 2^40, so the largest k
/// with k^3 * 370 728^2 <= total^2. All parties must count alike, so there are no floating-point numbers here.
pub fn batches(total: usize) -> Vec<usize> {
    /// The least single batch whose buckets have 3.
    const THREE: u128 = 370_728;
    if total == 0 {
        return Vec::new();
    }
    let fits = |k: u128| k.pow(3) * THREE.pow(2) <= (total as u128).pow(2);
    let count = (1..).take_while(|&k| fits(k)).last().unwrap_or(1) as usize;
    vec![total.div_ceil(count).max(MIN_BATCH); count]
}

/// Makes at least `total` triples.
pub(crate) async fn triples<C: Channel>(party: &mut Party<C>, links: &mut CotLinks, total: usize) -> Result<Triples, Error> {
    let sizes = batches(total);
    let all: usize = sizes.iter().sum();
    let new = |p: &Party<C>| Shares::with_capacity(&p.me, all);
    let mut out = Triples { a: new(party), b: new(party), c: new(party) };
    let count = sizes.len();
    for n in sizes {
        let size = bucket_size(n, count);
        let leaky = leaky_triples(party, links, n * size).await?;
        combine(party, leaky, n, size, &mut out).await?;
        let (done, wanted) = (out.a.len() as u64, all as u64);
        party.progress(|sent_bytes| Progress { phase: Phase::Prepare, done, wanted, sent_bytes });
    }
    Ok(out)
}

/// Checked leaky triples: x at `0..len`, y at `len..2*len`, z at `2*len..3*len` of one string.
struct Leaky {
    shares: Shares,
    len: usize,
}

impl Leaky {
    fn x(&self, t: usize) -> (bool, &[Block]) {
        self.shares.at(t)
    }

    fn y(&self, t: usize) -> (bool, &[Block]) {
        self.shares.at(self.len + t)
    }

    fn z(&self, t: usize) -> (bool, &[Block]) {
        self.shares.at(2 * self.len + t)
    }
}

async fn leaky_triples<C: Channel>(party: &mut Party<C>, links: &mut CotLinks, len: usize) -> Result<Leaky, Error> {
    let shares = links.random_bits(party, 3 * len).await?;
    let mut leaky = Leaky { shares, len };
    party.comms.stats.leaky_triples += len as u64;
    let mut z: Bits = (0..len).map(|t| leaky.x(t).0 & leaky.y(t).0).collect();
    let phi: Zeroizing<Vec<u64>> = Zeroizing::new((0..len).map(|t| phi(party, leaky.y(t))).collect());
    let mut s: Zeroizing<Vec<u64>> = Zeroizing::new((0..len).map(|t| phi[t] & mask(leaky.x(t).0)).collect());

    let tweaks = party.take_tweaks(len);
    for j in party.me.others() {
        let (g, u) = as_key_holder(party, &leaky, j, tweaks, &phi, &mut z, &mut s);
        party.comms.send(j, Kind::LeakyAnd.message().bits(&g).words(&u).done()).await?;
    }
    for j in party.me.others() {
        let (g, u) = party.comms.recv_read(j, Kind::LeakyAnd, |r| Ok((r.bits(len)?, r.words(len)?))).await?;
        as_bit_holder(party, &leaky, j, tweaks, (&g, &u), &mut z, &mut s);
    }
    shift_r_to_z(party, &mut leaky, z).await?;
    for (t, s) in s.iter_mut().enumerate() {
        let (bit, row) = leaky.z(t);
        *s ^= row.iter().fold(party.me.delta().when(bit), |a, &b| a ^ b).low();
    }
    check(party, &s).await?;
    Ok(leaky)
}

/// `Phi_me` of one triple, cut to 64 bits.
fn phi<C: Channel>(party: &Party<C>, (y, row): (bool, &[Block])) -> u64 {
    row.iter().fold(party.me.delta().when(y), |a, &b| a ^ b).low()
}

fn mask(bit: bool) -> u64 {
    (bit as u64).wrapping_neg()
}

/// What this party, holding the keys of `j`'s bits x^j, sends to `j`; adds its own halves to `z` and `s`.
fn as_key_holder<C: Channel>(
    party: &Party<C>,
    leaky: &Leaky,
    j: PartyId,
    tweaks: u64,
    phi: &[u64],
    z: &mut Bits,
    s: &mut [u64],
) -> (Bits, Vec<u64>) {
    const LANES: usize = 4;
    let (column, delta) = (party.me.key(j), party.me.delta());
    let mut g = Bits::zero(leaky.len);
    let mut u = vec![0; leaky.len];
    for from in (0..leaky.len).step_by(LANES) {
        let mut h = [Block::ZERO; 2 * LANES];
        let mut tw = [Block::ZERO; 2 * LANES];
        let lanes = LANES.min(leaky.len - from);
        for l in 0..lanes {
            let key = leaky.x(from + l).1[column];
            h[2 * l] = key;
            h[2 * l + 1] = key ^ delta;
            let t = tweak(TweakUse::HalfAnd, party.id(), j, tweaks + (from + l) as u64);
            tw[2 * l] = t;
            tw[2 * l + 1] = t;
        }
        party.hash.hash(&mut h, &tw);
        for l in 0..lanes {
            let (t, h0, both) = (from + l, h[2 * l], h[2 * l] ^ h[2 * l + 1]);
            g.set(t, both.bit(64) ^ leaky.y(t).0);
            u[t] = both.low() ^ phi[t];
            z.set(t, z.get(t) ^ h0.bit(64));
            s[t] ^= h0.low();
        }
    }
    (g, u)
}

/// Uses what `j` sent about this party's bits x: adds the other halves to `z` and `s`.
fn as_bit_holder<C: Channel>(
    party: &Party<C>,
    leaky: &Leaky,
    j: PartyId,
    tweaks: u64,
    (g, u): (&Bits, &[u64]),
    z: &mut Bits,
    s: &mut [u64],
) {
    const LANES: usize = 8;
    let column = party.me.mac(j);
    for from in (0..leaky.len).step_by(LANES) {
        let mut h = [Block::ZERO; LANES];
        let mut tw = [Block::ZERO; LANES];
        let lanes = LANES.min(leaky.len - from);
        for l in 0..lanes {
            h[l] = leaky.x(from + l).1[column];
            tw[l] = tweak(TweakUse::HalfAnd, j, party.id(), tweaks + (from + l) as u64);
        }
        party.hash.hash(&mut h, &tw);
        for (l, h) in h[..lanes].iter().enumerate() {
            let t = from + l;
            let x = leaky.x(t).0;
            z.set(t, z.get(t) ^ h.bit(64) ^ (x & g.get(t)));
            s[t] ^= h.low() ^ (u[t] & mask(x));
        }
    }
}

/// All broadcast d = z xor r; `<r>` becomes `<z>`.
async fn shift_r_to_z<C: Channel>(party: &mut Party<C>, leaky: &mut Leaky, z: Bits) -> Result<(), Error> {
    let len = leaky.len;
    let mut d = leaky.shares.bits().slice(2 * len, len);
    d.xor_assign(&z);
    let all = party.comms.broadcast(Kind::LeakyShift, Kind::LeakyShift.message().bits(&d).done()).await?;
    for t in 0..len {
        leaky.shares.set_bit(2 * len + t, z.get(t));
    }
    let delta = party.me.delta();
    for j in party.me.others() {
        let d = Bits::from_packed(&all[j.index()], len).ok_or_else(|| party.comms.blame(j, crate::error::Failed(Check::Format)))?;
        let column = party.me.key(j);
        for t in 0..len {
            leaky.shares.row_mut(2 * len + t)[column] ^= delta.when(d.get(t));
        }
    }
    Ok(())
}

/// The xor over all parties of the random combination of S must be 0.
async fn check<C: Channel>(party: &mut Party<C>, s: &[u64]) -> Result<(), Error> {
    let seed = party.toss(Step::TripleCheck).await?;
    let mut prg = Prg::new(seed);
    let mut chi = [Block::ZERO; 512];
    let sum = s.chunks(2 * chi.len()).fold(0, |sum, part| {
        prg.fill(&mut chi);
        sum ^ gf64::inner_product(part, &bytemuck::cast_slice::<Block, u64>(&chi)[..part.len()])
    });
    let all = party.exchange(Step::TripleSum, &sum.to_le_bytes(), true).await?;
    let total = all.iter().fold(0, |a, v| a ^ u64::from_le_bytes(v[..].try_into().expect("exchange returns values of the same length")));
    if total == 0 { Ok(()) } else { Err(party.comms.blame_any(Check::Triple)) }
}

/// Layer k of the candidates is shifted by a coin tossed after their check; bucket i takes candidate i of every shifted layer.
///
/// d = y_0 ^ y_k is opened and its MACs checked; then a = ^ x_k, b = y_0, c = z_0 ^ (^ over k of z_k ^ d * x_k).
async fn combine<C: Channel>(party: &mut Party<C>, leaky: Leaky, n: usize, size: usize, out: &mut Triples) -> Result<(), Error> {
    let seed = party.toss(Step::Buckets).await?;
    let mut prg = Prg::new(seed);
    let shifts: Vec<usize> = (1..size).map(|_| prg.below(n as u64) as usize).collect();
    let candidate = |i: usize, k: usize| k * n + (i + shifts[k - 1]) % n;
    let mut differences = Shares::with_capacity(&party.me, n * (size - 1));
    for k in 1..size {
        for i in 0..n {
            differences.push_xor(leaky.y(i), leaky.y(candidate(i, k)));
        }
    }
    let d = open(party, &differences).await?;
    drop(differences);
    for i in 0..n {
        let at = out.a.len();
        let (x, y, z) = (leaky.x(i), leaky.y(i), leaky.z(i));
        out.a.push(x.0, x.1);
        out.b.push(y.0, y.1);
        out.c.push(z.0, z.1);
        for k in 1..size {
            let t = candidate(i, k);
            out.a.add(at, leaky.x(t), true);
            out.c.add(at, leaky.z(t), true);
            out.c.add(at, leaky.x(t), d.get((k - 1) * n + i));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The chance that a cheater passes and owns a bucket, maximised over how many candidates it spoils in each layer.
    fn bound_log2(n: usize, b: usize) -> f64 {
        let best = (1..60).map(|a| (a as f64).log2() - a as f64).fold(f64::NEG_INFINITY, f64::max);
        best * b as f64 - (b as f64 - 1.0) * (n as f64).log2()
    }

    #[test]
    fn buckets_are_the_smallest_that_reach_the_bound() {
        for (n, k, b) in [
            (370_728, 1, 3),
            (370_727, 1, 4),
            (524_288, 2, 3),
            (524_287, 2, 4),
            (4_096, 1, 4),
            (4_095, 1, 5),
            (430, 1, 6),
            (MIN_BATCH, 1, 5),
        ] {
            assert_eq!(bucket_size(n, k), b, "{k} batches of {n} outputs");
            let all = (k as f64).log2();
            assert!(all + bound_log2(n, b) <= -40.0 + 1e-9);
            assert!(all + bound_log2(n, b - 1) > -40.0);
        }
    }

    #[test]
    fn batches_hold_what_was_asked_and_keep_buckets_small() {
        assert!(batches(0).is_empty());
        assert_eq!(batches(1), [MIN_BATCH]);
        assert_eq!([2_965_823, 2_965_824].map(|total| batches(total).len()), [3, 4], "a cube: 4^(3/2) = 8 times the least batch");
        for total in [1, 512, 5000, 370_728, 741_455, 1_048_575, 1_048_576, 1_100_000, 10_000_001, 100_000_000] {
            let b = batches(total);
            assert!(b.iter().sum::<usize>() >= total);
            assert!(total < 370_728 || b.iter().all(|&n| bucket_size(n, b.len()) == 3), "{total}");
        }
    }
}
