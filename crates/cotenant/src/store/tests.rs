//! Stores on a disk that can lose power ([`disk`]), and in real directories.

mod crash;
mod directory;
pub(crate) mod disk;
mod old;
mod rooms;
mod tamper;

use super::{record::tests::example as record, *};
use cotenant_agent::vault::commit::statement::Version;
use cotenant_core::domain::Digest;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const ROOM: [u8; 16] = [7; 16];
const OTHER: [u8; 16] = [8; 16];
const ITEM: &str = "aws/key";

fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(Zeroizing::new(text.to_owned()))
}

fn version(number: u64) -> Version<Digest> {
    Version { number, run: Digest([number as u8; 32]) }
}

fn epoch(epoch: u32) -> RoomEpoch {
    RoomEpoch { epoch, sheet: format!("sheet of {epoch}").into_bytes() }
}

/// Something in every table; the share is of version 1.
fn fill(store: &mut Store) -> Result<(), StoreError> {
    store.transaction(|t| {
        for room in [ROOM, OTHER] {
            let mut room = t.room(room);
            room.put_epoch(&epoch(1))?;
            room.put_item(ITEM, b"20 bytes, 2 of 3")?;
            room.put_share(ITEM, &version(1), &[0xa1; 48])?;
            room.put_record(ITEM, &record())?;
            room.put_ledger(1, b"ledger 1")?;
            room.put_operation(1)?;
            room.append_log(b"first")?;
            room.put_receipt(1, b"receipt 1")?;
            room.count_fault(&Against::Members)?;
            room.put_assembly(b"draft")?;
            room.put_restored(&Restored { at: 1, heard: true })?;
        }
        Ok(())
    })
}

/// A save: version 2 in place of version 1, and what goes with it.
fn save(store: &mut Store) -> Result<(), StoreError> {
    store.transaction(|t| {
        let mut room = t.room(ROOM);
        room.put_share(ITEM, &version(2), &[0xa2; 48])?;
        room.erase_all_but(ITEM, &[version(2)])?;
        room.put_item("new", b"another item")?;
        room.put_share("new", &version(1), &[0xa3; 64])?;
        room.put_ledger(1, b"ledger 2")?;
        room.put_operation(2)?;
        room.append_log(b"second").map(drop)
    })
}

/// All that can be read, by name.
fn seen(store: &Store) -> BTreeMap<String, Vec<u8>> {
    let mut seen = BTreeMap::new();
    let mut see = |name: String, bytes: Vec<u8>| assert!(seen.insert(name, bytes).is_none());
    for id in store.rooms().unwrap() {
        let room = store.room(id);
        let of = |what: String| format!("{} {what}", id[0]);
        room.epochs().unwrap().into_iter().for_each(|epoch| see(of(format!("epoch {}", epoch.epoch)), epoch.encode(&id)));
        for (name, description) in room.items().unwrap() {
            see(of(format!("item {name}")), description);
            for version in room.shares(&name).unwrap() {
                see(of(format!("share {name} {}", version.number)), room.share(&name, &version).unwrap().unwrap().to_vec());
            }
        }
        room.records().unwrap().into_iter().for_each(|(name, record)| see(of(format!("record {name}")), record.encode()));
        room.log(0, 100).unwrap().into_iter().for_each(|(number, entry)| see(of(format!("log {number}")), entry));
        for number in 1..4 {
            room.ledger(number).unwrap().into_iter().for_each(|ledger| see(of(format!("ledger {number}")), ledger));
            room.receipt(number.into()).unwrap().into_iter().for_each(|receipt| see(of(format!("receipt {number}")), receipt));
        }
        see(of("operation".to_owned()), vec![room.operation().unwrap() as u8]);
        see(of("faults".to_owned()), vec![room.faults(&Against::Members).unwrap() as u8]);
    }
    seen
}

/// How many slots are not zeros.
fn keys_stored(store: &Store) -> usize {
    (0..slots::STEP).filter(|&slot| !matches!(store.slots.slot(&store.root, slot), Ok(Slot::Empty))).count()
}
