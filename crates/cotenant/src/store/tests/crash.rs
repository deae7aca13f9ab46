//! Power lost, or a process killed, at every write and sync.

use super::{
    disk::{DATA, Disk, Fault, KEYS, Kept},
    *,
};

const KEPT: [Kept; 6] = [Kept::All, Kept::None, Kept::Every2nd(0), Kept::Every2nd(1), Kept::Sectors(1), Kept::Sectors(2)];

type Seen = BTreeMap<String, Vec<u8>>;

/// A store before and after [`save`], and what is seen then.
fn before_and_after() -> (Disk, Seen, Seen) {
    let disk = Disk::founded();
    let mut store = disk.open().unwrap();
    fill(&mut store).unwrap();
    let before = seen(&store);
    drop(store);
    let copy = disk.copy();
    let mut store = copy.open().unwrap();
    save(&mut store).unwrap();
    let after = seen(&store);
    assert_ne!(before, after);
    (disk, before, after)
}

/// Opens, saves and closes on a copy of `disk` with this fault. The disk afterwards, and whether the save said that it was done.
fn run(disk: &Disk, fault: Option<Fault>) -> (Disk, bool) {
    let disk = disk.copy();
    disk.set(fault);
    let done = disk.open().is_ok_and(|mut store| save(&mut store).is_ok());
    (disk, done)
}

/// What is seen is the old state or the new one; the new one if the save said so; each share has its key and there are no others; and all goes on.
fn check(disk: &Disk, done: bool, before: &Seen, after: &Seen) {
    let mut store = disk.open().unwrap();
    let now = seen(&store);
    assert!(now == *after || !done && now == *before, "{now:?}");
    let shares = now.keys().filter(|name| name.contains(" share ")).count();
    assert_eq!(keys_stored(&store), shares);
    if now == *before {
        save(&mut store).unwrap();
    }
    drop(store);
    let store = disk.open().unwrap();
    assert_eq!(seen(&store), *after);
}

#[test]
fn after_power_is_lost_at_any_step_all_is_old_or_new() {
    let (disk, before, after) = before_and_after();
    let steps = run(&disk, None).0.steps();
    assert!(steps > 20, "{steps} writes and syncs");
    let mut news = 0;
    for step in 0..steps {
        let (stopped, done) = run(&disk, Some(Fault::Power(step)));
        for kept in KEPT {
            let back = stopped.after(kept);
            news += usize::from(back.copy().open().is_ok_and(|store| seen(&store) == after));
            check(&back, done, &before, &after);
        }
    }
    println!("{steps} writes and syncs, {} ways each", KEPT.len());
    assert!(news > 0 && news < steps * KEPT.len(), "both were seen: {news} of {steps} times {}", KEPT.len());
}

/// What is done on opening can be cut off as well.
#[test]
fn after_power_is_lost_again_while_opening_all_is_old_or_new() {
    let (disk, before, after) = before_and_after();
    let steps = run(&disk, None).0.steps();
    for step in 0..steps {
        let (stopped, done) = run(&disk, Some(Fault::Power(step)));
        let back = stopped.after(Kept::Sectors(step as u64));
        let reopened = back.copy();
        drop(reopened.open().unwrap());
        for again in 0..reopened.steps() {
            let copy = back.copy();
            copy.set(Some(Fault::Power(again)));
            drop(copy.open());
            check(&copy.after(if again % 2 == 0 { Kept::None } else { Kept::Every2nd(0) }), done, &before, &after);
        }
    }
}

