//! Bytes as words that people read to each other, so that a wrong word is found and, if it is the only one, put right.
//!
//! A word of the English list of BIP 39 is 11 bits: an element of GF(2^11) = GF(2)\[x\] / (x^11 + x^2 + 1), where x generates all 2047 elements but 0.
//! What is written is the number of bytes (1 byte), the bytes, zero bits up to a whole word, and 3 words of check: together the coefficients, highest
//! first, of a polynomial that vanishes at 1, x and x^2 (Reed and Solomon, *Polynomial Codes over Certain Finite Fields*, SIAM J. 8(2), 1960). Any two
//! such polynomials differ in 4 coefficients at least, so any 3 wrong words are noticed, 1 is located, and of any other text 1 in 2^33 passes.

use bip39_lexical_data::WL_BIP39;
use std::fmt;
use zeroize::Zeroizing;

/// Bits of a word.
const BITS: usize = 11;
/// Words of check.
const CHECK: usize = 3;
/// The most bytes that are written as words.
pub const MAX_BYTES: usize = 255;

/// The words for `bytes`.
///
/// # Panics
/// If there are more than [`MAX_BYTES`].
pub fn encode(bytes: &[u8]) -> Vec<&'static str> {
    let length = u8::try_from(bytes.len()).expect("at most MAX_BYTES");
    let framed = Zeroizing::new([&[length], bytes].concat());
    let mut symbols = Zeroizing::new(symbols_of(&framed, (framed.len() * 8).div_ceil(BITS)));
    let check = remainder(&symbols);
    symbols.extend(check);
    symbols.iter().map(|&symbol| WL_BIP39[usize::from(symbol)]).collect()
}

/// The bytes that were written as these words. Everything but letters separates words, so numbers before them and punctuation are skipped.
///
/// # Errors
/// Which word is wrong and what it should be, as far as that can be told.
pub fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, BadWords> {
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).take(LONGEST + 1).collect();
    if words.len() > LONGEST || words.len() <= CHECK {
        return Err(BadWords::Count { seen: words.len(), wanted: None });
    }
    let symbols: Result<Vec<u16>, BadWords> = words.iter().enumerate().map(|(at, word)| symbol_of(at + 1, word)).collect();
    let symbols = Zeroizing::new(symbols?);
    check(&symbols)?;
    let data = &symbols[..symbols.len() - CHECK];
    let framed = Zeroizing::new(bytes_of(data, data.len() * BITS / 8));
    let wanted = (usize::from(framed[0]) + 1) * 8;
    if wanted.div_ceil(BITS) != data.len() {
        return Err(BadWords::Count { seen: words.len(), wanted: Some(wanted.div_ceil(BITS) + CHECK) });
    }
    let bytes = Zeroizing::new(framed[1..wanted / 8].to_vec());
    if symbols_of(&framed[..wanted / 8], data.len()) == data { Ok(bytes) } else { Err(BadWords::Check) }
}

/// The most words of one text.
const LONGEST: usize = ((MAX_BYTES + 1) * 8).div_ceil(BITS) + CHECK;

/// Words from the first bits of a hash, to be compared and not to be decoded.
///
/// # Panics
/// If `bytes` are too few.
pub fn name<const N: usize>(bytes: &[u8]) -> [&'static str; N] {
    let symbols = symbols_of(&bytes[..(N * BITS).div_ceil(8)], N);
    std::array::from_fn(|i| WL_BIP39[usize::from(symbols[i])])
}

/// Why a text is not what words were made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadWords {
    /// Words are missing or too many.
    Count {
        /// How many there are.
        seen: usize,
        /// How many there should be, if that can be told.
        wanted: Option<usize>,
    },
    /// A word is not in the list.
    Unknown {
        /// Which, from 1.
        place: usize,
        /// The word as it was typed, letters only.
        word: String,
        /// The word of the list that it is nearest to.
        nearest: &'static str,
    },
    /// All words are in the list, and they would be right if this one were another.
    Mistaken {
        /// Which, from 1.
        place: usize,
        /// The word that stands there.
        word: &'static str,
        /// The word that should.
        instead: &'static str,
    },
    /// More than one word is wrong, or they are in another order.
    Check,
}

