//! Whether a kept value stands again in what would be opened, told by a sample of it.
//!
//! Compared are the first bytes of the kept value, as many as it has at least and 32 at most, and of each byte as many bits as make 32
//! together: so an equal part is always found, and another one with probability 2^-32 at each place if the kept value is random. What is
//! found fails the call and opens nothing.

use super::policy::Rule;

/// The most bytes of a sample.
const BYTES: usize = 32;
/// Bits of a sample, unless the value is so short that it has fewer.
const BITS: usize = 32;

/// What of the values of a rule is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// The first bytes of the value.
    pub bytes: usize,
    /// Bits of each.
    pub bits: usize,
}

impl Sample {
    /// For the values of this rule.
    pub fn of(rule: &Rule) -> Sample {
        let bytes = (*rule.length.start()).min(BYTES);
        Sample { bytes, bits: BITS.div_ceil(bytes).min(8) }
    }

    /// The bits of a byte of which bit `i` of the sample is the sum, as a mask. The first four are sums of a low and a high bit, as in most
    /// sets of characters neither alone tells much; all eight together are the byte.
    pub(super) fn mask(i: usize) -> u8 {
        if i < 4 { 0x11 << i } else { 1 << i }
    }

    /// Whether a part of `text` has the sample of `kept`.
    pub(super) fn stands_in(self, kept: &[u8], text: &[u8]) -> bool {
        let sample = |byte: u8| (0..self.bits).fold(0_u8, |bits, i| bits | ((byte & Self::mask(i)).count_ones() as u8 & 1) << i);
        text.windows(self.bytes).any(|part| part.iter().zip(kept).all(|(&a, &b)| sample(a) == sample(b)))
    }
}
