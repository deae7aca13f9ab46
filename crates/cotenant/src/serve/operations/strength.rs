//! Whether a vault is as strong as its room wants it: every member has a share of everything, and as many as the room's threshold make it up.

use super::Operations;
use cotenant_agent::{operate::Entry, room::Parameters};

/// An item that would be lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the item {item} would be lost: {stay} of its shares would stay, and {needed} are needed")]
pub struct Lost {
    item: String,
    stay: usize,
    needed: usize,
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

    /// An item that nobody could use any more if the room had these members: too few of those who have shares would stay.
    pub fn lost_with(&self, new: &Parameters) -> Option<Lost> {
        let vault = self.vault();
        vault.items().find_map(|entry| {
            let (stay, needed) = (vault.holders(entry).filter(|(_, key)| new.seat(key).is_some()).count(), entry.item.sharing.threshold());
            (stay < needed).then(|| Lost { item: entry.item.name.clone(), stay, needed })
        })
    }

    /// Names of the items that are not.
    pub fn weak(&self) -> Vec<String> {
        self.vault().items().filter(|entry| !self.is_full(entry)).map(|entry| entry.item.name.clone()).collect()
    }
}
