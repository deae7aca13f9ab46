//! Leaky AND triples `<x>, <y>, <z = x*y>`, for any number of parties, checked.
//!
//! Half-ANDs on correlated OT with a batched correctness check (KRRW18 section 4.1, for n parties YWZ20 section 4); a cheater passes the check only by
//! guessing bits of x. Nobody learns anything of y, whatever it is used for besides: it may be a mask of the circuit (the protocol page has the argument).
//!
//! Leaky triple t, for every ordered pair (i, j), with h = H(.; t, pair) of 128 bits, of which bit 0 serves the half-AND and the high half the check. The two
//! are disjoint parts of one output of a hash whose outputs on distinct tweaks are pseudo-random, so they are independent; no tweak is used twice.
//!
//! ```text
//! P_j sends  g = bit0(h(K_j[x^i]) ^ h(K_j[x^i] ^ Delta_j)) ^ y^j
//!            U = high(h(K_j[x^i]) ^ h(K_j[x^i] ^ Delta_j)) ^ Phi_j,  Phi_j = low(y^j*Delta_j ^ (^ over k != j of K_j[y^k] ^ M_k[y^j]))
//! z^i = x^i*y^i ^ (^ over j of bit0(h(M_j[x^i])) ^ x^i*g  ^  bit0(h(K_i[x^j])));   d^i = z^i ^ r^i broadcast;   <z> = <r> ^ d
//! S_i = x^i*Phi_i ^ (^ over k of high h(K_i[x^k]) ^ x^i*U ^ high h(M_k[x^i])) ^ low(z^i*Delta_i ^ (^ over k of K_i[z^k] ^ M_k[z^i]))
//! ```
//!
//! The xor of all S_i is the low 64 bits of (x*y ^ z) * Delta, 0 for a right triple. It is tested on a random GF(2^64) combination of a whole batch. The
//! coefficients are tossed after all U and d have been received, and nobody opens its sum before all have compared the broadcasts.
//!
//! Order: the checks of x, y and r, and that of the global keys, have passed before the first g or U is made.

use crate::{
    auth::{CotLinks, Fill},
    coin::{Promise, Step},
    error::{Check, Error, Failed},
    kind::Kind,
    party::Party,
    shares::{Me, Shares},
    stats::Task,
    workers::Workers,
};
use cotenant_core::{
    Bits, Block, Channel, PartyId,
    buffer::Words,
    gf64,
    hash::{Tmmo, TweakUse, tweak},
    prg::Prg,
    vector,
};
use std::ops::Range;
use zeroize::Zeroizing;

/// Triples of one message.
const PIECE: usize = 8192;

/// How many pieces a party sends before it reads the first: more than are made in the time that one is under way on a long link.
const LEAD: usize = 64;

/// Triples that are hashed at once, in the first level of cache.
const TILE: usize = 256;

/// The y of a layer of candidates.
#[derive(Clone, Copy)]
enum Factor<'a> {
    /// Shares `from ..` of a string, of which each triple takes one.
    Given(&'a Shares, usize),
    Fresh(Fresh<'a>),
}

/// A y that is used for nothing else, with MACs of 64 bits: one half of a string of pairs.
#[derive(Clone, Copy)]
pub(crate) struct Fresh<'a> {
    pairs: &'a Shares,
    high: bool,
}

impl Fresh<'_> {
    /// Adds to low halves what a column has of candidates `from ..`.
    pub(crate) fn add_low(self, column: usize, from: usize, out: &mut [Block]) {
        let values = &self.pairs.column(column)[from..][..out.len()];
        if self.high { vector::add_highs(out, values) } else { vector::add_lows(out, values) }
    }
}

