//! What one step of a room's operations changes in the store: all of it in one transaction, before anything that others can see.

use super::vault::{ENTERING, RECORD, manifest_name};
use crate::store::{Against, Restored, Room, SignedRecord, Source, StoreError, Table, Transaction};
use cotenant_agent::{
    operate::{Manifest, ShareName},
    vault::{commit::statement::Version, share::Share},
};
use cotenant_core::Digest;
use std::{collections::BTreeSet, ops::Deref};

/// Changes to be made together.
#[derive(Default)]
pub struct Changes {
    pub(super) record: Option<SignedRecord>,
    /// Manifests that no run of this party has made.
    pub(super) manifests: Vec<Manifest>,
    /// The vault with which this party has signed that it enters an epoch.
    pub(super) entering: Option<Manifest>,
    /// What is kept of the vault; all else is destroyed.
    pub(super) keep: Option<Keep>,
    /// Epoch and bytes.
    pub(super) ledger: Option<(u32, Vec<u8>)>,
    pub(super) newest: Option<u64>,
    pub(super) restored: Option<Restored>,
    pub(super) log: Vec<Vec<u8>>,
    /// Failed checks to be counted.
    pub(super) faults: Vec<Against>,
    /// Counters of failed checks that are 0 from now on.
    pub(super) cleared: Vec<Against>,
    /// Number and bytes.
    pub(super) receipts: Vec<(u64, Vec<u8>)>,
}

/// Versions of the vault.
pub(super) struct Keep {
    /// Whose shares are kept.
    pub(super) shares: Vec<Version<Digest>>,
    /// Whose manifests are.
    pub(super) manifests: Vec<Version<Digest>>,
    /// Whether the one of an epoch that is being entered is.
    pub(super) entering: bool,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        let Changes { record, manifests, entering, keep, ledger, newest, restored, log, faults, cleared, receipts } = self;
        let vault = record.is_some() || !manifests.is_empty() || entering.is_some() || keep.is_some();
        let one = vault || ledger.is_some() || newest.is_some() || restored.is_some();
        !one && log.is_empty() && faults.is_empty() && cleared.is_empty() && receipts.is_empty()
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// Those of the store; the transaction should return them.
    pub fn write(&self, room: &mut Room<&mut Transaction<'_>>) -> Result<(), StoreError> {
        if let Some(number) = self.newest {
            room.put_operation(number)?;
        }
        if let Some(restored) = &self.restored {
            room.put_restored(restored)?;
        }
        if let Some((epoch, ledger)) = &self.ledger {
            room.put_ledger(*epoch, ledger)?;
        }
        if let Some(record) = &self.record {
            room.put_record(RECORD, record)?;
        }
        for entry in &self.log {
            room.append_log(entry)?;
        }
        for against in &self.faults {
            room.count_fault(against)?;
        }
        self.cleared.iter().try_for_each(|against| room.reset_faults(against))?;
        for (number, receipt) in &self.receipts {
            room.put_receipt(*number, receipt)?;
        }
        for manifest in &self.manifests {
            manifest.version().map_or(Ok(()), |version| room.put_item(&manifest_name(&version), &manifest.encode()))?;
        }
        if let Some(manifest) = &self.entering {
            room.put_item(ENTERING, &manifest.encode())?;
        }
        match &self.keep {
            Some(keep) => erase_all_but(room, keep),
            None => Ok(()),
        }
    }
}

/// Stores what `run` has made, its shares and the manifest that names them, while the commit machine still wants it; says whether it does.
///
/// # Errors
/// Those of the store.
pub(super) fn put_made(room: &mut Room<&mut Transaction<'_>>, run: Digest, after: &Manifest, shares: &[Share]) -> Result<bool, StoreError> {
    let wanted = room.record(RECORD)?.is_some_and(|known| known.record().started == Some(run));
    let Some(version) = after.version().filter(|_| wanted) else { return Ok(false) };
    room.put_item(&manifest_name(&version), &after.encode())?;
    for share in shares {
        let item = &share.origin().item;
        room.put_share(&item.name, &Version { number: item.version, run: share.origin().run }, &share.encode())?;
    }
    Ok(true)
}

/// All manifests that are stored, with their names.
///
/// # Errors
/// Those of the store.
pub(super) fn manifests<S: Deref<Target: Source>>(room: &Room<S>) -> Result<Vec<(String, Manifest)>, StoreError> {
    let read = |(name, bytes): (String, Vec<u8>)| {
        let manifest = Manifest::decode(&bytes).map_err(|_| StoreError::Tampered { table: Table::Items, key: name.clone() })?;
        Ok((name, manifest))
    };
    room.items()?.into_iter().map(read).collect()
}

/// Destroys all shares but those that the manifests of kept shares name, and all manifests but those that are kept. Whatever shares are stored, a stored manifest names their items.
fn erase_all_but(room: &mut Room<&mut Transaction<'_>>, keep: &Keep) -> Result<(), StoreError> {
    let stored = manifests(room)?;
    let is_in = |kept: &[Version<Digest>], manifest: &Manifest| manifest.version().is_some_and(|version| kept.contains(&version));
    let items: BTreeSet<&str> = stored.iter().flat_map(|(_, manifest)| manifest.items()).map(|entry| entry.item.name.as_str()).collect();
    for item in items {
        for version in room.shares(item)? {
            let share = ShareName { item: item.to_owned(), version: version.number, run: version.run.0 };
            if !stored.iter().any(|(_, manifest)| is_in(&keep.shares, manifest) && manifest.names(&share)) {
                room.erase_share(item, &version)?;
            }
        }
    }
    let kept = |name: &str, manifest: &Manifest| if name == ENTERING { keep.entering } else { is_in(&keep.manifests, manifest) };
    let gone = stored.iter().filter(|(name, manifest)| !kept(name, manifest));
    gone.map(|(name, _)| name).try_for_each(|name| room.remove_item(name))
}
