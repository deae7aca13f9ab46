//! How a vault comes from the epoch in which it is to that in which the room is. The people have signed the room's; what the vault begins it with follows
//! from what the members have signed before, and of which items they say they have shares (`docs/protocol/vault-commit.md`, *Epochs*):
//!
//! 1. A member that is in the room's new epoch votes no more in the vault's, and tells all it has, whether it may rely on its record, and which shares it has.
//! 2. When all have told, the first seat with a record to rely on signs ENTERED: the newest version that may be settled, and who has shares of what in it.
//! 3. Others with such a record sign the same if the machine agrees, the vault that is shown is theirs but for who has shares, and what it says of their own
//!    shares is right.
//! 4. Those without sign last, when all others have signed one and the same, and take the vault that these signatures name.

use super::{
    Operations,
    changes::Changes,
    note::{MAX_RUNS, Note, Vote},
    vault::{Outcome, Vault},
};
use cotenant_agent::{
    operate::{Entry as HeldBy, Manifest},
    vault::commit::{
        Event, Refusal,
        statement::{self, Entry, Parties, Statement},
    },
};
use cotenant_core::{Digest, PartyId};
use cotenant_net::{Identity, PublicIdentity};
use std::collections::{BTreeMap, BTreeSet};

/// The digest of a run.
pub(super) type Run = [u8; 32];

/// Where a member stands before it enters an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether it may rely on its record: it does not come new, and nobody has shown it to be an old copy.
    pub(super) knows: bool,
    /// The runs of which it has all shares that it knows of.
    pub(super) has: BTreeSet<Run>,
}

/// What this party and others have said on the way. What others have is said again after a start.
#[derive(Default)]
pub(super) struct Entering {
    /// The vault with which this party has signed that it enters an epoch.
    pub(super) own: Option<Manifest>,
    /// The runs of which this party has all shares that it knows of.
    pub(super) held: BTreeSet<Run>,
    /// Whether this party's log shows that its store is an old copy, which its record may not.
    lost: bool,
    /// Who has told where it stands in the room's epoch.
    standing: BTreeMap<PartyId, Standing>,
    /// ENTERED of others for the room's epoch, until this party has signed.
    claims: BTreeMap<PartyId, (Entry<Digest>, Vote)>,
    /// The vault that each of them has shown, with its digest.
    shown: BTreeMap<PartyId, (Digest, Manifest)>,
}

/// For what the vault's way into the room's epoch waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    /// For these to tell where they stand.
    Word(Parties),
    /// For this one, who signs first.
    First(PartyId),
    /// For this one to show with what it has signed.
    Vault(PartyId),
    /// For these to sign.
    Signatures(Parties),
    /// For a store that is whole: nobody has a record to rely on, and no further epoch changes that.
    Nobody,
    /// For a further epoch or for news: the first has signed for another vault than this party's.
    Differs(PartyId),
    /// For a further epoch or for news: the machine refuses what the first has signed, or what it says of shares is wrong.
    Refused(Refusal),
}

/// What becomes of a vote whose signature is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// The machine hears it.
    Counts,
    /// It is kept until this party has signed.
    Waits,
    /// Its signer has entered an epoch with another vault than this party.
    OtherVault,
    /// Its signer has signed this one before, which excludes it.
    Contradicts(Vote),
}

impl Entering {
    /// ENTERED of others that the machine has not heard.
    pub(super) fn claimed(&self) -> impl Iterator<Item = Vote> {
        self.claims.values().map(|(_, vote)| *vote)
    }
}

impl Vault {
    /// Whether the room is in a later epoch than the vault.
    pub(super) fn is_entering(&self) -> bool {
        self.state.record.epoch != self.seats.now().epoch
    }

    /// A member that is in the room's epoch has told all it has.
    pub(super) fn stands(&mut self, party: PartyId, standing: Standing) {
        self.entering.standing.insert(party, standing);
    }

