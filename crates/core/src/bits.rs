//! A string of bits, packed.

use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Packed bits; bit `i` is bit `i % 64` of word `i / 64`; bits past the end are 0.
///
/// Bits are secret as often as not, so they are erased when dropped and have no `Debug` and no `==`.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// `len` bits, all 0.
    pub fn zero(len: usize) -> Bits {
        Bits { words: vec![0; len.div_ceil(64)], len }
    }

    /// `len` uniform bits.
    pub fn random(len: usize, rng: &mut impl CryptoRng) -> Bits {
        let mut words = vec![0u64; len.div_ceil(64)];
        rng.fill_bytes(bytemuck::cast_slice_mut(&mut words));
        let mut b = Bits { words, len };
        b.mask_tail();
        b
    }

    /// The bits of `bytes`, lowest bit of each byte first.
    pub fn from_bytes(bytes: &[u8]) -> Bits {
        Self::from_packed(bytes, bytes.len() * 8).expect("whole bytes have no spare bits")
    }

    /// `len` bits from their packed form; `None` if the length is not `ceil(len / 8)` bytes or a spare bit is set.
    pub fn from_packed(bytes: &[u8], len: usize) -> Option<Bits> {
        if bytes.len() != len.div_ceil(8) || (!len.is_multiple_of(8) && bytes[len / 8] >> (len % 8) != 0) {
            return None;
        }
        let mut words = vec![0u64; len.div_ceil(64)];
        bytemuck::cast_slice_mut::<u64, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Some(Bits { words, len })
    }

    /// The first `len` bits of `words`.
    ///
    /// # Panics
    /// If there are not `ceil(len / 64)` words.
    pub fn from_words(words: Vec<u64>, len: usize) -> Bits {
        assert_eq!(words.len(), len.div_ceil(64));
        let mut b = Bits { words, len };
        b.mask_tail();
        b
    }

    /// The packed form, `ceil(len / 8)` bytes. These are the bits themselves: send them only if they may be known.
    pub fn to_packed(&self) -> Vec<u8> {
        bytemuck::cast_slice::<u64, u8>(&self.words)[..self.len.div_ceil(8)].to_vec()
    }

    /// The number of bits.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bit `i`.
    pub fn get(&self, i: usize) -> bool {
        debug_assert!(i < self.len);
        self.words[i / 64] >> (i % 64) & 1 == 1
    }

    /// Sets bit `i`.
    pub fn set(&mut self, i: usize, v: bool) {
        debug_assert!(i < self.len);
        let w = &mut self.words[i / 64];
        *w = *w & !(1 << (i % 64)) | (v as u64) << (i % 64);
    }

    /// Bits `from .. from + len`, at most 64, the first one lowest.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn word(&self, from: usize, len: usize) -> u64 {
        assert!(len <= 64 && from + len <= self.len);
        let (at, shift) = (from / 64, from % 64);
        let low = self.words.get(at).map_or(0, |w| w >> shift);
        // the shift by two steps, as one by 64 is none
        let high = if shift + len > 64 { self.words[at + 1] << 1 << (63 - shift) } else { 0 };
        (low | high) & u64::MAX.checked_shr(64 - len as u32).unwrap_or(0)
    }

    /// Sets bits `from .. from + len`, at most 64, to those of `word`, the first one lowest; higher ones of `word` are ignored.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn set_word(&mut self, from: usize, len: usize, word: u64) {
        assert!(len <= 64 && from + len <= self.len);
        let mask = u64::MAX.checked_shr(64 - len as u32).unwrap_or(0);
        let (at, shift, word) = (from / 64, from % 64, word & mask);
        if len > 0 {
            self.words[at] = self.words[at] & !(mask << shift) | word << shift;
        }
        if shift + len > 64 {
            self.words[at + 1] = self.words[at + 1] & !(mask >> 1 >> (63 - shift)) | word >> 1 >> (63 - shift);
        }
    }

    /// Appends a bit.
    pub fn push(&mut self, v: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        self.len += 1;
        self.set(self.len - 1, v);
    }

    /// Appends bits.
    pub fn extend(&mut self, other: &Bits) {
        let shift = self.len % 64;
        if shift > 0
            && let Some(last) = self.words.last_mut()
            && let Some(first) = other.words.first()
        {
            *last |= first << shift;
        }
        // those bits of the first word that went into the last one are gone from what follows
        let taken = usize::from(shift > 0);
        self.words.extend(shifted(&other.words, 64 * taken - shift));
        self.len += other.len;
        self.words.truncate(self.len.div_ceil(64));
    }

    /// A copy of bits `from .. from + len`.
    pub fn slice(&self, from: usize, len: usize) -> Bits {
        assert!(from + len <= self.len);
        let mut words: Vec<u64> = shifted(&self.words[from / 64..(from + len).div_ceil(64)], from % 64).collect();
        words.truncate(len.div_ceil(64));
        Bits::from_words(words, len)
    }

    /// Bitwise exclusive or with bits of the same length.
    pub fn xor_assign(&mut self, other: &Bits) {
        assert_eq!(self.len, other.len);
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a ^= b);
    }

    /// The bits in order.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.len).map(|i| self.get(i))
    }

    /// The words; bits past the end are 0.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    fn mask_tail(&mut self) {
        if !self.len.is_multiple_of(64)
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << (self.len % 64)) - 1;
        }
    }
}

