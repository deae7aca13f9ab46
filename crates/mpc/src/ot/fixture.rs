//! What the tests of this folder share: seeded randomness, pairs, set-up parties.

use super::{OtFault, Pair, ReceiverSetup, SenderSetup, SoftReceiver, SoftSender, tree};
use crate::workers::Workers;
use chacha20::ChaCha20Rng;
use cotenant_core::{Block, Digest, PartyId};
use rand_core::SeedableRng;
use zeroize::Zeroizing;

/// No threads but the test's own.
pub(super) const ONE: Workers = Workers::ONE;

pub(super) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(super) fn pair() -> Pair {
    Pair { session: Digest([7; 32]), sender: PartyId::new(1), receiver: PartyId::new(0) }
}

/// Pairs that differ from [`pair`] in one respect each.
pub(super) fn other_pairs() -> [Pair; 3] {
    let p = pair();
    [Pair { session: Digest([8; 32]), ..p }, Pair { sender: PartyId::new(2), ..p }, Pair { sender: p.receiver, receiver: p.sender, ..p }]
}

/// Both parties after a whole set-up by messages.
pub(super) fn set_up<const K: usize>(delta: Block, seed: u64) -> Result<(SoftReceiver<K>, SoftSender<K>), OtFault> {
    let rng = &mut rng(seed);
    let (receiver, points) = ReceiverSetup::start(pair(), &ONE, rng);
    let (sender, choices) = SenderSetup::start(pair(), delta, &ONE, rng);
    let (receiver, trees) = receiver.finish(&choices, &ONE)?;
    Ok((receiver, sender.keys(&points, &ONE)?.finish(&trees)?))
}

/// Keys as base OTs give them: both of every index, and the one that `delta` chooses.
pub(super) fn base_keys(delta: Block, seed: u64) -> (Vec<[Block; 2]>, Vec<Block>) {
    let rng = &mut rng(seed);
    let both: Vec<_> = (0..128).map(|_| [Block::random(rng), Block::random(rng)]).collect();
    let chosen = both.iter().enumerate().map(|(i, k)| k[delta.bit(i) as usize]).collect();
    (both, chosen)
}

/// Both parties, with base-OT keys from nowhere: quick, for tests of what comes after.
pub(super) fn dealt<const K: usize>(delta: Block, seed: u64) -> (SoftReceiver<K>, SoftSender<K>) {
    let (both, chosen) = base_keys(delta, seed);
    let (leaves, trees) = tree::make::<K>(&pair(), &both);
    let opened: Zeroizing<_> = tree::open::<K>(&pair(), delta, &chosen, &trees).unwrap();
    (SoftReceiver::new(pair(), &leaves), SoftSender::new(pair(), delta, &opened))
}
