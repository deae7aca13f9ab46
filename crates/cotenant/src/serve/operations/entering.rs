//! How a vault comes from the epoch in which it is to that in which the room is. The people have signed the room's; what the vault begins it with follows
//! from what the members have signed before (`docs/protocol/vault-commit.md`, *Epochs*):
//!
//! 1. A member that is in the room's new epoch votes no more in the vault's, and tells all it has, and whether it has usable shares.
//! 2. When all have told, the first seat that has shares signs ENTERED: the newest version that may be settled, without those who lack shares.
//! 3. Others with shares sign the same if the machine agrees and their vault in that version is the one that it names.
//! 4. Those without sign last, when all who have shares have signed one and the same, and take from one of them the vault that these signatures name.

use super::{
    Operations,
    changes::Changes,
    note::{Note, Vote},
    vault::{Outcome, Vault},
};
use cotenant_agent::{
    operate::Manifest,
    vault::commit::{
        Event, Refusal,
        statement::{self, Entry, Parties, Statement},
    },
};
use cotenant_core::{Digest, PartyId};
use cotenant_net::{Identity, PublicIdentity};
use std::collections::{BTreeMap, HashMap};

/// What members have said on the way; it is said again after a start.
#[derive(Default)]
pub(super) struct Entering {
    /// Who has told where it stands in the room's epoch, and whether it lacks shares.
    standing: BTreeMap<PartyId, bool>,
    /// ENTERED of others for a vault that this party does not know.
    claims: BTreeMap<PartyId, (Statement<Digest>, Vote)>,
    /// Vaults that were shown by who has signed for them, by the digests that they have in the epoch.
    shown: HashMap<Digest, Manifest>,
}

/// For what the vault's way into the room's epoch waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    /// For these to tell where they stand.
    Word(Parties),
    /// For this one, who signs first.
    First(PartyId),
    /// For these to sign.
    Signatures(Parties),
    /// For a further epoch: nobody has shares.
    Nobody,
    /// For a further epoch or for news: the machine refuses what the first has signed.
    Refused(Refusal),
}

/// What becomes of a vote whose signature is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// The machine hears it.
    Counts,
    /// It is kept until this party knows the vault that it names.
    Waits,
    /// Its signer has entered the epoch with another vault than this party's.
    OtherVault,
}

impl Vault {
    /// Whether the room is in a later epoch than the vault.
    pub(super) fn is_entering(&self) -> bool {
        self.state.record.epoch != self.seats.now().epoch
    }

    /// A member that is in the room's epoch has told all it has.
    pub(super) fn stands(&mut self, party: PartyId, lacks: bool) {
        self.entering.standing.insert(party, lacks);
    }

    /// The vault with which an epoch begins, as it is in it; none if this party does not know that version.
    pub(super) fn begins_with(&self, entry: &Entry<Digest>) -> Option<Manifest> {
        match entry.base {
            None => Some(self.empty().clone()),
            Some(base) => self.manifests.get(&base).map(|manifest| self.as_entered(manifest, entry)),
        }
    }

    fn as_entered(&self, manifest: &Manifest, entry: &Entry<Digest>) -> Manifest {
        let members = &self.seats.now().keys;
        let lacking: Vec<PublicIdentity> = entry.lacking.iter().filter_map(|party| self.seats.key(party)).copied().collect();
        manifest.entered(members, &lacking)
    }

    /// Whether a vote whose signature is right is for the machine: ENTERED only with the vault that this party would begin with as well. One that cannot be
    /// judged yet is kept.
    pub(super) fn judge(&mut self, statement: &Statement<Digest>, vote: &Vote) -> Judged {
        let statement::Vote::Entered(entry) = &statement.vote else { return Judged::Counts };
        if statement.signer == self.state.record.me || !self.is_entering() || entry.epoch != self.seats.now().epoch {
            return Judged::Counts;
        }
        match self.begins_with(entry) {
            Some(manifest) if Some(manifest.digest()) == vote.begins_with => Judged::Counts,
            Some(_) => Judged::OtherVault,
            None => {
                self.entering.claims.insert(statement.signer, (*statement, *vote));
                Judged::Waits
            }
        }
    }

    /// A member shows the vault that it has entered with. Only one that it has signed for is looked at.
    pub(super) fn shown(&mut self, from: PartyId, bytes: &[u8]) {
        let Some((Statement { vote: statement::Vote::Entered(entry), .. }, vote)) = self.entering.claims.get(&from) else { return };
        let Ok(manifest) = Manifest::decode(bytes) else { return };
        let digest = self.as_entered(&manifest, entry).digest();
        if manifest.room() == self.room && manifest.version() == entry.base && Some(digest) == vote.begins_with {
            self.entering.shown.insert(digest, manifest);
        }
    }

    /// What this party has entered with, and who does not know it.
    pub(super) fn to_show(&self) -> Option<(Vec<u8>, Parties)> {
        let own = self.entry().filter(|_| self.is_entering() && !self.lacks())?;
        let manifest = self.manifests.get(&own.base?)?;
        Some((manifest.encode(), self.entering.standing.iter().filter(|(_, lacks)| **lacks).map(|(party, _)| *party).collect()))
    }

