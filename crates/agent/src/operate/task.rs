//! One run of an approved operation on the vault as it is: everything that follows from the two, or why this party takes no part.
//!
//! The *task digest* is what the parties bind into their session, what names the run in votes, and what stands in shares that the run makes:
//!
//! `H(run digest, manifest digest, epoch, version, attempt)`, the last three 0 where nothing is committed.
//!
//! The run digest ([`crate::approve::run`]) has the operation, the date, who takes part and the versions of items; it is what an approval is spent for and
//! what receipts show. Parties of a session are those who take part, in the order of their seats.

use super::{
    error::Refused,
    manifest::{Entry, MAX_MANIFEST, MAX_REMOVED, Manifest},
    request,
    run::{Call, Presign, Remove, Save, Verify},
};
use crate::{
    agree::CLOCK_TOLERANCE,
    answer::Expected,
    approve::{
        item::ItemName,
        operation::{self, Body, MAX_ITEMS, Operation, Stored},
        run::{Found, Making, Run},
    },
    call::{self, Keeping, Reading, Redaction},
    flow::{self, Disposal, Flow},
    redact::{Policy, Rule},
    vault::{
        commit::statement::{Parties, Round},
        item::{Fields, Item, Kind},
        load::Wanted,
        save::{Comes, New},
        share::Origin,
        sharing::{Holder, Quorum, Sharing},
    },
};
use cotenant_core::{Digest, Domain, PartyId};
use cotenant_net::PublicIdentity;

/// A run of an operation, before it begins.
pub struct Task {
    facts: Facts,
    work: Work,
}

/// What is to be done in it.
pub enum Work {
    /// Something is saved: put, gen, refresh, reshare, repair.
    Save(Save),
    /// Shares are checked.
    Verify(Verify),
    /// Items are removed.
    Remove(Remove),
    /// A request to a server.
    Call(Box<Call>),
    /// A URL for one of the members.
    Presign(Box<Presign>),
}

/// What was approved, what is there, and what was found for this run.
struct Facts {
    operation: Operation,
    run: Run,
    before: Manifest,
    round: Option<Round>,
    digest: Digest,
}

impl Task {
    /// The run of an operation that all who take part have approved, on the vault in the version that this party gives its shares of
    /// ([`loadable`](crate::vault::commit::Record::loadable)). `round` is where the commit machine may begin
    /// ([`may_begin`](crate::vault::commit::State::may_begin)), for what changes the vault; `date` is the date of the run, in seconds since 1970.
    ///
    /// # Errors
    /// Why this party takes no part.
    pub fn new(operation: Operation, before: Manifest, date: i64, round: Option<Round>) -> Result<Task, Refused> {
        operation.check()?;
        demand(operation.room == before.room(), || Refused::Room)?;
        check_round(&operation, &before, round)?;
        let run = find(&operation, &before, date, round)?;
        run.check(&operation)?;
        let digest = task_digest(&run, &before, round);
        let facts = Facts { operation, run, before, round, digest };
        let work = facts.work()?;
        Ok(Task { facts, work })
    }

    /// What was approved.
    pub fn operation(&self) -> &Operation {
        &self.facts.operation
    }

    /// The values that were found: what the approval is spent for.
    pub fn run(&self) -> &Run {
        &self.facts.run
    }

    /// The vault that it starts from.
    pub fn before(&self) -> &Manifest {
        &self.facts.before
    }

    /// The round of the commit, if there is one.
    pub fn round(&self) -> Option<Round> {
        self.facts.round
    }

    /// What the parties bind into their session, and what votes name.
    pub fn digest(&self) -> Digest {
        self.facts.digest
    }

    /// Which party of the session the member at `seat` is, if it takes part.
    pub fn party(&self, seat: PartyId) -> Option<PartyId> {
        rank(self.facts.operation.quorum, seat)
    }

    /// Whether the date of the run is near this party's clock.
    ///
    /// # Errors
    /// [`Refused::Clock`] if it is not.
    pub fn accepts_date(&self, clock: i64) -> Result<(), Refused> {
        let date = self.facts.run.date;
        demand(clock.abs_diff(date) <= CLOCK_TOLERANCE.unsigned_abs(), || Refused::Clock { date, clock })
    }

