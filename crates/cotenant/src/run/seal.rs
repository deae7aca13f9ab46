//! Objects that a party and its machine seal for each other under the party's run key, as `machine/seal.py` does at the machine.
//!
//! ```text
//! about  = "cotenant run 1", kind, run, party, name, manifest        each with its length, 4 bytes, before it
//! object = "cotenant sealed 1\n" || salt (32) || chunk 0 || chunk 1 || ...
//! key    = HKDF-SHA-256(salt, run key, about)                        RFC 5869
//! chunk  = AES-256-GCM(key, number (12 bytes), 65536 bytes, about || number (8 bytes) || is last (1 byte))
//! stop   = HKDF-SHA-256(no salt, run key, about of kind "stop")
//! ```
//!
//! Chunks that are numbered and of which the last says so are the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (CRYPTO 2015): none can be
//! changed, moved, left out or cut off. A fresh salt gives each object a key of its own, so no nonce is used twice. What is said of it is docs/protocol/runs.md.

use super::RunError;
use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInOut};
use cotenant_agent::hex;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

const MAGIC: &[u8; 18] = b"cotenant sealed 1\n";
const SALT: usize = 32;
const TAG: usize = 16;
const CHUNK: usize = 1 << 16;
/// Bytes before the first chunk.
const HEAD: usize = MAGIC.len() + SALT;

/// What an object is: its direction and sort.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Where a party wants what it is to have. To the machine.
    Addresses,
    /// To the machine.
    Input,
    /// From the machine, with the manifest of the run.
    Output,
    /// What the script printed. From the machine.
    Log,
    /// How the run stands. From the machine.
    Status,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Addresses => "addresses",
            Kind::Input => "input",
            Kind::Output => "output",
            Kind::Log => "log",
            Kind::Status => "status",
        }
    }
}

/// What one party's run key seals in one run.
pub struct Seal<'a> {
    /// The run key.
    pub key: &'a [u8; 32],
    /// The run.
    pub run: &'a str,
    /// The party.
    pub party: &'a str,
}

impl Seal<'_> {
    /// Seals `data`, of this kind and name, for the machine.
    ///
    /// # Errors
    /// [`RunError::Randomness`].
    pub fn seal(&self, kind: Kind, name: &str, data: &[u8]) -> Result<Vec<u8>, RunError> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|_| RunError::Randomness)?;
        Ok(self.sealed(&salt, kind, name, &[], data))
    }

    /// What was sealed; `manifest` is the SHA-256 of the run's for what comes from the machine, and empty for what goes to it.
    ///
    /// # Errors
    /// [`RunError::NotSealed`]: it is of another key, run, party, kind, name or manifest, or not whole.
    pub fn open(&self, kind: Kind, name: &str, manifest: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, RunError> {
        let wrong = || RunError::NotSealed { name: name.to_owned() };
        let (head, body) = sealed.split_at_checked(HEAD).ok_or_else(wrong)?;
        let salt = head.strip_prefix(&MAGIC[..]).ok_or_else(wrong)?;
        let about = self.about(kind.name(), name, manifest);
        let cipher = self.cipher(salt, &about);
        let chunks: Vec<&[u8]> = body.chunks(CHUNK + TAG).collect();
        let mut data = Zeroizing::new(Vec::with_capacity(body.len()));
        for (number, chunk) in chunks.iter().enumerate() {
            let (nonce, about) = numbered(&about, number, number + 1 == chunks.len());
            let (text, tag) = chunk.split_at_checked(chunk.len().wrapping_sub(TAG)).ok_or_else(wrong)?;
            let (from, tag) = (data.len(), tag.try_into().expect("a tag's length"));
            data.extend_from_slice(text);
            cipher.decrypt_inout_detached(&nonce.into(), &about, data[from..].as_mut().into(), &tag).map_err(|_| wrong())?;
        }
        if chunks.is_empty() { Err(wrong()) } else { Ok(data) }
    }

    /// What this party puts at its stop URL to end the run.
    pub fn stop(&self) -> String {
        let mut word = [0; 32];
        let about = self.about("stop", "", &[]);
        Hkdf::<Sha256>::new(None, self.key).expand(&about, &mut word).expect("32 bytes are not too many");
        hex::encode(&word)
    }

    fn sealed(&self, salt: &[u8], kind: Kind, name: &str, manifest: &[u8], data: &[u8]) -> Vec<u8> {
        let about = self.about(kind.name(), name, manifest);
        let cipher = self.cipher(salt, &about);
        let chunks: Vec<&[u8]> = if data.is_empty() { vec![&[]] } else { data.chunks(CHUNK).collect() };
        let mut out = Vec::with_capacity(HEAD + data.len() + chunks.len() * TAG);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(salt);
        for (number, chunk) in chunks.iter().enumerate() {
            let (nonce, about) = numbered(&about, number, number + 1 == chunks.len());
            let from = out.len();
            out.extend_from_slice(chunk);
            let tag = cipher.encrypt_inout_detached(&nonce.into(), &about, out[from..].as_mut().into());
            out.extend_from_slice(&tag.expect("a chunk is short enough for GCM"));
        }
        out
    }

    fn about(&self, kind: &str, name: &str, manifest: &[u8]) -> Vec<u8> {
        let parts: [&[u8]; 6] = [b"cotenant run 1", kind.as_bytes(), self.run.as_bytes(), self.party.as_bytes(), name.as_bytes(), manifest];
        parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes()[..], part].concat()).collect()
    }

    fn cipher(&self, salt: &[u8], about: &[u8]) -> Aes256Gcm {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(salt), self.key).expand(about, &mut *key).expect("32 bytes are not too many");
        Aes256Gcm::new(&(*key).into())
    }
}

