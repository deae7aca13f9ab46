//! Requests to servers: what their runs need beside a session, and what is known of their answers.
//!
//! That a request may be sent is in the log, durably, before anything of its ciphertext leaves this party ([`Operations::may_send`]). A run that is in the log
//! like that and has no answer may have been delivered, whatever else became of it: it is never gone on with, and says so after a crash as well. Of a run that
//! is not, nothing was sent, as it takes every party's part to have a ciphertext.
//!
//! What is opened of an answer of which something is to be saved is stored before anything of that is done ([`Place::stores_what_is_seen`]), as a receipt that
//! nobody has signed: others know it from then on, and people can revoke at the server what it has issued, whatever becomes of the run and of the votes.

use super::{
    NotDone, Operations,
    meeting::{Links, Meeting},
    proposals::Stage,
    propose::{Asked, Value},
    running::{Place, Pulse, RunEnd, RunError},
    shell::Shell,
    trust,
};
use crate::{
    connection::TcpServer,
    deadline::{Deadline, Passed},
    party::fresh_rng,
    serve::queue::Turn,
    target::Endpoint,
};
use cotenant_agent::{
    approve::{
        log::Event as Logged,
        operation::{self, Body, Source},
        receipt::Receipt,
    },
    call::{CallError, Done, Event, Hooks, Opened, Seen},
    flow::{self, Seats},
    http,
    operate::{self, Call, Called, Client, Known, Mine, OperateError, Presign, Task},
    relay::Relay,
    tls::Gate,
};
use cotenant_core::{Digest, PartyId};
use cotenant_tls::{Config, TrustRoots, pki_types::UnixTime};
use std::time::Duration;

/// The lane of the server's bytes.
pub(super) const RELAY: u8 = 2;

/// How an answer is shown.
pub type Answer = Result<Known, http::ResponseError>;

impl Operations {
    /// The call that a text is, made by these members and connected by one of them, and all that this party gives to it.
    pub(super) fn call(&self, asked: Asked) -> Result<(operation::Call, Option<Value>), NotDone> {
        let Asked { flow, arguments, private, connector, roots } = asked;
        let seat = |name: String| {
            let seat = self.setup.parameters.members().iter().position(|member| member.name == name);
            seat.map(PartyId::new).ok_or(NotDone::NoMember(name))
        };
        let connector = connector.map_or(Ok(self.me), seat)?;
        let named = |name: &str| seat(name.to_owned()).ok();
        let call = flow::call_among(flow, arguments, Seats { connector, giver: self.me }, &named, roots)?;
        if call.connector != connector {
            return Err(NotDone::NothingConnects);
        }
        let given = given(&call, self.me, private)?;
        Ok((call, given))
    }

    /// Takes what this party is to give to the call of this number and digest, for its run. It is in memory alone, as what a proposer gives is.
    ///
    /// # Errors
    /// If something is missing, or is not as the text says, or nothing is asked.
    pub fn give(&mut self, number: u64, digest: Digest, private: Vec<(String, Value)>) -> Result<(), NotDone> {
        let me = self.me;
        let proposal = self.proposals.get_mut(&number).ok_or(NotDone::NoSuch(number))?;
        if proposal.digest != digest {
            return Err(NotDone::Other(number));
        }
        if !proposal.is_open() || proposal.own.is_some() {
            return Err(NotDone::NotOpen(number));
        }
        proposal.value = match &proposal.operation().body {
            Body::Call(call) => given(call, me, private)?,
            _ => return Err(NotDone::NoCall(number)),
        };
        Ok(())
    }

    /// The URL that was made for this party by the operation of this number, as long as the daemon lives.
    pub fn opened(&self, number: u64) -> Option<Opened> {
        self.proposals.get(&number)?.opened.clone()
    }

    /// Writes down that the request of this operation may be sent from here on; whether it may. One that was told to stop may not: it is stopped before this
    /// party signs what lets others use the next version of the vault, and a request with the one before does not go out after that; nor does one whose
    /// attempt this party has signed off, as what it would keep of the answer can be kept by nobody.
    pub fn may_send(&mut self, number: u64, now: i64) -> bool {
        let Some(proposal) = self.proposals.get_mut(&number).filter(|proposal| proposal.stopped.is_none()) else { return false };
        let Stage::Running(running) = &mut proposal.stage else { return false };
        running.may_be_sent = true;
        let (operation, run) = (proposal.digest, running.run.digest());
        self.write_log(now, Logged::MayBeSent { operation, run });
        true
    }
}