    /// The shares that party `me` of the session has to have, each once.
    pub fn needs(&self, me: PartyId) -> Vec<&Origin> {
        let loads: &[Wanted] = match &self.work {
            Work::Save(save) => &save.loads,
            Work::Verify(verify) => &verify.loads,
            Work::Remove(_) => &[],
            Work::Call(call) => &call.loads,
            Work::Presign(presign) => &presign.loads,
        };
        let mut needed: Vec<&Origin> = Vec::new();
        for wanted in loads.iter().filter(|wanted| wanted.quorum.seat_of(me).is_some()) {
            if !needed.contains(&&wanted.origin) {
                needed.push(&wanted.origin);
            }
        }
        needed
    }

    /// What to do.
    pub fn into_work(self) -> Work {
        self.work
    }
}

fn demand(holds: bool, refused: impl FnOnce() -> Refused) -> Result<(), Refused> {
    if holds { Ok(()) } else { Err(refused()) }
}

/// What changes the vault is committed in the next round, and nothing else is.
fn check_round(operation: &Operation, before: &Manifest, round: Option<Round>) -> Result<(), Refused> {
    let fits = match round {
        None => !operation.body.needs_everyone(),
        Some(round) => {
            let next = round.epoch == operation.epoch && Some(round.version) == before.number().checked_add(1) && round.attempt > 0;
            operation.body.needs_everyone() && next
        }
    };
    demand(fits, || Refused::Round)
}

/// The values of the run, by the rules of the operation.
fn find(operation: &Operation, before: &Manifest, date: i64, round: Option<Round>) -> Result<Run, Refused> {
    let found = |Stored { item, pick }: Stored| {
        let entry = before.get(item.as_str()).ok_or_else(|| Refused::NoItem { item: item.to_string() })?;
        let version = entry.item.version;
        demand(pick.takes(version), || Refused::Version { item: item.to_string(), wanted: pick, found: version })?;
        Ok(Found { item, version, made_by: entry.run })
    };
    let making = |item: ItemName| {
        let version = before.next_version(item.as_str());
        Making { item, version, attempt: round.map_or(0, |round| round.attempt) }
    };
    if let Body::Put { item, .. } | Body::Gen(item) = &operation.body {
        let next = before.next_version(&item.name);
        demand(item.version == next, || Refused::NextVersion { item: item.name.clone(), approved: item.version, next })?;
    }
    Ok(Run {
        operation: operation.digest(),
        date,
        quorum: operation.quorum,
        items: operation.body.reads().into_iter().map(found).collect::<Result<_, Refused>>()?,
        makes: operation.body.saves().into_iter().map(making).collect(),
        ids: Vec::new(),
    })
}

fn task_digest(run: &Run, before: &Manifest, round: Option<Round>) -> Digest {
    let Round { epoch, version, attempt } = round.unwrap_or(Round { epoch: 0, version: 0, attempt: 0 });
    let mut hasher = Domain::VaultRun.hasher();
    hasher.field(&run.digest().0).field(&before.digest().0);
    hasher.number(epoch.into()).number(version).number(attempt.into()).digest()
}

/// The place of a seat among those who take part: which party of the session it is.
pub(super) fn rank(quorum: Parties, seat: PartyId) -> Option<PartyId> {
    quorum.iter().position(|other| other == seat).map(PartyId::new)
}

impl Facts {
    fn work(&self) -> Result<Work, Refused> {
        let body = &self.operation.body;
        Ok(match body {
            Body::Put { giver, item } => {
                self.same_members()?;
                let giver = rank(self.operation.quorum, *giver).ok_or(operation::BadOperation::Seat)?;
                Work::Save(self.save(Vec::new(), vec![(item.clone(), Comes::Given(giver))])?)
            }
            Body::Gen(item) => {
                self.same_members()?;
                Work::Save(self.save(Vec::new(), vec![(item.clone(), Comes::Drawn)])?)
            }
            Body::Refresh(_) => Work::Save(self.renew(None, None)?),
            Body::Repair { member, .. } => Work::Save(self.renew(None, self.operation.members.get(member.index()))?),
            Body::Reshare(items) => Work::Save(self.reshare(items)?),
            Body::Verify(_) => Work::Verify(Verify { loads: self.checks_of_all()? }),
            Body::Remove(_) => Work::Remove(self.remove()?),
            Body::Call(call) if flow::is_presign(&call.flow)? => Work::Presign(Box::new(self.presign(call)?)),
            Body::Call(call) => Work::Call(Box::new(self.call(call)?)),
        })
    }