/// The words as one string without its lowest `shift` bits, 0 <= shift < 64.
fn shifted(words: &[u64], shift: usize) -> impl Iterator<Item = u64> + '_ {
    // upwards by two steps, as one by 64 is none
    let joined = words.windows(2).map(move |w| w[0] >> shift | w[1] << 1 << (63 - shift));
    joined.chain(words.last().map(|w| w >> shift))
}

impl FromIterator<bool> for Bits {
    fn from_iter<I: IntoIterator<Item = bool>>(it: I) -> Bits {
        let mut b = Bits::default();
        it.into_iter().for_each(|v| b.push(v));
        b
    }
}

impl ConstantTimeEq for Bits {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.len.ct_eq(&other.len) & self.words.ct_eq(&other.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    #[test]
    fn packed_form_round_trips_and_refuses_spare_bits() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        for len in [0, 1, 7, 8, 63, 64, 65, 200] {
            let b = Bits::random(len, &mut rng);
            let p = b.to_packed();
            assert!(bool::from(Bits::from_packed(&p, len).unwrap().ct_eq(&b)));
            assert!(Bits::from_packed(&[&p[..], &[0]].concat(), len).is_none());
        }
        assert!(Bits::from_packed(&[0b100], 2).is_none());
    }

    #[test]
    fn words_at_any_place_agree_with_single_bits() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(3);
        let (b, c) = (Bits::random(200, &mut rng), Bits::random(64, &mut rng));
        for (from, len) in [(0, 64), (1, 64), (63, 64), (64, 0), (64, 64), (60, 4), (60, 5), (136, 64), (199, 1), (200, 0)] {
            let word = b.word(from, len);
            assert!((0..64).all(|k| (word >> k & 1 == 1) == (k < len && b.get(from + k))));
            let mut set = b.clone();
            set.set_word(from, len, c.words()[0]);
            assert!((0..200).all(|i| set.get(i) == if (from..from + len).contains(&i) { c.get(i - from) } else { b.get(i) }));
        }
    }

    #[test]
    fn slices_and_extensions_agree_with_single_bits() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(2);
        let b = Bits::random(300, &mut rng);
        for (from, len) in [(0, 300), (1, 70), (64, 64), (63, 2), (299, 1), (130, 170), (300, 0)] {
            let s = b.slice(from, len);
            assert!((0..len).all(|i| s.get(i) == b.get(from + i)));
            let mut e = b.slice(0, from);
            e.extend(&s);
            assert!(bool::from(e.ct_eq(&b.slice(0, from + len))));
        }
    }
}
