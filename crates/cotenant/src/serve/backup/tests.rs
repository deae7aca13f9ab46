//! Backups of homes in real directories.

use super::*;
use crate::store::RoomEpoch;
use std::os::unix::fs::PermissionsExt;

const NOW: i64 = 1_800_000_000;
const ROOM: [u8; 16] = [7; 16];

fn right() -> Zeroizing<String> {
    Zeroizing::new("on paper".to_owned())
}

/// A home with a store that has a room.
fn home_in(dir: &Path) -> (PathBuf, Store) {
    let home = dir.join("alice");
    home::init(&home, "alice").unwrap();
    config::write_template(&home).unwrap();
    let config = Config::open(&home).unwrap();
    let mut store = Store::create(&config.store.directory, &open_key(&config).unwrap()).unwrap();
    store.transaction(|t| t.room(ROOM).put_epoch(&RoomEpoch { epoch: 1, sheet: b"sheet".to_vec() })).unwrap();
    (home, store)
}

fn opened(home: &Path) -> Store {
    let config = Config::open(home).unwrap();
    Store::open(&config.store.directory, &config.store.unlock.read().unwrap()).unwrap()
}

#[test]
fn a_home_that_is_gone_is_made_again_and_knows_that_it_was_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (home, store) = home_in(dir.path());
    assert_eq!(store.room(ROOM).restored().unwrap(), None);
    let file = dir.path().join("alice.backup");
    let count = write(&store, &home, &file, right()).unwrap();
    assert!(matches!(write(&store, &home, &file, right()), Err(BackupError::Store(StoreError::Exists { .. }))));
    let key = fs::read(home.join("store.key")).unwrap();
    drop(store);
    let identity = home::load_identity(&home).unwrap().public();
    fs::remove_dir_all(&home).unwrap();
    assert_eq!(restore(&home, &file, right(), NOW).unwrap(), count);
    assert_eq!(home::load_identity(&home).unwrap().public(), identity);
    assert_eq!(fs::metadata(home.join(home::IDENTITY)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_ne!(fs::read(home.join("store.key")).unwrap(), key, "the lost disk does not open what is stored now");
    let store = opened(&home);
    assert_eq!(store.room(ROOM).epoch(1).unwrap().unwrap().sheet, b"sheet");
    assert_eq!(store.room(ROOM).restored().unwrap(), Some(crate::store::Restored { at: NOW, heard: false }));
}

#[test]
fn what_is_there_is_never_overwritten_and_the_older_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (home, mut store) = home_in(dir.path());
    let file = dir.path().join("alice.backup");
    write(&store, &home, &file, right()).unwrap();
    let told = || restore(&home, &file, right(), NOW).unwrap_err();
    store.transaction(|t| t.room(ROOM).put_assembly(b"later")).unwrap();
    // Another process has it open.
    assert!(matches!(told(), BackupError::Store(StoreError::Exists { .. })));
    let now = store.transactions();
    drop(store);
    let error = told();
    assert!(matches!(error, BackupError::Present { here, backup, .. } if here == now && backup < now), "{error}");
    assert!(error.to_string().ends_with(", and is older. Nothing is overwritten"), "{error}");
    assert_eq!(opened(&home).room(ROOM).assembly().unwrap().unwrap()[..], *b"later");
    // Somebody else's home.
    let other = dir.path().join("bob");
    home::init(&other, "bob").unwrap();
    let error = restore(&other, &file, right(), NOW).unwrap_err();
    assert!(matches!(&error, BackupError::Other { path } if *path == other.join(home::IDENTITY)), "{error}");
    assert!(!other.join("store").exists());
    // A daemon that runs.
    let _lock = Lock::take(&home).unwrap();
    assert!(matches!(told(), BackupError::Serve(ServeError::Running { .. })));
}

#[test]
fn a_backup_that_is_not_as_it_was_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (home, store) = home_in(dir.path());
    let [file, second] = ["one", "two"].map(|name| dir.path().join(name));
    for file in [&file, &second] {
        write(&store, &home, file, right()).unwrap();
    }
    let bytes = [&file, &second].map(|file| fs::read(file).unwrap());
    let again = dir.path().join("again");
    let told = |bytes: &[u8], passphrase: &str| {
        fs::write(&file, bytes).unwrap();
        let told = restore(&again, &file, Zeroizing::new(passphrase.to_owned()), NOW).unwrap_err();
        assert!(!again.exists(), "{told}");
        told
    };
    assert!(matches!(told(&bytes[0], "of paper"), BackupError::Store(StoreError::WrongKey { given: "passphrase", .. })));
    assert!(matches!(told(&bytes[0][..300], "on paper"), BackupError::Store(StoreError::Header { .. })), "cut off");
    assert!(matches!(told(&bytes[0][..bytes[0].len() - 1], "on paper"), BackupError::Store(StoreError::Backup { .. })), "cut off");
    let swapped = [&bytes[0][..512], &bytes[1][512..]].concat();
    assert!(matches!(told(&swapped, "on paper"), BackupError::Store(StoreError::Backup { .. })), "of two backups");
    let keys = fs::read(home.join("store/keys")).unwrap();
    assert!(matches!(told(&keys, "on paper"), BackupError::Store(StoreError::Header { .. })), "another kind of file");
}