    /// Whether shares are among the members of the operation; an empty vault has none.
    fn same_members(&self) -> Result<(), Refused> {
        let same = self.before.items().len() == 0 || self.before.members() == self.operation.members;
        demand(same, || Refused::Members)
    }

    /// The entries that are read, in the order of their names.
    fn entries(&self) -> Vec<&Entry> {
        self.run.items.iter().filter_map(|found| self.before.get(found.item.as_str())).collect()
    }

    /// Who takes part and has a share, by rising seats of the shares. `but` is not asked for its.
    fn holders(&self, entry: &Entry, but: Option<&PublicIdentity>) -> Vec<Holder> {
        let present = |(seat, member): (PartyId, &PublicIdentity)| {
            let now = self.operation.members.iter().position(|other| other == member)?;
            Some(Holder { seat, party: rank(self.operation.quorum, PartyId::new(now))? })
        };
        self.before.holders(entry).filter(|(_, member)| Some(*member) != but).filter_map(present).collect()
    }

    /// A load by the first of those who can.
    fn load(&self, entry: &Entry, but: Option<&PublicIdentity>) -> Result<Wanted, Refused> {
        let origin = Origin { room: self.before.room(), item: entry.item.clone(), run: entry.run };
        let first = self.holders(entry, but).into_iter().take(entry.item.sharing.threshold()).collect();
        wanted(origin, first)
    }

    /// Loads of every item that is read in which every share of those who take part is used.
    fn checks_of_all(&self) -> Result<Vec<Wanted>, Refused> {
        let mut all = Vec::new();
        for entry in self.entries() {
            let origin = Origin { room: self.before.room(), item: entry.item.clone(), run: entry.run };
            all.extend(checks(&origin, &self.holders(entry, None))?);
        }
        Ok(all)
    }

    /// The same secrets with new shares: in another sharing, or as before.
    fn renew(&self, sharing: Option<Sharing>, but: Option<&PublicIdentity>) -> Result<Save, Refused> {
        if sharing.is_none() {
            self.same_members()?;
        }
        let entries = self.entries();
        let loads = entries.iter().map(|entry| self.load(entry, but)).collect::<Result<_, _>>()?;
        let next = |entry: &&Entry| Ok((entry.item.next(sharing.unwrap_or(entry.item.sharing))?, Comes::Loaded));
        self.save(loads, entries.iter().map(next).collect::<Result<_, Refused>>()?)
    }

    fn reshare(&self, listed: &[Stored]) -> Result<Save, Refused> {
        if self.before.members() != self.operation.members {
            let unlisted = |entry: &&Entry| listed.iter().all(|stored| stored.item.as_str() != entry.item.name);
            let missing = self.before.items().find(unlisted).map(|entry| entry.item.name.clone());
            demand(missing.is_none(), || Refused::Unlisted { item: missing.unwrap_or_default() })?;
        }
        let sharing = Sharing::new(self.operation.threshold.into(), self.operation.members.len());
        self.renew(Some(sharing.ok_or(operation::BadOperation::Threshold)?), None)
    }

    fn save(&self, loads: Vec<Wanted>, items: Vec<(Item, Comes)>) -> Result<Save, Refused> {
        let new_names = items.iter().filter(|(item, _)| self.before.get(&item.name).is_none()).count();
        demand(self.before.items().len() + new_names <= MAX_ITEMS, || Refused::Full)?;
        // All members take part in a save, so their places in the session are their seats.
        let everyone: Vec<PartyId> = PartyId::all(self.operation.members.len()).collect();
        let holders: Vec<Holder> = everyone.iter().map(|&seat| Holder { seat, party: seat }).collect();
        let after = self.before.saved(items.iter().map(|(item, _)| item.clone()).collect(), &self.operation.members, self.digest);
        demand(after.encode().len() <= MAX_MANIFEST, || Refused::Full)?;
        let (mut new, mut again) = (Vec::new(), Vec::new());
        for (item, comes) in items {
            let origin = Origin { room: self.operation.room, item, run: self.digest };
            again.extend(checks(&origin, &holders)?);
            new.push(New { origin, comes, receivers: everyone.clone() });
        }
        Ok(Save { loads, new, checks: again, after })
    }

