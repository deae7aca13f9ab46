//! What a room shows of itself, and what it finds when it checks.

use super::{
    actor::Actor,
    kept::{Kept, Origin},
    view::{Finding, JoinView, MemberView, Proposal, RoomView, SeatState, Stage, Value},
    work::notes,
};
use crate::store::{RESTORE, StoreError};
use cotenant_agent::room::{
    Charter, Member, Parameters, Record, Sheet, Signed, admits,
    assembly::State,
    diff,
    draft::Seat,
    signed::{Fault, Signatures, founded},
};

impl Actor {
    /// How the room is.
    pub(super) fn view(&self) -> RoomView {
        let record = self.record();
        let force = record.and_then(Record::in_force);
        let sheet = record.and_then(Record::signed);
        let kept = Kept { origin: self.origin.clone(), record: record.cloned() };
        let charter = force.map(|signed| signed.parameters().charter()).or(kept.charter());
        RoomView {
            id: self.id.to_string(),
            name: charter.map(|charter| charter.name.clone()).unwrap_or_default(),
            stage: self.stage(),
            charter: charter.into_iter().flat_map(diff::charter_values).map(|(what, value)| Value { what, value }).collect(),
            epoch: force.map_or(0, |signed| signed.parameters().charter().epoch),
            digest: force.map(|signed| signed.digest().to_string()),
            members: self.members(force.map(Signed::parameters).or(sheet.map(Sheet::parameters))),
            join: self.join_view(),
            proposal: self.proposal(),
            draft: self.draft_view(),
            notes: self.all_notes(),
        }
    }

    /// What people should know: what the room's task remembers, and what holds for what is done together.
    fn all_notes(&self) -> Vec<String> {
        self.notes.iter().cloned().chain(notes(&self.work.get())).collect()
    }

    pub(super) fn record(&self) -> Option<&Record> {
        self.state.as_ref().map(|state| &state.record)
    }

    fn stage(&self) -> Stage {
        let Some(record) = self.record() else { return Stage::Joining };
        match &self.origin {
            _ if record.in_force().is_some() => Stage::Member,
            _ if record.signed().is_some() => Stage::Signing,
            Origin::Draft(_) => Stage::Gathering,
            Origin::Join(_) => Stage::Joined,
            Origin::Done => Stage::Removed,
        }
    }

    fn members(&self, parameters: Option<&Parameters>) -> Vec<MemberView> {
        let numbered = |(at, mut view): (usize, MemberView)| {
            view.seat = at + 1;
            view
        };
        match (parameters, &self.origin) {
            (Some(parameters), _) => parameters.members().iter().map(|member| self.member(member)).enumerate().map(numbered).collect(),
            (None, Origin::Draft(draft)) => draft.seats().iter().map(|seat| self.seat(seat)).enumerate().map(numbered).collect(),
            (None, Origin::Join(_) | Origin::Done) => Vec::new(),
        }
    }

    pub(super) fn seat(&self, seat: &Seat) -> MemberView {
        match seat {
            Seat::Open => nobody(SeatState::Open),
            Seat::Taken(member) => self.member(member),
            Seat::Invited(invitation, None) => MemberView { expiry: Some(invitation.expiry()), ..nobody(SeatState::Invited) },
            Seat::Invited(_, Some(joined)) if joined.confirmed => self.member(&joined.member),
            Seat::Invited(_, Some(joined)) => {
                MemberView { state: SeatState::Came, phrase: Some(joined.phrase.to_string()), ..self.member(&joined.member) }
            }
        }
    }

    fn member(&self, member: &Member) -> MemberView {
        let connected = self.lines().get(&member.key).is_some_and(|line| line.condition().up);
        MemberView {
            name: Some(member.name.clone()),
            identity: Some(member.key.to_string()),
            fingerprint: Some(member.key.fingerprint()),
            addresses: member.addresses.iter().map(ToString::to_string).collect(),
            own: member.key == self.context.identity().public(),
            connected,
            ..nobody(SeatState::Taken)
        }
    }

    fn join_view(&self) -> Option<JoinView> {
        let Origin::Join(join) = &self.origin else { return None };
        let (inviter, phrase) = (join.admission.inviter.to_string(), join.admission.phrase.to_string());
        Some(JoinView { inviter, phrase, confirmed: self.state.is_some() })
    }

    fn proposal(&self) -> Option<Proposal> {
        let State { record, pending } = self.state.as_ref()?;
        let epoch = |sheet: &&Sheet| sheet.parameters().charter().epoch;
        let to_sign = pending.values().filter(|sheet| epoch(sheet) > record.signed_epoch()).max_by_key(epoch);
        let drafted = self.drafted().and_then(|parameters| Sheet::new(parameters, Signatures::new()).ok());
        let sheet = to_sign.or(drafted.as_ref()).or(record.signed())?;
        let old = record.newest().map(Signed::parameters);
        let lines = diff::lines(old, sheet.parameters());
        let [signed, missing] = signers(old, sheet);
        let own = record.signed().is_some_and(|own| own.digest() == sheet.digest());
        Some(Proposal { digest: sheet.digest().to_string(), lines: lines.iter().map(ToString::to_string).collect(), signed, missing, own })
    }