impl Factor<'_> {
    /// This party's bits of candidates `range`.
    fn bits(self, range: Range<usize>) -> Bits {
        match self {
            Factor::Given(y, at) => y.bits_of(at + range.start..at + range.end),
            Factor::Fresh(Fresh { pairs, high: false }) => pairs.bits_of(range),
            Factor::Fresh(Fresh { pairs, high: true }) => pairs.high_bits_of(range),
        }
    }

    /// The low 64 bits of this party's parts of `y * Delta`, of candidates `from ..`.
    fn products(self, me: &Me, from: usize, out: &mut [u64]) {
        match self {
            Factor::Given(y, at) => y.products(me, at + from, out),
            Factor::Fresh(Fresh { pairs, high: false }) => pairs.products(me, from, out),
            Factor::Fresh(Fresh { pairs, high: true }) => pairs.high_products(me, from, out),
        }
    }
}

/// `n` candidates. `<z>` is `<r>` with every party's bits shifted by its public d.
pub(crate) struct Layer {
    pub(crate) x: Shares,
    /// None in the first layer, where it has been added to what the products are for.
    pub(crate) r: Option<Shares>,
    /// d of every party.
    pub(crate) d: Vec<Bits>,
    /// This party's bits r, then z.
    z: Zeroizing<Vec<u64>>,
    /// `S_me` of each candidate.
    s: Words,
}

/// Layers of checked candidates.
pub(crate) struct Layers {
    pub(crate) layers: Vec<Layer>,
    /// Of the layers but the first, two a string.
    ys: Vec<Shares>,
}

/// Memory of a batch for the next: strings that are written over as a whole, so that they need not be erased between.
#[derive(Default)]
pub(crate) struct Spare(Vec<Shares>);

impl Spare {
    /// A string of unknown content.
    fn take(&mut self, me: &Me, len: usize) -> Shares {
        self.0.pop().filter(|s| s.len() == len).unwrap_or_else(|| Shares::zero(me, len))
    }

    /// Erases it, on all threads: there is much of it.
    pub(crate) fn erase(self, workers: &Workers) {
        workers.map(self.0, drop);
    }
}

impl Layers {
    /// Ends their use.
    pub(crate) fn give_back(self, spare: &mut Spare) {
        spare.0.extend(self.layers.into_iter().flat_map(|layer| [Some(layer.x), layer.r]).flatten().chain(self.ys));
    }

    /// The y of layer `k`.
    ///
    /// # Panics
    /// For the first layer, whose y is given.
    pub(crate) fn fresh(&self, k: usize) -> Fresh<'_> {
        fresh(&self.ys, k)
    }
}

fn fresh(ys: &[Shares], k: usize) -> Fresh<'_> {
    Fresh { pairs: &ys[(k - 1) / 2], high: k.is_multiple_of(2) }
}

/// `size` layers of checked candidates, `range.len()` each. The first has y from `given`, shares `range`, and its `<r>` is added to those of `sum`.
pub(crate) async fn layers<C: Channel>(
    party: &mut Party<C>,
    links: &mut CotLinks,
    (given, sum): (&Shares, &mut Shares),
    spare: &mut Spare,
    range: Range<usize>,
    size: usize,
) -> Result<(Layers, Block), Error> {
    let n = range.len();
    let mut all = draw(party, links, sum, spare, range.clone(), size).await?;
    party.comms.stats.leaky_triples += (n * size) as u64;
    // Three hashes of two blocks a triple and peer.
    party.comms.stats.aes_blocks += (6 * n * size * (party.n() - 1)) as u64;
    half_ands(party, &mut all, Factor::Given(given, range.start)).await?;
    party.begin(Task::TripleCheck, 0);
    let coin = broadcast_d(party, &mut all.layers, n).await?;
    let coin = check(party, &mut all.layers, coin).await?;
    Ok((all, coin))
}

