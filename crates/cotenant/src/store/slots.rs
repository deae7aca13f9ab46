//! The file `keys`: the header, two state cells, and slots of fixed size that share keys stand in. Nothing here is ever moved: a key is destroyed by
//! zeros over its slot.
//!
//! | at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 512 | header ([`super::unlock`]) |
//! | 512, 1024 | 80 each, then zeros to 512 | state cell: how many transactions there were, and a random number of the last; sealed |
//! | 4096 + 128 i | 128 | slot i: zeros, or a random name and a share key, sealed (88 bytes), then zeros |
//!
//! No cell or slot crosses a sector of 512 bytes. A cell is written over the older of the two, so that one always stands.

use super::{
    error::StoreError,
    seal::{self, Key, OVERHEAD},
    unlock::{HEADER, HeaderOf, Root, Unlock},
};
use redb::StorageBackend;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The first bytes of the file.
pub(super) const MAGIC: &[u8; 16] = b"cotenant  keys\r\n";
const CELL: usize = 512;
const SLOT: usize = 128;
const SLOTS_AT: u64 = 4096;
/// The slots of a new file, and how many more there are when all are taken.
pub(super) const STEP: u32 = 256;
/// The name of a slot's contents and the key.
const CONTENTS: usize = 16 + 32;

/// How many transactions there were, and the random number of the last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) count: u64,
    pub(super) random: [u8; 16],
}

/// Where a share's key is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The slot.
    pub(super) slot: u32,
    /// The random name of its contents.
    pub(super) name: [u8; 16],
}

/// What a slot holds.
pub enum Slot {
    /// Nothing.
    Empty,
    /// A key under this name.
    Full([u8; 16], Key),
    /// Neither: half written, or changed.
    Broken,
}

/// The open file.
pub(super) struct Slots {
    file: Box<dyn StorageBackend>,
    path: PathBuf,
    /// Which slots are taken.
    taken: Vec<bool>,
}

impl Slots {
    /// The file behind `file`, which errors call `path`; `taken` is filled by [`Slots::look`].
    pub(super) fn new(file: Box<dyn StorageBackend>, path: PathBuf) -> Self {
        Slots { file, path, taken: Vec::new() }
    }

    /// Fills an empty file.
    pub(super) fn found(&self, header: &[u8; HEADER], root: &Root, stamp: Stamp, keys: &[(Place, Key)]) -> Result<(), StoreError> {
        let most = keys.iter().map(|(place, _)| place.slot + 1).max().unwrap_or(0).next_multiple_of(STEP).max(STEP);
        self.io(self.file.set_len(SLOTS_AT + u64::from(most) * SLOT as u64))?;
        self.io(self.file.write(0, header))?;
        self.write_keys(root, keys)?;
        self.write_stamp(root, Stamp { count: stamp.count - 1, random: [0; 16] })?;
        self.write_stamp(root, stamp)
    }

    /// The root keys.
    pub(super) fn unlock(&self, unlock: &Unlock) -> Result<Root, StoreError> {
        let header = HeaderOf { magic: MAGIC, path: &self.path };
        if self.len()? < SLOTS_AT {
            return Err(StoreError::Header { path: self.path.clone() });
        }
        header.open_header(&self.read(0)?, unlock)
    }

    /// The newest state, and whether the other cell is unreadable, as after a crash while it was written.
    pub(super) fn stamp(&self, root: &Root) -> Result<(Stamp, bool), StoreError> {
        let cells = [self.cell(root, 0)?, self.cell(root, 1)?];
        let newest = cells.iter().copied().flatten().max_by_key(|stamp| stamp.count);
        let broken = cells.iter().any(Option::is_none);
        newest.map(|stamp| (stamp, broken)).ok_or_else(|| self.changed())
    }

    /// The state cells are not as a crash leaves them.
    pub(super) fn changed(&self) -> StoreError {
        StoreError::Cells { path: self.path.clone() }
    }

    /// Notes which slots are taken: those in `used`. Zeros go over all others, so that a key whose destruction a crash cut off is destroyed now.
    pub(super) fn look(&mut self, used: &[Place]) -> Result<(), StoreError> {
        let count = ((self.len()? - SLOTS_AT) / SLOT as u64).min(u64::from(u32::MAX)) as u32;
        self.taken = vec![false; count as usize];
        for place in used {
            if let Some(taken) = self.taken.get_mut(place.slot as usize) {
                *taken = true;
            }
        }
        let free: Vec<u32> = (0..count).filter(|&slot| !self.taken[slot as usize]).collect();
        let mut stale = Vec::new();
        for slot in free {
            if self.read::<SLOT>(at(slot))? != [0; SLOT] {
                stale.push(slot);
            }
        }
        if stale.is_empty() { Ok(()) } else { self.erase(&stale).and_then(|()| self.sync()) }
    }

    /// A slot that is neither taken nor in `besides`; not taken until [`Slots::take`].
    pub(super) fn free(&self, besides: &[(Place, Key)]) -> u32 {
        let free = (0u32..).find(|&slot| !self.is_taken(slot) && besides.iter().all(|(place, _)| place.slot != slot));
        free.expect("a store has fewer than 2^32 shares")
    }

    fn is_taken(&self, slot: u32) -> bool {
        self.taken.get(slot as usize).copied().unwrap_or(false)
    }