impl fmt::Display for BadWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadWords::Count { seen, wanted: Some(wanted) } => write!(f, "{wanted} words are wanted, these are {seen}"),
            BadWords::Count { seen, wanted: None } => write!(f, "these are {seen} words, which nothing is written as"),
            BadWords::Unknown { place, word, nearest } => {
                write!(f, "word {place}, \"{word}\", is not in the list; the nearest is \"{nearest}\"")
            }
            BadWords::Mistaken { place, word, instead } => write!(f, "word {place} should be \"{instead}\", not \"{word}\""),
            BadWords::Check => f.write_str("more than one word is wrong, or missing, or in another place; have them read again"),
        }
    }
}

impl std::error::Error for BadWords {}

fn symbol_of(place: usize, word: &str) -> Result<u16, BadWords> {
    let lower = word.to_ascii_lowercase();
    WL_BIP39.binary_search(&lower.as_str()).map(|index| index as u16).map_err(|_| {
        let word: String = lower.chars().take(16).collect(); // the longest of the list has 8
        let nearest = WL_BIP39.iter().min_by_key(|known| strsim::damerau_levenshtein(known, &word)).expect("the list is not empty");
        BadWords::Unknown { place, word, nearest }
    })
}

/// The first `count` groups of 11 bits, with zero bits behind the end.
fn symbols_of(bytes: &[u8], count: usize) -> Vec<u16> {
    let bit = |i: usize| bytes.get(i / 8).map_or(0, |byte| u16::from(byte >> (7 - i % 8) & 1));
    (0..count).map(|at| (0..BITS).fold(0, |symbol, i| symbol << 1 | bit(at * BITS + i))).collect()
}

/// The first `count` bytes.
fn bytes_of(symbols: &[u16], count: usize) -> Vec<u8> {
    let bit = |i: usize| (symbols[i / BITS] >> (BITS - 1 - i % BITS) & 1) as u8;
    (0..count).map(|at| (0..8).fold(0, |byte, i| byte << 1 | bit(at * 8 + i))).collect()
}

/// The product in GF(2^11).
fn product(a: u16, b: u16) -> u16 {
    (0..BITS).rev().fold(0, |sum: u16, i| {
        let carry = sum >> (BITS - 1);
        let doubled = (sum << 1) ^ (carry * (1 << BITS | 0b101));
        doubled ^ (a * (b >> i & 1))
    })
}

/// The value of the polynomial with these coefficients, highest first, at x^power.
fn value(symbols: &[u16], power: u32) -> u16 {
    let at = 1 << power;
    symbols.iter().fold(0, |sum, &symbol| product(sum, at) ^ symbol)
}

/// What has to follow `symbols` so that the whole vanishes at 1, x and x^2: the remainder of their multiple by the polynomial with these roots.
fn remainder(symbols: &[u16]) -> [u16; CHECK] {
    // (z + 1)(z + x)(z + x^2) = z^3 + (1 + x + x^2) z^2 + (x + x^2 + x^3) z + x^3
    let divisor = [0b111, 0b1110, 0b1000];
    symbols.iter().fold([0; CHECK], |rest, &symbol| {
        let lead = rest[0] ^ symbol;
        let shifted = [rest[1], rest[2], 0];
        std::array::from_fn(|i| shifted[i] ^ product(lead, divisor[i]))
    })
}

