//! Links for parties that run on a thread each: a receive blocks its thread. For tests whose parties also wait for something outside, as a real server.

use cotenant_core::{Channel, ChannelError, ChannelFault, PartyId};
use std::sync::mpsc::{Receiver, Sender, channel};

/// One party's end.
pub struct Threaded {
    me: PartyId,
    senders: Vec<Sender<Vec<u8>>>,
    receivers: Vec<Receiver<Vec<u8>>>,
}

impl Threaded {
    /// The ends of all `n` parties.
    pub fn links(n: usize) -> Vec<Threaded> {
        let mut senders: Vec<Vec<_>> = (0..n).map(|_| Vec::new()).collect();
        let mut receivers: Vec<Vec<_>> = (0..n).map(|_| Vec::new()).collect();
        for from in senders.iter_mut() {
            for to in receivers.iter_mut() {
                let (tx, rx) = channel();
                from.push(tx);
                to.push(rx);
            }
        }
        let ends = PartyId::all(n).zip(senders).zip(receivers);
        ends.map(|((me, senders), receivers)| Threaded { me, senders, receivers }).collect()
    }
}

impl Channel for Threaded {
    fn me(&self) -> PartyId {
        self.me
    }

    fn parties(&self) -> usize {
        self.senders.len()
    }

    async fn send(&mut self, to: PartyId, message: Vec<u8>) -> Result<(), ChannelError> {
        // To a party that has gone: noticed when its answer is missing, as on a real link.
        let _ = self.senders[to.index()].send(message);
        Ok(())
    }

    async fn recv(&mut self, from: PartyId) -> Result<Vec<u8>, ChannelError> {
        self.receivers[from.index()].recv().map_err(|_| ChannelError { party: from, cause: ChannelFault::Closed })
    }

    fn drop_queued(&mut self) {}
}
