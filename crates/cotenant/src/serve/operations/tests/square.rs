//! Where runs meet in one process: links in memory, and the ideal engine.

use super::super::{
    calls::RELAY,
    meeting::{Links, Meeting},
    running::{COMPARE, RunError},
};
use super::life::{Effect, Life};
use cotenant_agent::operate::OperateError;
use cotenant_core::{Channel, ChannelError, ChannelFault, Digest, PartyId};
use cotenant_ideal::{IdealSession, Seat, seats};
use cotenant_mpc::{Options, Phase, Progress, Task};
use cotenant_net::{Identity, Member};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

/// Where all members of a room meet. Whoever has come waits for the others until it is stopped, or the test says that it has been long enough: what a test sees
/// does not depend on how fast the machine is.
#[derive(Clone, Default)]
pub(super) struct Square(Arc<Mutex<HashMap<Digest, Crowd>>>);

/// Those of one run.
struct Crowd {
    places: Vec<Option<Place>>,
    /// How many have not come; none if those who came have gone.
    missing: watch::Sender<Option<usize>>,
    /// When the first came.
    since: Instant,
}

/// One member's place in a run.
pub(super) struct Place {
    life: Life,
    lines: Mutex<BTreeMap<u8, Line>>,
    seat: Mutex<Option<Seat>>,
    /// Tells that the session lives, as long as it does.
    beat: Mutex<JoinSet<()>>,
}

/// The square as one daemon comes to it.
pub(super) struct Here {
    pub(super) square: Square,
    pub(super) life: Life,
}

/// A member's links, on one lane.
pub(super) struct Line {
    me: PartyId,
    lane: u8,
    life: Life,
    to: Vec<mpsc::UnboundedSender<Vec<u8>>>,
    from: Vec<mpsc::UnboundedReceiver<Vec<u8>>>,
}

impl Crowd {
    fn new(n: usize, run: Digest) -> Crowd {
        let seed = u64::from_le_bytes(run.0[..8].try_into().unwrap());
        let place =
            |seat| Some(Place { life: Life::default(), lines: Mutex::default(), seat: Mutex::new(Some(seat)), beat: Mutex::default() });
        let mut places: Vec<_> = seats(n, seed).into_iter().map(place).collect();
        for lane in [COMPARE, RELAY] {
            for (place, line) in places.iter_mut().flatten().zip(lines(n, lane)) {
                place.lines.get_mut().unwrap().insert(lane, line);
            }
        }
        Crowd { places, missing: watch::Sender::new(Some(n)), since: Instant::now() }
    }
}

/// A lane between n members.
fn lines(n: usize, lane: u8) -> impl Iterator<Item = Line> {
    let mut to: Vec<Vec<_>> = (0..n).map(|_| Vec::new()).collect();
    let mut from: Vec<Vec<_>> = (0..n).map(|_| Vec::new()).collect();
    for sender in &mut to {
        for receiver in &mut from {
            let (send, receive) = mpsc::unbounded_channel();
            sender.push(send);
            receiver.push(receive);
        }
    }
    let ends = PartyId::all(n).zip(to.into_iter().zip(from));
    ends.map(move |(me, (to, from))| Line { me, lane, life: Life::default(), to, from })
}

impl Square {
    /// Those who have waited for others for so long stop.
    pub(super) fn disperse(&self, waited: Duration) {
        let all = self.0.lock().unwrap();
        for crowd in all.values().filter(|crowd| *crowd.missing.borrow() != Some(0) && crowd.since.elapsed() >= waited) {
            crowd.missing.send_replace(None);
        }
    }
}

impl Meeting for Here {
    type Links = Place;

    async fn meet(&self, _: Arc<Identity>, me: PartyId, members: Vec<Member>, run: Digest) -> Result<Place, RunError> {
        if !self.life.may(Effect::Meet) {
            return Err(RunError::Stopped);
        }
        let (mut place, mut missing) = {
            let mut all = self.square.0.lock().unwrap();
            let crowd = all.entry(run).or_insert_with(|| Crowd::new(members.len(), run));
            // Whoever comes a second time finds links that are broken.
            let place = crowd.places[me.index()].take().ok_or(RunError::Stopped)?;
            crowd.missing.send_modify(|missing| *missing = missing.map(|missing| missing - 1));
            (place, crowd.missing.subscribe())
        };
        place.life = self.life.clone();
        place.lines.get_mut().unwrap().values_mut().for_each(|line| line.life = self.life.clone());
        let came = missing.wait_for(|missing| missing.is_none_or(|missing| missing == 0)).await;
        if came.is_ok_and(|missing| missing.is_some()) { Ok(place) } else { Err(RunError::Agree("not all came".to_owned())) }
    }
}

impl Links for Place {
    type Lane = Line;
    type Engine = IdealSession;

    fn lane(&self, number: u8) -> Line {
        self.lines.lock().unwrap().remove(&number).unwrap()
    }

    async fn engine(&self, agreed: Digest, options: Options) -> Result<IdealSession, RunError> {
        // It has no long steps to tell of. A run is not given up because the machine is busy.
        if let Some(mut observer) = options.observer {
            self.beat.lock().unwrap().spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    observer(Progress { phase: Phase::Online, task: Task::Open, done: 0, wanted: 0, sent_bytes: 0 });
                }
            });
        }
        let seat = self.seat.lock().unwrap().take().filter(|_| self.life.may(Effect::Compute)).ok_or(RunError::Stopped)?;
        Ok(IdealSession::start(seat, agreed).await.map_err(OperateError::from)?)
    }

    async fn close(self) {}
}

impl Channel for Line {
    fn me(&self) -> PartyId {
        self.me
    }

    fn parties(&self) -> usize {
        self.to.len()
    }

    async fn send(&mut self, to: PartyId, message: Vec<u8>) -> Result<(), ChannelError> {
        let effect = if self.lane == COMPARE { Effect::Compare(to) } else { Effect::Relay(to) };
        let sent = self.life.may(effect) && self.to[to.index()].send(message).is_ok();
        if sent { Ok(()) } else { Err(closed(to)) }
    }

    async fn recv(&mut self, from: PartyId) -> Result<Vec<u8>, ChannelError> {
        self.from[from.index()].recv().await.ok_or_else(|| closed(from))
    }

    fn drop_queued(&mut self) {}
}

fn closed(party: PartyId) -> ChannelError {
    ChannelError { party, cause: ChannelFault::Closed }
}
