//! Where the parties of a session meet: a call is answered when every party has made it, and nobody waits for one that has gone.

use crate::{
    call::{Call, Reply},
    trusted::Trusted,
};
use cotenant_core::{ChannelError, ChannelFault, PartyId};
use cotenant_mpc::{Check, Error, Phase, Reason};
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

/// A check that fails although nobody cheats, so that what stands above the engine can be seen to bear it.
#[derive(Clone, Debug)]
pub struct Fault {
    /// In which call, counted from 0: start is 0, seal 1, then the calls of [`Online`](cotenant_mpc::Online) that meet.
    pub call: usize,
    /// At which party.
    pub at: PartyId,
    /// The check that fails there.
    pub check: Check,
    /// Whom it names.
    pub suspects: Vec<PartyId>,
    /// Whether the others still get the result of that call and hear of the fault in their next one. A protocol with abort allows it: who has seen a result
    /// cannot know that everyone has.
    pub others_finish: bool,
}

/// The place of one party in one session. A party goes away by dropping it, and stops the session by dropping a call that has not ended.
pub struct Seat {
    me: PartyId,
    n: usize,
    /// A call was dropped before it ended.
    gave_up: bool,
    room: Arc<Mutex<Room>>,
}

/// The seats of a session of `n` parties whose joint values and coins come from `seed`.
pub fn seats(n: usize, seed: u64) -> Vec<Seat> {
    make_seats(n, seed, None)
}

/// The seats of a session in which one check will fail.
pub fn seats_with_fault(n: usize, seed: u64, fault: Fault) -> Vec<Seat> {
    make_seats(n, seed, Some(fault))
}

fn make_seats(n: usize, seed: u64, fault: Option<Fault>) -> Vec<Seat> {
    let places = (0..n).map(|_| Place::default()).collect();
    let room = Arc::new(Mutex::new(Room { places, met: 0, ended: None, fault, trusted: Trusted::new(seed) }));
    PartyId::all(n).map(|me| Seat { me, n, gave_up: false, room: room.clone() }).collect()
}

impl Seat {
    /// The party whose seat it is.
    pub fn party(&self) -> PartyId {
        self.me
    }

    pub(crate) fn parties(&self) -> usize {
        self.n
    }

    /// Makes a call and waits for its answer.
    pub(crate) fn meet(&mut self, call: Call) -> Meet<'_> {
        Meet { phase: call.phase(), call: Some(call), ended: false, seat: self }
    }

    /// The value of a wire, if it has one. While a party is not in a call nothing changes, so it may look before it calls.
    pub(crate) fn is_known(&self, wire: u32) -> bool {
        self.room.lock().expect("no answer panics").trusted.value(wire).is_some()
    }

    /// Stops the session for all.
    pub(crate) fn give_up(&mut self) {
        self.gave_up = true;
        self.end(Ended::Stopped(self.me, Reason::GaveUp));
    }

    pub(crate) fn gave_up(&self) -> bool {
        self.gave_up
    }

    fn end(&self, why: Ended) {
        // After a panic elsewhere there is nothing to tidy up.
        if let Ok(mut room) = self.room.lock() {
            room.end(why);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.end(Ended::Left(self.me));
    }
}

/// One party in one call.
pub(crate) struct Meet<'a> {
    seat: &'a mut Seat,
    phase: Phase,
    /// Until the party has entered.
    call: Option<Call>,
    ended: bool,
}

impl Future for Meet<'_> {
    type Output = Result<Reply, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self.call.take();
        let phase = self.phase;
        let mut room = self.seat.room.lock().expect("no answer panics");
        if let Some(call) = call {
            room.enter(self.seat.me, call);
        }
        let place = &mut room.places[self.seat.me.index()];
        let answer = match place.answer.take() {
            Some(answer) => answer,
            None => match &room.ended {
                Some(ended) => Err(ended.error(phase)),
                None => {
                    room.places[self.seat.me.index()].waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            },
        };
        drop(room);
        self.ended = true;
        Poll::Ready(answer)
    }
}

impl Drop for Meet<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.seat.give_up();
        }
    }
}

struct Room {
    places: Vec<Place>,
    /// Meetings that have been held.
    met: usize,
    ended: Option<Ended>,
    fault: Option<Fault>,
    trusted: Trusted,
}

#[derive(Default)]
struct Place {
    call: Option<Call>,
    answer: Option<Result<Reply, Error>>,
    waker: Option<Waker>,
}

/// Why there will be no further meeting, for those whom no answer told.
enum Ended {
    Left(PartyId),
    /// By whom, and why.
    Stopped(PartyId, Reason),
}

impl Ended {
    fn error(&self, phase: Phase) -> Error {
        match *self {
            Ended::Left(party) => Error::Channel { source: ChannelError { party, cause: ChannelFault::Closed }, phase },
            Ended::Stopped(by, reason) => Error::Stopped { by, reason, phase },
        }
    }
}

impl Room {
    fn enter(&mut self, party: PartyId, call: Call) {
        if self.ended.is_some() {
            return;
        }
        self.places[party.index()].call = Some(call);
        if self.places.iter().all(|p| p.call.is_some()) {
            let calls: Vec<Call> = self.places.iter_mut().filter_map(|p| p.call.take()).collect();
            let answers = self.hold(&calls);
            self.places.iter_mut().zip(answers).for_each(|(p, a)| p.answer = Some(a));
            self.met += 1;
            self.wake();
        }
    }

    /// The answer for each party when all have called.
    fn hold(&mut self, calls: &[Call]) -> Vec<Result<Reply, Error>> {
        let everyone = PartyId::all(calls.len());
        let phase = calls[0].phase();
        if let Some(Fault { at, check, suspects, others_finish, .. }) = self.fault.take_if(|f| f.call == self.met) {
            let others: Vec<_> = match others_finish {
                true => self.trusted.answer(calls).into_iter().map(Ok).collect(),
                false => everyone.clone().map(|_| Err(Error::Stopped { by: at, reason: Reason::Check(check), phase })).collect(),
            };
            self.ended = Some(Ended::Stopped(at, Reason::Check(check)));
            let own = |p: PartyId| (p == at).then(|| Err(Error::Check { check, suspects: suspects.clone(), phase }));
            return everyone.zip(others).map(|(p, other)| own(p).unwrap_or(other)).collect();
        }
        let errors: Vec<Error> = everyone.filter_map(|p| disagreement(calls, p, phase)).collect();
        match errors.is_empty() {
            true => self.trusted.answer(calls).into_iter().map(Ok).collect(),
            false => errors.into_iter().map(Err).collect(),
        }
    }

    fn end(&mut self, why: Ended) {
        if self.ended.is_none() {
            self.ended = Some(why);
            self.wake();
        }
    }

    fn wake(&mut self) {
        self.places.iter_mut().filter_map(|p| p.waker.take()).for_each(Waker::wake);
    }
}

/// The error at `me` if another party's call differs from its own; then every party's differs from another's, so all get one. A comparison shows that someone
/// differs; at the start, and where a message is of the wrong kind or length, it is seen who.
fn disagreement(calls: &[Call], me: PartyId, phase: Phase) -> Option<Error> {
    let n = calls.len();
    let mine = &calls[me.index()];
    let (other, check) = me.others(n).find_map(|p| Some((p, mine.disagrees(&calls[p.index()])?)))?;
    let suspects = match check {
        Check::Order | Check::Format => vec![other],
        _ => me.others(n).collect(),
    };
    Some(Error::Check { check, suspects, phase })
}
