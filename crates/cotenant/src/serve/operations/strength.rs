//! Whether a vault is as strong as its room wants it: every member has a share of everything, and as many as the room's threshold make it up.

use super::Operations;
use cotenant_agent::{
    operate::{Entry, Manifest},
    room::Parameters,
};
use cotenant_core::PartyId;
use cotenant_net::PublicIdentity;

/// Why this party does not sign a change of the room: afterwards there would be no remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// Who has left gives no share.
    #[error("the item {item} would be lost: {stay} of its shares would stay, and {needed} are needed")]
    Lost {
        /// The item.
        item: String,
        /// How many of its shares would stay.
        stay: usize,
        /// How many make it up.
        needed: usize,
    },
    /// This party's store was made of a backup. It may have signed other parameters for the same epoch, which only those can tell who stay.
    #[error("this party was restored from a backup, and has not heard since from {}: it may have signed another change", .0.join(", "))]
    Unheard(Vec<String>),
    /// The vault goes from one epoch to the next by votes of the members of both.
    #[error("the members whose votes the vault needs now and those of the new epoch are more than 64 together")]
    Crowd,
}

impl Operations {
    /// Members of the room without a share of an item, by their names.
    pub fn lacking(&self, entry: &Entry) -> Vec<String> {
        let vault = self.vault();
        let has = |key| vault.holders(entry).any(|(_, holder)| holder == key);
        let members = self.setup.parameters.members().iter();
        members.filter(|member| !has(&member.key)).map(|member| member.name.clone()).collect()
    }

    /// Whether an item is as strong as the room wants it.
    pub fn is_full(&self, entry: &Entry) -> bool {
        let parameters = &self.setup.parameters;
        let among = self.vault().members().iter().copied().eq(parameters.keys());
        among && entry.item.sharing.threshold() == usize::from(parameters.charter().threshold) && self.lacking(entry).is_empty()
    }

    /// Why this party should not sign that the room has these members, of whom those whose keys are `anew` come without what they had.
    ///
    /// # Errors
    /// [`Objection`].
    pub fn may_change_to(&self, new: &Parameters, anew: &[PublicIdentity]) -> Result<(), Objection> {
        let unheard =
            |party: &PartyId| !self.vault.has_heard(*party) && new.seat(&self.setup.parameters.members()[party.index()].key).is_some();
        if self.all_heard().is_err() && self.others().any(|party| unheard(&party)) {
            return Err(Objection::Unheard(self.names(self.others().filter(unheard))));
        }
        if !self.vault.seats.have_room_for(new.keys()) {
            return Err(Objection::Crowd);
        }
        let stays = |key: &PublicIdentity| new.seat(key).is_some() && !anew.contains(key);
        let lost = |vault: &Manifest| {
            vault.items().find_map(|entry| {
                let (stay, needed) = (vault.holders(entry).filter(|(_, key)| stays(key)).count(), entry.item.sharing.threshold());
                (stay < needed).then(|| Objection::Lost { item: entry.item.name.clone(), stay, needed })
            })
        };
        // An epoch begins with either.
        [Some(self.vault()), self.vault.pending()].into_iter().flatten().find_map(lost).map_or(Ok(()), Err)
    }

    /// Names of the items that are not.
    pub fn weak(&self) -> Vec<String> {
        self.vault().items().filter(|entry| !self.is_full(entry)).map(|entry| entry.item.name.clone()).collect()
    }
}
