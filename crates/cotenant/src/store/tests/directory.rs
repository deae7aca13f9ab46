//! Stores in real directories: who may open them, with what.

use super::{disk::CHEAP, *};
use crate::store::directory::private;
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn files(dir: &Path) -> [Vec<u8>; 2] {
    ["data", "keys"].map(|name| fs::read(dir.join(name)).unwrap())
}

#[test]
fn a_store_is_made_once_and_opened_by_its_passphrase_alone() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("store");
    assert!(matches!(Store::open(&dir, &passphrase("right")), Err(StoreError::Missing { path }) if path == dir));
    assert!(matches!(Store::create(&dir, &passphrase("")), Err(StoreError::EmptyPassphrase)));
    let mut store = Store::create(&dir, &passphrase("right")).unwrap();
    fill(&mut store).unwrap();
    let before = seen(&store);
    assert!(matches!(Store::open(&dir, &passphrase("right")), Err(StoreError::InUse { path }) if path == dir.join("lock")));
    drop(store);
    assert_eq!(mode(&dir), 0o700);
    assert!(["data", "keys", "lock"].iter().all(|name| mode(&dir.join(name)) == 0o600));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing else is left");
    let as_it_was = files(&dir);
    assert!(matches!(Store::create(&dir, &passphrase("other")), Err(StoreError::Exists { .. })));
    let error = Store::open(&dir, &passphrase("wrong")).err().expect("not opened");
    assert!(matches!(error, StoreError::WrongKey { given: "passphrase", .. }), "{error}");
    let error = Store::open(&dir, &Unlock::KeyFile(dir.join("none"))).err().expect("not opened");
    assert!(matches!(error, StoreError::OtherUnlock { wanted: "a passphrase", .. }), "{error}");
    assert!(files(&dir) == as_it_was, "nothing was changed");
    assert_eq!(seen(&Store::open(&dir, &passphrase("right")).unwrap()), before);
}

#[test]
fn a_store_that_others_have_access_to_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let (dir, key) = (home.path().join("store"), home.path().join("key"));
    make_key_file(&key).unwrap();
    let unlock = || Unlock::KeyFile(key.clone());
    drop(Store::create(&dir, &unlock()).unwrap());
    for path in [dir.clone(), dir.join("data"), dir.join("keys"), key.clone()] {
        let good = mode(&path);
        chmod(&path, good | 0o040);
        let error = Store::open(&dir, &unlock()).err().expect("not opened");
        assert!(matches!(&error, StoreError::Exposed { path: named, .. } if *named == path), "{error}");
        assert!(error.to_string().contains("chmod go="), "{error}");
        chmod(&path, good);
        drop(Store::open(&dir, &unlock()).unwrap());
    }
}

/// Root can give files away, and so see the refusal of a whole store; others see it on a file that root owns.
#[test]
fn what_belongs_to_another_user_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("store");
    drop(Store::create(&dir, &passphrase("right")).unwrap());
    let user = rustix::process::geteuid().as_raw();
    let foreign = |error: StoreError, path: &Path| {
        assert!(matches!(&error, StoreError::Foreign { path: named, owner, .. } if named == path && *owner != user), "{error}");
    };
    if user == 0 {
        for path in [dir.clone(), dir.join("data"), dir.join("keys")] {
            std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
            foreign(Store::open(&dir, &passphrase("right")).err().expect("not opened"), &path);
            std::os::unix::fs::chown(&path, Some(user), None).unwrap();
        }
    } else {
        // Whoever runs tests does not own this; it is nobody's business but root's, by its mode too.
        let path = Path::new("/proc/1/environ");
        foreign(private(path, &fs::metadata(path).unwrap()).expect_err("not private"), path);
    }
    drop(Store::open(&dir, &passphrase("right")).unwrap());
}