/// Random r, x, and y but for the first layer, all authenticated before any is used. What z and S take of r they take while it is made. The first r goes onto what
/// the products are for and is not kept besides.
async fn draw<C: Channel>(
    party: &mut Party<C>,
    links: &mut CotLinks,
    sum: &mut Shares,
    spare: &mut Spare,
    range: Range<usize>,
    size: usize,
) -> Result<Layers, Error> {
    let n = range.len();
    let mut layers: Vec<Layer> = Vec::new();
    for k in 0..size {
        let (z, s) = (Zeroizing::new(vec![0; n.div_ceil(64)]), Words::zeroed(n));
        let x = spare.take(&party.me, n);
        let r = (k > 0).then(|| spare.take(&party.me, n));
        layers.push(Layer { x, r, d: Vec::new(), z, s });
    }
    let mut ys: Vec<Shares> = (1..size).step_by(2).map(|_| spare.take(&party.me, n)).collect();
    let mut outs = Vec::new();
    let mut sum = Some(sum);
    for Layer { x, r, s, z, .. } in &mut layers {
        outs.push(Fill::over(x, 0..n));
        match r {
            Some(r) => outs.push(Fill::over(r, 0..n).summed(s, z)),
            None => outs.extend(sum.take().map(|sum| Fill::onto(sum, range.clone()).summed(s, z))),
        }
    }
    outs.extend(ys.iter_mut().map(|y| Fill::pairs(y, 0..n)));
    links.fill(party, Task::Candidates, outs).await?;
    Ok(Layers { layers, ys })
}

/// Some candidates of one layer, and what this party collects for them.
struct Piece<'a> {
    x: &'a Shares,
    /// This party's bits x, from when its messages are made.
    x_bits: Zeroizing<Vec<u64>>,
    y: Factor<'a>,
    from: usize,
    tweaks: u64,
    s: &'a mut [u64],
    z: &'a mut [u64],
}

