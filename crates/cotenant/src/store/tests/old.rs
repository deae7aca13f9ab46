//! Formats before and after this one. The stores in `tests/store` hold what [`fill`] wrote then: that of format 0 was written by [`write_format_0`], that of
//! format 1 by the program when this was the newest. Their files stand as what of them is not zero: the length (8 bytes), then each page of 4096 bytes after its
//! number (8).

use super::{
    disk::{CHEAP, DATA, Disk, KEYS},
    *,
};
use crate::store::{backup::Contents, unlock::HEADER};
use std::{fs, os::unix::fs::PermissionsExt};

const PAGE: usize = 4096;

/// What [`fill`] writes that there was then, with counters of failed checks of 4 bytes.
fn format_0() -> Contents {
    let disk = Disk::founded();
    let mut store = disk.open().unwrap();
    fill(&mut store).unwrap();
    let mut contents = store.contents().unwrap();
    contents.format = 0;
    contents.rows.retain(|(key, _)| !matches!(Table::of(key), Some(Table::Assemblies | Table::Restored)));
    let faults = contents.rows.iter_mut().filter(|(key, _)| Table::of(key) == Some(Table::Faults));
    faults.for_each(|(_, row)| row.truncate(5));
    contents
}

#[test]
#[ignore = "writes the file that the next test reads"]
fn write_format_0() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("store");
    Directory::new(&dir).found(|files| found_files(files, &passphrase("format 0"), CHEAP, &format_0())).unwrap();
    fs::create_dir_all(kept(0)).unwrap();
    for name in ["data", "keys"] {
        let file = fs::read(dir.join(name)).unwrap();
        let mut packed = (file.len() as u64).to_le_bytes().to_vec();
        for (number, page) in file.chunks(PAGE).enumerate().filter(|(_, page)| page.iter().any(|&byte| byte != 0)) {
            packed.extend_from_slice(&(number as u64).to_le_bytes());
            packed.extend_from_slice(page);
        }
        fs::write(kept(0).join(name), packed).unwrap();
    }
}

/// Where the store of an older format is kept.
fn kept(format: u16) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store")).join(format!("v{format}"))
}

fn copy_of(format: u16, dir: &Path) {
    fs::create_dir(dir).unwrap();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["data", "keys"] {
        let packed = fs::read(kept(format).join(name)).unwrap();
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let mut file = vec![0; number(&packed)];
        packed[8..].chunks(8 + PAGE).for_each(|page| file[number(page) * PAGE..][..PAGE].copy_from_slice(&page[8..]));
        fs::write(dir.join(name), file).unwrap();
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn stores_of_older_formats_are_brought_to_this_one() {
    for format in 0..FORMAT {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("store");
        copy_of(format, &dir);
        let disk = Disk::founded();
        let mut new = disk.open().unwrap();
        fill(&mut new).unwrap();
        let by = || passphrase(["format 0", "right"][usize::from(format)]);
        for _ in 0..2 {
            let store = Store::open(&dir, &by()).unwrap();
            assert_eq!(seen(&store), seen(&new));
            assert_eq!(store.data.format, FORMAT);
            assert_eq!(store.room(ROOM).faults(&Against::Members).unwrap(), 1);
        }
        let mut store = Store::open(&dir, &by()).unwrap();
        save(&mut store).unwrap();
        save(&mut new).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(seen(&store), seen(&new));
    }
}

/// Stopped at any write, the next opening migrates.
#[test]
fn a_migration_is_done_as_a_whole() {
    let disk = Disk::founded_with(&format_0());
    let whole = disk.copy();
    let after = seen(&whole.open().unwrap());
    for step in 0..whole.steps() {
        let copy = disk.copy();
        copy.set(Some(disk::Fault::Power(step)));
        drop(copy.open());
        for kept in [disk::Kept::All, disk::Kept::None, disk::Kept::Sectors(step as u64)] {
            assert_eq!(seen(&copy.after(kept).open().unwrap()), after);
        }
    }
}

/// A row that is not one of its format: nothing is migrated.
#[test]
fn a_wrong_row_of_format_0_leaves_format_0() {
    let mut contents = format_0();
    let fault = contents.rows.iter_mut().find(|(key, _)| Table::of(key) == Some(Table::Faults)).unwrap();
    fault.1.push(0);
    let disk = Disk::founded_with(&contents);
    assert!(matches!(disk.open(), Err(StoreError::Tampered { table: Table::Faults, .. })));
    assert_eq!(Data::open(disk.files().data, Path::new("data")).unwrap().format, 0);
}

/// Rows sealed in this format under a claim of an older one do not open.
#[test]
fn the_format_is_bound_to_the_rows() {
    let disk = Disk::founded();
    {
        let mut store = disk.open().unwrap();
        store.data.format = 0;
        let write = store.data.begin().unwrap();
        store.data.set_format(&write).unwrap();
        store.data.commit(write).unwrap();
    }
    assert!(matches!(disk.open(), Err(StoreError::Tampered { table: Table::State, .. })));
}

#[test]
fn a_newer_format_is_refused_by_both_numbers() {
    let disk = Disk::founded();
    let newer_data = disk.copy();
    {
        let mut store = newer_data.open().unwrap();
        store.data.format = FORMAT + 1;
        let write = store.data.begin().unwrap();
        store.data.set_format(&write).unwrap();
        store.data.commit(write).unwrap();
    }
    let mut keys = disk.bytes(KEYS);
    assert_eq!(keys[16..18], FORMAT.to_le_bytes());
    keys[16..18].copy_from_slice(&(FORMAT + 1).to_le_bytes());
    keys[18..HEADER].fill(0x55);
    for (disk, file) in [(newer_data, "data"), (Disk::with([disk.bytes(DATA), keys]), "keys")] {
        let error = disk.open().err().expect("not opened");
        assert!(matches!(&error, StoreError::Newer { path, found: 3, known: 2 } if path == Path::new(file)), "{error}");
        assert_eq!(error.to_string().matches("format 3").count() + error.to_string().matches("up to 2").count(), 2, "{error}");
    }
}

/// A header that asks for more work than is ever needed is refused before any is done.
#[test]
fn a_costly_header_is_refused() {
    let path = Path::new("keys");
    for cost in [unlock::Cost { memory: 2 << 20, ..CHEAP }, unlock::Cost { passes: 17, ..CHEAP }, unlock::Cost { lanes: 17, ..CHEAP }] {
        let header =
            HeaderOf { magic: slots::MAGIC, path }.make_header(&Contents::empty().unwrap().new_root().unwrap(), &passphrase("x"), cost);
        assert!(matches!(header, Err(StoreError::Cost { .. })));
    }
}
