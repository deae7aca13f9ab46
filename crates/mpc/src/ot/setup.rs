//! From nothing to leaves: what a pair does once a session, before its first extension.

use super::base::{BaseReceiver, BaseSender};
use super::{OtFault, Pair, SoftReceiver, SoftSender, tree};
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
    pub fn start(pair: Pair, rng: &mut impl CryptoRng) -> (ReceiverSetup, Vec<u8>) {
        let (base, points) = BaseSender::start(pair, rng);
        (ReceiverSetup { pair, base }, points)
    }

    /// The receiver, given the message "choices", and the message "trees" for the COT sender.
    ///
    /// # Errors
    /// [`OtFault::Format`], [`OtFault::Point`]: the sender's fault.
    pub fn finish<const K: usize>(self, choices: &[u8]) -> Result<(SoftReceiver<K>, Vec<u8>), OtFault> {
        let keys = self.base.finish(choices)?;
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
    pub fn start(pair: Pair, delta: Block, rng: &mut impl CryptoRng) -> (SenderSetup, Vec<u8>) {
        let (base, choices) = BaseReceiver::start(pair, delta, rng);
        (SenderSetup { pair, delta: Zeroizing::new(delta), base }, choices)
    }

    /// The sender, given the messages "points" and "trees".
    ///
    /// # Errors
    /// [`OtFault::Format`], [`OtFault::Point`], [`OtFault::TreeCheck`]: the receiver's fault.
    pub fn finish<const K: usize>(self, points: &[u8], trees: &[u8]) -> Result<SoftSender<K>, OtFault> {
        let keys = self.base.finish(points)?;
        let leaves = tree::open::<K>(&self.pair, *self.delta, &keys, trees)?;
        Ok(SoftSender::new(self.pair, *self.delta, &leaves))
    }
}
