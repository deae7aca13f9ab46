//! A party's share of a secret access key: the key is the exclusive or of all parties' shares, so any fewer are uniform and independent of it.
//!
//! `s3-share.json` holds `access_key_id`, `share` (hex), `parties` and `party` (from 1), with mode 0600.

use cotenant_agent::sign::circuit::SECRET_KEY_BYTES;
use cotenant_core::PartyId;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// No share file is longer, in bytes.
const LONGEST: u64 = 4096;

/// One party's share of a secret access key.
pub struct S3Share {
    /// The public half of the key.
    pub access_key_id: String,
    /// The share, as long as the key.
    pub share: Zeroizing<Vec<u8>>,
    /// Among how many parties the key was shared.
    pub parties: usize,
    /// Whose share this is.
    pub party: PartyId,
}

/// The file's layout.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    access_key_id: String,
    share: Zeroizing<String>,
    parties: usize,
    party: usize,
}

/// A share file is of no use.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {fault}")]
pub struct ShareError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: ShareFault,
}

/// What is wrong with a share file.
#[derive(Debug, thiserror::Error)]
pub enum ShareFault {
    /// It cannot be read or written.
    #[error("{0}; this party needs the share that the service gave it")]
    Io(#[from] io::Error),
    /// Others than its owner may read or write it.
    #[error("holds a secret but has mode {0:04o}; run: chmod 600 on it")]
    Exposed(u32),
    /// Not of the layout above.
    #[error("is no share file ({0}); ask for it again")]
    Layout(#[from] serde_json::Error),
    /// The share is not the hex form of as many bytes as a key has.
    #[error("the share is not {SECRET_KEY_BYTES} bytes in hex; ask for it again")]
    Share,
    /// The share is another party's, or was made for another number of parties.
    #[error(
        "is the share of P{party} of {parties}, but this is {me} of {members}; take the right file, or put the members in the right order"
    )]
    NotMine {
        /// Whose share it is, from 1.
        party: usize,
        /// Among how many.
        parties: usize,
        /// This party.
        me: PartyId,
        /// The number of members.
        members: usize,
    },
}

impl S3Share {
    /// Reads the share of party `me` of `members`.
    ///
    /// # Errors
    /// [`ShareFault`], with the path.
    pub fn load(path: &Path, me: PartyId, members: usize) -> Result<S3Share, ShareError> {
        Self::read(path, me, members).map_err(|fault| ShareError { path: path.to_owned(), fault })
    }

    fn read(path: &Path, me: PartyId, members: usize) -> Result<S3Share, ShareFault> {
        let file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(ShareFault::Exposed(mode));
        }
        let mut text = Zeroizing::new(String::with_capacity(LONGEST as usize));
        file.take(LONGEST).read_to_string(&mut text)?;
        let layout: Layout = serde_json::from_str(&text)?;
        if (layout.party, layout.parties) != (me.index() + 1, members) {
            return Err(ShareFault::NotMine { party: layout.party, parties: layout.parties, me, members });
        }
        let share = unhex(&layout.share).filter(|share| share.len() == SECRET_KEY_BYTES).ok_or(ShareFault::Share)?;
        Ok(S3Share { access_key_id: layout.access_key_id, share, parties: members, party: me })
    }

    /// Writes the share to a new file with mode 0600.
    ///
    /// # Errors
    /// [`ShareFault::Io`].
    pub fn save(&self, path: &Path) -> Result<(), ShareError> {
        let layout = Layout {
            access_key_id: self.access_key_id.clone(),
            share: Zeroizing::new(self.share.iter().map(|b| format!("{b:02x}")).collect()),
            parties: self.parties,
            party: self.party.index() + 1,
        };
        let text = Zeroizing::new(serde_json::to_string_pretty(&layout).expect("strings and numbers have a JSON form"));
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")
        });
        written.map_err(|e| ShareError { path: path.to_owned(), fault: e.into() })
    }
}

