//! Parameters with signatures, and the rule by which a room goes from one epoch to the next.
//!
//! A *sheet* is parameters and the signatures that are known, all of them right. Parameters are in force once enough have signed:
//!
//! - epoch 1: all members;
//! - a later epoch: **all its members, and at least t members of the epoch that it names as the one before**, t being that one's threshold.
//!
//! So with t = n whoever leaves has signed too, and with t < n a member that is gone, or does not want to leave, is removed or replaced by at least t
//! others, who can use everything that the room keeps in any case. Why this is the right rule, and what it does not prevent, is in
//! `docs/protocol/room.md`.
//!
//! Bytes of a sheet: version (1), length of the parameters (4), the parameters, how many signatures (1), each as key (32) and signature (64), keys
//! rising.

use super::{
    parameters::{BadParameters, MAX_MEMBERS, Parameters},
    purpose,
};
use cotenant_core::{
    Digest,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_net::{Identity, PublicIdentity};
use std::collections::BTreeMap;

/// First byte of a sheet.
const FORMAT: u8 = 1;
/// Longer parameters do not exist: 64 members with 8 addresses of the longest kind.
const MAX_PARAMETERS: usize = 1 << 18;
/// How far the epoch may be above the one before, so that no proposal uses up the numbers.
pub const MAX_SKIP: u32 = 1 << 16;

/// Signatures by key.
pub type Signatures = BTreeMap<PublicIdentity, [u8; 64]>;

/// Parameters and right signatures of them, not necessarily enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    parameters: Parameters,
    digest: Digest,
    signatures: Signatures,
}

/// Parameters that all their members have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed(Sheet);

/// Why signatures put nothing in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes are no sheet.
    #[error("not a sheet of signatures in a form that this program knows")]
    Format,
    /// The parameters break a rule.
    #[error(transparent)]
    Parameters(#[from] BadParameters),
    /// A signature is not of the key beside it.
    #[error("a signature that {0} did not make")]
    Signature(PublicIdentity),
    /// A signature of someone who is a member neither before nor after.
    #[error("a signature of {0}, who is no member")]
    Stranger(PublicIdentity),
    /// The parameters are of another room.
    #[error("another room")]
    Room,
    /// The epoch is not after the one before, or too far after it.
    #[error("epoch {new} cannot follow epoch {old}")]
    Epoch {
        /// Of what is in force.
        old: u32,
        /// Of what would be.
        new: u32,
    },
    /// The parameters do not follow those in force.
    #[error("they follow other parameters than those in force")]
    Previous,
    /// Neither the sender nor enough others have signed.
    #[error("its sender has not signed, nor have enough others")]
    Unsigned,
    /// A member has not signed.
    #[error("\"{0}\" has not signed")]
    Missing(String),
    /// Too few members of the epoch before have signed.
    #[error("{signed} members of the epoch before have signed, {threshold} are needed")]
    Few {
        /// How many did.
        signed: usize,
        /// How many have to.
        threshold: usize,
    },
}

impl From<BadFormat> for Fault {
    fn from(_: BadFormat) -> Self {
        Fault::Format
    }
}

/// What a member signs.
pub fn sign(parameters: &Parameters, identity: &Identity) -> [u8; 64] {
    identity.sign(purpose::PARAMETERS, &parameters.digest().0)
}

/// Whether `new` may be proposed to the members of `old`: all of the rule but signatures.
///
/// # Errors
/// [`Fault::Room`], [`Fault::Epoch`], [`Fault::Previous`].
pub fn follows(old: &Parameters, new: &Parameters) -> Result<(), Fault> {
    let (before, after) = (old.charter(), new.charter());
    if before.room != after.room {
        return Err(Fault::Room);
    }
    if !after.epoch.checked_sub(before.epoch).is_some_and(|step| (1..=MAX_SKIP).contains(&step)) {
        return Err(Fault::Epoch { old: before.epoch, new: after.epoch });
    }
    if after.previous == Some(old.digest()) { Ok(()) } else { Err(Fault::Previous) }
}

/// The rule: `new` is in force after `old` with these signatures.
///
/// # Errors
/// What is lacking first.
pub fn admits(old: &Signed, new: &Parameters, signatures: Signatures) -> Result<Signed, Fault> {
    let before = old.parameters();
    follows(before, new)?;
    if let Some(stranger) = signatures.keys().find(|key| before.seat(key).or(new.seat(key)).is_none()) {
        return Err(Fault::Stranger(*stranger));
    }
    let sheet = Sheet::new(new.clone(), signatures)?;
    let (signed, threshold) = (before.keys().filter(|key| sheet.signatures.contains_key(key)).count(), before.charter().threshold.into());
    if signed < threshold {
        return Err(Fault::Few { signed, threshold });
    }
    Signed::by_all_members(sheet)
}

