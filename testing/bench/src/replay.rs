//! Links that keep what they bring, and links that bring it again: so a party can run alone, as if the others took no time.

use cotenant_core::{Channel, ChannelError, ChannelFault, PartyId};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

/// What one party received, by sender, in order. Clones are the same.
#[derive(Clone, Default)]
pub struct Recording(Arc<Mutex<Vec<VecDeque<Vec<u8>>>>>);

/// Links that keep a copy of what they bring.
pub struct Recorded<C> {
    inner: C,
    recording: Recording,
}

impl Recording {
    /// Around the links `inner`, whose messages are added to this recording.
    pub fn of<C: Channel>(&self, inner: C) -> Recorded<C> {
        let mut queues = self.0.lock().expect("no holder panics");
        queues.resize_with(inner.parties(), VecDeque::new);
        Recorded { inner, recording: self.clone() }
    }

    /// Links of party `me` that bring the same once more and swallow what is sent.
    pub fn replay(&self, me: PartyId) -> Replay {
        Replay { me, queues: self.0.lock().expect("no holder panics").clone() }
    }
}

impl<C: Channel> Channel for Recorded<C> {
    fn me(&self) -> PartyId {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    async fn send(&mut self, to: PartyId, message: Vec<u8>) -> Result<(), ChannelError> {
        self.inner.send(to, message).await
    }

    async fn recv(&mut self, from: PartyId) -> Result<Vec<u8>, ChannelError> {
        let message = self.inner.recv(from).await?;
        self.recording.0.lock().expect("no holder panics")[from.index()].push_back(message.clone());
        Ok(message)
    }

    fn drop_queued(&mut self) {
        self.inner.drop_queued();
    }
}

/// Links to parties that are not there, whose messages are.
pub struct Replay {
    me: PartyId,
    queues: Vec<VecDeque<Vec<u8>>>,
}

impl Channel for Replay {
    fn me(&self) -> PartyId {
        self.me
    }

    fn parties(&self) -> usize {
        self.queues.len()
    }

    async fn send(&mut self, _: PartyId, _: Vec<u8>) -> Result<(), ChannelError> {
        Ok(())
    }

    /// A party that asks for more than it did is told that the link was closed.
    async fn recv(&mut self, from: PartyId) -> Result<Vec<u8>, ChannelError> {
        self.queues[from.index()].pop_front().ok_or(ChannelError { party: from, cause: ChannelFault::Closed })
    }

    fn drop_queued(&mut self) {}
}
