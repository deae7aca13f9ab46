//! The circuits of reading.
//!
//! | segment | secret inputs | public inputs | outputs |
//! | --- | --- | --- | --- |
//! | keys | the server's traffic secret | | IV (opened), round keys, E(0) (opened) |
//! | blocks | round keys | IV; of each block sequence number, counter, ciphertext | plaintext; for counter 1 and no ciphertext E(J0) (opened) |
//!
//! Which record a block is of is known when it runs: blocks are prepared for an answer of any records. All of them share what of their first two rounds the
//! IV alone decides, which is more than half of it, as sequence number and counter are small.
//!
//! The rest are those of [`crate::redact`], built once for what they depend on.

use crate::{
    built::Built,
    redact::{
        Rules,
        circuit::{Room, matcher},
        head, inner,
    },
};
use cotenant_circuit::{
    Builder, Circuit, Lit,
    aes::{self, RoundKeys},
    bytes::{Byte, constant_bytes, input_array, output_bytes, public_input_array, to_array, xor_byte},
    key_schedule,
};
use std::sync::Arc;

/// Blocks of one segment.
pub(super) const BLOCKS: usize = 16;
/// Bits of a record's number.
pub(super) const SEQUENCE: usize = 8;
/// Bits of a block's counter. The longest record has 1040 blocks and the one of its tag (RFC 8446 section 5.2).
pub(super) const COUNTER: usize = 11;
/// Bits of an IV.
pub(super) const IV: usize = 96;
/// Bits of the eleven round keys.
pub(super) const ROUND_KEYS: usize = 11 * BLOCK;
/// Bits of a block.
pub(super) const BLOCK: usize = 128;

/// What a circuit depends on.
#[derive(PartialEq, Eq)]
enum Key {
    Keys,
    Blocks,
    Head(usize),
    ChunkLine,
    LineEnd,
    Last,
    Matcher(Rules, Room),
}

static BUILT: Built<Key> = Built::new();

/// From the server's traffic secret to what reading needs. Outputs: IV, round keys, E(0), and one 0.
pub(super) fn keys() -> Arc<Circuit> {
    BUILT.get(Key::Keys, || {
        let mut b = Builder::new();
        let secret = input_array(&mut b);
        let server = key_schedule::traffic_key(&mut b, &secret);
        let round_keys = RoundKeys::expand(&mut b, &server.key);
        let hash = round_keys.encrypt(&mut b, &to_array(&constant_bytes(&[0; 16]).concat()));
        output_bytes(&mut b, &server.iv);
        round_keys.blocks().iter().for_each(|block| output_bytes(&mut b, block));
        output_bytes(&mut b, &hash);
        b.output(&[Lit::FALSE]);
        b.finish()
    })
}

/// [`BLOCKS`] blocks of any records.
pub(super) fn blocks() -> Arc<Circuit> {
    BUILT.get(Key::Blocks, || {
        let mut b = Builder::new();
        let round_keys = RoundKeys::from_blocks(std::array::from_fn(|_| input_array(&mut b)));
        let iv: [Byte; 12] = public_input_array(&mut b);
        for _ in 0..BLOCKS {
            let sequence = b.public_input(SEQUENCE);
            let counter = b.public_input(COUNTER);
            let text: aes::Block = public_input_array(&mut b);
            let block = counter_block(&mut b, &iv, &sequence, &counter);
            let stream = round_keys.encrypt(&mut b, &block);
            let plain: aes::Block = std::array::from_fn(|i| xor_byte(&mut b, stream[i], text[i]));
            output_bytes(&mut b, &plain);
        }
        b.finish()
    })
}

