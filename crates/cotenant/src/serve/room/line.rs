//! The link to one other member: made again whenever it breaks, it carries notes both ways, counts bytes, and tells the room what happens.
//!
//! Each side sends on the lane of its own place, and listens on that of the other.

use super::wire::Note;
use cotenant_agent::room::signed::Fault;
use cotenant_core::{PartyId, channel::Channel};
use cotenant_net::{Hub, Kept, LinkState, Mesh, NetError, Peer, PeerCounters, PublicIdentity};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Notes that may wait for a link that is up.
const WAITING: usize = 256;

/// What happened on a link.
pub(super) enum News {
    /// It came up.
    Up(PublicIdentity),
    /// It is down.
    Down(PublicIdentity),
    /// This came over it.
    Heard(PublicIdentity, Result<Note, Fault>),
}

/// A link that is kept until this is dropped.
pub(super) struct Line {
    peer: Peer,
    outbox: mpsc::Sender<Note>,
    state: watch::Receiver<LinkState>,
    meter: Arc<Mutex<Meter>>,
    closing: CancellationToken,
    cutting: CancellationToken,
    serving: JoinSet<()>,
}

/// Bytes of links that have ended, and the one that is up.
#[derive(Default)]
struct Meter {
    sent: u64,
    received: u64,
    now: Option<(Arc<Mesh>, PartyId)>,
}

impl Meter {
    /// The link that was up has ended.
    fn end(&mut self, counters: &PeerCounters) {
        let total = counters.total();
        *self = Meter { sent: self.sent + total.bytes_sent, received: self.received + total.bytes_received, now: None };
    }
}

/// A link as it is at the moment.
pub(super) struct Condition {
    /// Whether it is up.
    pub(super) up: bool,
    /// Bytes sent, over all links there were.
    pub(super) sent: u64,
    /// Bytes received, over all links there were.
    pub(super) received: u64,
    /// The shortest round trip of the one that is up.
    pub(super) round_trip: Option<Duration>,
    /// Why it is down, if an attempt has failed.
    pub(super) fault: Option<String>,
}

impl Line {
    /// Keeps a link to `peer` for `purpose`; what happens on it goes to `news`.
    ///
    /// # Errors
    /// If it is kept already.
    pub(super) fn tie(hub: &Hub, peer: Peer, purpose: &[u8], news: mpsc::Sender<News>) -> Result<Line, NetError> {
        let kept = hub.keep(peer.clone(), purpose)?;
        let (outbox, notes) = mpsc::channel(WAITING);
        let (state, meter) = (kept.state(), Arc::<Mutex<Meter>>::default());
        let (closing, cutting) = (CancellationToken::new(), CancellationToken::new());
        let end = End { key: peer.identity, notes, news, meter: meter.clone(), closing: closing.clone(), cutting: cutting.clone() };
        let mut serving = JoinSet::new();
        serving.spawn(end.serve(kept));
        Ok(Line { peer, outbox, state, meter, closing, cutting, serving })
    }

    /// To whom, and where that is tried.
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What people call the peer from now on.
    pub(super) fn rename(&mut self, name: String) {
        self.peer.name = name;
    }

    /// Sends a note if the link is up; else it is lost. False if it is up and too many wait on it already.
    pub(super) fn send(&self, note: Note) -> bool {
        let up = self.meter.lock().expect("no holder panics").now.is_some();
        !up || !matches!(self.outbox.try_send(note), Err(mpsc::error::TrySendError::Full(_)))
    }

    /// How many notes there is room for.
    pub(super) fn room(&self) -> usize {
        let up = self.meter.lock().expect("no holder panics").now.is_some();
        if up { self.outbox.capacity() } else { 0 }
    }

    /// Whether it is up and no note waits on it.
    pub(super) fn is_idle(&self) -> bool {
        self.room() == WAITING
    }

    /// Ends the link, as the other side does not take what it has to; that it is down is told. Another one is made when links are looked after.
    pub(super) fn cut(&self) {
        self.cutting.cancel();
    }

    /// Whether it was cut, and has ended.
    pub(super) fn is_cut(&self) -> bool {
        self.cutting.is_cancelled()
    }

    /// How it is.
    pub(super) fn condition(&self) -> Condition {
        let meter = self.meter.lock().expect("no holder panics");
        let counters = meter.now.as_ref().map(|(mesh, peer)| mesh.counters(*peer));
        let total = counters.as_ref().map(|counters| counters.total()).unwrap_or_default();
        let fault = match &*self.state.borrow() {
            LinkState::Down(error) if counters.is_none() => Some(error.to_string()),
            _ => None,
        };
        Condition {
            up: counters.is_some(),
            sent: meter.sent + total.bytes_sent,
            received: meter.received + total.bytes_received,
            round_trip: counters.and_then(|counters| counters.round_trip),
            fault,
        }
    }

    /// Says goodbye, and keeps the link no longer.
    pub(super) async fn close(mut self) {
        self.closing.cancel();
        self.serving.join_next().await;
    }
}

/// What the task of a link has.
struct End {
    key: PublicIdentity,
    notes: mpsc::Receiver<Note>,
    news: mpsc::Sender<News>,
    meter: Arc<Mutex<Meter>>,
    closing: CancellationToken,
    cutting: CancellationToken,
}

impl End {
    async fn serve(mut self, kept: Kept) {
        let (closing, mut state, peer) = (self.closing.clone(), kept.state(), kept.peer());
        let serve = async {
            let mut last = None;
            while let Some(mesh) = next(&mut state, last.as_ref()).await {
                self.hold(&mesh, peer).await;
                if self.cutting.is_cancelled() {
                    break;
                }
                last = Some(mesh);
            }
        };
        tokio::select! {
            () = closing.cancelled() => {}
            () = serve => {}
        }
        kept.close().await;
    }

    /// Has the link until it breaks.
    async fn hold(&mut self, mesh: &Arc<Mesh>, peer: PartyId) {
        // Notes for an earlier link: whoever comes back is told anew what it lacks.
        while self.notes.try_recv().is_ok() {}
        self.meter.lock().expect("no holder panics").now = Some((mesh.clone(), peer));
        let (mut out, mut back) = (mesh.lane(lane(mesh.me())), mesh.lane(lane(peer)));
        let (key, news, notes) = (self.key, &self.news, &mut self.notes);
        let send = async {
            while let Some(note) = notes.recv().await {
                if out.send(peer, note.encode()).await.is_err() {
                    break;
                }
            }
        };
        let receive = async {
            let mut told = news.send(News::Up(key)).await;
            while told.is_ok() {
                let Ok(bytes) = back.recv(peer).await else { break };
                told = news.send(News::Heard(key, Note::decode(&bytes))).await;
            }
        };
        tokio::select! {
            () = send => {}
            () = receive => {}
            () = self.cutting.cancelled() => {}
        }
        self.meter.lock().expect("no holder panics").end(&mesh.counters(peer));
        // Nobody listens any more if the room is closed.
        let _ = self.news.send(News::Down(self.key)).await;
    }
}

/// The next link that is up after `last`; none once no link is kept.
async fn next(state: &mut watch::Receiver<LinkState>, last: Option<&Arc<Mesh>>) -> Option<Arc<Mesh>> {
    let another = |state: &LinkState| matches!(state, LinkState::Up(mesh) if !last.is_some_and(|last| Arc::ptr_eq(last, mesh)));
    match &*state.wait_for(another).await.ok()? {
        LinkState::Up(mesh) => Some(mesh.clone()),
        _ => None,
    }
}

/// The lane of the one at this place, of two.
fn lane(place: PartyId) -> u8 {
    u8::from(place.index() != 0)
}