/// With one wrong coefficient, of z^k and by e, the values at 1, x and x^2 are e, e x^k and e x^2k.
fn check(symbols: &[u16]) -> Result<(), BadWords> {
    let [at_1, at_x, at_xx] = [0, 1, 2].map(|power| value(symbols, power));
    if [at_1, at_x, at_xx] == [0; CHECK] {
        return Ok(());
    }
    let mut power = 1;
    for place in (1..=symbols.len()).rev() {
        if at_1 != 0 && product(at_1, power) == at_x && product(at_x, power) == at_xx {
            let word = symbols[place - 1];
            return Err(BadWords::Mistaken { place, word: WL_BIP39[usize::from(word)], instead: WL_BIP39[usize::from(word ^ at_1)] });
        }
        power = product(power, 2);
    }
    Err(BadWords::Check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    /// SHA-256 of `english.txt` of BIP 39.
    const LIST: &str = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda";

    #[test]
    fn the_list_is_the_published_one() {
        let text: String = WL_BIP39.iter().flat_map(|word| [word, "\n"]).collect();
        assert_eq!(Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect::<String>(), LIST);
        assert!(WL_BIP39.is_sorted() && WL_BIP39.len() == 1 << BITS);
    }

    #[test]
    fn x_generates_the_field() {
        let mut power = 1;
        let order = (1..).find(|_| {
            power = product(power, 2);
            power == 1
        });
        assert_eq!(order, Some(2047));
        assert_eq!(product(0b11, 0b11), 0b101);
    }

    #[test]
    fn bytes_of_every_length_go_there_and_back() {
        for length in 0..=MAX_BYTES {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 7 + length) as u8).collect();
            let words = encode(&bytes);
            assert_eq!(*decode(&words.join(" ")).unwrap(), bytes);
            let numbered: Vec<String> =
                words.iter().enumerate().map(|(i, word)| format!("{}. {},\n", i + 1, word.to_uppercase())).collect();
            assert_eq!(*decode(&numbered.concat()).unwrap(), bytes);
        }
    }

    #[test]
    fn one_wrong_word_is_named_with_the_right_one() {
        let right = encode(b"sixteen bytes of");
        for place in 0..right.len() {
            for other in [WL_BIP39[0], WL_BIP39[1], WL_BIP39[2047], WL_BIP39[(place * 131 + 7) % 2048]] {
                let mut words = right.clone();
                words[place] = other;
                let expected = BadWords::Mistaken { place: place + 1, word: other, instead: right[place] };
                assert_eq!(
                    decode(&words.join(" ")),
                    if other == right[place] { Ok(Zeroizing::new(b"sixteen bytes of".to_vec())) } else { Err(expected) }
                );
            }
        }
    }

    #[test]
    fn a_mistyped_word_is_named_with_the_nearest() {
        let mut words: Vec<String> = encode(b"some").iter().map(|word| word.to_string()).collect();
        words[1] = "oceam".into();
        assert_eq!(decode(&words.join(" ")), Err(BadWords::Unknown { place: 2, word: "oceam".into(), nearest: "ocean" }));
        words[1] = "x".repeat(1000);
        assert!(matches!(decode(&words.join(" ")), Err(BadWords::Unknown { place: 2, word, .. }) if word.len() == 16));
    }

    #[test]
    fn two_and_three_wrong_words_swaps_and_lost_words_are_noticed() {
        let right = encode(b"sixteen bytes of");
        for i in 0..right.len() {
            for j in 0..i {
                let mut two = right.clone();
                (two[i], two[j]) = (WL_BIP39[i * 37 + 5], WL_BIP39[j * 53 + 9]);
                let mut swapped = right.clone();
                swapped.swap(i, j);
                let mut three = two.clone();
                three[(i + 1) % right.len()] = WL_BIP39[i * 3 + j];
                for wrong in [two, swapped, three] {
                    assert!(wrong == right || decode(&wrong.join(" ")).is_err(), "{wrong:?}");
                }
            }
            let mut lost = right.clone();
            lost.remove(i);
            assert!(decode(&lost.join(" ")).is_err());
            let mut doubled = right.clone();
            doubled.insert(i, right[i]);
            assert!(decode(&doubled.join(" ")).is_err());
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        for text in ["", "abandon", "abandon abandon abandon", &"zoo ".repeat(10_000)] {
            assert!(matches!(decode(text), Err(BadWords::Count { wanted: None, .. })));
        }
        // Right check words over a length that does not fit.
        let mut symbols = symbols_of(&[200, 1, 2], 3);
        let rest = remainder(&symbols);
        symbols.extend(rest);
        let text: Vec<&str> = symbols.iter().map(|&s| WL_BIP39[usize::from(s)]).collect();
        assert_eq!(decode(&text.join(" ")), Err(BadWords::Count { seen: 6, wanted: Some(150) }));
        // And over padding that is not zero.
        let mut symbols = symbols_of(&[2, 1, 2], 3);
        symbols[2] |= 1;
        let rest = remainder(&symbols);
        symbols.extend(rest);
        let text: Vec<&str> = symbols.iter().map(|&s| WL_BIP39[usize::from(s)]).collect();
        assert_eq!(decode(&text.join(" ")), Err(BadWords::Check));
    }
}
