//! Products of masks: authenticated AND triples, for any number of parties.
//!
//! Buckets of B leaky triples ([`leaky`](crate::leaky)) are combined to one that leaks nothing unless all B were spoiled. Triples are made in place: the
//! first of a bucket has the mask of the gate's right input as its y, which saves a random share and an opening for every gate. Triples leak on x alone and
//! bucketing keeps the first y, so the mask stays hidden; only the first of a bucket is tied to its gate before the shifts are drawn.

use crate::{
    auth::CotLinks,
    error::Error,
    garble::Masks,
    leaky::{self, Fresh, Layer, Spare},
    open::{Linear, open},
    party::Party,
    shares::Shares,
    stats::Task,
};
use cotenant_core::{Bits, Block, Channel, prg::Prg, vector};
use std::ops::Range;

/// Statistical security of bucketing: 2^-40.
const RHO: u32 = 40;

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

/// Batches are multiples of this, so that bit strings of theirs are whole words and correlated OTs whole groups.
const WHOLE: usize = 128;

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
    vec![total.div_ceil(count).max(MIN_BATCH).next_multiple_of(WHOLE); count]
}

/// Products for shares `range` of a plan's masks: adds `<l_a * l_b>` to `star`, with l_a from `left` and l_b from `right`.
///
/// One batch of the plan's [`batches`], of which there are `count`. Layer k > 0 of the candidates is shifted by a coin that is opened with the sums of their check;
/// bucket i takes candidate i of every shifted layer. Candidate i of layer 0 has the mask l_b as its y, so with x the sum of a bucket's x_k
///
/// ```text
/// d_k = y_k ^ l_b  and  s = l_a ^ x  are opened and their MACs checked;   l_a * l_b = (^ over k of z_k ^ d_k * x_k) ^ s * l_b
/// ```
pub(crate) async fn multiply<C: Channel>(
    party: &mut Party<C>,
    links: &mut CotLinks,
    masks: &mut Masks,
    spare: &mut Spare,
    range: Range<usize>,
    count: usize,
) -> Result<(), Error> {
    let n = range.len();
    let size = bucket_size(n, count);
    let Masks { left, right, star } = masks;
    let (all, coin) = leaky::layers(party, links, (right, star), spare, range.clone(), size).await?;
    party.begin(Task::Buckets, 0);
    let shifts = shifts(coin, n, size);
    let (first, rest) = all.layers.split_first().expect("a bucket has layers");
    let rest: Vec<Shifted<'_>> = rest.iter().zip(shifts).map(|(layer, shift)| Shifted { layer, shift }).collect();
    let (left, right) = (Gates { masks: left, from: range.start }, Gates { masks: right, from: range.start });
    let ds: Vec<Difference<'_>> =
        rest.iter().zip(1..).map(|(layer, k)| Difference { shift: layer.shift, y: all.fresh(k), right, len: n }).collect();
    let s = Sum { left, first, rest: &rest };
    let strings: Vec<&(dyn Linear + Sync)> = ds.iter().map(|d| d as _).chain([&s as _]).collect();
    let mut opened = open(party, &strings).await?;
    let s = opened.pop().expect("one string of bits for each of shares");
    let me = &party.me;
    party.workers.map(tiles(n).zip(star.parts_mut(range.clone(), TILE)).collect(), |(tile, mut star)| {
        star.add_where(0..tile.len(), &s.slice(tile.start, tile.len()), right.masks, range.start + tile.start);
        let mut d: Vec<Bits> = first.d.iter().map(|d| d.slice(tile.start, tile.len())).collect();
        for (Shifted { layer, shift }, open) in rest.iter().zip(&opened) {
            let r = layer.r.as_ref().expect("all layers but the first keep r");
            for (buckets, from) in shifted(&tile, *shift, n) {
                let to = buckets.start - tile.start..buckets.end - tile.start;
                star.add(to.clone(), r, from);
                star.add_where(to, &open.slice(buckets.start, buckets.len()), &layer.x, from);
            }
            d.iter_mut().zip(&layer.d).for_each(|(sum, d)| sum.xor_assign(&rotated(d, &tile, *shift, n)));
        }
        star.shift(me, &d);
    });
    all.give_back(spare);
    Ok(())
}

