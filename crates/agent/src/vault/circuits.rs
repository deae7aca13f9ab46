//! The circuits of a load and of a save. Only products of two secrets cost: d of them for the tag of a load, d for that of a save.
//!
//! | circuit | inputs | outputs | ANDs |
//! | --- | --- | --- | --- |
//! | [`load`] | of each of the quorum, its weighted share of s_1 .. s_d, x, tag | ok, then the secret | 2187 d + 127 + bits of padding |
//! | [`save`] | the value, x, the masks | ok if characters are checked, then the shares by seat | 2187 d, and those of the characters |
//! | [`all`] | bits | whether all are 1 | one less than bits |

use super::{
    alphabet::Alphabet,
    amd,
    item::{Item, Kind},
    sharing::Sharing,
};
use cotenant_circuit::{
    Builder, Circuit, Lit,
    bytes::to_bytes,
    gf128::{self, Element},
};
use cotenant_core::PartyId;

/// Bits of a block.
pub(super) const BITS: usize = 128;

/// How a save comes by the secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Value {
    /// It is what it should be: loaded under its tag.
    Trusted,
    /// It may be anything, so the characters of a text are checked.
    Checked,
    /// It is made of uniform bits.
    Drawn,
}

impl Value {
    /// Bits that go in.
    pub(super) fn bits(self, item: &Item) -> usize {
        match (self, item.kind) {
            (Value::Drawn, Kind::Text(alphabet)) => item.len * alphabet.drawn_bits(),
            _ => 8 * item.len,
        }
    }

    /// The alphabet that its bytes have to be of, where that is not known.
    pub(super) fn unchecked(self, item: &Item) -> Option<Alphabet> {
        match (self, item.kind) {
            (Value::Checked, Kind::Text(alphabet)) => Some(alphabet),
            _ => None,
        }
    }
}

/// Bits of one share.
pub(super) fn share_bits(item: &Item) -> usize {
    8 * item.share_bytes()
}

/// Bits of all masks of a save: t - 1 for each of the codeword.
pub(super) fn mask_bits(item: &Item) -> usize {
    (item.sharing.threshold() - 1) * share_bits(item)
}

/// The codeword is the sum of what the quorum gives. Its tag is computed again, and the padding must be zero: both make the one bit ok.
pub(super) fn load(item: &Item) -> Circuit {
    let mut b = Builder::new();
    let mut codeword = elements(&b.input(share_bits(item)));
    for _ in 1..item.sharing.threshold() {
        let share = elements(&b.input(share_bits(item)));
        codeword = codeword.iter().zip(&share).map(|(x, y)| gf128::add(&mut b, x, y)).collect();
    }
    let (secret, [x, claimed]) = codeword.split_last_chunk().map(|(s, [x, t])| (s, [x, t])).expect("a codeword ends with x and its tag");
    let tag = tag(&mut b, secret, x);
    let difference = gf128::add(&mut b, &tag, claimed);
    let (value, padding) = secret.as_flattened().split_at(8 * item.len);
    let zero: Vec<Lit> = difference.iter().chain(padding).map(|&bit| !bit).collect();
    let ok = conjunction(&mut b, zero);
    b.output(&[ok]);
    b.output(value);
    b.finish()
}

/// The value becomes a codeword, and the codeword shares.
pub(super) fn save(item: &Item, value: Value) -> Circuit {
    let mut b = Builder::new();
    let given = b.input(value.bits(item));
    let x = elements(&b.input(BITS))[0];
    let masks: Vec<Vec<Element>> = elements(&b.input(mask_bits(item))).chunks(amd::codeword_blocks(item.len)).map(<[_]>::to_vec).collect();
    let mut secret = match (value, item.kind) {
        (Value::Drawn, Kind::Text(alphabet)) => {
            given.chunks(alphabet.drawn_bits()).flat_map(|uniform| alphabet.draw(&mut b, uniform)).collect()
        }
        _ => given,
    };
    if let Some(alphabet) = value.unchecked(item) {
        let members = to_bytes(&secret).iter().map(|byte| alphabet.is_member(&mut b, byte)).collect();
        let ok = conjunction(&mut b, members);
        b.output(&[ok]);
    }
    secret.resize(BITS * amd::blocks(item.len), Lit::FALSE);
    let mut codeword = elements(&secret);
    let tag = tag(&mut b, &codeword, &x);
    codeword.extend([x, tag]);
    for seat in PartyId::all(item.sharing.members()) {
        let share = share(&mut b, item.sharing, seat, &codeword, &masks);
        b.output(share.as_flattened());
    }
    b.finish()
}