    /// Writes keys durably to slots that are free.
    pub(super) fn take(&mut self, root: &Root, keys: &[(Place, Key)]) -> Result<(), StoreError> {
        let Some(most) = keys.iter().map(|(place, _)| place.slot + 1).max() else { return Ok(()) };
        if most as usize > self.taken.len() {
            let count = most.next_multiple_of(STEP);
            self.io(self.file.set_len(SLOTS_AT + u64::from(count) * SLOT as u64))?;
            self.taken.resize(count as usize, false);
        }
        self.write_keys(root, keys)?;
        self.sync()?;
        keys.iter().for_each(|(place, _)| self.taken[place.slot as usize] = true);
        Ok(())
    }

    /// Destroys the keys in `slots` and notes the transaction, durably.
    pub(super) fn give_up(&mut self, root: &Root, slots: &[u32], stamp: Stamp) -> Result<(), StoreError> {
        self.erase(slots)?;
        self.write_stamp(root, stamp)?;
        for &slot in slots {
            if let Some(taken) = self.taken.get_mut(slot as usize) {
                *taken = false;
            }
        }
        Ok(())
    }

    /// What `slot` holds.
    pub(super) fn slot(&self, root: &Root, slot: u32) -> Result<Slot, StoreError> {
        if at(slot) + SLOT as u64 > self.len()? {
            return Ok(Slot::Empty);
        }
        let bytes: [u8; SLOT] = self.read(at(slot))?;
        if bytes == [0; SLOT] {
            return Ok(Slot::Empty);
        }
        let contents = open(&root.master, &slot_context(slot), &bytes, CONTENTS);
        Ok(contents.map_or(Slot::Broken, |contents| {
            let (name, key) = contents.split_at(16);
            let key = Zeroizing::new(key.try_into().expect("a key has 32 bytes"));
            Slot::Full(name.try_into().expect("a name has 16 bytes"), Key::new(key))
        }))
    }

    fn write_keys(&self, root: &Root, keys: &[(Place, Key)]) -> Result<(), StoreError> {
        keys.iter().try_for_each(|(place, key)| {
            let contents = Zeroizing::new([&place.name[..], key.bytes()].concat());
            let sealed = root.master.seal(&slot_context(place.slot), &contents)?;
            self.io(self.file.write(at(place.slot), &padded::<SLOT>(&sealed)))
        })
    }

    fn erase(&self, slots: &[u32]) -> Result<(), StoreError> {
        slots.iter().try_for_each(|&slot| self.io(self.file.write(at(slot), &[0; SLOT])))
    }

    fn write_stamp(&self, root: &Root, stamp: Stamp) -> Result<(), StoreError> {
        let index = (stamp.count % 2) as u8;
        let sealed = root.master.seal(&cell_context(index), &[&stamp.count.to_le_bytes()[..], &stamp.random].concat())?;
        self.io(self.file.write((1 + u64::from(index)) * CELL as u64, &padded::<CELL>(&sealed)))?;
        self.sync()
    }

    /// What a state cell holds; none if it is unreadable.
    fn cell(&self, root: &Root, index: u8) -> Result<Option<Stamp>, StoreError> {
        let bytes: [u8; CELL] = self.read((1 + u64::from(index)) * CELL as u64)?;
        let stamp = open(&root.master, &cell_context(index), &bytes, 8 + 16).map(|stamp| {
            let (count, random) = stamp.split_at(8);
            let count = u64::from_le_bytes(count.try_into().expect("8 bytes"));
            Stamp { count, random: random.try_into().expect("16 bytes") }
        });
        Ok(stamp.filter(|stamp| stamp.count % 2 == u64::from(index)))
    }

    fn read<const N: usize>(&self, at: u64) -> Result<[u8; N], StoreError> {
        let mut bytes = [0; N];
        self.io(self.file.read(at, &mut bytes))?;
        Ok(bytes)
    }

    fn len(&self) -> Result<u64, StoreError> {
        self.io(self.file.len())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.io(self.file.sync_data())
    }

    fn io<T>(&self, result: std::io::Result<T>) -> Result<T, StoreError> {
        result.map_err(|source| StoreError::io(&self.path, source))
    }
}

fn at(slot: u32) -> u64 {
    SLOTS_AT + u64::from(slot) * SLOT as u64
}

/// What was sealed at the start of `bytes`, of which the rest is zero.
fn open(key: &Key, context: &[u8], bytes: &[u8], len: usize) -> Option<Zeroizing<Vec<u8>>> {
    let (sealed, rest) = bytes.split_at(len + OVERHEAD);
    key.open(context, sealed).filter(|_| rest.iter().all(|&byte| byte == 0))
}

fn padded<const N: usize>(sealed: &[u8]) -> [u8; N] {
    std::array::from_fn(|at| sealed.get(at).copied().unwrap_or(0))
}

fn slot_context(slot: u32) -> Vec<u8> {
    [&b"cotenant slot"[..], &slot.to_le_bytes()].concat()
}

fn cell_context(index: u8) -> Vec<u8> {
    [&b"cotenant cell"[..], &[index]].concat()
}

/// A new place for a key in `slot`.
pub(super) fn new_place(slot: u32) -> Result<Place, StoreError> {
    Ok(Place { slot, name: seal::random()? })
}