/// What this party gives to a call, one after the other by the order of its slots; none if it gives nothing.
fn given(call: &operation::Call, me: PartyId, mut private: Vec<(String, Value)>) -> Result<Option<Value>, NotDone> {
    let mut all = Value::default();
    for slot in call.slots.iter().filter(|slot| slot.source.owner() == Some(me)) {
        let Source::Private { len, alphabet, .. } = slot.source else { continue };
        let at = private.iter().position(|(hole, _)| *hole == slot.hole).ok_or_else(|| NotDone::Private(slot.hole.clone()))?;
        let (_, value) = private.swap_remove(at);
        if value.len() != len as usize || !value.iter().fold(true, |all, &byte| all & alphabet.contains(byte)) {
            return Err(NotDone::Private(slot.hole.clone()));
        }
        all = [&all[..], &value].concat().into();
    }
    match private.pop() {
        Some((hole, _)) => Err(NotDone::NotPrivate(hole)),
        None => Ok(call.givers().contains(me).then_some(all)),
    }
}

impl<M: Meeting> Shell<M> {
    /// What the server answered to the call of this number; none if it is none, or has no answer.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn answer(&self, number: u64) -> Result<Option<Answer>, crate::store::StoreError> {
        let receipt = self.stored_receipt(number)?;
        Ok(receipt.and_then(|receipt| match &receipt.operation().body {
            Body::Call(call) => operate::answer(call, receipt.outcome()),
            _ => None,
        }))
    }

    /// The roots that this party judges servers by.
    ///
    /// # Errors
    /// [`NotDone::Roots`].
    pub(super) fn roots(&self) -> Result<Digest, NotDone> {
        self.place().roots().map(|roots| Digest(roots.digest())).map_err(|error| NotDone::Roots(error.to_string()))
    }

    /// Whether this party could take part in the call of this number, before it approves it.
    pub(super) fn can_judge(&self, number: u64) -> Result<(), NotDone> {
        let call = self.look(|operations| match operations.proposals.get(&number).map(|proposal| &proposal.operation().body) {
            Some(Body::Call(call)) => Some(call.trust_roots),
            _ => None,
        });
        match call {
            Some(approved) if self.roots()? != approved => Err(NotDone::OtherRoots(number)),
            _ => Ok(()),
        }
    }
}

impl<M: Meeting> Place<M> {
    /// The trust roots of the room.
    pub(super) fn roots(&self) -> Result<TrustRoots, RunError> {
        Ok(trust::roots(&self.trust, &self.daemon()?.config().roots)?)
    }

    /// Makes a call whose members have compared what they are about to do, within the room's time.
    pub(super) async fn call(
        &self,
        call: Call,
        (me, links): (PartyId, &M::Links),
        agreed: Digest,
        mine: Mine,
        turn: Turn,
        (may_send, seen): (Gate, Seen),
    ) -> Result<RunEnd, RunError> {
        let limit = Duration::from_secs(self.times.call.into());
        let approved = call.approved().clone();
        let making = async {
            let client = Client { config: Config::new(self.roots()?), now: UnixTime::now() };
            let session = self.session(links, agreed, turn.clone(), Pulse::default()).await?;
            let server = (call.connector() == me).then(|| self.server(call.approved()));
            let relay = Relay::new(links.lane(RELAY), call.connector(), server);
            let rng = fresh_rng().map_err(|_| RunError::Randomness)?;
            let observe = Box::new(move |event| {
                if let Event::Finished(stage, _) = event {
                    turn.finished_stage(crate::stages::name(stage));
                }
            });
            let Called { done, saved } =
                call.run(session, relay, mine, client, rng, Hooks { observe, may_send, seen }).await.map_err(cause)?;
            let outcome = operate::outcome(&done);
            // Whether the connector has passed all of it on: half an answer is none, and every party finds that for itself.
            match (operate::answer(&approved, &outcome), saved) {
                (Some(Err(error)), _) => Err(RunError::Answer(error)),
                (_, Some(saved)) => Ok(RunEnd::Made(self.write(saved, agreed).await?, outcome)),
                (_, None) => Ok(RunEnd::Called(outcome)),
            }
        };
        Deadline::after(limit).bound(making).await.unwrap_or_else(|Passed| Err(RunError::Late(limit)))
    }