#[test]
fn a_key_file_opens_what_it_was_made_for() {
    let home = tempfile::tempdir().unwrap();
    let [dir, key, other] = ["store", "key", "other"].map(|name| home.path().join(name));
    [&key, &other].into_iter().for_each(|path| make_key_file(path).unwrap());
    assert!(matches!(make_key_file(&key), Err(StoreError::Exists { .. })));
    assert_eq!((mode(&key), fs::read(&key).unwrap().len()), (0o600, 65));
    drop(Store::create(&dir, &Unlock::KeyFile(key.clone())).unwrap());
    drop(Store::open(&dir, &Unlock::KeyFile(key.clone())).unwrap());
    let error = Store::open(&dir, &Unlock::KeyFile(other)).err().expect("not opened");
    assert!(matches!(error, StoreError::WrongKey { given: "key file", .. }), "{error}");
    assert!(matches!(Store::open(&dir, &passphrase("x")), Err(StoreError::OtherUnlock { wanted: "a key file", .. })));
    let text = fs::read_to_string(&key).unwrap();
    for wrong in [text.trim_end(), &text[1..], &format!("{text}\n"), &text.replacen(&text[..1], "G", 1), ""] {
        fs::write(&key, wrong).unwrap();
        assert!(matches!(Store::open(&dir, &Unlock::KeyFile(key.clone())), Err(StoreError::NotAKeyFile { .. })), "{wrong:?}");
    }
}

#[test]
fn a_backup_is_a_store_again_under_another_key() {
    let home = tempfile::tempdir().unwrap();
    let [dir, key, backup, again] = ["store", "key", "backup", "again"].map(|name| home.path().join(name));
    make_key_file(&key).unwrap();
    let unlock = || Unlock::KeyFile(key.clone());
    let mut store = Store::create(&dir, &unlock()).unwrap();
    fill(&mut store).unwrap();
    save(&mut store).unwrap();
    let before = seen(&store);
    let beside = vec![("identity.pem".to_owned(), b"key".to_vec().into()), ("party.toml".to_owned(), Vec::new().into())];
    store.backup_at_cost(&backup, &passphrase("on paper"), &beside, CHEAP).unwrap();
    assert!(matches!(store.backup(&backup, &unlock(), &beside), Err(StoreError::Exists { .. })));
    assert_eq!(mode(&backup), 0o600);
    let read = |by: &str| Backup::read(&backup, &passphrase(by));
    assert!(matches!(read("of paper"), Err(StoreError::WrongKey { .. })));
    assert!(matches!(read("on paper").unwrap().restore(&dir, &unlock(), 5), Err(StoreError::Exists { .. })));
    let found = read("on paper").unwrap();
    assert!(*found.beside() == beside && found.is_of(&store) && found.transactions() == store.transactions());
    let mut restored = found.restore(&again, &unlock(), 5).unwrap();
    assert_eq!(restored.transactions(), store.transactions() + 1);
    assert_eq!(restored.room(ROOM).restored().unwrap(), Some(Restored { at: 5, heard: false }));
    assert_eq!(store.room(ROOM).restored().unwrap(), Some(Restored { at: 1, heard: true }));
    assert_eq!(seen(&restored), before);
    assert_eq!(keys_stored(&restored), keys_stored(&store));
    // It goes on: shares can be erased, and their slots used again.
    restored.transaction(|t| t.room(ROOM).erase_all_but(ITEM, &[])).unwrap();
    assert_eq!(keys_stored(&restored) + 1, keys_stored(&store));
    drop(restored);
    drop(Store::open(&again, &unlock()).unwrap());
    let bytes = fs::read(&backup).unwrap();
    for at in (0..bytes.len()).step_by(7).chain(500..560) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&backup, changed).unwrap();
        let error = Backup::read(&backup, &passphrase("on paper")).err().expect("not read");
        assert!(matches!(error, StoreError::Header { .. } | StoreError::Newer { .. } | StoreError::Backup { .. }), "byte {at}: {error}");
    }
}