    /// Where this party stands. Which shares it has is of interest on the way into an epoch only.
    pub(super) fn standing(&self) -> Standing {
        let has = self.entering.held.iter().take(MAX_RUNS).filter(|_| self.is_entering()).copied().collect();
        Standing { knows: self.knows(), has }
    }

    fn knows(&self) -> bool {
        !self.state.record.old && !self.entering.lost
    }

    /// Whether a vote whose signature is right is for the machine. ENTERED of an epoch that this party has signed for counts with the same vault alone; of one
    /// that it has yet to sign for it is kept.
    pub(super) fn judge(&mut self, statement: &Statement<Digest>, vote: &Vote) -> Judged {
        let statement::Vote::Entered(entry) = statement.vote else { return Judged::Counts };
        let (me, signer) = (self.state.record.me, statement.signer);
        if signer == me {
            return Judged::Counts;
        }
        if let Some(earlier) = self.vote(*statement).filter(|earlier| earlier.begins_with != vote.begins_with) {
            return Judged::Contradicts(earlier);
        }
        let own = |own: &Entry<Digest>| Statement { signer: me, vote: statement::Vote::Entered(*own) };
        match self.state.record.entering() {
            Some(entered) if entered == entry && self.begins_with(&own(&entered)) != vote.begins_with => Judged::OtherVault,
            Some(entered) if entered.epoch == entry.epoch => Judged::Counts,
            _ if self.is_entering() && entry.epoch == self.seats.now().epoch => {
                let (_, earlier) = self.entering.claims.entry(signer).or_insert((entry, *vote));
                let same = (earlier.statement, earlier.begins_with) == (vote.statement, vote.begins_with);
                if same { Judged::Waits } else { Judged::Contradicts(*earlier) }
            }
            _ => Judged::Counts,
        }
    }

    /// A member shows the vault that it has entered with. Only one that it has signed for is looked at, and once.
    pub(super) fn shown(&mut self, from: PartyId, bytes: &[u8]) {
        let Some((entry, vote)) = self.entering.claims.get(&from).filter(|_| !self.entering.shown.contains_key(&from)) else { return };
        let Ok(manifest) = Manifest::decode(bytes) else { return };
        let digest = manifest.digest();
        if manifest.room() == self.room && manifest.version() == entry.base && Some(digest) == vote.begins_with {
            self.entering.shown.insert(from, (digest, manifest));
        }
    }

    /// What this party has entered with, and who has not signed.
    pub(super) fn to_show(&self) -> Option<(&Manifest, Parties)> {
        let manifest = self.entering.own.as_ref().filter(|_| self.entry().is_some())?;
        Some((manifest, self.everyone().iter().filter(|party| self.entered_by(*party).is_none()).collect()))
    }

    /// Goes on as far as what is known allows; `lost` says that this party's log shows its store to be an old copy.
    pub(super) fn proceed(&mut self, lost: bool, identity: &Identity, changes: &mut Changes) -> Vec<Outcome> {
        self.entering.lost = lost;
        if !self.is_entering() || self.entry().is_some() {
            return Vec::new();
        }
        let Ok(manifest) = self.wanted() else { return Vec::new() };
        let entry = self.entry_of(&manifest);
        if self.state.may_enter(&entry).is_err() {
            return Vec::new();
        }
        changes.entering = Some(manifest.clone());
        self.entering.own = Some(manifest);
        self.entering.shown.clear();
        let mut outcomes = self.step(Event::Enter(entry), identity, changes);
        for (_, vote) in std::mem::take(&mut self.entering.claims).into_values() {
            outcomes.extend(self.heard(vote, identity, changes));
        }
        outcomes
    }

    /// For what that waits; nothing if the vault is in the room's epoch.
    pub(super) fn awaits(&self) -> Option<Awaits> {
        if !self.is_entering() {
            return None;
        }
        if self.entry().is_some() {
            let signed = |party: &PartyId| self.entered_by(*party).is_some();
            return Some(Awaits::Signatures(self.everyone().iter().filter(|party| !signed(party)).collect()));
        }
        let may = |manifest| {
            self.state.may_enter(&self.entry_of(&manifest)).map_or_else(Awaits::Refused, |()| Awaits::First(self.state.record.me))
        };
        Some(self.wanted().map_or_else(|awaits| awaits, may))
    }