/// Nonce (RFC 8446 section 5.3) and counter, big-endian, of numbers whose lowest bit is first.
fn counter_block(b: &mut Builder, iv: &[Byte; 12], sequence: &[Lit], counter: &[Lit]) -> aes::Block {
    let mut block = [[Lit::FALSE; 8]; 16];
    block[..12].copy_from_slice(iv);
    block[11] = xor_byte(b, iv[11], to_array::<1>(sequence)[0]);
    for (i, &bit) in counter.iter().enumerate() {
        block[15 - i / 8][i % 8] = bit;
    }
    block
}

/// [`head::head`].
pub(super) fn head(room: usize) -> Arc<Circuit> {
    BUILT.get(Key::Head(room), || head::head(room))
}

/// [`head::chunk_line`].
pub(super) fn chunk_line() -> Arc<Circuit> {
    BUILT.get(Key::ChunkLine, head::chunk_line)
}

/// [`head::line_end`].
pub(super) fn line_end() -> Arc<Circuit> {
    BUILT.get(Key::LineEnd, head::line_end)
}

/// [`inner::last`].
pub(super) fn last() -> Arc<Circuit> {
    BUILT.get(Key::Last, inner::last)
}

/// [`matcher`].
pub(super) fn of_rules(rules: &Rules, room: Room) -> Arc<Circuit> {
    BUILT.get(Key::Matcher(rules.clone(), room), || matcher(rules, room))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::aes::cipher::{BlockCipherEncrypt, KeyInit};
    use cotenant_circuit::bytes::{bits_of, bytes_of};
    use cotenant_tls::{TrafficSecret, protect::nonce};

    fn number(value: usize, bits: usize) -> impl Iterator<Item = bool> {
        (0..bits).map(move |i| value >> i & 1 == 1)
    }

    fn encrypt(key: &[u8; 16], block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        ::aes::Aes128::new(&(*key).into()).encrypt_block(&mut block);
        block.into()
    }

    /// Keys as RFC 8446 section 7.3 has them, and blocks of records and counters up to the last.
    #[test]
    fn keys_and_blocks_are_those_of_the_standard() {
        let secret = [0x5a; 32];
        let out = keys().eval(&bits_of(&secret));
        let (key, iv) = TrafficSecret::new(secret).key_and_iv();
        assert_eq!((bytes_of(&out[..IV]), bytes_of(&out[IV..IV + BLOCK])), (iv.to_vec(), key.to_vec()));
        assert_eq!(bytes_of(&out[IV + ROUND_KEYS..][..BLOCK]), encrypt(&key, [0; 16]));
        assert_eq!((out[IV + ROUND_KEYS + BLOCK], out.len()), (false, IV + ROUND_KEYS + BLOCK + 1));

        let which: Vec<(usize, usize)> = (0..BLOCKS).map(|k| (17 * k, if k == 15 { 1041 } else { 1 + 67 * k })).collect();
        let text = |k: usize| [k as u8; 16];
        let inputs = which
            .iter()
            .enumerate()
            .flat_map(|(k, &(sequence, counter))| number(sequence, SEQUENCE).chain(number(counter, COUNTER)).chain(bits_of(&text(k))));
        let inputs: Vec<bool> = out[IV..IV + ROUND_KEYS].iter().copied().chain(bits_of(&iv)).chain(inputs).collect();
        let plain = bytes_of(&blocks().eval(&inputs));
        for (k, (&(sequence, counter), block)) in which.iter().zip(plain.chunks(16)).enumerate() {
            let at = [&nonce(&iv, sequence as u64)[..], &(counter as u32).to_be_bytes()].concat();
            let stream = encrypt(&key, at.try_into().unwrap());
            assert_eq!(block, std::array::from_fn::<u8, 16, _>(|i| stream[i] ^ text(k)[i]), "block {k}");
        }
    }

    #[test]
    fn counts_are_these() {
        let ands = |circuit: Arc<Circuit>| (circuit.stats().and_full, circuit.stats().ands());
        assert_eq!([ands(keys()), ands(blocks())], [(122_844, 122_844), (73_760, 73_760)], "nothing is public but what is added");
    }
}
