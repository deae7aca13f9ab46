//! Every byte that is stored, changed.

use super::{
    disk::{DATA, Disk, KEYS},
    *,
};

fn filled() -> Disk {
    let disk = Disk::founded();
    fill(&mut disk.open().unwrap()).unwrap();
    disk
}

/// Reads the row of [`fill`] in this table.
fn read(room: &Room<&mut Transaction<'_>>, table: Table) -> Result<(), StoreError> {
    match table {
        Table::Rooms => room.epoch(1).map(drop),
        Table::Items => room.item(ITEM).map(drop),
        Table::Shares => room.share(ITEM, &version(1)).map(drop),
        Table::Records => room.record(ITEM).map(drop),
        Table::Approvals => room.ledger(1).map(drop),
        Table::Operations => room.operation().map(drop),
        Table::Log => room.log(0, 1).map(drop),
        Table::Receipts => room.receipt(1).map(drop),
        Table::Faults => room.faults(&Against::Members).map(drop),
        Table::Assemblies => room.assembly().map(drop),
        Table::Restored => room.restored().map(drop),
        Table::State | Table::Sealed => unreachable!("no room has rows there"),
    }
}

/// Whether the error names the table, and the room or item where the reader named them.
fn names(error: &StoreError, table: Table) -> bool {
    let StoreError::Tampered { table: named, key } = error else { return false };
    let by_name = match table {
        Table::Items | Table::Shares | Table::Records => key.contains("item \"aws/key\""),
        Table::Log => key.starts_with("key 08"),
        _ => key.contains("room 0707"),
    };
    *named == table && by_name
}

#[test]
fn every_changed_byte_of_a_row_is_named() {
    let disk = filled();
    let mut store = disk.open().unwrap();
    let prefix = RowKey::room(Table::Rooms, &store.root.names, &ROOM).bytes;
    let rows: Vec<_> = store.data.raw().into_iter().filter(|(key, _)| key[1..].starts_with(&prefix[1..])).collect();
    assert_eq!(rows.len(), 11);
    for (key, row) in rows {
        let table = Table::of(&key).unwrap();
        store
            .transaction(|t| -> Result<(), StoreError> {
                assert!(read(&t.room(ROOM), table).is_ok());
                for at in 0..row.len() {
                    let mut changed = row.clone();
                    changed[at] ^= 1 << (at % 8);
                    t.put_raw(&key, &changed);
                    assert!(read(&t.room(ROOM), table).is_err_and(|error| names(&error, table)), "{table}, byte {at}");
                }
                for cut in [0, 23, 24, 40, row.len() - 1] {
                    t.put_raw(&key, &row[..cut]);
                    assert!(read(&t.room(ROOM), table).is_err_and(|error| names(&error, table)), "{table}, cut at {cut}");
                }
                Err(StoreError::Failed)
            })
            .unwrap_err();
    }
}

/// A share of another room, item or version, an item under another name: each row belongs to its place.
#[test]
fn a_row_at_another_place_is_named() {
    let disk = filled();
    let mut store = disk.open().unwrap();
    save(&mut store).unwrap();
    let rows: BTreeMap<_, _> = store.data.raw().into_iter().collect();
    let key = |store: &Store, table, room, item: &str| RowKey::item(table, &store.root.names, room, item);
    let share = key(&store, Table::Shares, &ROOM, ITEM).version(&version(2));
    let others = [
        key(&store, Table::Shares, &OTHER, ITEM).version(&version(1)),
        key(&store, Table::Shares, &ROOM, "new").version(&version(1)),
        key(&store, Table::Items, &ROOM, ITEM),
    ];
    let (item, swapped) = (key(&store, Table::Items, &ROOM, ITEM), key(&store, Table::Items, &ROOM, "new"));
    store
        .transaction(|t| -> Result<(), StoreError> {
            for other in others {
                t.put_raw(&share.bytes, &rows[&other.bytes]);
                let error = t.room(ROOM).share(ITEM, &version(2)).expect_err("it belongs elsewhere");
                assert!(names(&error, Table::Shares), "{error}");
            }
            t.put_raw(&item.bytes, &rows[&swapped.bytes]);
            let error = t.room(ROOM).item(ITEM).expect_err("it has another name");
            assert!(names(&error, Table::Items), "{error}");
            Err(StoreError::Failed)
        })
        .unwrap_err();
}

/// A share row that does not open is not taken for none: its key would be destroyed.
#[test]
fn a_changed_share_keeps_the_store_closed_and_its_key() {
    let disk = filled();
    {
        let store = disk.open().unwrap();
        let key = RowKey::item(Table::Shares, &store.root.names, &ROOM, ITEM).version(&version(1)).bytes;
        let mut row = store.data.raw().into_iter().find(|(other, _)| *other == key).unwrap().1;
        row[30] ^= 1;
        let write = store.data.begin().unwrap();
        store.data.put_raw(&write, &key, &row);
        store.data.commit(write).unwrap();
    }
    let keys = disk.bytes(KEYS);
    assert!(matches!(disk.open(), Err(StoreError::Tampered { table: Table::Shares, .. })));
    assert_eq!(disk.bytes(KEYS), keys);
}

