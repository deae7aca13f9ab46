//! The life of a daemon as its disk and the others see it: one effect after the other, until it ends before any of them, as a process does that is killed.

use crate::store::tests::disk::{DATA, Gate};
use cotenant_core::PartyId;
use std::sync::{Arc, Mutex};

/// What a daemon does that is still there when it has ended, or that others see. Everything else is lost with its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    /// Rows of the store become durable. Each transaction does this several times; the last one makes it done.
    Rows,
    /// Keys of shares become durable, or are destroyed.
    Keys,
    /// A note goes to a member: its kind, the first byte.
    Note(u8, PartyId),
    /// It comes where those who take part in a run meet.
    Meet,
    /// It says to one of them which run it begins.
    Compare(PartyId),
    /// It begins the joint computation.
    Compute,
    /// Bytes of a call go to the server.
    Server,
    /// It hands on to one of them what the server said.
    Relay(PartyId),
}

/// A life.
#[derive(Clone, Default)]
pub(super) struct Life(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    taken: Vec<Effect>,
    end: Option<usize>,
    before: Option<Before>,
    over: bool,
}

/// The effect before which a life ends.
struct Before {
    effect: Effect,
    /// How often it still takes place, once `after` has.
    times: usize,
    after: Option<Effect>,
}

impl Before {
    /// Whether it is this one now.
    fn is(&mut self, effect: Effect) -> bool {
        if self.after.is_some() {
            self.after = self.after.filter(|after| *after != effect);
            return false;
        }
        if effect != self.effect {
            return false;
        }
        let now = self.times == 0;
        self.times = self.times.saturating_sub(1);
        now
    }
}

impl Life {
    /// It ends after so many effects from now on.
    pub(super) fn ends_after(&self, effects: usize) {
        let mut inner = self.0.lock().unwrap();
        inner.taken.clear();
        inner.end = Some(effects);
    }

    /// Once `after` has taken place, it lets this effect take place so many times, and ends before it does once more.
    pub(super) fn ends_before(&self, effect: Effect, times: usize, after: Effect) {
        self.0.lock().unwrap().before = Some(Before { effect, times, after: Some(after) });
    }

    /// It does not end by itself from now on; false if it has ended.
    pub(super) fn goes_on(&self) -> bool {
        let mut inner = self.0.lock().unwrap();
        inner.end = None;
        !inner.over
    }

    /// Whether the effect takes place. If not, none does from then on.
    pub(super) fn may(&self, effect: Effect) -> bool {
        let mut inner = self.0.lock().unwrap();
        let before = inner.before.as_mut().is_some_and(|before| before.is(effect));
        inner.over |= before || inner.end.is_some_and(|end| inner.taken.len() >= end);
        if !inner.over {
            inner.taken.push(effect);
        }
        !inner.over
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.0.lock().unwrap().over
    }

    /// Whether it is this one.
    pub(super) fn is(&self, other: &Life) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The effects since [`Life::ends_after`].
    pub(super) fn taken(&self) -> Vec<Effect> {
        self.0.lock().unwrap().taken.clone()
    }

    /// What its disk asks.
    pub(super) fn gate(&self) -> Gate {
        let life = self.clone();
        Box::new(move |file| life.may(if file == DATA { Effect::Rows } else { Effect::Keys }))
    }
}
