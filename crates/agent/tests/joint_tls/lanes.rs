//! Links between the parties of one process, and running the parties on one thread. There is no clock: when every party waits, time has run out, and all
//! links fall silent, as after the set time on a real link. A run that is stuck even then fails its test.

use cotenant_core::{Channel, ChannelError, ChannelFault, PartyId};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

/// Sees each message on its way and decides what arrives in its place.
pub(crate) type Meddler = Box<dyn FnMut(PartyId, Vec<u8>) -> Vec<Vec<u8>> + Send>;

/// All links of one kind.
#[derive(Clone)]
pub(crate) struct Lanes(Arc<Mutex<State>>);

struct State {
    n: usize,
    /// By sender, then receiver.
    queues: Vec<VecDeque<Vec<u8>>>,
    /// Who waits, by receiver.
    wakers: Vec<Option<Waker>>,
    gone: Vec<bool>,
    silent: bool,
    meddler: Meddler,
}

impl Lanes {
    pub(crate) fn new(n: usize, meddler: Meddler) -> Lanes {
        let (queues, wakers) = ((0..n * n).map(|_| VecDeque::new()).collect(), (0..n).map(|_| None).collect());
        Lanes(Arc::new(Mutex::new(State { n, queues, wakers, gone: vec![false; n], silent: false, meddler })))
    }

    pub(crate) fn honest(n: usize) -> Lanes {
        Lanes::new(n, Box::new(|_, message| vec![message]))
    }

    pub(crate) fn end(&self, me: PartyId) -> Lane {
        Lane { me, lanes: self.clone() }
    }

    pub(crate) fn fall_silent(&self) {
        let mut state = self.lock();
        state.silent = true;
        state.wake_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no meddler panics")
    }
}

impl State {
    fn wake_all(&mut self) {
        self.wakers.iter_mut().filter_map(Option::take).for_each(Waker::wake);
    }
}

/// One party's end.
pub(crate) struct Lane {
    me: PartyId,
    lanes: Lanes,
}

impl Channel for Lane {
    fn me(&self) -> PartyId {
        self.me
    }

    fn parties(&self) -> usize {
        self.lanes.lock().n
    }

    /// A send to a party that has gone is noticed when its answer is missing, as on a real link.
    async fn send(&mut self, to: PartyId, message: Vec<u8>) -> Result<(), ChannelError> {
        let mut state = self.lanes.lock();
        let arriving = (state.meddler)(to, message);
        let link = self.me.index() * state.n + to.index();
        state.queues[link].extend(arriving);
        state.wakers[to.index()].take().into_iter().for_each(Waker::wake);
        Ok(())
    }

    async fn recv(&mut self, from: PartyId) -> Result<Vec<u8>, ChannelError> {
        poll_fn(|context| {
            let mut state = self.lanes.lock();
            let link = from.index() * state.n + self.me.index();
            let cause = match state.queues[link].pop_front() {
                Some(message) => return Poll::Ready(Ok(message)),
                None if state.gone[from.index()] => ChannelFault::Closed,
                None if state.silent => ChannelFault::Silent,
                None => {
                    state.wakers[self.me.index()] = Some(context.waker().clone());
                    return Poll::Pending;
                }
            };
            Poll::Ready(Err(ChannelError { party: from, cause }))
        })
        .await
    }

    /// Nothing is ever queued unsent.
    fn drop_queued(&mut self) {}
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Ok(mut state) = self.lanes.0.lock() {
            state.gone[self.me.index()] = true;
            state.wake_all();
        }
    }
}

/// A party that has not ended.
pub(crate) type Running<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What each party ended with. When all wait, `time_out` is called, once.
pub(crate) fn run_all<T>(parties: Vec<Running<'_, T>>, time_out: impl FnOnce()) -> Vec<T> {
    let mut time_out = Some(time_out);
    let flags: Vec<Arc<Flag>> = parties.iter().map(|_| Arc::new(Flag(AtomicBool::new(true)))).collect();
    let mut ended: Vec<Option<T>> = parties.iter().map(|_| None).collect();
    let mut running: Vec<Option<Running<'_, T>>> = parties.into_iter().map(Some).collect();
    while running.iter().any(Option::is_some) {
        let mut idle = true;
        for ((slot, flag), end) in running.iter_mut().zip(&flags).zip(&mut ended) {
            let Some(party) = slot else { continue };
            if flag.0.swap(false, Ordering::Relaxed) {
                idle = false;
                if let Poll::Ready(result) = party.as_mut().poll(&mut Context::from_waker(&Waker::from(flag.clone()))) {
                    (*slot, *end) = (None, Some(result));
                }
            }
        }
        if idle {
            time_out.take().expect("the parties are stuck, although their links have fallen silent")();
        }
    }
    ended.into_iter().flatten().collect()
}
