//! How a room gets its members: invitations, who comes with them, phrases that people compare, and what all sign.

use super::{
    actor::{Actor, Offered},
    kept::{Join, Kept, Origin},
    problems,
    view::{InvitationView, RoomView},
};
use crate::{
    serve::{
        operations::{Objection, has_vault},
        problem::Problem,
    },
    store::StoreError,
};
use cotenant_agent::room::{
    Draft, Parameters, Phrase, Record,
    assembly::{Event, State},
    draft::{BadDraft, Seat},
    join::{Inviting, JoinFault, Welcome},
};
use std::time::Duration;

/// What a command is told, unless the store fails.
pub(super) type Told<T> = Result<Result<T, Problem>, StoreError>;

impl Actor {
    /// Invites to the first seat that is open, or whose invitation has expired and nobody came.
    pub(super) async fn invite(&mut self, time: Duration) -> Told<InvitationView> {
        let now = self.context.seconds();
        let mut draft = match self.draft() {
            Ok(draft) => draft.clone(),
            Err(problem) => return Ok(Err(problem)),
        };
        let addresses = self.context.addresses();
        if addresses.is_empty() {
            return Ok(Err(problems::no_address()));
        }
        if draft.charter().epoch == 1 {
            // Where this party is reached by now, though it may not have known when it began the room. Invitations name no addresses of seats.
            draft.set_addresses(&self.context.identity().public(), addresses.clone()).expect("who founds a room has a seat");
        }
        let free = |seat: &Seat| match seat {
            Seat::Open => true,
            Seat::Invited(invitation, None) => invitation.expiry() <= now,
            Seat::Invited(..) | Seat::Taken(_) => false,
        };
        let Some(seat) = draft.seats().iter().position(free) else {
            let (title, remedy) = ("no seat is open", "take an invitation back: cotenant room withdraw --seat K");
            return Ok(Err(problems::stage(&self.name(), title, remedy)));
        };
        let made = self.context.rng().and_then(|mut rng| {
            // An invitation that has expired gives way; there is none if the seat is open.
            let _ = draft.withdraw(seat);
            let invitation = draft.invite(seat, self.context.identity().public(), addresses, now + time.as_secs(), &mut rng);
            invitation.map_err(|error| problems::draft(&self.name(), &error))
        });
        let invitation = match made {
            Ok(invitation) => invitation,
            Err(problem) => return Ok(Err(problem)),
        };
        self.keep(Origin::Draft(draft)).await?;
        let words = invitation.to_words().into_iter().map(str::to_owned).collect();
        Ok(Ok(InvitationView { seat: seat + 1, text: invitation.to_text().to_string(), words, expiry: invitation.expiry() }))
    }

    /// Takes back an invitation, with whoever came with it; without a seat, the draft of a change, or this party's part in a room that it has signed nothing
    /// of. Whether the room is given up with that.
    pub(super) async fn withdraw(&mut self, seat: Option<usize>) -> Told<bool> {
        let Some(seat) = seat else { return self.give_up().await };
        let mut draft = match self.draft() {
            Ok(draft) => draft.clone(),
            Err(problem) => return Ok(Err(problem)),
        };
        if let Err(error) = draft.withdraw(seat.wrapping_sub(1)) {
            return Ok(Err(problems::draft(&self.name(), &error)));
        }
        self.keep(Origin::Draft(draft)).await?;
        Ok(Ok(false))
    }

    async fn give_up(&mut self) -> Told<bool> {
        if self.change_draft().is_some() {
            self.keep(Origin::Done).await?;
            return Ok(Ok(false));
        }
        let signed = self.state.as_ref().is_some_and(|State { record, .. }| record.signed().is_some() || record.in_force().is_some());
        if signed || matches!(self.origin, Origin::Done) {
            let title = "this party has signed its parameters, and cannot take that back";
            let remedy = match self.record().and_then(Record::in_force) {
                Some(_) => "another change in its place can be signed: cotenant room change",
                None => "it stays as it is until all have signed; make another room: cotenant room new",
            };
            return Ok(Err(problems::stage(&self.name(), title, remedy)));
        }
        let id = self.id;
        self.context.store(move |store| store.transaction(|transaction| transaction.room(id.0).remove_assembly())).await?;
        self.over = true;
        Ok(Ok(true))
    }

