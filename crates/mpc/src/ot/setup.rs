//! From nothing to leaves: what a pair does once a session, before its first extension.

use super::base::{BaseReceiver, BaseSender};
use super::{OtFault, Pair, SoftReceiver, SoftSender, tree};
use crate::workers::Workers;
use cotenant_core::Block;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// The COT receiver between its first message and its second. It is the base OTs' sender and makes the trees.
pub struct ReceiverSetup {
    pair: Pair,
    base: BaseSender,
}

impl ReceiverSetup {
    /// With the message "points" for the COT sender.
    pub fn start(pair: Pair, workers: &Workers, rng: &mut impl CryptoRng) -> (ReceiverSetup, Vec<u8>) {
        let (base, points) = BaseSender::start(pair, workers, rng);
        (ReceiverSetup { pair, base }, points)
    }

    /// The receiver, given the message "choices", and the message "trees" for the COT sender.
    ///
    /// # Errors
    /// [`OtFault::Format`], [`OtFault::Point`]: the sender's fault.
    pub fn finish<const K: usize>(self, choices: &[u8], workers: &Workers) -> Result<(SoftReceiver<K>, Vec<u8>), OtFault> {
        let keys = self.base.finish(choices, workers)?;
        let (leaves, trees) = tree::make::<K>(&self.pair, &keys);
        Ok((SoftReceiver::new(self.pair, &leaves), trees))
    }
}

/// The COT sender between its message and the receiver's second. It is the base OTs' receiver and opens the trees.
pub struct SenderSetup {
    pair: Pair,
    delta: Zeroizing<Block>,
    base: BaseReceiver,
}

impl SenderSetup {
    /// With the message "choices" for the COT receiver. `delta` is this party's global key, the same towards all its peers.
    pub fn start(pair: Pair, delta: Block, workers: &Workers, rng: &mut impl CryptoRng) -> (SenderSetup, Vec<u8>) {
        let (base, choices) = BaseReceiver::start(pair, delta, workers, rng);
        (SenderSetup { pair, delta: Zeroizing::new(delta), base }, choices)
    }

    /// With the message "points": its base OTs are done, and it need not wait for "trees" to do them.
    ///
    /// # Errors
    /// [`OtFault::Format`], [`OtFault::Point`]: the receiver's fault.
    pub fn keys(self, points: &[u8], workers: &Workers) -> Result<SenderKeys, OtFault> {
        let keys = self.base.finish(points, workers)?;
        Ok(SenderKeys { pair: self.pair, delta: self.delta, keys })
    }
}

/// The COT sender before the receiver's second message.
pub struct SenderKeys {
    pair: Pair,
    delta: Zeroizing<Block>,
    keys: Zeroizing<Vec<Block>>,
}

impl SenderKeys {
    /// The sender, given the message "trees".
    ///
    /// # Errors
    /// [`OtFault::Format`], [`OtFault::TreeCheck`]: the receiver's fault.
    pub fn finish<const K: usize>(self, trees: &[u8]) -> Result<SoftSender<K>, OtFault> {
        let leaves = tree::open::<K>(&self.pair, *self.delta, &self.keys, trees)?;
        Ok(SoftSender::new(self.pair, *self.delta, &leaves))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    /// A whole set-up in which `attack` changes one of the three messages: 0 points, 1 choices, 2 trees.
    fn run(attacked: usize, attack: impl Fn(&mut Vec<u8>)) -> Result<(), OtFault> {
        let rng = &mut rng(1);
        let (receiver, mut points) = ReceiverSetup::start(pair(), &ONE, rng);
        let (sender, mut choices) = SenderSetup::start(pair(), Block::random(rng), &ONE, rng);
        [&mut points, &mut choices].into_iter().enumerate().filter(|(i, _)| *i == attacked).for_each(|(_, m)| attack(m));
        let (_, mut trees) = receiver.finish::<4>(&choices, &ONE)?;
        if attacked == 2 {
            attack(&mut trees);
        }
        sender.keys(&points, &ONE)?.finish::<4>(&trees).map(|_| ())
    }

    #[test]
    fn another_group_element_gives_other_keys_which_the_tree_check_notices() {
        assert_eq!(run(3, |_| ()), Ok(()));
        // A of two indices, or R_0 and R_1 of one, change places: valid elements in the wrong place
        for at in [0, 64 * 5, 64 * 62] {
            assert_eq!(run(0, |m| m[at..at + 64].rotate_left(32)), Err(OtFault::TreeCheck));
            assert_eq!(run(1, |m| m[at..at + 64].rotate_left(32)), Err(OtFault::TreeCheck));
        }
    }

    #[test]
    fn every_message_has_its_length() {
        for (message, length) in [(0, 4096), (1, 8192), (2, 4128)] {
            assert_eq!(run(message, |m| assert_eq!(m.len(), length)), Ok(()));
            assert_eq!(run(message, |m| m.truncate(length - 1)), Err(OtFault::Format));
            assert_eq!(run(message, |m| m.push(0)), Err(OtFault::Format));
        }
    }
}