/// A fresh secret access key of 40 characters, as AWS makes them.
///
/// # Errors
/// If the operating system has no randomness.
pub fn new_secret_key() -> Result<Zeroizing<String>, getrandom::Error> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = Zeroizing::new([0; SECRET_KEY_BYTES]);
    getrandom::fill(&mut *random)?;
    Ok(Zeroizing::new(random.iter().map(|b| char::from(ALPHABET[usize::from(b % 64)])).collect()))
}

/// Shares of a key among `parties`: all but the last are random, the last is what is missing.
///
/// # Errors
/// If the operating system has no randomness.
pub fn deal(access_key_id: &str, secret: &[u8], parties: usize) -> Result<Vec<S3Share>, getrandom::Error> {
    let mut rest = Zeroizing::new(secret.to_vec());
    let mut shares = Vec::new();
    for party in PartyId::all(parties) {
        let mut share = Zeroizing::new(vec![0; secret.len()]);
        if party.index() + 1 < parties {
            getrandom::fill(&mut share)?;
            rest.iter_mut().zip(share.iter()).for_each(|(rest, byte)| *rest ^= byte);
        } else {
            share.copy_from_slice(&rest);
        }
        shares.push(S3Share { access_key_id: access_key_id.to_owned(), share, parties, party });
    }
    Ok(shares)
}

fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |c: u8| char::from(c).to_digit(16).map(|d| d as u8);
    let bytes = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    // Collected into a buffer of the final size, so that no copy is left behind.
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    for byte in bytes {
        out.push(byte?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn shares_of_every_number_of_parties_make_the_key() {
        let secret = new_secret_key().unwrap();
        assert_eq!(secret.len(), SECRET_KEY_BYTES);
        for parties in 2..=5 {
            let shares = deal("AKID", secret.as_bytes(), parties).unwrap();
            let sum = shares.iter().fold(vec![0; SECRET_KEY_BYTES], |sum, s| sum.iter().zip(s.share.iter()).map(|(a, b)| a ^ b).collect());
            assert_eq!(sum, secret.as_bytes());
            assert!(shares.iter().all(|s| s.share.as_slice() != secret.as_bytes()));
        }
    }

    #[test]
    fn a_share_is_read_by_its_party_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s3-share.json");
        let (p1, p2) = (PartyId::new(0), PartyId::new(1));
        let share = deal("AKID", &[7; SECRET_KEY_BYTES], 2).unwrap().pop().unwrap();
        share.save(&path).unwrap();
        assert!(share.save(&path).is_err(), "never overwritten");
        assert_eq!(S3Share::load(&path, p2, 2).ok().unwrap().share, share.share);
        let fault = |me, members| S3Share::load(&path, me, members).err().unwrap().fault;
        assert!(matches!(fault(p1, 2), ShareFault::NotMine { party: 2, parties: 2, .. }));
        assert!(matches!(fault(p2, 3), ShareFault::NotMine { members: 3, .. }));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(fault(p2, 2), ShareFault::Exposed(0o640)));
    }

    #[test]
    fn damaged_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s3-share.json");
        let fault = |text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            S3Share::load(&path, PartyId::new(0), 2).err().unwrap().fault
        };
        assert!(matches!(fault(""), ShareFault::Layout(_)));
        assert!(matches!(fault(r#"{"access_key_id":"A","share":"00","parties":2,"party":1,"x":1}"#), ShareFault::Layout(_)));
        for share in ["00", "0", "zz", &"0".repeat(79), &"0".repeat(82)] {
            let text = format!(r#"{{"access_key_id":"A","share":"{share}","parties":2,"party":1}}"#);
            assert!(matches!(fault(&text), ShareFault::Share), "{share}");
        }
        assert!(matches!(S3Share::load(&dir.path().join("none"), PartyId::new(0), 2).err().unwrap().fault, ShareFault::Io(_)));
    }
}
