//! Sets of characters that a text in the vault is made of: what people see of them, and their two circuits.
//!
//! Membership: a byte is in the set iff an odd number of the bounds of the set's runs is not above it.
//!
//! A uniform character of m is number `floor(r * m / 2^84)` for 84 uniform bits r, or just the bits where m is a power of two, which is exact. Else each
//! character's probability is off 1/m by less than 2^-84, so a text of at most 2^14 characters of at most 95 is within statistical distance
//! `2^14 * 95 / 2 * 2^-84 < 2^-64` of uniform. Nothing is drawn twice, so nothing depends on what was drawn.

use cotenant_circuit::bytes::Byte;
use cotenant_circuit::sum::{Term, sum};
use cotenant_circuit::{Builder, Lit};
use std::ops::Range;

/// Bits that a character is drawn from, unless the characters are a power of two.
const DRAWN: usize = 84;

/// At least two printable ASCII characters, of 0x20 to 0x7e.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Alphabet(u128);

impl Alphabet {
    /// 0 to 9.
    pub const DIGITS: Alphabet = Alphabet::of(&[(b'0', b'9')]);
    /// 0 to 9 and a to f.
    pub const HEX: Alphabet = Alphabet::of(&[(b'0', b'9'), (b'a', b'f')]);
    /// Digits and letters.
    pub const ALPHANUMERIC: Alphabet = Alphabet::of(&[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')]);
    /// Digits, letters, plus and slash: those of base64, and of the secret keys of AWS.
    pub const BASE64: Alphabet = Alphabet::of(&[(b'+', b'+'), (b'/', b'9'), (b'A', b'Z'), (b'a', b'z')]);
    /// Digits, letters, hyphen and underscore: those of base64 in URLs, and of JSON Web Tokens but for the dots.
    pub const BASE64URL: Alphabet = Alphabet::of(&[(b'-', b'-'), (b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')]);
    /// All printable characters but the space.
    pub const VISIBLE: Alphabet = Alphabet::of(&[(b'!', b'~')]);

    /// Space to tilde.
    const PRINTABLE: u128 = Alphabet::of(&[(b' ', b'~')]).0;

    /// From the first to the last character of each run.
    const fn of(runs: &[(u8, u8)]) -> Alphabet {
        let (mut set, mut i) = (0, 0);
        while i < runs.len() {
            set |= (2 << runs[i].1) - (1 << runs[i].0);
            i += 1;
        }
        Alphabet(set)
    }

    /// The set with character c iff bit c is set; none unless there are at least two, all printable.
    pub fn from_mask(mask: u128) -> Option<Alphabet> {
        (mask & !Self::PRINTABLE == 0 && mask.count_ones() >= 2).then_some(Alphabet(mask))
    }

    /// Bit c is set iff character c is in the set.
    pub const fn mask(self) -> u128 {
        self.0
    }

    /// How many characters.
    pub fn size(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether `byte` is one of them. Takes the same time for each.
    pub fn contains(self, byte: u8) -> bool {
        (byte < 128) & (self.0 >> (byte & 127) & 1 == 1)
    }

    /// Uniform bits that one character is drawn from.
    pub(super) fn drawn_bits(self) -> usize {
        if self.size().is_power_of_two() { self.size().ilog2() as usize } else { DRAWN }
    }

    /// The character that these uniform bits stand for.
    pub(super) fn draw(self, b: &mut Builder, uniform: &[Lit]) -> Byte {
        assert_eq!(uniform.len(), self.drawn_bits(), "bits of one character");
        let index = if self.size().is_power_of_two() { uniform.to_vec() } else { scaled(b, uniform, self.size()) };
        self.character(b, &index)
    }

    /// Whether a byte is one of the characters.
    pub(crate) fn is_member(self, b: &mut Builder, byte: &Byte) -> Lit {
        let bounds = self.runs().flat_map(|run| [run.start, run.end]);
        bounds.fold(Lit::FALSE, |inside, bound| {
            let above = at_least(b, byte, bound.into());
            b.xor(inside, above)
        })
    }

    /// The character of this index, below [`Self::size`]: the first of all, and for each further run that the index reaches the gap before it.
    fn character(self, b: &mut Builder, index: &[Lit]) -> Byte {
        let runs: Vec<Range<u8>> = self.runs().collect();
        let mut before = 0;
        let mut gaps: Vec<Vec<Lit>> = Vec::new();
        for pair in runs.windows(2) {
            before += usize::from(pair[0].end - pair[0].start);
            let reached = at_least(b, index, before);
            let gap = pair[1].start - pair[0].end;
            gaps.push((0..7).map(|i| if gap >> i & 1 == 1 { reached } else { Lit::FALSE }).collect());
        }
        let terms: Vec<Term> = gaps.iter().map(|gap| Term::plus(gap, 0)).chain([Term::plus(index, 0)]).collect();
        let mut character = sum(b, &terms, &[(0, runs[0].start.into())], 7);
        character.push(Lit::FALSE);
        character.try_into().expect("eight bits")
    }

    /// Neighbouring characters together, in order.
    fn runs(self) -> impl Iterator<Item = Range<u8>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let start = rest.trailing_zeros();
                let end = start + (rest >> start).trailing_ones();
                rest &= !((1 << end) - (1 << start));
                start as u8..end as u8
            })
        })
    }
}

/// `floor(uniform * factor / 2^bits)`, below the factor.
fn scaled(b: &mut Builder, uniform: &[Lit], factor: usize) -> Vec<Lit> {
    let terms: Vec<Term> = signed_digits(factor)
        .map(|(shift, negative)| if negative { Term::minus(uniform, shift) } else { Term::plus(uniform, shift) })
        .collect();
    let bits = usize::BITS - (factor - 1).leading_zeros();
    sum(b, &terms, &[], uniform.len() + bits as usize).split_off(uniform.len())
}

/// The number as a sum of powers of two with signs, no two neighbouring (Reitwiesner, *Binary Arithmetic*, 1960): exponents, and whether negative.
fn signed_digits(number: usize) -> impl Iterator<Item = (usize, bool)> {
    let (plus, minus) = (((3 * number) & !number) >> 1, (number & !(3 * number)) >> 1);
    (0..usize::BITS as usize).filter_map(move |i| match (plus >> i & 1, minus >> i & 1) {
        (1, _) => Some((i, false)),
        (_, 1) => Some((i, true)),
        _ => None,
    })
}

/// Whether a number, bit 0 first, is at least `bound`.
fn at_least(b: &mut Builder, number: &[Lit], bound: usize) -> Lit {
    if bound >> number.len() != 0 {
        return Lit::FALSE;
    }
    let bits = number.iter().enumerate();
    bits.fold(Lit::TRUE, |so_far, (i, &bit)| if bound >> i & 1 == 1 { b.and(bit, so_far) } else { b.or(bit, so_far) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_circuit::Circuit;
    use cotenant_circuit::bytes::{bits_of, bytes_of, input_array, output_bytes};

    /// One run, two, many, all, both ends.
    const SETS: [Alphabet; 8] = [
        Alphabet::DIGITS,
        Alphabet::HEX,
        Alphabet::ALPHANUMERIC,
        Alphabet::BASE64,
        Alphabet::VISIBLE,
        Alphabet(Alphabet::PRINTABLE),
        Alphabet(1 << b' ' | 1 << b'~'),
        Alphabet(0x2a << 64 | 0b1011 << 40),
    ];

    fn circuit(build: impl FnOnce(&mut Builder)) -> Circuit {
        let mut b = Builder::new();
        build(&mut b);
        b.finish()
    }

    #[test]
    fn membership_of_every_byte() {
        for set in SETS {
            let member = circuit(|b| {
                let byte = input_array::<1>(b)[0];
                let inside = set.is_member(b, &byte);
                b.output(&[inside]);
            });
            for byte in 0..=255 {
                assert_eq!(member.eval(&bits_of(&[byte])), [set.contains(byte)], "{byte} in {set:?}");
            }
        }
    }

    /// The ends of each character's interval of r: `floor(r * m / 2^84)` counted in the clear.
    #[test]
    fn characters_are_drawn_evenly() {
        for set in SETS {
            let bits = set.drawn_bits();
            let draw = circuit(|b| {
                let uniform = b.input(bits);
                let character = set.draw(b, &uniform);
                output_bytes(b, &[character]);
            });
            let characters: Vec<u8> = (0..128).filter(|&c| set.contains(c)).collect();
            let drawn = |r: u128| bytes_of(&draw.eval(&(0..bits).map(|i| r >> i & 1 == 1).collect::<Vec<_>>()))[0];
            for (i, &c) in characters.iter().enumerate() {
                let (first, next) =
                    (((i as u128) << bits).div_ceil(set.size() as u128), ((i as u128 + 1) << bits).div_ceil(set.size() as u128));
                assert_eq!((drawn(first), drawn(next - 1)), (c, c), "the ends of {c} in {set:?}");
                assert!((next - first).abs_diff((1 << bits) / set.size() as u128) <= 1, "an interval as long as each other");
            }
        }
    }

    #[test]
    fn bounds_and_counts() {
        assert!(Alphabet::from_mask(1 << b'a').is_none(), "one character is no choice");
        assert!(Alphabet::from_mask(3 << b'a').is_some());
        for outside in [1 << 10 | 3 << b'a', 1 << 127 | 3 << b'a'] {
            assert!(Alphabet::from_mask(outside).is_none(), "not printable");
        }
        let cost = |set: Alphabet| {
            let draw = circuit(|b| {
                let uniform = b.input(set.drawn_bits());
                let character = set.draw(b, &uniform);
                output_bytes(b, &[character]);
            });
            let member = circuit(|b| {
                let byte = input_array::<1>(b)[0];
                let inside = set.is_member(b, &byte);
                b.output(&[inside]);
            });
            (set.drawn_bits(), draw.stats().ands(), member.stats().ands())
        };
        let sets = [Alphabet::DIGITS, Alphabet::HEX, Alphabet::ALPHANUMERIC, Alphabet::BASE64];
        assert_eq!(sets.map(cost), [(84, 84, 9), (4, 7, 23), (84, 102, 29), (6, 23, 41)]);
    }
}
