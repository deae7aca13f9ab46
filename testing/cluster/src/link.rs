//! In-memory links between the parties of one process, and what a cheating party may do to the messages on them.
//!
//! There is no clock. A party that waits for a message waits until the run can go nowhere; then, as after the set time on a real link, the links on which a
//! message is owed (it was sent, and a meddler kept it) report silence. If nobody waits for one of those, every link that is waited for does: that is what a
//! deadlock of honest parties looks like.

use cotenant_core::{Channel, ChannelError, ChannelFault, PartyId};
use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::Poll,
};

/// A message on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The sender, or whom a cheat sends it as: only a party's own links carry its messages.
    pub from: PartyId,
    /// The receiver.
    pub to: PartyId,
    /// What is sent; the first byte is the kind.
    pub body: Vec<u8>,
}

/// Sees every message on its way, in the order of sending, and decides what arrives.
///
/// A cheating party is a party that follows the protocol and a meddler that changes what it sends, and what it is shown: together they are one adversary.
pub trait Meddler: Send {
    /// Called for each message that a party sends. Nothing arrives but what `hands` delivers.
    fn meddle(&mut self, message: Message, hands: &mut Hands);
}

/// Changes nothing.
pub struct Honest;

impl Meddler for Honest {
    fn meddle(&mut self, message: Message, hands: &mut Hands) {
        hands.deliver(message);
    }
}

impl<F: FnMut(Message, &mut Hands) + Send> Meddler for F {
    fn meddle(&mut self, message: Message, hands: &mut Hands) {
        self(message, hands);
    }
}

/// What a meddler may do.
#[derive(Default)]
pub struct Hands {
    deliveries: Vec<Message>,
    killed: Vec<PartyId>,
}

impl Hands {
    /// Puts a message on its link: the one that was sent, as it was or changed, or any other.
    pub fn deliver(&mut self, message: Message) {
        self.deliveries.push(message);
    }

    /// Ends a party: all it does from now on fails, and its links close once what was delivered has been read.
    pub fn kill(&mut self, party: PartyId) {
        self.killed.push(party);
    }
}

/// One direction of one link.
#[derive(Default)]
struct Link {
    queue: VecDeque<Vec<u8>>,
    /// Messages sent less messages delivered.
    owed: i64,
    awaited: bool,
    silent: bool,
}

struct State {
    n: usize,
    links: Vec<Link>,
    /// Parties that have ended.
    gone: Vec<bool>,
    /// Parties that were ended by the meddler.
    killed: Vec<bool>,
    meddler: Box<dyn Meddler>,
    /// Counts what has happened, so that a run that goes nowhere is noticed.
    events: u64,
}

impl State {
    fn link(&mut self, from: PartyId, to: PartyId) -> &mut Link {
        &mut self.links[from.index() * self.n + to.index()]
    }

    fn send(&mut self, message: Message) {
        self.events += 1;
        self.link(message.from, message.to).owed += 1;
        let mut hands = Hands::default();
        self.meddler.meddle(message, &mut hands);
        for m in hands.deliveries {
            let link = self.link(m.from, m.to);
            link.owed -= 1;
            link.queue.push_back(m.body);
        }
        hands.killed.into_iter().for_each(|p| self.killed[p.index()] = true);
    }
}

/// All links of one run.
#[derive(Clone)]
pub struct Network(Arc<Mutex<State>>);

impl Network {
    /// Links between `n` parties, of which the meddler sees every message.
    pub fn new(n: usize, meddler: impl Meddler + 'static) -> Network {
        let links = (0..n * n).map(|_| Link::default()).collect();
        Network(Arc::new(Mutex::new(State {
            n,
            links,
            gone: vec![false; n],
            killed: vec![false; n],
            meddler: Box::new(meddler),
            events: 0,
        })))
    }

    /// One party's end. Taken once for each party.
    pub fn end(&self, me: PartyId) -> Local {
        Local { me, n: self.lock().n, network: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no meddler panics")
    }

    /// How much has happened so far.
    pub(crate) fn events(&self) -> u64 {
        self.lock().events
    }

    /// Time passes: the links that owe a message and are waited for fall silent, or if there is none, all that are waited for.
    ///
    /// # Panics
    /// If no link is waited for.
    pub(crate) fn time_out(&self) {
        let mut state = self.lock();
        assert!(state.links.iter().any(|l| l.awaited && !l.silent), "a party waits for something else than its links");
        let any_owes = state.links.iter().any(|l| l.awaited && l.owed > 0);
        state.links.iter_mut().filter(|l| l.awaited && (l.owed > 0 || !any_owes)).for_each(|l| l.silent = true);
    }
}

/// One party's end of the links.
pub struct Local {
    me: PartyId,
    n: usize,
    network: Network,
}

fn error(party: PartyId, cause: ChannelFault) -> ChannelError {
    ChannelError { party, cause }
}

impl Channel for Local {
    fn me(&self) -> PartyId {
        self.me
    }

    fn parties(&self) -> usize {
        self.n
    }

    /// A send to a party that has gone is noticed when its answer is missing, as on a real link.
    async fn send(&mut self, to: PartyId, body: Vec<u8>) -> Result<(), ChannelError> {
        let mut state = self.network.lock();
        if !state.killed[self.me.index()] {
            state.send(Message { from: self.me, to, body });
        }
        if state.killed[self.me.index()] { Err(error(to, ChannelFault::Broken)) } else { Ok(()) }
    }

    async fn recv(&mut self, from: PartyId) -> Result<Vec<u8>, ChannelError> {
        poll_fn(|_| {
            let mut state = self.network.lock();
            let (killed, gone) = (state.killed[self.me.index()], state.gone[from.index()]);
            let cut = state.killed[from.index()];
            let link = state.link(from, self.me);
            link.awaited = false;
            let outcome = match link.queue.pop_front() {
                _ if killed => Err(ChannelFault::Broken),
                Some(body) => Ok(body),
                // of a party that lives and whose messages are kept, the end is not seen either
                None if gone && (cut || link.owed <= 0) => Err(ChannelFault::Closed),
                None if link.silent => Err(ChannelFault::Silent),
                None => {
                    link.awaited = true;
                    return Poll::Pending;
                }
            };
            state.events += 1;
            Poll::Ready(outcome.map_err(|cause| error(from, cause)))
        })
        .await
    }

    /// Nothing is ever queued unsent.
    fn drop_queued(&mut self) {}
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Ok(mut state) = self.network.0.lock() {
            state.gone[self.me.index()] = true;
            state.events += 1;
        }
    }
}
