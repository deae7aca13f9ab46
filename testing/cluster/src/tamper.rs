//! Changing one message of a run, and judging how the run ended.
//!
//! A run is a function of its seed, so up to the changed message it is the honest run of that seed; what follows is what the parties make of it.

use crate::{
    link::{Hands, Honest, Local, Meddler, Message},
    run::{Outcome, run},
    scenario::{everything, right},
};
use cotenant_core::PartyId;
use cotenant_mpc::{Check, Error, Kind, Reason};
use std::sync::{Arc, Mutex};

/// All messages of a run, in the order of sending.
#[derive(Clone, Default)]
pub struct Transcript(Arc<Mutex<Vec<Message>>>);

impl Transcript {
    /// The messages so far.
    pub fn messages(&self) -> Vec<Message> {
        self.0.lock().expect("nobody panics").clone()
    }

    /// A meddler that writes down what is sent, and then lets `next` have it.
    pub fn of<M: Meddler>(&self, mut next: M) -> impl Meddler + use<M> {
        let log = self.clone();
        move |m: Message, hands: &mut Hands| {
            log.0.lock().expect("nobody panics").push(m.clone());
            next.meddle(m, hands);
        }
    }
}

/// The messages of the honest run of [`everything`].
pub fn honest_messages(n: usize, seed: u64) -> Vec<Message> {
    honest(n, |l| everything(l, seed))
}

/// The messages of a run of honest parties.
pub fn honest<T, F: Future<Output = Result<T, Error>>>(n: usize, party: impl Fn(Local) -> F) -> Vec<Message> {
    let transcript = Transcript::default();
    let outcome = run(n, transcript.of(Honest), party);
    assert!(outcome.iter().all(Result::is_ok), "honest parties end well");
    transcript.messages()
}

/// What becomes of one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Other bytes arrive.
    To(Vec<u8>),
    /// It arrives after the next message on the same link.
    Later,
    /// It never arrives.
    Never,
}

/// Changes message number `at` of a run.
pub struct Tamper {
    at: usize,
    seen: usize,
    change: Change,
    held: Option<Message>,
}

impl Tamper {
    /// Counting from 0 over all links.
    pub fn new(at: usize, change: Change) -> Tamper {
        Tamper { at, seen: 0, change, held: None }
    }
}

impl Meddler for Tamper {
    fn meddle(&mut self, message: Message, hands: &mut Hands) {
        let number = self.seen;
        self.seen += 1;
        if number == self.at {
            match &self.change {
                Change::To(body) => hands.deliver(Message { body: body.clone(), ..message }),
                Change::Later => self.held = Some(message),
                Change::Never => {}
            }
            return;
        }
        let release = self.held.take_if(|h| (h.from, h.to) == (message.from, message.to));
        hands.deliver(message);
        release.into_iter().for_each(|h| hands.deliver(h));
    }
}

/// How a run with one cheating party ended for the honest ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// All have the right output.
    Correct,
    /// An honest party's check failed, and the cheating party is among its suspects.
    Caught(Check),
    /// The cheating party ended the session, by a notice, by closing its links or by silence.
    GaveUp,
}

/// Runs [`everything`] with one changed message of `cheater`, and judges.
///
/// # Errors
/// Says what is wrong with how the run ended.
pub fn tampered(n: usize, seed: u64, cheater: PartyId, at: usize, change: Change) -> Result<Verdict, String> {
    let outcome = run(n, Tamper::new(at, change), |l| everything(l, seed));
    judge(&outcome, cheater, |honest| right(n, seed, honest.iter().copied()))
}

/// Every honest party must have the right output or an error that is true: a check that suspects the cheater, and it alone where the check can tell; word
/// from another party of its own end; or the loss of the cheater.
///
/// # Errors
/// Says which party ended wrongly, and how.
pub fn judge<T>(outcome: &Outcome<T>, cheater: PartyId, right: impl Fn(&[(PartyId, &T)]) -> bool) -> Result<Verdict, String> {
    let honest = || PartyId::all(outcome.len()).zip(outcome).filter(|(p, _)| *p != cheater);
    let good: Vec<(PartyId, &T)> = honest().filter_map(|(p, r)| Some((p, r.as_ref().ok()?))).collect();
    if !right(&good) {
        return Err("wrong output".into());
    }
    let mut verdict = Verdict::Correct;
    for (p, error) in honest().filter_map(|(p, r)| Some((p, r.as_ref().err()?))) {
        match error {
            Error::Check { check, suspects, .. }
                if suspects.contains(&cheater) && (suspects.len() == 1 || !names_one(*check, outcome.len())) =>
            {
                verdict = Verdict::Caught(*check);
            }
            Error::Stopped { by, reason, .. } if *by == cheater || said(&outcome[by.index()], *reason) => {}
            Error::Channel { source, .. } if source.party == cheater => {}
            _ => return Err(format!("{p} ended with: {error}")),
        }
        if verdict == Verdict::Correct {
            verdict = Verdict::GaveUp;
        }
    }
    Ok(verdict)
}

/// Whether a check that fails identifies the cheating party. What only two parties' messages enter does; what a third party may have misled does not.
fn names_one(check: Check, n: usize) -> bool {
    use Check::*;
    match check {
        Format | Order | Commitment | BaseOt | PuncturedPrf | CorrelatedOt | OpenedMac => true,
        Echo | Delta | Triple | Plan | PublicValue | EvaluatorProof | GarblerProof | MaskedValues => n == 2,
    }
}

/// Whether a party that ended so gives this word of it to the others: its own check, what it was told, or that it lost a party.
fn said<T>(outcome: &Result<T, Error>, word: Reason) -> bool {
    match outcome {
        Err(Error::Check { check, .. }) => word == Reason::Check(*check),
        Err(Error::Stopped { reason, .. }) => word == *reason,
        Err(Error::Channel { source, .. }) => word == Reason::Lost(source.party),
        _ => false,
    }
}

/// The messages of one kind on their way from `from`, with their numbers.
pub fn of_kind(messages: &[Message], kind: Kind) -> Vec<(usize, &Message)> {
    messages.iter().enumerate().filter(|(_, m)| Kind::of(&m.body) == Some(kind)).collect()
}
