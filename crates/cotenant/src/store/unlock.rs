//! What opens a store or a backup, and the header that says how: a key from a passphrase by Argon2id (RFC 9106), or one in a file, wraps the two keys
//! that all else is under.

use super::{
    FORMAT, directory,
    error::StoreError,
    seal::{self, Key, OVERHEAD},
};
use argon2::{Algorithm, Argon2, Params, Version};
use cotenant_core::{
    codec::{Reader, Writer},
    domain::Domain,
};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The bytes of a header.
pub(super) const HEADER: usize = 512;
/// Where its checksum starts.
const CHECKSUM: usize = HEADER - 32;
/// The bytes of the name of the program that wrote a file.
const CREATED_BY: usize = 32;

/// What opens a store or a backup.
pub enum Unlock {
    /// A person's passphrase.
    Passphrase(Zeroizing<String>),
    /// A file made by [`make_key_file`], to which only its owner has access.
    KeyFile(PathBuf),
}

impl Unlock {
    fn name(&self) -> &'static str {
        match self {
            Unlock::Passphrase(_) => "passphrase",
            Unlock::KeyFile(_) => "key file",
        }
    }
}

/// Writes a new key file: 64 hexadecimal digits and a line feed, mode 0600.
///
/// # Errors
/// If there is a file already, or it cannot be written.
pub fn make_key_file(path: &Path) -> Result<(), StoreError> {
    let key = Key::random()?;
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in key.bytes() {
        text.push(char::from_digit((byte >> 4).into(), 16).expect("below 16"));
        text.push(char::from_digit((byte & 15).into(), 16).expect("below 16"));
    }
    text.push('\n');
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => StoreError::Exists { path: path.to_owned() },
        _ => StoreError::io(path, source),
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|source| StoreError::io(path, source))
}

fn read_key_file(path: &Path) -> Result<Key, StoreError> {
    let failed = |source| StoreError::io(path, source);
    let mut file = File::open(path).map_err(failed)?;
    directory::private(path, &file.metadata().map_err(failed)?)?;
    let mut text = Zeroizing::new([0; 65]);
    let wrong = || StoreError::NotAKeyFile { path: path.to_owned() };
    file.read_exact(&mut *text).map_err(|_| wrong())?;
    let ends = text[64] == b'\n' && file.read(&mut [0]).map_err(failed)? == 0;
    let digit = |at: usize| char::from(text[at]).to_digit(16).filter(|_| !text[at].is_ascii_uppercase()).ok_or_else(wrong);
    let mut key = Zeroizing::new([0; 32]);
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = (digit(2 * at)? << 4 | digit(2 * at + 1)?) as u8;
    }
    if ends { Ok(Key::new(key)) } else { Err(wrong()) }
}

/// What one guess of a passphrase costs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// KiB of memory.
    pub(super) memory: u32,
    /// Passes over it.
    pub(super) passes: u32,
    /// Lanes, which an attacker may compute at once.
    pub(super) lanes: u32,
}

impl Cost {
    /// RFC 9106 section 4, second recommendation: 64 MiB, 3 passes, 4 lanes.
    pub(super) const STANDARD: Cost = Cost { memory: 64 << 10, passes: 3, lanes: 4 };
    /// Whoever can change a header can make opening slow, but no slower than this: 1 GiB, 16 passes.
    const LIMIT: Cost = Cost { memory: 1 << 20, passes: 16, lanes: 16 };
}

/// The two keys that all else is under.
pub struct Root {
    /// Under which rows, state cells and share keys are sealed.
    pub(super) master: Key,
    /// With which rooms and items are hashed to keys of rows.
    pub(super) names: Key,
}

/// The first bytes of a file, for whom they are checked.
pub(super) struct HeaderOf<'a> {
    /// Which kind of file.
    pub(super) magic: &'static [u8; 16],
    /// The file.
    pub(super) path: &'a Path,
}