    /// This party's own entry of the room's epoch.
    pub(super) fn entry(&self) -> Option<Entry<Digest>> {
        self.entered_by(self.state.record.me)
    }

    fn entered_by(&self, party: PartyId) -> Option<Entry<Digest>> {
        self.state.record.entries.get(&party).copied().filter(|entry| entry.epoch == self.seats.now().epoch)
    }

    fn everyone(&self) -> Parties {
        Parties::first(self.seats.now().keys.len())
    }

    /// Those who may rely on their records, once all have said whether they do.
    fn knowing(&self) -> Result<Parties, Awaits> {
        let me = self.state.record.me;
        let silent: Parties = self.everyone().iter().filter(|party| *party != me && !self.entering.standing.contains_key(party)).collect();
        if !silent.is_empty() {
            return Err(Awaits::Word(silent));
        }
        let knows = |party: PartyId| if party == me { self.knows() } else { self.entering.standing[&party].knows };
        Ok(self.everyone().iter().filter(|party| knows(*party)).collect())
    }

    /// The vault that this party is to sign for.
    fn wanted(&self) -> Result<Manifest, Awaits> {
        let (me, knowing) = (self.state.record.me, self.knowing()?);
        let first = knowing.iter().next().ok_or(Awaits::Nobody)?;
        if first == me {
            return self.own_vault().ok_or(Awaits::Differs(me));
        }
        let claim = |party: PartyId| self.entering.claims.get(&party).map(|(entry, vote)| (*entry, vote.begins_with));
        let claimed = claim(first).ok_or(Awaits::First(first))?;
        let others: Parties = knowing.iter().filter(|party| !self.knows() && claim(*party) != Some(claimed)).collect();
        if !others.is_empty() {
            return Err(Awaits::Signatures(others));
        }
        let known = self.as_here(claimed.0.base);
        if self.knows() && known.is_none() {
            return Err(Awaits::Differs(first));
        }
        let shown = self.entering.shown.values().find(|(digest, _)| Some(*digest) == claimed.1);
        let (_, manifest) = shown.ok_or(Awaits::Vault(first))?;
        let known = known.as_ref().filter(|_| self.knows());
        let is_known = |known: &Manifest| known.is_but_for_holders(manifest) && !self.takes_a_place(manifest, known);
        if self.knows() && !known.is_some_and(is_known) {
            return Err(Awaits::Differs(first));
        }
        let right = self.entry_of(manifest) == claimed.0 && self.is_right_of_me(manifest, known);
        if right { Ok(manifest.clone()) } else { Err(Awaits::Refused(Refusal::Members)) }
    }

    /// What the first signs for: the shares are where members say.
    fn own_vault(&self) -> Option<Manifest> {
        let me = self.state.record.me;
        let has = |key: &PublicIdentity, run: &Run| {
            let party = self.seats.party(key)?;
            let has = if party == me { &self.entering.held } else { &self.entering.standing.get(&party)?.has };
            Some(has.contains(run))
        };
        let base = self.base(self.state.record.base())?;
        Some(base.entered(&self.seats.now().keys, |key, entry| has(key, &entry.run.0) == Some(true)))
    }

    /// This party's vault in a version, with the members of the room's epoch, if it knows that version.
    fn as_here(&self, base: Option<statement::Version<Digest>>) -> Option<Manifest> {
        Some(self.base(base)?.entered(&self.seats.now().keys, |_, _| true))
    }

    fn base(&self, base: Option<statement::Version<Digest>>) -> Option<&Manifest> {
        base.map_or(Some(self.empty()), |base| self.manifests.get(&base))
    }

