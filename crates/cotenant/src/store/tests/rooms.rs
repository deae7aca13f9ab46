//! What the typed interface promises.

use super::{disk::Disk, *};

#[test]
fn what_is_written_is_read_after_opening_again() {
    let disk = Disk::founded();
    let mut store = disk.open().unwrap();
    assert_eq!(store.rooms().unwrap(), Vec::<[u8; 16]>::new());
    fill(&mut store).unwrap();
    save(&mut store).unwrap();
    let before = seen(&store);
    drop(store);
    let store = disk.open().unwrap();
    assert_eq!(seen(&store), before);
    let mut rooms = store.rooms().unwrap();
    rooms.sort();
    assert_eq!(rooms, [ROOM, OTHER]);
    let room = store.room(ROOM);
    assert_eq!(room.epoch(1).unwrap(), Some(epoch(1)));
    assert_eq!(room.shares(ITEM).unwrap(), [version(2)]);
    assert_eq!(room.record(ITEM).unwrap(), Some(record()));
    assert_eq!(room.ledger(1).unwrap(), Some(b"ledger 2".to_vec()));
    assert_eq!((room.log_len().unwrap(), room.log(1, 5).unwrap()), (2, vec![(1, b"second".to_vec())]));
    let nobody = store.room([9; 16]);
    assert_eq!((nobody.log_len().unwrap(), nobody.operation().unwrap(), nobody.item(ITEM).unwrap()), (0, 0, None));
    assert!(nobody.share(ITEM, &version(1)).unwrap().is_none() && nobody.record(ITEM).unwrap().is_none());
}

#[test]
fn a_transaction_that_fails_leaves_nothing() {
    let disk = Disk::founded();
    let mut store = disk.open().unwrap();
    fill(&mut store).unwrap();
    let (before, keys) = (seen(&store), keys_stored(&store));
    let result = store.transaction(|t| {
        let mut room = t.room(ROOM);
        room.put_share("other", &version(1), b"share")?;
        room.erase_all_but(ITEM, &[])?;
        room.append_log(b"never")?;
        assert_eq!(room.share("other", &version(1))?.expect("read in the transaction")[..], *b"share");
        room.put_operation(1)
    });
    assert!(matches!(result, Err(StoreError::Conflict { table: Table::Operations, .. })));
    assert_eq!((seen(&store), keys_stored(&store)), (before, keys));
    save(&mut store).unwrap();
}

#[test]
fn how_rooms_come_about_is_kept_until_it_is_removed() {
    let disk = Disk::founded();
    let mut store = disk.open().unwrap();
    store.transaction(|t| t.room(ROOM).put_assembly(b"draft")).unwrap();
    store.transaction(|t| t.room(OTHER).put_assembly(b"join")).unwrap();
    drop(store);
    let mut store = disk.open().unwrap();
    let mut rooms = store.assemblies().unwrap();
    rooms.sort_unstable();
    assert_eq!((rooms, store.rooms().unwrap()), (vec![ROOM, OTHER], vec![]), "no epoch is in force");
    assert_eq!(store.room(OTHER).assembly().unwrap().unwrap()[..], *b"join");
    store.transaction(|t| t.room(ROOM).remove_assembly()).unwrap();
    assert_eq!((store.assemblies().unwrap(), store.room(ROOM).assembly().unwrap()), (vec![OTHER], None));
}

#[test]
fn what_is_written_once_stays() {
    let disk = Disk::founded();
    let mut store = disk.open().unwrap();
    fill(&mut store).unwrap();
    let mut refused = |change: &dyn Fn(&mut Room<&mut Transaction<'_>>) -> Result<(), StoreError>| {
        store.transaction(|t| change(&mut t.room(ROOM))).err().map(|error| error.to_string())
    };
    assert!(refused(&|room| room.put_operation(1)).is_some_and(|error| error.contains("table operations")));
    assert_eq!(refused(&|room| room.put_operation(5)), None);
    assert_eq!(refused(&|room| room.put_receipt(1, b"with one more signature")), None);
    assert_eq!(store.room(ROOM).receipt(1).unwrap().unwrap(), b"with one more signature");
}

#[test]
fn each_share_has_its_key_and_slots_are_used_again() {
    let disk = Disk::founded();
    let mut store = disk.open().unwrap();
    let count = slots::STEP as u64 + 3;
    store.transaction(|t| (1..=count).try_for_each(|n| t.room(ROOM).put_share(ITEM, &version(n), &n.to_le_bytes()))).unwrap();
    assert_eq!(keys_stored(&store), slots::STEP as usize, "the first {} slots are full", slots::STEP);
    let long = disk.bytes(disk::KEYS).len();
    store.transaction(|t| t.room(ROOM).erase_all_but(ITEM, &[version(2), version(count)])).unwrap();
    assert_eq!(keys_stored(&store), 1);
    store.transaction(|t| (1..=count).try_for_each(|n| t.room(OTHER).put_share(ITEM, &version(n), &n.to_le_bytes()))).unwrap();
    // One that is stored twice in a transaction has one key.
    store.transaction(|t| (0..2).try_for_each(|_| t.room(OTHER).put_share(ITEM, &version(1), b"again"))).unwrap();
    assert!(disk.bytes(disk::KEYS).len() <= long);
    drop(store);
    let store = disk.open().unwrap();
    for n in [2, count] {
        assert_eq!(store.room(ROOM).share(ITEM, &version(n)).unwrap().unwrap()[..], n.to_le_bytes());
        assert_eq!(store.room(OTHER).share(ITEM, &version(n)).unwrap().unwrap()[..], n.to_le_bytes());
    }
    assert_eq!(store.room(OTHER).share(ITEM, &version(1)).unwrap().unwrap()[..], *b"again");
    assert!(store.room(ROOM).share(ITEM, &version(3)).unwrap().is_none());
}

#[test]
fn a_removed_item_leaves_its_record() {
    let disk = Disk::founded();
    let mut store = disk.open().unwrap();
    fill(&mut store).unwrap();
    store.transaction(|t| t.room(ROOM).remove_item(ITEM)).unwrap();
    let room = store.room(ROOM);
    assert!(room.item(ITEM).unwrap().is_none() && room.shares(ITEM).unwrap().is_empty() && room.record(ITEM).unwrap().is_some());
    assert!(store.room(OTHER).share(ITEM, &version(1)).unwrap().is_some());
}

#[test]
fn failed_checks_are_counted_by_whom_they_name() {
    let disk = Disk::founded();
    let mut store = disk.open().unwrap();
    let bob = Against::Party(cotenant_net::Identity::generate().unwrap().public());
    let counts = store.transaction(|t| {
        let mut room = t.room(ROOM);
        Ok::<_, StoreError>([room.count_fault(&bob)?, room.count_fault(&bob)?, room.count_fault(&Against::Members)?])
    });
    assert_eq!(counts.unwrap(), [1, 2, 1]);
    store.transaction(|t| t.room(ROOM).reset_faults(&bob)).unwrap();
    assert_eq!((store.room(ROOM).faults(&bob).unwrap(), store.room(ROOM).faults(&Against::Members).unwrap()), (0, 1));
}