    /// People have heard `phrase` from the other side: of this party's own join, or of one who came with an invitation.
    pub(super) async fn confirm(&mut self, phrase: &str) -> Told<RoomView> {
        let words: Vec<String> = phrase.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
        let told = |shown: &Phrase| shown.to_string().split(' ').eq(words.iter());
        match &self.origin {
            Origin::Join(join) if told(&join.admission.phrase) => {
                let join = join.clone();
                self.join(*join).await?;
            }
            Origin::Draft(draft) if self.unsigned() => {
                let mut draft = draft.clone();
                let seat = draft.seats().iter().enumerate().find_map(|(at, seat)| match seat {
                    Seat::Invited(_, Some(joined)) if told(&joined.phrase) => Some((at, joined.phrase)),
                    _ => None,
                });
                let Some((at, phrase)) = seat else { return Ok(Err(problems::phrase(&self.name()))) };
                draft.confirm(at, &phrase).expect("the seat has this phrase");
                self.keep(Origin::Draft(draft)).await?;
                self.propose_if_complete().await?;
            }
            Origin::Join(_) => return Ok(Err(problems::phrase(&self.name()))),
            Origin::Draft(_) | Origin::Done => {
                let remedy = "see cotenant room show";
                return Ok(Err(problems::stage(&self.name(), "nothing is to be confirmed", remedy)));
            }
        }
        Ok(Ok(self.view()))
    }

    /// From now on this party takes part in what it was invited to.
    async fn join(&mut self, join: Join) -> Result<(), StoreError> {
        if self.state.is_none() {
            let record = Record::newcomer(self.context.identity().public(), join.admission.clone());
            self.state = Some(State::restart(record));
            self.keep(Origin::Join(Box::new(join))).await?;
        }
        Ok(())
    }

    /// People approve the parameters that are pending under this digest.
    pub(super) async fn sign(&mut self, digest: &str) -> Told<RoomView> {
        let drafted = self.drafted().filter(|drafted| drafted.digest().to_string() == digest);
        let mut pending = self.state.iter().flat_map(|state| state.pending.values());
        let pending =
            pending.find(|pending| pending.digest().to_string() == digest).map(|sheet| (sheet.digest(), sheet.parameters().clone()));
        let (event, digest, parameters) = match (drafted, pending) {
            (Some(parameters), _) => (Event::Propose(Box::new(parameters.clone())), parameters.digest(), parameters),
            (None, Some((digest, parameters))) => (Event::Approve(digest), digest, parameters),
            (None, None) => {
                let title = "no parameters of this digest wait for this party's signature";
                return Ok(Err(problems::stage(&self.name(), title, "see cotenant room show")));
            }
        };
        if let Some(problem) = self.objection(&parameters)? {
            return Ok(Err(problem));
        }
        self.step(event).await?;
        let signed = self.state.iter().any(|State { record, .. }| {
            record.signed().is_some_and(|sheet| sheet.digest() == digest)
                || record.in_force().is_some_and(|signed| signed.digest() == digest)
        });
        let last = self.notes.back().cloned().unwrap_or_default();
        Ok(if signed { Ok(self.view()) } else { Err(problems::stage(&self.name(), &last, "see cotenant room show")) })
    }

    /// Why this party does not sign these parameters, as far as what is done in the room says.
    fn objection(&self, parameters: &Parameters) -> Result<Option<Problem>, StoreError> {
        let problem = |title: &str, remedy| Some(problems::stage(&self.name(), title, remedy));
        let Ok(shell) = self.work.get() else {
            let vault = self.in_force().is_some() && has_vault(&self.context.daemon.store().room(self.id.0))?;
            let title = "what is in the vault is not known here now, so nobody can say whether a change loses something";
            return Ok(problem(title, "see cotenant room show").filter(|_| vault));
        };
        // Only who has invited a member knows that it has lost its disk.
        let joined = |seat: &Seat| if let Seat::Invited(_, Some(joined)) = seat { Some(joined.member.key) } else { None };
        let anew: Vec<_> = self.change_draft().iter().flat_map(|draft| draft.seats().iter().filter_map(joined)).collect();
        Ok(match shell.look(|operations| operations.may_change_to(parameters, &anew)) {
            Ok(()) => None,
            Err(lost @ Objection::Lost { .. }) => {
                let remedy = "before members leave, share the vault out anew with a lower threshold (cotenant vault reshare), repair the item, or remove it; \
                              each of these takes all members, also those who are to leave";
                problem(&lost.to_string(), remedy)
            }
            Err(crowd @ Objection::Crowd) => {
                let remedy = "change the room in smaller steps, each when the vault has followed the one before (cotenant vault list)";
                problem(&crowd.to_string(), remedy)
            }
            Err(unheard @ Objection::Unheard(_)) => {
                problem(&unheard.to_string(), "connect them, or replace those who will not be heard again")
            }
        })
    }