#[test]
fn a_full_disk_loses_nothing_and_is_named() {
    let (disk, before, after) = before_and_after();
    let opened = {
        let copy = disk.copy();
        let _store = copy.open().unwrap();
        copy.steps()
    };
    let mut named = 0;
    for step in opened..run(&disk, None).0.steps() {
        let copy = disk.copy();
        let mut store = copy.open().unwrap();
        copy.set(Some(Fault::Full(step)));
        let done = match save(&mut store) {
            Ok(()) => true,
            Err(error) => {
                let full = matches!(&error, StoreError::Full { .. })
                    || matches!(&error, StoreError::Unfinished { source } if matches!(**source, StoreError::Full { .. }));
                assert!(full, "{error}");
                assert!(matches!(save(&mut store), Err(StoreError::Failed | StoreError::Full { .. })), "no more is written");
                named += 1;
                matches!(error, StoreError::Unfinished { .. })
            }
        };
        drop(store);
        copy.set(None);
        check(&copy, done, &before, &after);
    }
    assert!(named > 3, "{named}");
}

/// The database alone from before the erasure: it is refused, and its row of the erased share leads to no key.
#[test]
fn an_erased_share_does_not_come_back_with_an_older_database() {
    let (disk, ..) = before_and_after();
    let (saved, done) = run(&disk, None);
    assert!(done);
    let rolled_back = Disk::with([disk.bytes(DATA), saved.bytes(KEYS)]);
    let (keys_before, data_before) = (rolled_back.bytes(KEYS), rolled_back.bytes(DATA));
    assert!(matches!(rolled_back.open(), Err(StoreError::DataOlder { data: 2, keys: 3 })));
    assert_eq!(rolled_back.bytes(KEYS), keys_before, "nothing was destroyed");
    let old = Disk::with([data_before, disk.bytes(KEYS)]);
    let (old, new) = (old.open().unwrap(), saved.open().unwrap());
    let key = RowKey::item(Table::Shares, &old.root.names, &ROOM, ITEM).version(&version(1));
    let row = old.read(|rows| rows.get(&key)).unwrap().expect("the old database has the row");
    let place = ShareRow::decode(&row).unwrap().place;
    assert!(matches!(old.slot(&place), Ok(Slot::Full(name, _)) if name == place.name));
    assert!(!matches!(new.slot(&place), Ok(Slot::Full(name, _)) if name == place.name), "its key is nowhere in the new file");
}

#[test]
fn an_older_file_beside_a_newer_one_is_named() {
    let (disk, before, after) = before_and_after();
    let (two, _) = run(&disk, None);
    let three = two.copy();
    three.open().unwrap().transaction(|t| t.room(ROOM).append_log(b"third").map(drop)).unwrap();
    let open = |data: &Disk, keys: &Disk| Disk::with([data.bytes(DATA), keys.bytes(KEYS)]).open().map(|store| seen(&store));
    assert!(matches!(open(&disk, &two), Err(StoreError::DataOlder { data: 2, keys: 3 })));
    assert!(matches!(open(&two, &three), Err(StoreError::DataOlder { data: 3, keys: 4 })));
    assert!(matches!(open(&three, &disk), Err(StoreError::KeysOlder { data: 4, keys: 2 })));
    // One behind is what a crash leaves as well; only keys that the old file lacks are missing.
    let copy = Disk::with([two.bytes(DATA), disk.bytes(KEYS)]);
    let store = copy.open().unwrap();
    assert!(matches!(store.room(ROOM).share(ITEM, &version(2)), Err(StoreError::KeyGone { .. })));
    // Both older: locally as it was.
    assert!(open(&disk, &disk).unwrap() == before && open(&two, &two).unwrap() == after);
}

/// Two histories with as many transactions: their files do not go together.
#[test]
fn files_of_two_histories_are_named() {
    let (disk, ..) = before_and_after();
    let ((one, _), (other, _)) = (run(&disk, None), run(&disk, None));
    assert!(matches!(Disk::with([one.bytes(DATA), other.bytes(KEYS)]).open(), Err(StoreError::Forked { transaction: 3 })));
    let longer = one.copy();
    longer.open().unwrap().transaction(|t| t.room(ROOM).append_log(b"third").map(drop)).unwrap();
    assert!(matches!(Disk::with([longer.bytes(DATA), other.bytes(KEYS)]).open(), Err(StoreError::Forked { transaction: 3 })));
}