/// Whether all of `count` bits are 1.
pub(super) fn all(count: usize) -> Circuit {
    let mut b = Builder::new();
    let bits = b.input(count);
    let all = conjunction(&mut b, bits);
    b.output(&[all]);
    b.finish()
}

/// The share of the member at `seat`. n of n: a mask, or for the last the codeword plus all of them. t of n: the polynomial with the codeword at 0 and the
/// masks as its coefficients, at the member's point.
fn share(b: &mut Builder, sharing: Sharing, seat: PartyId, codeword: &[Element], masks: &[Vec<Element>]) -> Vec<Element> {
    if !sharing.takes_all() {
        let point = Sharing::point(seat).0;
        let of_block = |b: &mut Builder, i: usize| {
            let sum = masks.iter().rev().fold([Lit::FALSE; BITS], |sum, mask| {
                let sum = gf128::add(b, &sum, &mask[i]);
                gf128::scale(b, &sum, point)
            });
            gf128::add(b, &sum, &codeword[i])
        };
        return (0..codeword.len()).map(|i| of_block(b, i)).collect();
    }
    match masks.get(seat.index()) {
        Some(mask) => mask.clone(),
        None => masks.iter().fold(codeword.to_vec(), |sum, mask| sum.iter().zip(mask).map(|(x, y)| gf128::add(b, x, y)).collect()),
    }
}

/// `x^(d+2) + s_1 x + ... + s_d x^d`, as [`amd`] has it: d products.
fn tag(b: &mut Builder, secret: &[Element], x: &Element) -> Element {
    let top = gf128::square(b, x);
    secret.iter().rev().fold(top, |sum, block| {
        let sum = gf128::add(b, &sum, block);
        gf128::product(b, &sum, x)
    })
}

/// Whether all bits are 1, as a balanced tree.
pub(crate) fn conjunction(b: &mut Builder, mut bits: Vec<Lit>) -> Lit {
    while bits.len() > 1 {
        bits = bits.chunks(2).map(|pair| if let [x, y] = *pair { b.and(x, y) } else { pair[0] }).collect();
    }
    bits.pop().unwrap_or(Lit::TRUE)
}

