//! In-memory links between the parties of one process, and what a cheating party may do to the messages it sends.

use cotenant_core::{Channel, ChannelError, ChannelFault, PartyId};
use futures::{StreamExt, channel::mpsc};
use std::sync::{Arc, Mutex};

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It arrives, as it is now.
    Deliver,
    /// It never arrives.
    Drop,
}

/// Sees every message on its way, and may change it.
pub trait Meddler: Send {
    /// Called for each message, in the order of sending.
    fn meddle(&mut self, from: PartyId, to: PartyId, message: &mut Vec<u8>) -> Fate;
}

/// Changes nothing.
pub struct Honest;

impl Meddler for Honest {
    fn meddle(&mut self, _: PartyId, _: PartyId, _: &mut Vec<u8>) -> Fate {
        Fate::Deliver
    }
}

/// One party's end of the links.
pub struct Local {
    me: PartyId,
    senders: Vec<Option<mpsc::UnboundedSender<Vec<u8>>>>,
    receivers: Vec<Option<mpsc::UnboundedReceiver<Vec<u8>>>>,
    meddler: Arc<Mutex<dyn Meddler>>,
}

impl Local {
    /// The ends of all `n` parties.
    pub fn cluster(n: usize, meddler: Arc<Mutex<dyn Meddler>>) -> Vec<Local> {
        let mut all: Vec<Local> = PartyId::all(n)
            .map(|me| Local {
                me,
                senders: (0..n).map(|_| None).collect(),
                receivers: (0..n).map(|_| None).collect(),
                meddler: meddler.clone(),
            })
            .collect();
        for a in 0..n {
            for b in (0..n).filter(|&b| b != a) {
                let (tx, rx) = mpsc::unbounded();
                all[a].senders[b] = Some(tx);
                all[b].receivers[a] = Some(rx);
            }
        }
        all
    }
}

fn error(party: PartyId, cause: ChannelFault) -> ChannelError {
    ChannelError { party, cause }
}

impl Channel for Local {
    fn me(&self) -> PartyId {
        self.me
    }

    fn parties(&self) -> usize {
        self.senders.len()
    }

    async fn send(&mut self, to: PartyId, mut message: Vec<u8>) -> Result<(), ChannelError> {
        let fate = self.meddler.lock().expect("no meddler panics").meddle(self.me, to, &mut message);
        match (fate, &self.senders[to.index()]) {
            // A send to a party that has gone is noticed when its answer is missing, as on a real link.
            (Fate::Deliver, Some(link)) => drop(link.unbounded_send(message)),
            (Fate::Drop, _) => {}
            (_, None) => return Err(error(to, ChannelFault::Broken)),
        }
        Ok(())
    }

    async fn recv(&mut self, from: PartyId) -> Result<Vec<u8>, ChannelError> {
        let link = self.receivers[from.index()].as_mut().ok_or(error(from, ChannelFault::Broken))?;
        link.next().await.ok_or(error(from, ChannelFault::Closed))
    }

    fn drop_queued(&mut self) {}
}
