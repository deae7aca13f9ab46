//! Punctured pseudorandom functions: 128/K binary trees of 2^K leaves, of which the COT sender learns all but one each.
//!
//! Goldreich-Goldwasser-Micali trees from base OTs: Roy, "SoftSpokenOT", ePrint 2022/192, its puncturable PRF with consistency check,
//! after Boyle et al., "Efficient Two-Round OT Extension and Silent Non-Interactive Secure Computation", CCS 2019. Node x of level l has
//! the children x and x + 2^l of level l + 1, so bit l of a leaf's index is the branch taken at level l. The two nodes of level 1 are the
//! keys of the first base OT; at each later level the maker sends, for each branch, the sum of all nodes on that branch, masked by a key
//! of that level's base OT. The opener's base-OT choices are the bits of its secret point alpha, its piece of Delta. Branch y goes with
//! key 1 - y, so with choice alpha_l it learns the sum of the branch that alpha does not take, and from it the sibling of its path.
//!
//! Check against a malicious maker: each leaf node gives the leaf and a proof of 256 bits. The maker sends the sum of the proofs of each
//! tree and one hash of all proofs of all trees (in the paper one a tree: as the opener gives up at any mismatch, one answer for all tells
//! the maker no more). The opener completes the missing proof by the sum and compares the hash. A maker that sends wrong sums is caught
//! unless it guesses, for each, on which side of it alpha lies; that it may guess is in the functionality.
//!
//! The opener never indexes memory by alpha: it keeps node x at place x xor alpha, its own path at place 0, by exchanging children.

use super::{KAPPA, OtFault, Pair};
use cotenant_core::codec::{Reader, Writer};
use cotenant_core::domain::Hasher;
use cotenant_core::prg::Prg;
use cotenant_core::{Block, Digest, Domain, block};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What a leaf is proved by.
type Proof = [Block; 2];

/// Makes the trees from both keys of every base OT: all leaves, 2^K a tree, and the message for the opener.
pub(super) fn make<const K: usize>(pair: &Pair, keys: &[[Block; 2]]) -> (Zeroizing<Vec<Block>>, Vec<u8>) {
    let (mut leaves, mut message, mut hash) = (Zeroizing::new(Vec::with_capacity((KAPPA / K) << K)), Writer::new(), hasher(pair));
    for keys in keys.chunks_exact(K) {
        let mut nodes = Zeroizing::new(Vec::with_capacity(1 << K));
        nodes.extend([keys[0][1], keys[0][0]]);
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
            hash.raw(block::as_bytes(&proof));
            total = xor(total, proof);
        }
        message = message.blocks(&total);
    }
    (leaves, message.bytes(&hash.digest().0).done())
}