    /// Checks what is stored, the signatures, the links and the clocks.
    pub(super) async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        let (id, record) = (self.id, self.record().cloned());
        let kept = Kept { origin: self.origin.clone(), record: record.clone() }.encode();
        let (row, epochs) = self
            .context
            .store(move |store| {
                let room = store.room(id.0);
                Ok((room.assembly()?, room.epochs()?))
            })
            .await?;
        let same = row.as_ref().is_some_and(|row| **row == *kept);
        let mut findings = vec![finding(
            "store",
            same,
            if same { "holds what this daemon works with" } else { "holds something else; start the daemon again" },
        )];
        let sheets: Result<Vec<Signed>, Fault> = epochs.iter().map(|epoch| Signed::decode(&epoch.sheet)).collect();
        findings.push(match sheets.and_then(|sheets| chain(&sheets).map(|()| sheets)) {
            Err(fault) => finding("parameters", false, &format!("stored epochs do not follow each other ({fault}); {RESTORE}")),
            Ok(sheets) => self.last_is_in_force(sheets.last()),
        });
        if let Some(force) = record.as_ref().and_then(Record::in_force) {
            let charter = force.parameters().charter();
            let others = force.parameters().members().iter().filter(|member| member.key != self.context.identity().public());
            findings.push(self.operations());
            findings.extend(others.flat_map(|member| [self.link(member), self.clock(member, charter)]));
        }
        Ok(findings)
    }

    fn last_is_in_force(&self, last: Option<&Signed>) -> Finding {
        match (last, self.record().and_then(Record::in_force)) {
            (None, None) => finding("parameters", false, "not signed by all yet; see cotenant room show"),
            (Some(last), Some(force)) if last == force => {
                let charter = force.parameters().charter();
                let found = format!("epoch {}, {}: signed by all {} members", charter.epoch, force.digest(), charter.seats);
                finding("parameters", true, &found)
            }
            _ => finding("parameters", false, &format!("the stored epoch is not the one in force; {RESTORE}")),
        }
    }

    /// What the log, the ledger or the vault's record has against going on is said here, as is a write that failed.
    fn operations(&self) -> Finding {
        let closed = self.work.get().map_or_else(|why| Some(why.to_string()), |shell| shell.closed().map(|closed| closed.to_string()));
        closed.map_or_else(|| finding("operations", true, "can be proposed and done"), |why| finding("operations", false, &why))
    }

    fn link(&self, member: &Member) -> Finding {
        let what = format!("link to {}", member.name);
        let lines = self.lines();
        let Some(condition) = lines.get(&member.key).map(|line| line.condition()) else { return finding(&what, false, "is being made") };
        match (condition.up, condition.round_trip, condition.fault) {
            (true, Some(time), _) => finding(&what, true, &format!("up, {:.1} ms there and back", time.as_secs_f64() * 1e3)),
            (true, None, _) => finding(&what, true, "up"),
            (false, _, Some(fault)) => finding(&what, false, &fault),
            (false, _, None) => finding(&what, false, "not up yet"),
        }
    }

    fn clock(&self, member: &Member, charter: &Charter) -> Finding {
        let what = format!("clock of {}", member.name);
        match self.clocks.get(&member.key) {
            None => finding(&what, false, "not known while there is no link"),
            Some(ahead) => {
                let good = ahead.unsigned_abs() <= u64::from(charter.limits.clock) * 1000;
                let by = ahead.unsigned_abs() as f64 / 1e3;
                let way = if *ahead < 0 { "behind" } else { "ahead" };
                let remedy = if good { String::new() } else { format!(", more than {} s; set one of the clocks", charter.limits.clock) };
                finding(&what, good, &format!("{by:.1} s {way}{remedy}"))
            }
        }
    }
}

/// Names of those who have signed, old and new members, and of new ones who have not.
fn signers(old: Option<&Parameters>, sheet: &Sheet) -> [Vec<String>; 2] {
    let new = sheet.parameters();
    let left = old.into_iter().flat_map(Parameters::members).filter(|member| new.seat(&member.key).is_none());
    let signed = |member: &&Member| sheet.signatures().contains_key(&member.key);
    let name = |member: &Member| member.name.clone();
    let missing = new.members().iter().filter(|member| !signed(member)).map(name).collect();
    [new.members().iter().chain(left).filter(signed).map(name).collect(), missing]
}

/// That epochs follow each other by the rule (`cotenant_agent::room::signed`). The first that is stored is taken as it is if this party came later.
fn chain(sheets: &[Signed]) -> Result<(), Fault> {
    if let Some(first) = sheets.first().filter(|first| first.parameters().charter().epoch == 1) {
        founded(first.parameters(), first.sheet().signatures().clone())?;
    }
    sheets.windows(2).try_for_each(|two| admits(&two[0], two[1].parameters(), two[1].sheet().signatures().clone()).map(drop))
}

fn finding(what: &str, good: bool, found: &str) -> Finding {
    Finding { what: what.to_owned(), good, found: found.replace('\n', "; ") }
}

fn nobody(state: SeatState) -> MemberView {
    MemberView {
        seat: 0,
        state,
        name: None,
        identity: None,
        fingerprint: None,
        addresses: Vec::new(),
        phrase: None,
        expiry: None,
        own: false,
        connected: false,
    }
}