    fn remove(&self) -> Result<Remove, Refused> {
        let after = self.before.without(self.run.items.iter().map(|found| found.item.as_str()), self.digest);
        demand(after.removed().len() <= MAX_REMOVED && after.encode().len() <= MAX_MANIFEST, || Refused::Full)?;
        Ok(Remove { after })
    }

    fn presign(&self, call: &operation::Call) -> Result<Presign, Refused> {
        let entries = self.entries();
        let presigned = request::presigned(call, &entries, self.operation.quorum, self.run.date)?;
        let loads = entries.iter().map(|entry| self.load(entry, None)).collect::<Result<_, _>>()?;
        let seat = call.response.audience.only().ok_or(operation::BadOperation::Seat)?;
        let reader = rank(self.operation.quorum, seat).ok_or(operation::BadOperation::Seat)?;
        Ok(Presign { presign: call::Presign { presigned, reader }, reader: seat, loads })
    }

    fn call(&self, call: &operation::Call) -> Result<Call, Refused> {
        let entries = self.entries();
        let content = request::content(call, &entries, self.operation.quorum, self.run.date)?;
        let loads = entries.iter().map(|entry| self.load(entry, None)).collect::<Result<_, _>>()?;
        let connector = rank(self.operation.quorum, call.connector).ok_or(operation::BadOperation::Seat)?;
        let (reading, after) = self.reading(call)?;
        Ok(Call { approved: call.clone(), content, loads, connector, reading, after })
    }

    /// What becomes of the answer, and of the vault, if something is kept.
    fn reading(&self, call: &operation::Call) -> Result<(Reading, Option<Manifest>), Refused> {
        let Disposal { policy, saves, statuses } = Disposal::parse(&call.response.policy).ok_or(Refused::NotItsText)?;
        let Policy::Rules(rules) = policy else { return Ok((Reading::Whole, None)) };
        let expected = Expected { to_head: Flow::parse(&call.flow)?.method == "HEAD", statuses };
        let redaction = |saves, checks| Reading::Part(Redaction { rules: rules.clone(), expected, saves, checks });
        if saves.is_empty() {
            return Ok((redaction(Vec::new(), Vec::new()), None));
        }
        self.same_members()?;
        let items = saves.iter().map(|save| Ok((self.kept(&rules[save.rule], save)?, Comes::Computed)));
        let Save { new, checks, after, .. } = self.save(Vec::new(), items.collect::<Result<_, Refused>>()?)?;
        // Each rule that keeps has one value, and is saved.
        let saves = new.into_iter().enumerate().map(|(value, new)| Keeping { value, new }).collect();
        Ok((redaction(saves, checks), Some(after)))
    }

    /// The item that a kept value becomes.
    fn kept(&self, rule: &Rule, save: &flow::Save) -> Result<Item, Refused> {
        let sharing = Sharing::new(self.operation.threshold.into(), self.operation.members.len());
        let version = self.before.next_version(save.item.as_str());
        let item = Item::new(Fields {
            name: save.item.to_string(),
            version,
            kind: Kind::Text(rule.characters),
            len: *rule.length.start(),
            sharing: sharing.ok_or(operation::BadOperation::Threshold)?,
            uses: save.uses.clone(),
            note: String::new(),
        })?;
        request::check_uses(&item)?;
        Ok(item)
    }
}

/// Loads of one sharing by `holders`, as few as it takes for each to be in one. An honest member whose share is not the right one fails its load, whoever else
/// is in it.
fn checks(origin: &Origin, holders: &[Holder]) -> Result<Vec<Wanted>, Refused> {
    let t = origin.item.sharing.threshold();
    let last = holders.len().saturating_sub(t);
    (0..holders.len().max(1))
        .step_by(t)
        .map(|from| wanted(origin.clone(), holders.iter().skip(from.min(last)).take(t).copied().collect()))
        .collect()
}

fn wanted(origin: Origin, holders: Vec<Holder>) -> Result<Wanted, Refused> {
    let (found, sharing) = (holders.len(), origin.item.sharing);
    let too_few = |_| Refused::TooFew { item: origin.item.name.clone(), wanted: sharing.threshold(), found };
    let quorum = Quorum::new(sharing, holders).map_err(too_few)?;
    Ok(Wanted { origin, quorum })
}