    /// Goes on as far as what is known allows. To be called until nothing more comes of it.
    pub(super) fn proceed(&mut self, identity: &Identity, changes: &mut Changes) -> Vec<Outcome> {
        if !self.is_entering() {
            return Vec::new();
        }
        if let Some(manifest) = self.agreed_claim().cloned() {
            self.made(manifest);
            let claims = std::mem::take(&mut self.entering.claims);
            return claims.into_values().flat_map(|(_, vote)| self.heard(vote, identity, changes)).collect();
        }
        match self.wanted() {
            Ok(entry) if self.entry().is_none() && self.state.may_enter(&entry).is_ok() => {
                // Whoever had none keeps the vault with the record that names it.
                changes.manifests.extend(entry.base.and_then(|base| self.manifests.get(&base)).cloned());
                self.step(Event::Enter(entry), identity, changes)
            }
            _ => Vec::new(),
        }
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
        Some(match self.wanted() {
            Err(awaits) => awaits,
            Ok(entry) => self.state.may_enter(&entry).map_or_else(Awaits::Refused, |()| Awaits::First(self.state.record.me)),
        })
    }

    /// This party's own entry of the room's epoch.
    fn entry(&self) -> Option<Entry<Digest>> {
        self.entered_by(self.state.record.me)
    }

    fn entered_by(&self, party: PartyId) -> Option<Entry<Digest>> {
        self.state.record.entries.get(&party).copied().filter(|entry| entry.epoch == self.seats.now().epoch)
    }

    fn everyone(&self) -> Parties {
        Parties::first(self.seats.now().keys.len())
    }

    /// Those who have shares, once all have said whether they do.
    fn whole(&self) -> Result<Parties, Awaits> {
        let me = self.state.record.me;
        let silent: Parties = self.everyone().iter().filter(|party| *party != me && !self.entering.standing.contains_key(party)).collect();
        if !silent.is_empty() {
            return Err(Awaits::Word(silent));
        }
        let lacks = |party: PartyId| if party == me { self.lacks() } else { self.entering.standing[&party] };
        Ok(self.everyone().iter().filter(|party| !lacks(*party)).collect())
    }

    /// The vault that all who have shares have signed for, if this party does not know it and was shown it.
    fn agreed_claim(&self) -> Option<&Manifest> {
        let mut claims =
            self.whole().ok()?.iter().map(|party| self.entering.claims.get(&party).map(|(said, vote)| (said.vote, vote.begins_with)));
        let (said, digest) = claims.next()??;
        let agreed = claims.all(|claim| claim == Some((said, digest)));
        self.entering.shown.get(&digest?).filter(|_| agreed)
    }

    /// The entry that this party is to sign.
    fn wanted(&self) -> Result<Entry<Digest>, Awaits> {
        let (me, whole) = (self.state.record.me, self.whole()?);
        let first = whole.iter().next().ok_or(Awaits::Nobody)?;
        if first == me {
            return Ok(self.own_entry(whole));
        }
        let entry = self.entered_by(first).ok_or(Awaits::First(first))?;
        let manifest = self.begins_with(&entry).ok_or(Awaits::First(first))?;
        let lacks = self.lacks();
        let follows = entry.members == self.everyone() && usize::from(entry.threshold) == manifest.threshold();
        if !follows || entry.lacking.contains(me) != lacks {
            return Err(Awaits::Refused(Refusal::Members));
        }
        let others: Parties = whole.iter().filter(|party| self.entered_by(*party) != Some(entry)).collect();
        if lacks && !others.is_empty() { Err(Awaits::Signatures(others)) } else { Ok(entry) }
    }

    /// What the first of those with shares signs.
    fn own_entry(&self, whole: Parties) -> Entry<Digest> {
        let (members, base) = (self.everyone(), self.state.record.base());
        let bare = Entry { epoch: self.seats.now().epoch, members, threshold: 0, base, lacking: members.without(whole) };
        let threshold = self.begins_with(&bare).map_or(0, |manifest| manifest.threshold());
        Entry { threshold: u8::try_from(threshold).expect("at most 64"), ..bare }
    }
}

impl Operations {
    /// Brings the vault into the room's epoch, as far as others have.
    pub(super) fn enter_vault(&mut self, now: i64) {
        loop {
            let outcomes = self.vault.proceed(&self.setup.identity, &mut self.step.changes);
            if outcomes.is_empty() {
                return;
            }
            self.carry_on(outcomes, now);
            if let Some((manifest, who)) = self.vault.to_show() {
                who.iter().for_each(|party| self.send(party, &Note::Vault(manifest.clone())));
            }
        }
    }

    /// For what the vault's way into the room's epoch waits, in words; nothing if it is there.
    pub fn vault_waits(&self) -> Option<String> {
        let names = |parties: Parties| self.names(parties.iter()).join(", ");
        Some(match self.vault.awaits()? {
            Awaits::Word(parties) => format!("for word from {}", names(parties)),
            Awaits::First(party) => format!("for {} to sign first", self.name(party)),
            Awaits::Signatures(parties) => format!("for the signature of {}", names(parties)),
            Awaits::Nobody => "for a member that has shares, and there is none".to_owned(),
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
