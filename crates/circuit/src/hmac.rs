//! HMAC-SHA-256 (RFC 2104) with keys held as the two states after their pads, so that many messages under a key pay for the key once.

use crate::bytes::{Byte, constant_byte, xor_constant};
use crate::sha256::{self, Schedule, State, compress, compress_scheduled, finish, initial_state, state_bytes};
use crate::{Builder, Lit};

/// A key as the states after the blocks `key ^ ipad` and `key ^ opad`.
#[derive(Clone)]
pub struct HmacKey {
    inner: State,
    outer: State,
}

impl HmacKey {
    /// Bits of [`HmacKey::literals`].
    pub const BITS: usize = 512;

    /// Two compressions; a key longer than a block is hashed first (RFC 2104 section 2).
    pub fn new(b: &mut Builder, key: &[Byte]) -> HmacKey {
        if key.len() > 64 {
            let digest = sha256::hash(b, key);
            return HmacKey::new(b, &digest);
        }
        let mut state = |pad: u8| {
            let block = std::array::from_fn(|i| key.get(i).map_or(constant_byte(pad), |&byte| xor_constant(byte, pad)));
            compress(b, &initial_state(), &block)
        };
        HmacKey { inner: state(0x36), outer: state(0x5c) }
    }

    /// The key as literals, inner state first, to be carried from one circuit to another.
    pub fn literals(&self) -> Vec<Lit> {
        [self.inner, self.outer].as_flattened().as_flattened().to_vec()
    }

    /// The inverse of [`HmacKey::literals`].
    ///
    /// # Panics
    /// If there are not [`HmacKey::BITS`] literals.
    pub fn from_literals(literals: &[Lit]) -> HmacKey {
        assert_eq!(literals.len(), Self::BITS, "an HMAC key is two states");
        let state = |literals: &[Lit]| std::array::from_fn(|i| std::array::from_fn(|bit| literals[32 * i + bit]));
        HmacKey { inner: state(&literals[..256]), outer: state(&literals[256..]) }
    }

    /// The MAC of `message`; its constant parts fold away.
    pub fn mac(&self, b: &mut Builder, message: &[Byte]) -> [Byte; 32] {
        let inner = finish(b, &self.inner, 64, message);
        self.outer_hash(b, &inner)
    }

    /// The MAC of a message that is public when the circuit runs: the words of [`schedules`], whose number fixes only the number of blocks.
    pub fn mac_scheduled(&self, b: &mut Builder, message: &[Schedule]) -> [Byte; 32] {
        let inner = message.iter().fold(self.inner, |state, block| compress_scheduled(b, &state, block));
        self.outer_hash(b, &inner)
    }

    fn outer_hash(&self, b: &mut Builder, inner: &State) -> [Byte; 32] {
        state_bytes(&finish(b, &self.outer, 64, &state_bytes(inner)))
    }
}

/// The plain words to put into [`HmacKey::mac_scheduled`] for `message`: one schedule for each block of the message and its padding.
pub fn schedules(message: &[u8]) -> Vec<[u32; 64]> {
    let mut padded = message.to_vec();
    padded.extend(sha256::padding(64 + message.len()));
    padded.as_chunks().0.iter().map(sha256::schedule).collect()
}
