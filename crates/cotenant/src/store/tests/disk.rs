//! A disk in memory with the two files of a store. Writes go to a cache; a sync makes those of its file durable. It can stop at any write or sync, as if
//! power was lost, and come back with any of the writes that were not synced, whole or sector by sector; or be full from some write on. Whoever uses it can
//! be asked before each sync.

use super::*;
use crate::store::{Files, StoreError, backup::Contents, found_files, unlock::Cost};
use redb::StorageBackend;
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

/// A guess of a passphrase costs next to nothing.
pub(in crate::store) const CHEAP: Cost = Cost { memory: 8, passes: 1, lanes: 1 };
const SECTOR: usize = 512;

/// What stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing happens from this write or sync on; the first half of a write may.
    Power(usize),
    /// Writes from this one on are refused, syncs are not.
    Full(usize),
}

/// What of the cache is there when power comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// All of it, as after a process is killed.
    All,
    /// Nothing.
    None,
    /// Every second write, from the first or the second on.
    Every2nd(usize),
    /// Sectors at random.
    Sectors(u64),
}

#[derive(Clone, Debug, Default)]
struct Image {
    durable: Vec<u8>,
    now: Vec<u8>,
    cached: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Len(u64),
}

/// Whether what was written to this file may become durable; if not, power is lost from then on.
pub(crate) type Gate = Box<dyn Fn(usize) -> bool + Send>;

#[derive(Default)]
struct Inner {
    files: [Image; 2],
    steps: usize,
    fault: Option<Fault>,
    gate: Option<Gate>,
}

/// The disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Inner>>);

pub(crate) const DATA: usize = 0;
pub(crate) const KEYS: usize = 1;

impl Disk {
    /// With a new store.
    pub(crate) fn founded() -> Self {
        Self::founded_with(&Contents::empty().unwrap())
    }

    pub(in crate::store) fn founded_with(contents: &Contents) -> Self {
        let disk = Disk::default();
        found_files(disk.files(), &passphrase("disk"), CHEAP, contents).unwrap();
        disk
    }

    /// With these files, all synced.
    pub(crate) fn with(files: [Vec<u8>; 2]) -> Self {
        let files = files.map(|bytes| Image { durable: bytes.clone(), now: bytes, cached: Vec::new() });
        Disk(Arc::new(Mutex::new(Inner { files, steps: 0, fault: None, gate: None })))
    }

    /// A copy of a file as a process sees it.
    pub(crate) fn bytes(&self, file: usize) -> Vec<u8> {
        self.inner().files[file].now.clone()
    }

    /// A copy of both.
    pub(crate) fn copy(&self) -> Self {
        Self::with([self.bytes(DATA), self.bytes(KEYS)])
    }

    pub(crate) fn open(&self) -> Result<Store, StoreError> {
        Store::open_files(self.files(), &passphrase("disk"), None)
    }

    pub(in crate::store) fn files(&self) -> Files<Handle> {
        let handle = |file| Handle { disk: self.clone(), file };
        Files { data: handle(DATA), keys: Box::new(handle(KEYS)), data_path: "data".into(), keys_path: "keys".into() }
    }

    /// Writes and syncs so far.
    pub(crate) fn steps(&self) -> usize {
        self.inner().steps
    }

    pub(crate) fn set(&self, fault: Option<Fault>) {
        self.inner().fault = fault;
    }

    pub(crate) fn ask(&self, gate: Gate) {
        self.inner().gate = Some(gate);
    }

    /// The disk as it comes back.
    pub(crate) fn after(&self, kept: Kept) -> Self {
        let inner = self.inner();
        Self::with([DATA, KEYS].map(|file| inner.files[file].come_back(kept)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Image {
    fn come_back(&self, kept: Kept) -> Vec<u8> {
        let mut file = self.durable.clone();
        for (index, change) in self.cached.iter().enumerate() {
            let whole = match kept {
                Kept::All => true,
                Kept::None => false,
                Kept::Every2nd(first) => index % 2 == first,
                Kept::Sectors(seed) => coin(seed, index, usize::MAX),
            };
            match (change, kept) {
                (Change::Write(at, bytes), Kept::Sectors(seed)) => {
                    for (sector, bytes) in bytes.chunks(SECTOR).enumerate().filter(|&(sector, _)| coin(seed, index, sector)) {
                        write(&mut file, *at as usize + sector * SECTOR, bytes);
                    }
                }
                (Change::Write(at, bytes), _) if whole => write(&mut file, *at as usize, bytes),
                (Change::Len(len), _) if whole => file.resize(*len as usize, 0),
                _ => {}
            }
        }
        file
    }
}

/// What is beyond the end, since the file was not lengthened, is lost.
fn write(file: &mut [u8], at: usize, bytes: &[u8]) {
    let end = (at + bytes.len()).min(file.len());
    if at < end {
        file[at..end].copy_from_slice(&bytes[..end - at]);
    }
}

fn coin(seed: u64, index: usize, sector: usize) -> bool {
    let mut x = seed ^ (index as u64) << 32 ^ sector as u64; // splitmix64
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ x >> 31) & 1 == 1
}

pub(crate) struct Handle {
    disk: Disk,
    file: usize,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "file {} in memory", self.file)
    }
}

impl Handle {
    /// Counts a step; does what is asked, or half of it, or refuses.
    fn change(&self, change: Change) -> io::Result<()> {
        let mut inner = self.disk.inner();
        let step = inner.steps;
        inner.steps += 1;
        let fault = inner.fault;
        let image = &mut inner.files[self.file];
        match fault {
            Some(Fault::Power(at)) if step == at => {
                if let Change::Write(at, bytes) = change {
                    image.cached.push(Change::Write(at, bytes[..bytes.len() / 2].to_vec()));
                }
                Err(io::Error::other("power lost"))
            }
            Some(Fault::Power(at)) if step > at => Err(io::Error::other("power lost")),
            Some(Fault::Full(at)) if step >= at => Err(io::ErrorKind::StorageFull.into()),
            _ => {
                match &change {
                    Change::Write(at, bytes) if *at as usize + bytes.len() > image.now.len() => {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    Change::Write(at, bytes) => write(&mut image.now, *at as usize, bytes),
                    Change::Len(len) => image.now.resize(*len as usize, 0),
                }
                image.cached.push(change);
                Ok(())
            }
        }
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.inner().files[self.file].now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inner = self.disk.inner();
        let bytes = inner.files[self.file].now.get(offset as usize..offset as usize + out.len());
        bytes.map(|bytes| out.copy_from_slice(bytes)).ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::Len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.disk.inner();
        let step = inner.steps;
        inner.steps += 1;
        if inner.gate.as_ref().is_some_and(|gate| !gate(self.file)) {
            inner.fault.get_or_insert(Fault::Power(step));
        }
        if let Some(Fault::Power(at)) = inner.fault
            && step >= at
        {
            return Err(io::Error::other("power lost"));
        }
        let image = &mut inner.files[self.file];
        image.durable = image.now.clone();
        image.cached.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset, data.to_vec()))
    }
}