/// All g and U. Afterwards z and s lack only what d changes.
async fn half_ands<C: Channel>(party: &mut Party<C>, all: &mut Layers, first: Factor<'_>) -> Result<(), Error> {
    let Layers { layers, ys } = all;
    let total: usize = layers.iter().map(|l| l.s.len()).sum();
    let mut tweaks = party.take_tweaks(total);
    let mut pieces = Vec::new();
    for (k, layer) in layers.iter_mut().enumerate() {
        let (n, y) = (layer.s.len() as u64, if k == 0 { first } else { Factor::Fresh(fresh(ys, k)) });
        for (k, (s, z)) in layer.s.chunks_mut(PIECE).zip(layer.z.chunks_mut(PIECE / 64)).enumerate() {
            let (from, tweaks, x_bits) = (k * PIECE, tweaks + (k * PIECE) as u64, Zeroizing::default());
            pieces.push(Piece { x: &layer.x, x_bits, y, from, tweaks, s, z });
        }
        tweaks += n;
    }
    party.begin(Task::HalfAnds, total as u64);
    party.comms.stream();
    let width = party.workers.burst();
    let lead = LEAD.div_ceil(width);
    let mut groups: Vec<&mut [Piece<'_>]> = pieces.chunks_mut(width).collect();
    for step in 0..groups.len() + lead {
        if let Some(group) = groups.get_mut(step) {
            send_pieces(party, group).await?;
        }
        if let Some(group) = step.checked_sub(lead).and_then(|s| groups.get_mut(s)) {
            receive_pieces(party, group).await?;
            party.advance(group.iter().map(|p| p.s.len() as u64).sum());
        }
    }
    party.comms.stream_ends();
    Ok(())
}

async fn send_pieces<C: Channel>(party: &mut Party<C>, group: &mut [Piece<'_>]) -> Result<(), Error> {
    let (me, hash) = (&party.me, &party.hash);
    let messages = party.workers.map(group.iter_mut().collect(), |piece| piece.start(me, hash));
    for piece in messages {
        for (j, message) in party.me.others().zip(piece) {
            party.comms.send(j, message).await?;
        }
    }
    Ok(())
}

async fn receive_pieces<C: Channel>(party: &mut Party<C>, group: &mut [Piece<'_>]) -> Result<(), Error> {
    let mut received = Vec::new();
    for piece in group {
        let mut all = Vec::new();
        for j in party.me.others() {
            all.push((j, party.comms.recv(j, Kind::LeakyAnd).await?));
        }
        received.push((piece, all));
    }
    let finished = party.workers.map(received, |(piece, all)| {
        let len = piece.s.len();
        all.iter().try_for_each(|(j, message)| {
            let finished = message.read(|r| {
                piece.finish(&r.bits(len)?, r.bytes(8 * len)?);
                Ok(())
            });
            finished.map_err(|fault| (*j, fault))
        })
    });
    finished.into_iter().collect::<Result<(), _>>().map_err(|(j, fault)| party.comms.blame(j, fault))
}

impl Piece<'_> {
    /// Adds to z and s what this party knows alone; for each other party the message with g and U.
    fn start(&mut self, me: &Me, hash: &Tmmo) -> Vec<Vec<u8>> {
        let len = self.s.len();
        let mut phi = Zeroizing::new(vec![0; len]);
        self.y.products(me, self.from, &mut phi);
        let y_bits = self.y.bits(self.from..self.from + len);
        let x = &self.x.column(0)[self.from..][..len];
        self.x_bits.resize(len.div_ceil(64), 0);
        vector::low_bits(x, &mut self.x_bits);
        self.z.iter_mut().zip(self.x_bits.iter().zip(y_bits.words())).for_each(|(z, (x, y))| *z ^= x & y);
        vector::words_where(self.s, &self.x_bits, &phi);
        me.others().map(|j| self.half_and(me, hash, j, &phi, &y_bits)).collect()
    }

    /// This party's keys of `j`'s bits give g and U for `j`; those and the MACs of its own bits give what it adds to z and s.
    fn half_and(&mut self, me: &Me, hash: &Tmmo, j: PartyId, phi: &[u64], y: &Bits) -> Vec<u8> {
        let len = self.s.len();
        let (g_bytes, u_bytes) = (len.div_ceil(8), 8 * len);
        let mut message = vec![0; 1 + g_bytes + u_bytes];
        message[0] = Kind::LeakyAnd as u8;
        let (g_out, u_out) = message[1..].split_at_mut(g_bytes);
        let (keys, macs) = (&self.x.column(me.key(j))[self.from..][..len], &self.x.column(me.mac(j))[self.from..][..len]);
        let number = |k: usize| self.tweaks + (k * TILE) as u64;
        let mut tile = Zeroizing::new([[Block::ZERO; TILE]; 3]);
        let (mut words, mut u) = (Zeroizing::new([0; TILE / 64]), Zeroizing::new([0; TILE]));
        for (k, (keys, macs)) in keys.chunks(TILE).zip(macs.chunks(TILE)).enumerate() {
            let [a, b, m] = &mut *tile;
            let (at, n) = (k * TILE, keys.len());
            let (a, b, m) = (&mut a[..n], &mut b[..n], &mut m[..n]);
            let (u, words) = (&mut u[..n], &mut words[..n.div_ceil(64)]);
            a.copy_from_slice(keys);
            m.copy_from_slice(macs);
            vector::shift(b, a, me.delta());
            let mine = tweak(TweakUse::HalfAnd, me.id(), j, number(k));
            hash.hash_run(a, mine);
            hash.hash_run(b, mine);
            hash.hash_run(m, tweak(TweakUse::HalfAnd, j, me.id(), number(k)));
            vector::xor(b, a);
            vector::xor(a, m);
            // b is h(K) ^ h(K ^ Delta), a is h(K) ^ h(M).
            vector::low_bits(b, words);
            let y = &y.words()[at / 64..];
            words.iter_mut().zip(y).for_each(|(w, y)| *w ^= y);
            put_bits(&mut g_out[at / 8..], words);
            u.copy_from_slice(&phi[at..at + n]);
            vector::sum_high(u, b);
            u_out[8 * at..][..8 * n].copy_from_slice(bytemuck::cast_slice(u));
            vector::low_bits(a, words);
            self.z[at / 64..].iter_mut().zip(&*words).for_each(|(z, w)| *z ^= w);
            vector::sum_high(&mut self.s[at..at + n], a);
        }
        message
    }

    /// Adds the other halves, with what one other party sent about this party's bits x.
    fn finish(&mut self, g: &Bits, u: &[u8]) {
        self.z.iter_mut().zip(self.x_bits.iter().zip(g.words())).for_each(|(z, (x, g))| *z ^= x & g);
        let mut words = [0; TILE];
        for ((s, x), u) in self.s.chunks_mut(TILE).zip(self.x_bits.chunks(TILE / 64)).zip(u.chunks(8 * TILE)) {
            let words = &mut words[..s.len()];
            words.iter_mut().zip(u.as_chunks().0).for_each(|(w, &u)| *w = u64::from_le_bytes(u));
            vector::words_where(s, x, words);
        }
    }
}

/// Packed bits; bits past the end of `out` are 0.
fn put_bits(out: &mut [u8], words: &[u64]) {
    for (bytes, w) in out.chunks_mut(8).zip(words) {
        bytes.copy_from_slice(&w.to_le_bytes()[..bytes.len()]);
    }
}

/// All broadcast d = z xor r of all layers, and in the same flight commit to their parts of the coin of the check.
async fn broadcast_d<C: Channel>(party: &mut Party<C>, layers: &mut [Layer], n: usize) -> Result<Promise, Error> {
    let mut mine = Bits::default();
    for layer in layers.iter_mut() {
        // So far z is that of the text xor r.
        mine.extend(&Bits::from_words(std::mem::take(&mut *layer.z), n));
    }
    let message = Kind::LeakyShift.message().bits(&mine).done();
    party.comms.send_all(&message).await?;
    let coin = party.promise_coin(Step::TripleCheck).await?;
    let all = party.comms.collect(Kind::LeakyShift, message[1..].to_vec()).await?;
    for (j, body) in PartyId::all(party.n()).zip(&all) {
        let d = Bits::from_packed(body, n * layers.len()).ok_or_else(|| party.comms.blame(j, Failed(Check::Format)))?;
        layers.iter_mut().enumerate().for_each(|(k, layer)| layer.d.push(d.slice(k * n, n)));
    }
    Ok(coin)
}

/// The xor over all parties of the random combination of S must be 0. The coin that the candidates are shifted by afterwards.
///
/// All hold the same sums and the same coin without comparing them: a commitment opens in one way, and the commitments have been compared.
///
/// Its parts are opened with the sums, one round for both: by then all sums are committed to, so whether the check passes no longer depends on anyone, and who
/// sees the shifts of a check that will pass can only end the session, as it could at any coin whose other parts it sees first.
async fn check<C: Channel>(party: &mut Party<C>, layers: &mut [Layer], coin: Promise) -> Result<Block, Error> {
    const RUN: usize = 1024;
    let prg = Prg::new(party.toss(coin).await?);
    let (me, mut first, mut pieces) = (&party.me, 0, Vec::new());
    for layer in layers {
        for (k, s) in layer.s.chunks_mut(PIECE).enumerate() {
            let runs = s.len().div_ceil(RUN) as u64;
            pieces.push((prg.skip(first), &layer.d, k * PIECE, s));
            first += runs * RUN as u64 / 2;
        }
    }
    let sums = party.workers.map(pieces, |(mut prg, d, from, s)| {
        let (mut chi, mut sum) = ([Block::ZERO; RUN / 2], 0);
        for (k, s) in s.chunks_mut(RUN).enumerate() {
            for (j, d) in PartyId::all(me.n()).zip(d) {
                vector::add_words_where(s, &d.words()[(from + k * RUN) / 64..][..s.len().div_ceil(64)], me.product_shift(j).low());
            }
            prg.fill(&mut chi);
            sum ^= gf64::inner_product(s, &bytemuck::cast_slice::<Block, u64>(&chi)[..s.len()]);
        }
        sum
    });
    let sum = sums.into_iter().fold(0, |sum, s| sum ^ s);
    let (all, coin) = party.exchange_and_toss((Step::TripleSum, &sum.to_le_bytes()), Step::Buckets).await?;
    let total = all.iter().fold(0, |a, v| a ^ u64::from_le_bytes(v[..].try_into().expect("exchange returns values of the same length")));
    if total != 0 {
        return Err(party.comms.blame_any(Check::Triple));
    }
    Ok(coin)
}