    /// Proposes what this party's draft of a new room has become once all have come and all phrases are confirmed. A change is signed by people who were
    /// shown it. What keeps a draft with all its members from being signed is noted.
    pub(super) async fn propose_if_complete(&mut self) -> Result<(), StoreError> {
        let (complete, founds) = match &self.origin {
            Origin::Draft(draft) if self.unsigned() => (draft.parameters(), draft.charter().epoch == 1),
            _ => return Ok(()),
        };
        match complete {
            Ok(parameters) if founds => self.step(Event::Propose(Box::new(parameters))).await,
            Ok(_) | Err(BadDraft::NotTaken(_) | BadDraft::NotConfirmed(_)) => Ok(()),
            Err(error @ BadDraft::NoWay(..)) => {
                let remedy = "one needs public below [peers] in its cotenant.toml: take its invitation back (cotenant room withdraw --seat K, and there \
                              cotenant room withdraw) and invite it again, or where it is a member already, cotenant room change --address";
                self.note(format!("{error}; {remedy}"));
                Ok(())
            }
            Err(error) => {
                self.note(format!("the members together break a rule: {error}"));
                Ok(())
            }
        }
    }

    /// Somebody came with an invitation.
    pub(super) fn hello(&self, message: &[u8]) -> Result<Offered, JoinFault> {
        let draft = self.draft().map_err(|_| JoinFault::Unknown)?;
        let base = self.record().and_then(Record::newest).filter(|_| draft.charter().previous.is_some());
        let mut rng = self.context.rng().map_err(|_| JoinFault::Own)?;
        let (inviting, offer) = Inviting::new(draft, base, message, self.context.identity(), self.context.seconds(), &mut rng)?;
        Ok((Box::new(inviting), offer))
    }

    /// Who came says who it is; the draft is stored before it is welcome.
    pub(super) async fn opening(&mut self, inviting: Inviting, message: &[u8]) -> Result<Result<Welcome, JoinFault>, StoreError> {
        let mut draft = match self.draft() {
            Ok(draft) => draft.clone(),
            Err(_) => return Ok(Err(JoinFault::Unknown)),
        };
        let welcome = match inviting.opening(&mut draft, message, self.context.identity(), self.context.seconds()) {
            Ok(welcome) => welcome,
            Err(fault) => return Ok(Err(fault)),
        };
        let name = match &draft.seats()[welcome.seat] {
            Seat::Invited(_, Some(joined)) => joined.member.name.clone(),
            Seat::Invited(..) | Seat::Open | Seat::Taken(_) => String::new(),
        };
        self.keep(Origin::Draft(draft)).await?;
        self.note(format!("\"{name}\" came for seat P{}; compare the words that are shown beside the seat", welcome.seat + 1));
        Ok(Ok(welcome))
    }

    /// The draft, as long as it can change.
    fn draft(&self) -> Result<&Draft, Problem> {
        match &self.origin {
            Origin::Draft(draft) if self.unsigned() => Ok(draft),
            Origin::Draft(_) => Err(problems::stage(&self.name(), "all seats are taken, and it is being signed", "see cotenant room show")),
            Origin::Join(_) => Err(problems::stage(&self.name(), "the party that invited this one gathers the members", "ask it")),
            Origin::Done => Err(problems::stage(&self.name(), "no members are being gathered", "see cotenant room show")),
        }
    }

    /// Whether the draft's parameters, or later ones, have not been signed here.
    pub(super) fn unsigned(&self) -> bool {
        let signed = self.record().map_or(0, Record::signed_epoch);
        matches!(&self.origin, Origin::Draft(draft) if draft.charter().epoch > signed)
    }

    /// The room's name, or its id.
    pub(super) fn name(&self) -> String {
        let record = self.state.as_ref().map(|state| state.record.clone());
        let kept = Kept { origin: self.origin.clone(), record };
        kept.charter().map_or_else(|| self.id.to_string(), |charter| charter.name.clone())
    }
}
