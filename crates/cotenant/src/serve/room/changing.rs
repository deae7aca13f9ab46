//! How a room that is in force is changed: a draft at one member, which becomes parameters that all sign.
//!
//! A draft is what one party's people write; nobody else sees it before they sign it. So a change without new members is shown to them in full, and signed
//! by `room sign` like that of another party.

use super::{
    actor::Actor,
    founding::Told,
    kept::Origin,
    problems,
    rooms::trust,
    routes::Changing,
    view::{DraftView, RoomView},
};
use crate::serve::problem::Problem;
use cotenant_agent::room::{
    Address, Draft, Limits, Parameters, Record, Signed, Trust,
    diff::draft_lines,
    draft::{BadDraft, Seat},
};
use cotenant_net::PublicIdentity;

impl Actor {
    /// Begins a draft of a change of what is in force, or changes the one there is.
    pub(super) async fn change(&mut self, asked: Changing) -> Told<RoomView> {
        let draft = match self.changed(&asked) {
            Ok(draft) => draft,
            Err(problem) => return Ok(Err(problem)),
        };
        self.keep(Origin::Draft(draft)).await?;
        self.propose_if_complete().await?;
        Ok(Ok(self.view()))
    }

    fn changed(&self, asked: &Changing) -> Result<Draft, Problem> {
        let founded = self.record().filter(|record| record.in_force().is_some());
        let record = founded
            .ok_or_else(|| problems::stage(&self.name(), "it is not in force, so there is nothing to change", "see cotenant room show"))?;
        let newest = record.newest().map(Signed::parameters).expect("something is in force");
        let mut draft = self.change_draft().cloned().unwrap_or_else(|| Draft::change(newest, record.next_epoch()));
        amend(&mut draft, asked)?.map_err(|error| problems::draft(&self.name(), &error))?;
        Ok(draft)
    }

    /// The draft of a change that this party has not signed.
    pub(super) fn change_draft(&self) -> Option<&Draft> {
        match &self.origin {
            Origin::Draft(draft) if draft.charter().epoch > 1 && self.unsigned() => Some(draft),
            _ => None,
        }
    }

    /// What that draft has become, once all its seats are taken.
    pub(super) fn drafted(&self) -> Option<Parameters> {
        self.change_draft().and_then(|draft| draft.parameters().ok())
    }

    pub(super) fn draft_view(&self) -> Option<DraftView> {
        let draft = self.change_draft()?;
        let old = self.record().and_then(Record::newest)?.parameters();
        let numbered = |(at, seat): (usize, &Seat)| {
            let mut view = self.seat(seat);
            view.seat = at + 1;
            view
        };
        let lines = draft_lines(old, draft).iter().map(ToString::to_string).collect();
        Some(DraftView { seats: draft.seats().iter().enumerate().map(numbered).collect(), lines })
    }
}

/// Does all that is asked; the outer error is a request that means nothing.
fn amend(draft: &mut Draft, asked: &Changing) -> Result<Result<(), BadDraft>, Problem> {
    let Changing { add, remove, replace, threshold, addresses, authorities, own_authorities, limits } = asked;
    let trusted = match (authorities.is_empty(), own_authorities) {
        (false, _) => Some(trust(authorities)?),
        (true, true) => Some(trust(&[])?),
        (true, false) => None,
    };
    let mut listed: Vec<(&String, Vec<Address>)> = Vec::new();
    for (name, texts) in addresses {
        let read = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>();
        listed.push((name, read.map_err(|_| problems::address(name))?));
    }
    let limits = Limits {
        call: limits.call.unwrap_or(draft.charter().limits.call),
        server: limits.server.unwrap_or(draft.charter().limits.server),
        clock: limits.clock.unwrap_or(draft.charter().limits.clock),
        proposal: limits.proposal.unwrap_or(draft.charter().limits.proposal),
    };
    Ok(write(draft, (remove, replace, *add), &listed, (*threshold, trusted, limits)))
}

fn write(
    draft: &mut Draft,
    (remove, replace, add): (&[String], &[String], u8),
    addresses: &[(&String, Vec<Address>)],
    (threshold, trusted, limits): (Option<u8>, Option<Trust>, Limits),
) -> Result<(), BadDraft> {
    for name in remove {
        draft.remove(&key_of(draft, name)?)?;
    }
    for name in replace {
        draft.vacate(&key_of(draft, name)?)?;
    }
    for (name, addresses) in addresses {
        draft.set_addresses(&key_of(draft, name)?, addresses.clone())?;
    }
    (0..add).try_for_each(|_| draft.add_seat())?;
    threshold.map_or(Ok(()), |threshold| draft.set_threshold(threshold))?;
    trusted.map_or(Ok(()), |trusted| draft.set_trust(trusted))?;
    if limits != draft.charter().limits {
        draft.set_limits(limits)?;
    }
    Ok(draft.charter().check()?)
}

/// The key of the member of this name.
fn key_of(draft: &Draft, name: &str) -> Result<PublicIdentity, BadDraft> {
    let member = draft.seats().iter().find_map(|seat| match seat {
        Seat::Taken(member) if member.name.eq_ignore_ascii_case(name) => Some(member.key),
        _ => None,
    });
    member.ok_or(BadDraft::NoMember)
}