/// Epoch 1 is in force with these signatures.
///
/// # Errors
/// What is lacking first.
pub fn founded(parameters: &Parameters, signatures: Signatures) -> Result<Signed, Fault> {
    if parameters.charter().epoch != 1 {
        return Err(Fault::Previous);
    }
    if let Some(stranger) = signatures.keys().find(|key| parameters.seat(key).is_none()) {
        return Err(Fault::Stranger(*stranger));
    }
    Signed::by_all_members(Sheet::new(parameters.clone(), signatures)?)
}

impl Sheet {
    /// Checks every signature.
    ///
    /// # Errors
    /// [`Fault::Signature`], or [`Fault::Format`] if there are more signatures than two epochs can have members.
    pub fn new(parameters: Parameters, signatures: Signatures) -> Result<Sheet, Fault> {
        if signatures.len() > 2 * MAX_MEMBERS {
            return Err(Fault::Format);
        }
        let digest = parameters.digest();
        match signatures.iter().find(|(key, signature)| key.verify(purpose::PARAMETERS, &digest.0, signature).is_err()) {
            Some((key, _)) => Err(Fault::Signature(*key)),
            None => Ok(Sheet { parameters, digest, signatures }),
        }
    }

    /// What is signed.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The digest of what is signed.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Who has signed.
    pub fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    /// Takes over the signatures of another sheet of the same parameters; tells whether there was a new one.
    pub fn merge(&mut self, other: &Sheet) -> bool {
        let before = self.signatures.len();
        if self.digest == other.digest {
            self.signatures.extend(other.signatures.iter().map(|(&key, &signature)| (key, signature)));
        }
        self.signatures.len() > before
    }

    /// Who has signed both, though they are different parameters for one epoch of one room. An honest member never does.
    pub fn signed_twice(&self, other: &Sheet) -> Vec<PublicIdentity> {
        let [a, b] = [self, other].map(|sheet| (sheet.parameters.charter().room, sheet.parameters.charter().epoch));
        if a != b || self.digest == other.digest {
            return Vec::new();
        }
        self.signatures.keys().filter(|key| other.signatures.contains_key(key)).copied().collect()
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let parameters = self.parameters.encode();
        let writer = Writer::new().bytes(&[FORMAT]).bytes(&(parameters.len() as u32).to_le_bytes()).bytes(&parameters);
        let writer = writer.bytes(&[self.signatures.len() as u8]); // at most 128
        self.signatures.iter().fold(writer, |writer, (key, signature)| writer.bytes(key.as_bytes()).bytes(signature)).done()
    }

    /// The inverse of [`Sheet::encode`]; checks every signature.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn decode(bytes: &[u8]) -> Result<Sheet, Fault> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != [FORMAT] {
            return Err(Fault::Format);
        }
        let length = u32::from_le_bytes(reader.array()?) as usize;
        if length > MAX_PARAMETERS {
            return Err(Fault::Format);
        }
        let parameters = Parameters::decode(reader.bytes(length)?)?;
        let [count] = reader.array()?;
        let mut signatures = Signatures::new();
        for _ in 0..count {
            let key = PublicIdentity::from_bytes(&reader.array()?).map_err(|_| Fault::Format)?;
            if signatures.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(Fault::Format);
            }
            signatures.insert(key, reader.array()?);
        }
        reader.end()?;
        Sheet::new(parameters, signatures)
    }
}

impl Signed {
    /// What its own members say, which is enough for whoever relies on one of them: that the epoch before agreed is theirs to know.
    ///
    /// # Errors
    /// [`Fault::Missing`].
    pub fn by_all_members(sheet: Sheet) -> Result<Signed, Fault> {
        match sheet.parameters.members().iter().find(|member| !sheet.signatures.contains_key(&member.key)) {
            Some(member) => Err(Fault::Missing(member.name.clone())),
            None => Ok(Signed(sheet)),
        }
    }

    /// What is in force.
    pub fn parameters(&self) -> &Parameters {
        &self.0.parameters
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// With the signatures, for others.
    pub fn sheet(&self) -> &Sheet {
        &self.0
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    /// The inverse of [`Signed::encode`], with the check of [`Signed::by_all_members`].
    ///
    /// # Errors
    /// What is wrong first.
    pub fn decode(bytes: &[u8]) -> Result<Signed, Fault> {
        Signed::by_all_members(Sheet::decode(bytes)?)
    }
}

#[cfg(test)]
mod tests;