impl HeaderOf<'_> {
    /// A new header that wraps `root` for `unlock`.
    pub(super) fn make_header(&self, root: &Root, unlock: &Unlock, cost: Cost) -> Result<[u8; HEADER], StoreError> {
        let (method, cost) = match unlock {
            Unlock::Passphrase(_) => (1, cost),
            Unlock::KeyFile(_) => (2, Cost { memory: 0, passes: 0, lanes: 0 }),
        };
        let salt: [u8; 16] = if method == 1 { seal::random()? } else { [0; 16] };
        let costs = [cost.memory, cost.passes, cost.lanes].map(u32::to_le_bytes).concat();
        let fixed = Writer::new().bytes(self.magic).bytes(&FORMAT.to_le_bytes()).bytes(&created_by()).bytes(&[method]).bytes(&costs);
        let fixed = fixed.bytes(&salt).done();
        let roots = Zeroizing::new([&root.master.bytes()[..], root.names.bytes()].concat());
        let wrapped = self.wrapping(unlock, cost, &salt)?.seal(&fixed, &roots)?;
        let mut header = [0; HEADER];
        header[..fixed.len()].copy_from_slice(&fixed);
        header[fixed.len()..][..wrapped.len()].copy_from_slice(&wrapped);
        let checksum = checksum(&header);
        header[CHECKSUM..].copy_from_slice(&checksum);
        Ok(header)
    }

    /// The keys that `header` wraps.
    pub(super) fn open_header(&self, header: &[u8; HEADER], unlock: &Unlock) -> Result<Root, StoreError> {
        let path = || self.path.to_owned();
        let bad = |_| StoreError::Header { path: path() };
        let mut reader = Reader::new(header);
        if reader.array().map_err(bad)? != *self.magic {
            return Err(StoreError::Header { path: path() });
        }
        // A newer header may differ in all that follows, its checksum included.
        let found = u16::from_le_bytes(reader.array().map_err(bad)?);
        if found > FORMAT {
            return Err(StoreError::Newer { path: path(), found, known: FORMAT });
        }
        if header[CHECKSUM..] != checksum(header) {
            return Err(StoreError::Header { path: path() });
        }
        reader.bytes(CREATED_BY).map_err(bad)?;
        let [method] = reader.array().map_err(bad)?;
        let mut number = || reader.array().map(u32::from_le_bytes).map_err(bad);
        let cost = Cost { memory: number()?, passes: number()?, lanes: number()? };
        let salt: [u8; 16] = reader.array().map_err(bad)?;
        let wrapped = reader.bytes(64 + OVERHEAD).map_err(bad)?;
        match (method, unlock) {
            (1, Unlock::Passphrase(_)) | (2, Unlock::KeyFile(_)) => {}
            (1, _) => return Err(StoreError::OtherUnlock { path: path(), wanted: "a passphrase" }),
            (2, _) => return Err(StoreError::OtherUnlock { path: path(), wanted: "a key file" }),
            _ => return Err(StoreError::Header { path: path() }),
        }
        let fixed = &header[..16 + 2 + CREATED_BY + 1 + 12 + 16];
        let roots = self.wrapping(unlock, cost, &salt)?.open(fixed, wrapped);
        let roots = roots.ok_or_else(|| StoreError::WrongKey { path: path(), given: unlock.name() })?;
        let half = |at: usize| Key::new(Zeroizing::new(roots[at..at + 32].try_into().expect("two keys of 32 bytes")));
        Ok(Root { master: half(0), names: half(32) })
    }

    /// The key that wraps the root keys.
    fn wrapping(&self, unlock: &Unlock, cost: Cost, salt: &[u8; 16]) -> Result<Key, StoreError> {
        let passphrase = match unlock {
            Unlock::KeyFile(path) => return read_key_file(path),
            Unlock::Passphrase(passphrase) if passphrase.is_empty() => return Err(StoreError::EmptyPassphrase),
            Unlock::Passphrase(passphrase) => passphrase,
        };
        let Cost { memory, passes, lanes } = cost;
        let refused = || StoreError::Cost { path: self.path.to_owned(), memory, passes, lanes };
        if memory > Cost::LIMIT.memory || passes > Cost::LIMIT.passes || lanes > Cost::LIMIT.lanes {
            return Err(refused());
        }
        let params = Params::new(memory, passes, lanes, Some(32)).map_err(|_| refused())?;
        let mut key = Zeroizing::new([0; 32]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(passphrase.as_bytes(), salt, &mut *key).map_err(|_| refused())?;
        Ok(Key::new(key))
    }
}

/// The program's name and version, filled up with zeros.
pub(super) fn created_by() -> [u8; CREATED_BY] {
    let name = concat!("cotenant ", env!("CARGO_PKG_VERSION")).as_bytes();
    std::array::from_fn(|at| name.get(at).copied().unwrap_or(0))
}

fn checksum(header: &[u8; HEADER]) -> [u8; 32] {
    Domain::StoreHeader.hasher().raw(&header[..CHECKSUM]).digest().0
}