fn elements(bits: &[Lit]) -> Vec<Element> {
    let (elements, rest) = bits.as_chunks();
    assert!(rest.is_empty(), "whole blocks");
    elements.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{
        item::Fields,
        sharing::{
            Holder, Quorum,
            dealer::{deal, masks},
        },
    };
    use cotenant_circuit::bytes::bytes_of;
    use cotenant_cluster::session_rng;
    use cotenant_core::Block;
    use rand_core::Rng;

    fn item(kind: Kind, len: usize, t: usize, n: usize) -> Item {
        let sharing = Sharing::new(t, n).unwrap();
        Item::new(Fields { name: "k".into(), version: 1, kind, len, sharing, uses: vec![], note: String::new() }).unwrap()
    }

    fn bits(blocks: &[Block]) -> impl Iterator<Item = bool> {
        blocks.iter().flat_map(|block| (0..BITS).map(|i| block.bit(i)))
    }

    fn blocks(bits: &[bool]) -> Vec<Block> {
        bits.chunks(BITS).map(|block| Block(block.iter().rev().fold(0, |value, &bit| value << 1 | u128::from(bit)))).collect()
    }

    /// The secret of a load by the last t members, or none if the bit is 0.
    fn loaded(circuit: &Circuit, item: &Item, shares: &[Vec<Block>]) -> Option<Vec<u8>> {
        let (t, n) = (item.sharing.threshold(), item.sharing.members());
        let holders = (n - t..n).map(PartyId::new).map(|p| Holder { seat: p, party: p });
        let quorum = Quorum::new(item.sharing, holders.collect()).unwrap();
        let given = |h: &Holder| bits(&quorum.contribution(h.seat, &shares[h.seat.index()])).collect::<Vec<_>>();
        let out = circuit.eval(&quorum.holders().iter().flat_map(given).collect::<Vec<_>>());
        out[0].then(|| bytes_of(&out[1..]))
    }

    #[test]
    fn what_is_saved_is_loaded_and_shares_are_those_of_the_scheme() {
        let mut rng = session_rng(1, PartyId::new(0));
        for (len, t, n) in [(1, 2, 2), (16, 3, 3), (17, 2, 3), (40, 3, 4), (48, 2, 5), (50, 4, 4), (33, 3, 64)] {
            let item = item(Kind::Bytes, len, t, n);
            let mut secret = vec![0; len];
            rng.fill_bytes(&mut secret);
            let codeword = amd::encode(&secret, Block::random(&mut rng));
            let masks = masks(item.sharing, codeword.len(), &mut rng);
            let drawn = std::iter::once(&codeword[codeword.len() - 2]).chain(masks.iter().flatten());
            let value = secret.iter().flat_map(|byte| (0..8).map(move |i| byte >> i & 1 == 1));
            let inputs: Vec<bool> = value.chain(drawn.flat_map(|&block| (0..BITS).map(move |i| block.bit(i)))).collect();
            let out = blocks(&save(&item, Value::Trusted).eval(&inputs));
            let shares: Vec<Vec<Block>> = out.chunks(codeword.len()).map(<[_]>::to_vec).collect();
            let wanted = deal(item.sharing, &codeword, &masks);
            assert!(shares.as_flattened_numbers() == wanted.as_flattened_numbers(), "{len} bytes, {t} of {n}");
            assert_eq!(loaded(&load(&item), &item, &shares), Some(secret));
        }
    }

    trait Numbers {
        fn as_flattened_numbers(&self) -> Vec<u128>;
    }

    impl Numbers for Vec<Vec<Block>> {
        fn as_flattened_numbers(&self) -> Vec<u128> {
            self.iter().flatten().map(|block| block.0).collect()
        }
    }

    /// All 640 bits of the share of each of two parties, in both kinds of sharing: what a changed share makes of the codeword is not one.
    #[test]
    fn every_changed_bit_of_every_share_is_noticed() {
        let mut rng = session_rng(2, PartyId::new(0));
        for (t, n) in [(2, 2), (2, 3)] {
            let item = item(Kind::Bytes, 40, t, n);
            let codeword = amd::encode(&[7; 40], Block::random(&mut rng));
            let shares = deal(item.sharing, &codeword, &masks(item.sharing, codeword.len(), &mut rng));
            let circuit = load(&item);
            assert!(loaded(&circuit, &item, &shares).is_some());
            for (seat, bit) in (n - 2..n).flat_map(|seat| (0..BITS * codeword.len()).map(move |bit| (seat, bit))) {
                let mut changed = shares.clone();
                changed[seat][bit / BITS].0 ^= 1 << (bit % BITS);
                assert!(loaded(&circuit, &item, &changed).is_none(), "bit {bit} of the share at {seat}");
            }
        }
    }

    /// Here the tag is right and the padding is not: only the look at the padding finds it.
    #[test]
    fn padding_that_is_not_zero_is_noticed() {
        let (shorter, longer) = (item(Kind::Bytes, 20, 2, 2), item(Kind::Bytes, 21, 2, 2));
        let codeword = amd::encode(&[1; 21], Block(5));
        let shares = deal(shorter.sharing, &codeword, &masks(shorter.sharing, codeword.len(), &mut session_rng(3, PartyId::new(0))));
        assert_eq!(loaded(&load(&longer), &longer, &shares), Some(vec![1; 21]));
        assert_eq!(loaded(&load(&shorter), &shorter, &shares), None);
    }

    #[test]
    fn characters_outside_of_the_alphabet_are_noticed() {
        let item = item(Kind::Text(Alphabet::HEX), 3, 2, 2);
        let circuit = save(&item, Value::Checked);
        let ok = |text: &[u8; 3]| {
            let value = text.iter().flat_map(|byte| (0..8).map(move |i| byte >> i & 1 == 1));
            circuit.eval(&value.chain(std::iter::repeat_n(false, BITS + mask_bits(&item))).collect::<Vec<_>>())[0]
        };
        assert!(ok(b"0af") && !ok(b"0aF") && !ok(b"g00") && !ok(b"0\xb00"));
    }

    /// What a load and a save of the longest keys people have, and of 1 KiB, cost.
    #[test]
    fn counts_are_these() {
        let ands = |c: Circuit| {
            assert_eq!((c.stats().and_half_public, c.stats().and_public), (0, 0));
            c.stats().and_full
        };
        for (t, n) in [(2, 2), (3, 3), (2, 3)] {
            let counts = |len| {
                let bytes = item(Kind::Bytes, len, t, n);
                (ands(load(&bytes)), ands(save(&bytes, Value::Checked)))
            };
            // 3 and 65 products, 128 bits of the tag's difference and those of the padding.
            assert_eq!(counts(40), (3 * 2187 + 128 + 64 - 1, 3 * 2187));
            assert_eq!(counts(1024), (65 * 2187 + 128 + 128 - 1, 65 * 2187));
        }
        let text = item(Kind::Text(Alphabet::BASE64), 40, 2, 2);
        assert_eq!([Value::Trusted, Value::Checked, Value::Drawn].map(|value| ands(save(&text, value))), [6561, 8240, 7481]);
        assert_eq!([1, 2, 5].map(|count| ands(all(count))), [0, 1, 4]);
    }
}