/// The masks of a batch's gates.
#[derive(Clone, Copy)]
struct Gates<'a> {
    masks: &'a Shares,
    from: usize,
}

impl Gates<'_> {
    fn column(&self, column: usize, range: &Range<usize>) -> &[Block] {
        &self.masks.column(column)[self.from + range.start..self.from + range.end]
    }
}

/// A layer whose candidates are shifted.
struct Shifted<'a> {
    layer: &'a Layer,
    shift: usize,
}

impl Shifted<'_> {
    /// Adds what the candidates of some buckets have in a column of `shares`.
    fn add(&self, shares: &Shares, column: usize, buckets: &Range<usize>, out: &mut [Block]) {
        let mut out = out;
        for (buckets, from) in shifted(buckets, self.shift, shares.len()) {
            let (part, rest) = out.split_at_mut(buckets.len());
            vector::xor(part, &shares.column(column)[from..][..part.len()]);
            out = rest;
        }
    }
}

/// d of one layer, by bucket, with MACs of 64 bits.
struct Difference<'a> {
    shift: usize,
    y: Fresh<'a>,
    right: Gates<'a>,
    len: usize,
}

impl Linear for Difference<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn is_half(&self) -> bool {
        true
    }

    fn part(&self, column: usize, range: Range<usize>, out: &mut [Block]) {
        vector::lows(out, self.right.column(column, &range));
        let mut out = out;
        for (buckets, from) in shifted(&range, self.shift, self.len) {
            let (part, rest) = out.split_at_mut(buckets.len());
            self.y.add_low(column, from, part);
            out = rest;
        }
    }
}

/// s, by bucket.
struct Sum<'a> {
    left: Gates<'a>,
    first: &'a Layer,
    rest: &'a [Shifted<'a>],
}

impl Linear for Sum<'_> {
    fn len(&self) -> usize {
        self.first.x.len()
    }

    fn part(&self, column: usize, range: Range<usize>, out: &mut [Block]) {
        vector::xor3(out, self.left.column(column, &range), &self.first.x.column(column)[range.clone()]);
        self.rest.iter().for_each(|l| l.add(&l.layer.x, column, &range, out));
    }
}

/// The bits of some buckets' candidates.
fn rotated(bits: &Bits, buckets: &Range<usize>, shift: usize, n: usize) -> Bits {
    let mut out = Bits::default();
    shifted(buckets, shift, n).for_each(|(buckets, from)| out.extend(&bits.slice(from, buckets.len())));
    out
}

/// Buckets that are worked on at once, while their masks are in cache.
const TILE: usize = 4096;

fn tiles(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(TILE).map(move |t| t..(t + TILE).min(n))
}

/// The candidates of some buckets in a layer that is shifted cyclically: one or two pieces, each of buckets and the place of its first candidate.
fn shifted(buckets: &Range<usize>, shift: usize, n: usize) -> impl Iterator<Item = (Range<usize>, usize)> {
    // From this bucket on, candidates are at the layer's begin.
    let turn = (n - shift).clamp(buckets.start, buckets.end);
    let pieces = [(buckets.start..turn, buckets.start + shift), (turn..buckets.end, (turn + shift) % n)];
    pieces.into_iter().filter(|(buckets, _)| !buckets.is_empty())
}

/// By how much each layer but the first is shifted.
fn shifts(coin: Block, n: usize, size: usize) -> impl Iterator<Item = usize> {
    let mut prg = Prg::new(coin);
    (1..size).map(move |_| prg.below(n as u64) as usize)
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
    fn shifted_pieces_are_the_candidates_of_their_buckets() {
        for (n, shift) in [(512, 0), (512, 1), (512, 511), (9000, 4096), (9000, 4904), (9000, 8999)] {
            let pairs: Vec<(usize, usize)> =
                tiles(n).flat_map(|t| shifted(&t, shift, n).flat_map(|(b, from)| b.zip(from..)).collect::<Vec<_>>()).collect();
            assert!(pairs.len() == n && pairs.iter().enumerate().all(|(i, &p)| p == (i, (i + shift) % n)), "{n} shifted by {shift}");
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