    /// Stores what was opened of the answer to this call.
    pub(super) fn stores_what_is_seen(&self, number: u64, task: &Task) -> Seen {
        let (daemon, room, operation, run) = (self.daemon.clone(), self.room, task.operation().clone(), task.run().clone());
        Box::new(move |done: &Done| {
            let stored = Receipt::new(operation.clone(), run.clone(), operate::outcome(done)).map_err(|error| error.to_string());
            let stored = stored.and_then(|receipt| {
                let daemon = daemon.upgrade().ok_or("the daemon is ending")?;
                let put = daemon.store().transaction(|changes| changes.room(room.0).put_receipt(number, &receipt.encode()));
                put.map_err(|error| error.to_string())
            });
            stored
                .inspect_err(|error| tracing::error!(%room, operation = number, %error, "what a server has answered cannot be stored"))
                .is_ok()
        })
    }

    /// Makes a URL for one of the members, within the room's time.
    pub(super) async fn presign(
        &self,
        presign: Presign,
        links: &M::Links,
        agreed: Digest,
        mine: Mine,
        (turn, may_open): (Turn, Gate),
    ) -> Result<RunEnd, RunError> {
        let limit = Duration::from_secs(self.times.call.into());
        let making = async {
            let session = self.session(links, agreed, turn, Pulse::default()).await?;
            let mut nonce = [0; 32];
            getrandom::fill(&mut nonce).map_err(|_| RunError::Randomness)?;
            let reader = presign.reader();
            let made = presign.run(session, mine, nonce, may_open).await.map_err(cause)?;
            Ok(RunEnd::Presigned(operate::presigned(&made, reader), made.opened))
        };
        Deadline::after(limit).bound(making).await.unwrap_or_else(|Passed| Err(RunError::Late(limit)))
    }

    fn server(&self, call: &operation::Call) -> TcpServer {
        let host = call.host.trim_matches(['[', ']']).to_owned();
        TcpServer::new(Endpoint { host, port: call.port }, Duration::from_secs(self.times.server.into()))
    }
}

/// Why a call failed. That its request may have been sent is in the log, and shown from there.
fn cause(error: OperateError) -> OperateError {
    match error {
        OperateError::Call(CallError::MayHaveBeenSent(cause)) => OperateError::Call(*cause),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values are given in the order of the holes, whatever the order in which they come, and each as the text says.
    #[test]
    fn what_is_private_is_put_in_order() {
        let text = "# @private pin chars digits len 4\n# @private code chars hex len 2\n# @open all\n# @not-reflected pin\n# @not-reflected code\nGET https://h/\nX: \
                    {{pin}}\nY: {{code}}\n";
        let seats = Seats { connector: PartyId::new(0), giver: PartyId::new(1) };
        let call = flow::call(text.into(), Vec::new(), seats, Digest([0; 32])).unwrap();
        let with = |private: &[(&str, &str)]| {
            let private = private.iter().map(|(hole, value)| ((*hole).to_owned(), value.as_bytes().to_vec().into())).collect();
            given(&call, seats.giver, private).map(|given| given.map(|value| String::from_utf8(value.to_vec()).unwrap()))
        };
        assert_eq!(with(&[("pin", "1234"), ("code", "af")]), Ok(Some("af1234".to_owned())));
        for (private, missing) in [
            (&[("pin", "1234")][..], "code"),
            (&[("pin", "123"), ("code", "af")], "pin"),
            (&[("pin", "123a"), ("code", "af")], "pin"),
            (&[("code", "aF"), ("pin", "1234")], "code"),
        ] {
            assert_eq!(with(private), Err(NotDone::Private(missing.to_owned())), "{private:?}");
        }
        assert_eq!(with(&[("pin", "1234"), ("code", "af"), ("x", "")]), Err(NotDone::NotPrivate("x".to_owned())));
        let public = flow::call(b"# @open all\nGET https://h/\n".to_vec(), Vec::new(), seats, Digest([0; 32])).unwrap();
        assert_eq!(given(&public, seats.giver, Vec::new()), Ok(None), "nothing is given, and nothing is lost with a daemon");
    }
}
