//! What a coin challenges follows from the coin, and from nothing that was known before: each test tosses it with a cheating P2 that knows what comes out.
//!
//! A run is a function of its seed, so what P2 will send and how the coins will fall is known from an honest run of the same seed.

use cotenant_cluster::{
    Hands, Message,
    formula::{self, Step, coin, session_of},
    one_gate::one_gate,
    run,
    tamper::{Transcript, honest, of_kind},
};
use cotenant_core::{Block, Digest, PartyId, gf64, prg::Prg};
use cotenant_mpc::{Check, Error, Kind, bucket_size};

/// Candidates of a layer, as few as there may be.
const BATCH: usize = 512;

/// Words of the stream that the triple check draws at once.
const DRAWN: usize = 1024;

fn p2() -> PartyId {
    PartyId::new(1)
}

/// P2 in an honest run of one gate.
struct Known {
    seed: u64,
    session: Digest,
    /// Openings of P1 and P2, in order: of the triple check's coin, of its sums, of the shifts' coin.
    openings: [Vec<Vec<u8>>; 2],
}

impl Known {
    fn of(seed: u64) -> Known {
        let messages = honest(2, |l| one_gate(l, seed));
        let of = |p| of_kind(&messages, Kind::Opening).iter().filter(|(_, m)| m.from == p).map(|(_, m)| m.body[1..].to_vec()).collect();
        Known { seed, session: session_of(2, &messages), openings: [of(PartyId::new(0)), of(p2())] }
    }

    /// The coin of exchange `number`, with what P1 opens and what P2 does in `theirs`.
    fn coin(&self, step: Step, number: usize, theirs: [u8; 16]) -> Block {
        let ours = self.openings[0][number][..16].try_into().expect("a coin has 16 bytes");
        coin(&self.session, step, number as u64 + 1, &[ours, theirs])
    }

    /// Another value for P2 in exchange `number`, with its commitment: the meddler puts both in place.
    fn replace(&self, step: Step, number: usize, value: &[u8]) -> impl FnMut(&mut Message) + Send + use<> {
        let nonce = self.openings[1][number][value.len()..].to_vec();
        let commitment = formula::commitment(&self.session, step, number as u64 + 1, p2(), value, nonce[..].try_into().expect("32 bytes"));
        let (opening, mut seen) = ([value, &nonce].concat(), [0, 0]);
        move |m| {
            let (slot, body) = match Kind::of(&m.body) {
                Some(Kind::Commit) if m.from == p2() => (0, &commitment[..]),
                Some(Kind::Opening) if m.from == p2() => (1, &opening[..]),
                _ => return,
            };
            if seen[slot] == number {
                m.body[1..].copy_from_slice(body);
            }
            seen[slot] += 1;
        }
    }

    /// Whether P1's triple check fails when P2's U of a candidate differs by `lie`, and its sum by `shift`.
    fn caught(&self, layer: usize, candidate: usize, lie: u64, shift: u64) -> bool {
        let sum = u64::from_le_bytes(self.openings[1][1][..8].try_into().expect("a sum has 8 bytes")) ^ shift;
        let mut replace = self.replace(Step::TripleSum, 1, &sum.to_le_bytes());
        let mut layers = 0;
        let spoil = move |mut m: Message, hands: &mut Hands| {
            if m.from == p2() && Kind::of(&m.body) == Some(Kind::LeakyAnd) {
                if layers == layer {
                    let at = 1 + BATCH / 8 + 8 * candidate;
                    m.body[at..at + 8].iter_mut().zip(lie.to_le_bytes()).for_each(|(b, l)| *b ^= l);
                }
                layers += 1;
            }
            replace(&mut m);
            hands.deliver(m);
        };
        matches!(run(2, spoil, |l| one_gate(l, self.seed))[0], Err(Error::Check { check: Check::Triple, .. }))
    }
}

/// A P2 that spoils one U and mends its sum by what the lie comes to under the coefficients that the coin gives is right if P1's x there is 1, and only then; one
/// that does not mend it is right if x is 0. That is the one bit that a leaky triple may leak, at the price of being caught if the guess is false; and under
/// coefficients from anywhere else the mended lie would be caught for either x.
#[test]
fn coefficients_of_the_triple_check_are_those_of_its_coin() {
    let mut ones = 0;
    let places = [(0, 0, 1), (1, 5, u64::MAX), (2, 510, 3 << 40), (4, 511, 0x1357_9bdf), (3, 64, 1 << 63), (4, 1, 7)];
    for (seed, &(layer, candidate, lie)) in places.iter().enumerate() {
        let known = Known::of(seed as u64);
        let theirs = known.openings[1][0][..16].try_into().expect("a coin has 16 bytes");
        let mut prg = Prg::new(known.coin(Step::TripleCheck, 0, theirs));
        let mut chi = [Block::ZERO; DRAWN / 2];
        (0..=layer).for_each(|_| prg.fill(&mut chi));
        let half = if candidate % 2 == 0 { 0 } else { 64 };
        let chi = (chi[candidate / 2].0 >> half) as u64;
        let mended = known.caught(layer, candidate, lie, gf64::inner_product(&[lie], &[chi]));
        assert_ne!(known.caught(layer, candidate, lie, 0), mended, "layer {layer}, candidate {candidate}");
        ones += usize::from(!mended);
    }
    assert!((1..places.len()).contains(&ones), "{ones} of P1's bits are 1");
}

/// The bits of one string in P1's opening of the buckets, when P2 takes such a part in the coin that the layer is shifted by `shift`.
fn opened(known: &Known, layer: usize, shift: u64) -> Vec<bool> {
    let shifted = |value: &[u8; 16]| {
        let mut prg = Prg::new(known.coin(Step::Buckets, 2, *value));
        (1..layer).for_each(|_| _ = prg.below(BATCH as u64));
        prg.below(BATCH as u64) == shift
    };
    let value = (0u128..).map(u128::to_le_bytes).find(shifted).expect("one in 512 or so");
    let (transcript, mut replace) = (Transcript::default(), known.replace(Step::Buckets, 2, &value));
    let meddle = move |mut m: Message, hands: &mut Hands| {
        replace(&mut m);
        hands.deliver(m);
    };
    run(2, transcript.of(meddle), |l| one_gate(l, known.seed));
    let messages = transcript.messages();
    let length = 1 + bucket_size(BATCH, 1) * BATCH / 8 + 16;
    let strings = of_kind(&messages, Kind::Opened).into_iter().find(|(_, m)| m.from != p2() && m.body.len() == length);
    let bytes = &strings.expect("P1 opens what its buckets need").1.body[1 + (layer - 1) * BATCH / 8..][..BATCH / 8];
    (0..BATCH).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1).collect()
}

/// P1's share of d in bucket i is y of candidate i + shift, plus a mask that does not depend on the shift. So what changes from shift 7 to shift 8 in bucket
/// i + 1 is what changes from 8 to 9 in bucket i.
#[test]
fn shifts_of_the_buckets_are_those_of_their_coin() {
    let known = Known::of(6);
    for layer in 1..bucket_size(BATCH, 1) {
        let [a, b, c] = [7, 8, 9].map(|shift| opened(&known, layer, shift));
        let change = |one: &[bool], other: &[bool]| -> Vec<bool> { one.iter().zip(other).map(|(a, b)| a ^ b).collect() };
        let (mut first, second) = (change(&a, &b), change(&b, &c));
        first.rotate_left(1);
        assert!(first == second, "layer {layer}");
        assert!(first.contains(&true));
    }
}