/// A row as it once stood there, or none where one stands: each row opens, and the store does not, and no key is destroyed.
#[test]
fn single_rows_that_are_put_back_or_taken_away_keep_the_store_closed() {
    let disk = filled();
    let rows = || disk.open().unwrap().data.raw().into_iter().collect::<BTreeMap<_, _>>();
    let before = rows();
    save(&mut disk.open().unwrap()).unwrap();
    let (after, state) = (rows(), RowKey::state().bytes);
    let refused = |key: &[u8], row: Option<&Vec<u8>>| {
        let copy = disk.copy();
        {
            let store = copy.open().unwrap();
            let write = store.data.begin().unwrap();
            match row {
                Some(row) => store.data.put_raw(&write, key, row),
                None => assert_ne!(store.data.remove(&write, &store.root, &RowKey::stored(key)).unwrap(), sum::Sum::default()),
            }
            store.data.commit(write).unwrap();
        }
        let keys = copy.bytes(KEYS);
        let error = copy.open().err().expect("not opened");
        assert!(matches!(&error, StoreError::Rows { path } if path == Path::new("data")), "{error}");
        assert_eq!(copy.bytes(KEYS), keys);
    };
    let older: Vec<_> = before.iter().filter(|(key, row)| **key != state && after.get(*key) != Some(row)).collect();
    // Ledger and number are older ones, the share is one that was erased.
    let tables: Vec<Table> = older.iter().filter_map(|(key, _)| Table::of(key)).collect();
    assert_eq!(tables, [Table::Shares, Table::Approvals, Table::Operations]);
    older.into_iter().for_each(|(key, row)| refused(key, Some(row)));
    after.keys().filter(|key| **key != state).for_each(|key| refused(key, None));
}

/// Header, cells and slots of the file `keys`, byte by byte.
#[test]
fn every_changed_byte_of_the_keys_is_named() {
    let disk = filled();
    let whole = seen(&disk.open().unwrap());
    let places = used(&disk.open().unwrap().data, &disk.open().unwrap().root).unwrap();
    assert_eq!(places.len(), 2);
    let open = |at: usize| {
        let mut keys = disk.bytes(KEYS);
        keys[at] ^= 1 << (at % 8);
        Disk::with([disk.bytes(DATA), keys]).open()
    };
    for at in 0..512 {
        let error = open(at).err().expect("not opened");
        assert!(matches!(error, StoreError::Header { .. } | StoreError::Newer { .. }), "byte {at}: {error}");
    }
    // The newer cell is as after a crash, which is repaired; the older one, which no crash touches, is not.
    for at in 512..1024 {
        assert!(seen(&open(at).unwrap()) == whole, "byte {at}");
    }
    for at in 1024..1536 {
        assert!(matches!(open(at), Err(StoreError::Cells { .. })), "byte {at}");
    }
    for place in places {
        for at in 0..128 {
            let store = open(4096 + 128 * place.slot as usize + at).unwrap();
            let shares = [ROOM, OTHER].map(|room| store.room(room).share(ITEM, &version(1)));
            assert_eq!(
                shares.iter().filter(|share| matches!(share, Err(StoreError::KeyGone { key }) if key.contains("aws/key"))).count(),
                1
            );
            assert_eq!(shares.iter().filter(|share| matches!(share, Ok(Some(_)))).count(), 1, "the other one is as it was");
        }
    }
}

/// Breaking the newer cell does not make an older database fit.
#[test]
fn a_broken_cell_hides_no_older_database() {
    let disk = Disk::founded();
    let older = disk.bytes(DATA);
    fill(&mut disk.open().unwrap()).unwrap();
    let mut keys = disk.bytes(KEYS);
    assert!(matches!(Disk::with([older.clone(), keys.clone()]).open(), Err(StoreError::DataOlder { data: 1, keys: 2 })));
    keys[512] ^= 1;
    assert!(matches!(Disk::with([older, keys]).open(), Err(StoreError::Cells { .. })));
}

/// Two slots exchanged, or one copied over the other: the name in the row is not the one in the slot, which is bound to its place besides.
#[test]
fn a_key_from_another_slot_is_not_taken() {
    let disk = filled();
    let mut keys = disk.bytes(KEYS);
    keys.copy_within(4096..4096 + 128, 4096 + 128);
    let store = Disk::with([disk.bytes(DATA), keys]).open().unwrap();
    let gone = [ROOM, OTHER].map(|room| matches!(store.room(room).share(ITEM, &version(1)), Err(StoreError::KeyGone { .. })));
    assert_eq!(gone.iter().filter(|&&gone| gone).count(), 1);
}

/// No room, no name of an item and nothing of a share stands in the files.
#[test]
fn the_files_say_nothing() {
    let disk = filled();
    let mut store = disk.open().unwrap();
    save(&mut store).unwrap();
    drop(store);
    for bytes in [disk.bytes(DATA), disk.bytes(KEYS)] {
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(
            !holds(&ROOM) && !holds(b"aws/key") && !holds(b"sheet of") && !holds(&[0xa1; 8]) && !holds(&[0xa2; 8]) && !holds(b"receipt")
        );
    }
}
