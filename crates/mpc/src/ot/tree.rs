//! Punctured pseudorandom functions: 128/K binary trees of 2^K leaves, of which the COT sender learns all but one each.
//!
//! Goldreich-Goldwasser-Micali trees from base OTs: Roy, "SoftSpokenOT", ePrint 2022/192, section 6, after Boyle et al., "Efficient
//! Two-Round OT Extension and Silent Non-Interactive Secure Computation", CCS 2019. Node x of level l has the children x and x + 2^l of
//! level l + 1, so bit l of a leaf's index is the branch taken at level l. The two nodes of level 1 are the keys of the first base OT;
//! at each later level the maker sends, for each branch, the sum of all nodes on that branch, masked by a key of that level's base OT.
//! The opener's base-OT choices are the bits of its secret point alpha (its piece of Delta). Branch y goes with key 1 - y, so with choice
//! alpha_l it learns the sum of the branch that alpha does not take, and from it the sibling of its path.
//!
//! Check against a malicious maker: each leaf node gives the leaf and a proof of 256 bits. The maker sends the sum of the proofs of each
//! tree and one hash of all proofs of all trees; the opener completes the missing proof by the sum and compares the hash. A maker that
//! sends wrong sums is caught unless it guesses, for each, on which side of it alpha lies; that it may guess is in the functionality.
//!
//! The opener never indexes memory by alpha: it keeps node x at place x xor alpha, its own path at place 0, by exchanging children.

use super::{KAPPA, OtFault, Pair};
use cotenant_core::codec::{Reader, Writer};
use cotenant_core::domain::Hasher;
use cotenant_core::prg::Prg;
use cotenant_core::{Block, Digest, Domain};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What a leaf is proved by.
type Proof = [Block; 2];

/// Makes the trees from both keys of every base OT: all leaves, 2^K a tree, and the message for the opener.
pub(super) fn make<const K: usize>(pair: &Pair, keys: &[[Block; 2]]) -> (Zeroizing<Vec<Block>>, Vec<u8>) {
    let (mut leaves, mut message, mut hash) = (Zeroizing::new(Vec::with_capacity(KAPPA / K << K)), Writer::new(), hasher(pair));
    for keys in keys.chunks_exact(K) {
        let mut nodes = Zeroizing::new(vec![keys[0][1], keys[0][0]]);
        nodes.reserve_exact((1 << K) - 2);
        for key in &keys[1..] {
            let mut sums = [key[1], key[0]];
            for x in 0..nodes.len() {
                let children = children(nodes[x]);
                nodes[x] = children[0];
                nodes.push(children[1]);
                sums = xor(sums, children);
            }
            message = message.blocks(&sums);
        }
        let mut total = [Block::ZERO; 2];
        for &node in nodes.iter() {
            let (leaf, proof) = leaf(node);
            leaves.push(leaf);
            hash.raw(cotenant_core::block::as_bytes(&proof));
            total = xor(total, proof);
        }
        message = message.blocks(&total);
    }
    (leaves, message.bytes(&hash.digest().0).done())
}

/// Opens the trees with the chosen key of every base OT: 2^K - 1 leaves a tree, leaf x at place (x xor alpha) - 1.
pub(super) fn open<const K: usize>(pair: &Pair, delta: Block, keys: &[Block], message: &[u8]) -> Result<Zeroizing<Vec<Block>>, OtFault> {
    let (mut leaves, mut message, mut hash) = (Zeroizing::new(Vec::with_capacity(KAPPA / K << K)), Reader::new(message), hasher(pair));
    for (tree, keys) in keys.chunks_exact(K).enumerate() {
        let alpha = Zeroizing::new(std::array::from_fn::<bool, K, _>(|l| delta.bit(tree * K + l)));
        let mut nodes = Zeroizing::new(vec![Block::ZERO, keys[0]]);
        nodes.reserve_exact((1 << K) - 2);
        for (&key, &branch) in keys.iter().zip(alpha.iter()).skip(1) {
            let sums = [message.block()?, message.block()?];
            let width = nodes.len();
            nodes.push(key ^ sums[1] ^ (sums[0] ^ sums[1]).when(branch));
            for x in 1..width {
                let mut children = children(nodes[x]);
                swap_if(branch, &mut children);
                nodes[x] = children[0];
                nodes[width] ^= children[1];
                nodes.push(children[1]);
            }
        }
        let mut proofs = vec![[message.block()?, message.block()?]];
        for &node in &nodes[1..] {
            let (leaf, proof) = leaf(node);
            leaves.push(leaf);
            proofs[0] = xor(proofs[0], proof);
            proofs.push(proof);
        }
        into_leaf_order(&mut proofs, &*alpha);
        proofs.iter().for_each(|p| _ = hash.raw(cotenant_core::block::as_bytes(p)));
    }
    let claimed = Digest(message.array()?);
    message.end()?;
    if bool::from(claimed.ct_eq(&hash.digest())) { Ok(leaves) } else { Err(OtFault::TreeCheck) }
}

fn hasher(pair: &Pair) -> Hasher {
    let mut h = Domain::PprfCheck.hasher();
    pair.absorb(&mut h);
    h
}

fn children(node: Block) -> [Block; 2] {
    let mut out = [Block::ZERO; 2];
    Prg::new(node).fill(&mut out);
    out
}

/// A node of the last level gives the leaf that is used and the proof that is shown; the leaf does not follow from the proof.
fn leaf(node: Block) -> (Block, Proof) {
    let mut out = [Block::ZERO; 3];
    Prg::new(node).fill(&mut out);
    (out[0], [out[1], out[2]])
}

fn xor(a: [Block; 2], b: [Block; 2]) -> [Block; 2] {
    [a[0] ^ b[0], a[1] ^ b[1]]
}

fn swap_if(condition: bool, pair: &mut [Block; 2]) {
    let d = (pair[0] ^ pair[1]).when(condition);
    *pair = [pair[0] ^ d, pair[1] ^ d];
}

/// From place x xor alpha to place x, one bit of alpha after the other.
fn into_leaf_order(proofs: &mut [Proof], alpha: &[bool]) {
    for (l, &bit) in alpha.iter().enumerate() {
        for x in (0..proofs.len()).filter(|x| x >> l & 1 == 0) {
            let (a, b) = (proofs[x], proofs[x | 1 << l]);
            let d = xor(a, b).map(|d| d.when(bit));
            (proofs[x], proofs[x | 1 << l]) = (xor(a, d), xor(b, d));
        }
    }
}
