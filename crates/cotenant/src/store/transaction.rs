//! All or nothing, over the two files. A transaction commits in three steps, each synced before the next: (1) keys of new shares go to free slots, (2) the
//! database commits all rows and the count of transactions, (3) zeros go over the keys of shares that are gone, and the count to the state cell.
//!
//! Before (2) is complete the keys of (1) are keys of nothing; after it the transaction stands. [`Store`] finishes on opening what a crash cut off: it
//! destroys keys that no row names, and brings the cell to the database's count.

use super::{
    Store,
    data::Rows,
    error::StoreError,
    room::{Read, Room},
    row::State,
    seal::{self, Key},
    slots::{Place, Slot, Stamp},
    sum::Sum,
    table::RowKey,
    unlock::Root,
};
use redb::WriteTransaction;
use std::cell::Cell;

/// Changes that will be made together, or not at all.
pub struct Transaction<'s> {
    store: &'s Store,
    write: WriteTransaction,
    /// Keys of new shares.
    fresh: Vec<(Place, Key)>,
    /// Slots of shares that are gone.
    freed: Vec<u32>,
    /// By what it changes the sum of all rows.
    change: Cell<Sum>,
}

impl<'s> Transaction<'s> {
    /// One room's part.
    pub fn room(&mut self, id: [u8; 16]) -> Room<&mut Self> {
        Room::new(self, id)
    }

    pub(super) fn put(&self, key: &RowKey, row: &[u8]) -> Result<(), StoreError> {
        self.note(self.store.data.put(&self.write, &self.store.root, key, row)?);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn put_raw(&self, key: &[u8], bytes: &[u8]) {
        self.store.data.put_raw(&self.write, key, bytes);
    }

    pub(super) fn remove(&self, key: &RowKey) -> Result<(), StoreError> {
        self.note(self.store.data.remove(&self.write, &self.store.root, key)?);
        Ok(())
    }

    fn note(&self, change: Sum) {
        let mut sum = self.change.get();
        sum ^= change;
        self.change.set(sum);
    }

    /// A slot for [`Transaction::take_slot`].
    pub(super) fn free_slot(&self) -> u32 {
        self.store.slots.free(&self.fresh)
    }

    pub(super) fn take_slot(&mut self, place: Place, key: Key) {
        self.fresh.push((place, key));
    }

    pub(super) fn give_up_slot(&mut self, slot: u32) {
        self.freed.push(slot);
    }
}

impl Read for Transaction<'_> {
    fn read<T>(&self, reading: impl FnOnce(&dyn Rows) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.store.data.read_in(&self.write, &self.store.root, reading)
    }

    fn root(&self) -> &Root {
        &self.store.root
    }

    fn slot(&self, place: &Place) -> Result<Slot, StoreError> {
        match self.fresh.iter().find(|(fresh, _)| fresh == place) {
            Some((place, key)) => Ok(Slot::Full(place.name, key.copy())),
            None => self.store.slot(place),
        }
    }
}

impl Store {
    /// Calls `change`; if it succeeds, all that it wrote is on disk when this returns, and keys of erased shares are destroyed. If it fails, or on any error
    /// but [`StoreError::Unfinished`], nothing of it was done, as far as can be known: after [`StoreError::Io`] and [`StoreError::Full`] the store has to be
    /// opened again, which finds out.
    ///
    /// # Errors
    /// Those of `change`, and what kept the transaction from the disk.
    pub fn transaction<T, E: From<StoreError>>(&mut self, change: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>) -> Result<T, E> {
        if self.failed {
            return Err(StoreError::Failed.into());
        }
        let write = self.data.begin()?;
        let mut transaction = Transaction { store: self, write, fresh: Vec::new(), freed: Vec::new(), change: Cell::default() };
        let result = change(&mut transaction)?;
        let Transaction { write, fresh, freed, change, .. } = transaction;
        self.commit(write, &fresh, &freed, change.get())?;
        Ok(result)
    }

    fn commit(&mut self, write: WriteTransaction, fresh: &[(Place, Key)], freed: &[u32], change: Sum) -> Result<(), StoreError> {
        let stamp = Stamp { count: self.state.stamp.count + 1, random: seal::random()? };
        let mut state = State { stamp, before: self.state.stamp.random, rows: self.state.rows };
        state.rows ^= change;
        self.failed = true;
        self.slots.take(&self.root, fresh)?;
        self.data.put_state(&write, &self.root, &state)?;
        self.data.commit(write)?;
        self.slots.give_up(&self.root, freed, stamp).map_err(|source| StoreError::Unfinished { source: Box::new(source) })?;
        self.state = state;
        self.failed = false;
        Ok(())
    }
}