/// Opens the trees with the chosen key of every base OT: 2^K - 1 leaves a tree, leaf x at place (x xor alpha) - 1.
pub(super) fn open<const K: usize>(pair: &Pair, delta: Block, keys: &[Block], message: &[u8]) -> Result<Zeroizing<Vec<Block>>, OtFault> {
    let (mut leaves, mut message, mut hash) = (Zeroizing::new(Vec::with_capacity((KAPPA / K) << K)), Reader::new(message), hasher(pair));
    for (tree, keys) in keys.chunks_exact(K).enumerate() {
        let alpha = Zeroizing::new(std::array::from_fn::<bool, K, _>(|l| delta.bit(tree * K + l)));
        let mut nodes = Zeroizing::new(Vec::with_capacity(1 << K));
        nodes.extend([Block::ZERO, keys[0]]);
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
        proofs.iter().for_each(|p| _ = hash.raw(block::as_bytes(p)));
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

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    const MESSAGE: usize = 128 * 32 + 32;

    /// Opens the trees of a maker whose message `attack` changes.
    fn open_after<const K: usize>(delta: Block, attack: impl Fn(&mut Vec<u8>)) -> Result<(), OtFault> {
        let (both, chosen) = base_keys(delta, 3);
        let (leaves, mut message) = make::<K>(&pair(), &both);
        attack(&mut message);
        let opened = open::<K>(&pair(), delta, &chosen, &message)?;
        compare::<K>(delta, &leaves, &opened);
        Ok(())
    }

    /// The opener has every leaf but alpha, each in its place.
    fn compare<const K: usize>(delta: Block, leaves: &[Block], opened: &[Block]) {
        assert_eq!((leaves.len(), opened.len()), ((128 / K) << K, 128 / K * ((1 << K) - 1)));
        for (tree, (all, known)) in leaves.chunks(1 << K).zip(opened.chunks((1 << K) - 1)).enumerate() {
            let alpha = (delta.0 >> (tree * K)) as usize & ((1 << K) - 1);
            assert!((1..1 << K).all(|place| known[place - 1].0 == all[place ^ alpha].0));
            assert!(known.iter().all(|k| k.0 != all[alpha].0));
        }
    }

    #[test]
    fn the_opener_gets_all_leaves_but_one_of_each_tree() {
        for delta in [Block::ZERO, Block(u128::MAX), Block::random(&mut rng(1))] {
            assert_eq!(open_after::<1>(delta, |m| assert_eq!(m.len(), MESSAGE)), Ok(()));
            assert_eq!(open_after::<2>(delta, |m| assert_eq!(m.len(), MESSAGE)), Ok(()));
            assert_eq!(open_after::<4>(delta, |m| assert_eq!(m.len(), MESSAGE)), Ok(()));
            assert_eq!(open_after::<8>(delta, |m| assert_eq!(m.len(), MESSAGE)), Ok(()));
        }
    }

    #[test]
    fn leaves_are_all_different() {
        let leaves = make::<8>(&pair(), &base_keys(Block::ZERO, 3).0).0;
        assert_eq!(leaves.iter().map(|l| l.0).collect::<std::collections::HashSet<_>>().len(), 16 * 256);
    }

    /// A wrong sum is used by the openers whose alpha takes the other branch: they fail, the others do not notice and are not harmed.
    /// So a maker that flips g sums of different base OTs passes with probability 2^-g and has then learnt g bits that it guessed.
    #[test]
    fn a_wrong_level_sum_is_caught_by_exactly_those_who_use_it() {
        let mut passed = 0;
        for seed in 0..64 {
            let delta = Block::random(&mut rng(seed));
            for (tree, level, branch) in [(0, 1, 0), (3, 2, 1), (31, 3, 0)] {
                let at = tree * 128 + (level - 1) * 32 + branch * 16;
                let got = open_after::<4>(delta, |m| m[at + seed as usize % 16] ^= 1 << (seed % 8));
                let unused = delta.bit(tree * 4 + level) as usize == branch;
                assert_eq!(got, if unused { Ok(()) } else { Err(OtFault::TreeCheck) });
                passed += unused as usize;
            }
        }
        assert!((64..=128).contains(&passed), "{passed} of 192, expected 96 with standard deviation 7");
    }

    #[test]
    fn a_wrong_proof_sum_or_digest_is_always_caught() {
        for seed in 0..8 {
            let delta = Block::random(&mut rng(seed));
            for at in [96, 127, 31 * 128 + 96, 4096, 4127] {
                assert_eq!(open_after::<4>(delta, |m| m[at] ^= 1 << seed), Err(OtFault::TreeCheck));
            }
            assert_eq!(open_after::<1>(delta, |m| m[32 * seed as usize] ^= 1), Err(OtFault::TreeCheck));
        }
    }

    #[test]
    fn trees_of_another_pair_are_refused() {
        let delta = Block::random(&mut rng(1));
        let (both, chosen) = base_keys(delta, 3);
        for other in other_pairs() {
            let (_, message) = make::<4>(&other, &both);
            assert!(open::<4>(&pair(), delta, &chosen, &message).is_err_and(|e| e == OtFault::TreeCheck));
        }
    }

    #[test]
    fn messages_of_another_length_are_refused() {
        assert_eq!(open_after::<4>(Block(5), |m| m.truncate(MESSAGE - 1)), Err(OtFault::Format));
        assert_eq!(open_after::<4>(Block(5), |m| m.push(0)), Err(OtFault::Format));
        assert_eq!(open_after::<4>(Block(5), Vec::clear), Err(OtFault::Format));
    }
}