    /// Whether a member that says that it has shares of a vault, which it was given as far as this party knows, has another place among their holders there:
    /// who does not rely on its record cannot tell, and its shares would count no more.
    fn takes_a_place(&self, manifest: &Manifest, known: &Manifest) -> bool {
        let Some(base) = self.base(manifest.version()) else { return false };
        let place = |vault: &Manifest, key: &PublicIdentity| vault.members().iter().position(|other| other == key);
        let given = |key: &PublicIdentity, entry: &HeldBy| base.holders(entry).any(|(_, holder)| holder == key);
        self.entering.standing.iter().any(|(party, standing)| {
            let key = self.seats.key(*party);
            let has = |key| base.items().any(|entry| standing.has.contains(&entry.run.0) && given(key, entry));
            key.is_some_and(|key| place(known, key) != place(manifest, key) && has(key))
        })
    }

    /// Whether a vault says of this party's shares what is so, and at which place they are if this party knows it. One that has no place for this party says
    /// nothing of its shares: another may have taken it.
    fn is_right_of_me(&self, manifest: &Manifest, known: Option<&Manifest>) -> bool {
        let place = |vault: &Manifest| vault.members().iter().position(|key| *key == self.own).map(PartyId::new);
        let (here, held) = (place(manifest), |entry: &HeldBy| self.entering.held.contains(&entry.run.0));
        let moved = known.is_some_and(|known| place(known) != here) && manifest.items().any(held);
        !moved && here.is_none_or(|seat| manifest.items().all(|entry| held(entry) != entry.lacking.contains(seat)))
    }

    /// What is signed with a vault.
    fn entry_of(&self, manifest: &Manifest) -> Entry<Digest> {
        let keys = &self.seats.now().keys;
        let threshold = u8::try_from(manifest.needed(keys)).expect("at most 64");
        let (epoch, lacking) = (self.seats.now().epoch, manifest.lacking(keys));
        Entry { epoch, members: self.everyone(), threshold, base: manifest.version(), lacking }
    }
}

impl Operations {
    /// Brings the vault into the room's epoch, as far as others have.
    pub(super) fn enter_vault(&mut self, now: i64) {
        loop {
            let lost = self.record_may_be_old();
            let outcomes = self.vault.proceed(lost, &self.setup.identity, &mut self.step.changes);
            if outcomes.is_empty() {
                return;
            }
            self.carry_on(outcomes, now);
            if let Some((manifest, who)) = self.vault.to_show() {
                let note = Note::Vault(manifest.encode());
                who.iter().for_each(|party| self.send(party, &note));
            }
        }
    }

    /// For what the vault's way into the room's epoch waits, in words; nothing if it is there.
    pub fn vault_waits(&self) -> Option<String> {
        let names = |parties: Parties| self.names(parties.iter()).join(", ");
        Some(match self.vault.awaits()? {
            Awaits::Word(parties) => format!("for word from {}", names(parties)),
            Awaits::First(party) => format!("for {} to sign first", self.name(party)),
            Awaits::Vault(party) => format!("for {} to show the vault that it has signed for", self.name(party)),
            Awaits::Signatures(parties) => format!("for the signature of {}", names(parties)),
            Awaits::Nobody => "for a member whose store is whole, and each is new or an old copy; no change of the room helps, a newer copy of one of the \
                               stores does; nothing is destroyed"
                .to_owned(),
            Awaits::Differs(party) => {
                format!("for a further change of the room: {} has signed for a vault that is not this party's", self.name(party))
            }
            Awaits::Refused(refusal) => format!("for a further change of the room: {}", self.in_words(refusal)),
        })
    }

    /// Why no version of the vault can be worked with now.
    pub(super) fn no_vault(&self) -> String {
        let entering = self.vault_waits().map(|waits| format!("the vault enters the room's epoch, and waits {waits}"));
        entering.unwrap_or_else(|| "the vault is between two versions".to_owned())
    }
}

#[cfg(test)]
mod tests;