/// Nonce and associated data of a chunk.
fn numbered(about: &[u8], number: usize, last: bool) -> ([u8; 12], Vec<u8>) {
    let number = (number as u64).to_be_bytes();
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number);
    (nonce, [about, &number, &[u8::from(last)]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const SEAL: Seal = Seal { key: &KEY, run: "r1", party: "alice" };

    fn sealed(data: &[u8]) -> Vec<u8> {
        SEAL.sealed(&[9; SALT], Kind::Input, "in", &[], data)
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_own_name_alone() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let data: Vec<u8> = (0..len).map(|at| (at * 31 % 251) as u8).collect();
            let object = SEAL.seal(Kind::Input, "in", &data).unwrap();
            assert_eq!(*SEAL.open(Kind::Input, "in", &[], &object).unwrap(), data);
        }
        let object = sealed(b"data");
        let key = [8; 32];
        for (seal, kind, name, manifest) in [
            (Seal { key: &key, ..SEAL }, Kind::Input, "in", &[][..]),
            (Seal { run: "r2", ..SEAL }, Kind::Input, "in", &[]),
            (Seal { party: "bob", ..SEAL }, Kind::Input, "in", &[]),
            (SEAL, Kind::Output, "in", &[]),
            (SEAL, Kind::Input, "out", &[]),
            (SEAL, Kind::Input, "in", &[0; 32]),
        ] {
            assert!(seal.open(kind, name, manifest, &object).is_err(), "{kind:?} {name}");
        }
    }

    #[test]
    fn every_cut_and_change_is_found() {
        let object = sealed(&[5; 2 * CHUNK + 10]);
        let whole = CHUNK + TAG;
        let mut wrong: Vec<Vec<u8>> =
            [0, HEAD - 1, HEAD, HEAD + TAG - 1, HEAD + whole, HEAD + 2 * whole, object.len() - 1].map(|len| object[..len].to_vec()).into();
        for at in [0, HEAD - 1, HEAD, HEAD + CHUNK, HEAD + whole, object.len() - 1] {
            let mut changed = object.clone();
            changed[at] ^= 1;
            wrong.push(changed);
        }
        let part = |n: usize| &object[HEAD + n * whole..object.len().min(HEAD + (n + 1) * whole)];
        wrong.push([&object[..HEAD], part(1), part(0), part(2)].concat());
        wrong.push([&object[..HEAD], part(0), part(2)].concat());
        wrong.push([&object[..], b"x"].concat());
        for (number, wrong) in wrong.iter().enumerate() {
            assert!(SEAL.open(Kind::Input, "in", &[], wrong).is_err(), "{number}");
        }
    }

    /// Computed by Python's hmac and the package cryptography: the machine's program and this one agree.
    #[test]
    fn a_sealed_object_of_another_implementation() {
        assert_eq!(hex::encode(&sealed(b"data")[HEAD..]), "e454ad7a2a2f1aa2f3b42d117c05eee0644226ae");
        assert_eq!(SEAL.stop(), "0ff063cad20c73101f11ea921d1242ef2681a9b0eafea5ab4595494b6b6f563b");
    }
}
