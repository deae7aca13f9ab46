//! The file that holds a party's identity: the private key as PKCS#8 (RFC 5958, RFC 8410 section 7) in PEM (RFC 7468), readable by
//! its owner alone. `openssl genpkey -algorithm ed25519` makes such files and `openssl pkey` reads them.

use crate::identity::Identity;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding};
use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// No key file is longer, in bytes.
const LONGEST: u64 = 4096;

impl Identity {
    /// Writes the identity to a new file at `path` with mode 0600. An existing file is never overwritten: there may be no other copy.
    ///
    /// # Errors
    /// [`KeyFileFault::Exists`], or [`KeyFileFault::Io`].
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        let failed = |fault| KeyFileError { path: path.to_owned(), fault };
        let key = KeypairBytes { secret_key: *self.to_seed(), public_key: None };
        let pem = key.to_pkcs8_pem(LineEnding::LF).expect("a key of fixed size has a PKCS#8 form");
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(failed(KeyFileFault::Exists)),
            Err(e) => return Err(failed(KeyFileFault::Io(e))),
        };
        file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| failed(KeyFileFault::Io(e)))
    }

    /// Reads an identity from the file at `path`.
    ///
    /// # Errors
    /// [`KeyFileFault::Exposed`] if group or others may read or write the file, [`KeyFileFault::NotAKey`] if it holds no Ed25519 key,
    /// [`KeyFileFault::Io`].
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |fault| KeyFileError { path: path.to_owned(), fault };
        let file = File::open(path).map_err(|e| failed(KeyFileFault::Io(e)))?;
        let mode = file.metadata().map_err(|e| failed(KeyFileFault::Io(e)))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(failed(KeyFileFault::Exposed { mode }));
        }
        let mut pem = Zeroizing::new(String::with_capacity(LONGEST as usize));
        match file.take(LONGEST).read_to_string(&mut pem) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(failed(KeyFileFault::NotAKey)),
            Err(e) => return Err(failed(KeyFileFault::Io(e))),
        }
        let key = KeypairBytes::from_pkcs8_pem(&pem).map_err(|_| failed(KeyFileFault::NotAKey))?;
        let identity = Self::from_seed(&key.secret_key);
        match key.public_key {
            Some(public) if &public.0 != identity.public().as_bytes() => Err(failed(KeyFileFault::NotAKey)),
            _ => Ok(identity),
        }
    }
}

/// A key file could not be written or read.
#[derive(Debug)]
pub struct KeyFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: KeyFileFault,
}

/// What is wrong with a key file.
#[derive(Debug)]
pub enum KeyFileFault {
    /// There is a file already where a new one was to be written.
    Exists,
    /// Others than its owner may read or write it.
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
    /// It holds no Ed25519 private key in PKCS#8 PEM form.
    NotAKey,
    /// The operating system refused.
    Io(io::Error),
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.fault {
            KeyFileFault::Exists => write!(f, "{path} exists; an identity is never overwritten: name another --home"),
            KeyFileFault::Exposed { mode } => {
                write!(f, "{path} holds a private key but has mode {mode:04o}, open to others than its owner; run: chmod 600 {path}")
            }
            KeyFileFault::NotAKey => write!(
                f,
                "{path} holds no Ed25519 private key in PKCS#8 PEM form, or a damaged one; put the file back from a copy, or make a new party in another home: cotenant init"
            ),
            KeyFileFault::Io(e) => write!(f, "{path}: {e}; check --home"),
        }
    }
}

impl std::error::Error for KeyFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            KeyFileFault::Io(e) => Some(e),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// RFC 8410 section 10.3: a private key alone.
    const RFC_8410: &str =
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

    fn write(path: &Path, text: &[u8], mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn saved_and_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.pem");
        let identity = Identity::generate().unwrap();
        identity.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Identity::load(&path).unwrap().public(), identity.public());
        let refused = Identity::generate().unwrap().save(&path).unwrap_err();
        assert!(matches!(refused.fault, KeyFileFault::Exists), "{refused}");
        assert_eq!(Identity::load(&path).unwrap().public(), identity.public());
    }

    #[test]
    fn the_form_is_that_of_rfc_8410() {
        let dir = tempfile::tempdir().unwrap();
        let (given, written) = (dir.path().join("given"), dir.path().join("written"));
        write(&given, RFC_8410.as_bytes(), 0o600);
        let identity = Identity::load(&given).unwrap();
        let public = [
            0x19, 0xbf, 0x44, 0x09, 0x69, 0x84, 0xcd, 0xfe, 0x85, 0x41, 0xba, 0xc1, 0x67, 0xdc, 0x3b, 0x96, 0xc8, 0x50, 0x86, 0xaa, 0x30,
            0xb6, 0xb6, 0xcb, 0x0c, 0x5c, 0x38, 0xad, 0x70, 0x31, 0x66, 0xe1,
        ];
        assert_eq!(identity.public().as_bytes(), &public, "RFC 8410 section 10.1");
        identity.save(&written).unwrap();
        assert_eq!(fs::read_to_string(written).unwrap(), RFC_8410);
    }

    #[test]
    fn a_file_open_to_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.pem");
        for bit in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
            write(&path, RFC_8410.as_bytes(), 0o600 | bit);
            let refused = Identity::load(&path).err().unwrap();
            assert!(matches!(refused.fault, KeyFileFault::Exposed { mode } if mode == 0o600 | bit), "{refused}");
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.pem");
        let of_another_kind = RFC_8410.replace("PRIVATE KEY", "PUBLIC KEY");
        let x25519 = RFC_8410.replace("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vu");
        let flipped = RFC_8410.replace("MC4C", "MC5C");
        for text in ["", "no key", &RFC_8410[..60], &of_another_kind, &x25519, &flipped] {
            write(&path, text.as_bytes(), 0o600);
            let refused = Identity::load(&path).err().unwrap();
            assert!(matches!(refused.fault, KeyFileFault::NotAKey), "{refused}");
        }
        write(&path, &[0xff; 100], 0o600);
        assert!(matches!(Identity::load(&path).err().unwrap().fault, KeyFileFault::NotAKey));
    }

    #[test]
    fn a_public_key_that_is_not_the_private_keys_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.pem");
        let (one, two) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        for (public, fits) in [(one.public(), true), (two.public(), false)] {
            let key =
                KeypairBytes { secret_key: *one.to_seed(), public_key: Some(ed25519_dalek::pkcs8::PublicKeyBytes(*public.as_bytes())) };
            write(&path, key.to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes(), 0o600);
            assert_eq!(Identity::load(&path).is_ok(), fits);
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let refused = Identity::load(Path::new("/nowhere/identity.pem")).err().unwrap();
        assert!(matches!(&refused.fault, KeyFileFault::Io(e) if e.kind() == io::ErrorKind::NotFound), "{refused}");
        assert!(refused.to_string().starts_with("/nowhere/identity.pem"), "{refused}");
    }
}
