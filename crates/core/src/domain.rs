//! Every hash of the project is BLAKE3 in key-derivation mode under one of these contexts, so no two uses can collide.

use std::fmt;
use subtle::{Choice, ConstantTimeEq};

/// What a hash is for. Adding a use means adding a line here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// The session identifier, from nonces, identities and parameters.
    Session,
    /// A commitment.
    Commit,
    /// Seeds that a coin toss expands to.
    Coin,
    /// Running digests of broadcast messages, compared by all.
    Echo,
    /// Keys from a base OT.
    BaseOt,
    /// Hashing a base OT's choice to the group.
    BaseOtGroup,
    /// Leaves of the punctured PRF's consistency check.
    PprfCheck,
    /// Column hashes of the correlated-OT check.
    CotCheck,
    /// Coefficients of the correlated-OT check between two parties, from the correction that they test.
    CotChallenge,
    /// Masked values of a segment, from which the zero test's coefficients come.
    Lambda,
    /// Digest of a compiled circuit.
    Circuit,
    /// Digest of a plan: circuits, their wiring, inputs.
    Plan,
    /// Public values that all parties compare before they use them.
    PublicValue,
    /// The permutation key of the correlation-robust hash.
    HashKey,
    /// What all parties agree on before a session: host, request, parameters.
    Agreement,
    /// Schnorr proofs of knowledge of a key share.
    KeyShareProof,
    /// A proposed operation; the digest is what is approved.
    Operation,
    /// One run of an approved operation, with all values that were found for it.
    OperationRun,
    /// What of a call a standing policy names: all but its arguments and where it is in a queue.
    Flow,
    /// An entry of a party's log, over the digest of the one before.
    LogEntry,
    /// What came of a run: server, opened values.
    OperationResult,
    /// A value that was opened to one party, committed to for the others.
    OpenedToOne,
    /// A receipt: operation, run and result.
    Receipt,
    /// The header of a store's files, against damage that is no attack.
    StoreHeader,
    /// Rooms and items, to keys of a store's rows that say nothing of their names.
    StoreName,
    /// What a room is to be, without its members.
    RoomCharter,
    /// What the members of a room sign: its parameters in one epoch.
    RoomParameters,
    /// The name of an invitation, from its token.
    Invitation,
    /// That a message was made by one who has an invitation's token.
    InvitationProof,
    /// A joiner's commitment to its nonce and to what it will be listed as.
    JoinCommitment,
    /// What both sides of a join sign.
    JoinTranscript,
    /// The words that both sides of a join compare.
    JoinPhrase,
    /// The public description of an item in the vault.
    VaultItem,
    /// What is in a room's vault, without the secrets.
    VaultManifest,
    /// What binds a run to the vault that it reads and to the round that it is committed in.
    VaultRun,
    /// The session of a link that two parties keep up.
    KeptLink,
    /// The session at which an inviter waits for whoever has the invitation.
    InvitationDoor,
    /// Parameters of the MPC engine, as an operation names them.
    EngineParameters,
}

impl Domain {
    /// The BLAKE3 context string.
    pub const fn context(self) -> &'static str {
        match self {
            Domain::Session => "cotenant 2026-11 session id",
            Domain::Commit => "cotenant 2026-11 commitment",
            Domain::Coin => "cotenant 2026-11 coin",
            Domain::Echo => "cotenant 2026-11 echo",
            Domain::BaseOt => "cotenant 2026-11 base ot key",
            Domain::BaseOtGroup => "cotenant 2026-11 base ot hash to group",
            Domain::PprfCheck => "cotenant 2026-11 punctured prf check",
            Domain::CotCheck => "cotenant 2026-11 correlated ot check",
            Domain::CotChallenge => "cotenant 2026-11 correlated ot challenge",
            Domain::Lambda => "cotenant 2026-11 masked values",
            Domain::Circuit => "cotenant 2026-11 circuit",
            Domain::Plan => "cotenant 2026-11 plan",
            Domain::PublicValue => "cotenant 2026-11 public value",
            Domain::HashKey => "cotenant 2026-11 hash key",
            Domain::Agreement => "cotenant 2026-11 agreement",
            Domain::KeyShareProof => "cotenant 2026-11 key share proof",
            Domain::Operation => "cotenant 2026-11 operation",
            Domain::OperationRun => "cotenant 2026-11 operation run",
            Domain::Flow => "cotenant 2026-11 flow",
            Domain::LogEntry => "cotenant 2026-11 log entry",
            Domain::OperationResult => "cotenant 2026-11 operation result",
            Domain::OpenedToOne => "cotenant 2026-11 opened to one party",
            Domain::Receipt => "cotenant 2026-11 receipt",
            Domain::StoreHeader => "cotenant 2026-11 store header",
            Domain::StoreName => "cotenant 2026-11 store name",
            Domain::RoomCharter => "cotenant 2026-11 room charter",
            Domain::RoomParameters => "cotenant 2026-11 room parameters",
            Domain::Invitation => "cotenant 2026-11 invitation",
            Domain::InvitationProof => "cotenant 2026-11 invitation proof",
            Domain::JoinCommitment => "cotenant 2026-11 join commitment",
            Domain::JoinTranscript => "cotenant 2026-11 join transcript",
            Domain::JoinPhrase => "cotenant 2026-11 join phrase",
            Domain::VaultItem => "cotenant 2026-11 vault item",
            Domain::VaultManifest => "cotenant 2026-11 vault manifest",
            Domain::VaultRun => "cotenant 2026-11 vault run",
            Domain::KeptLink => "cotenant 2026-11 kept link",
            Domain::InvitationDoor => "cotenant 2026-11 invitation door",
            Domain::EngineParameters => "cotenant 2026-11 engine parameters",
        }
    }

    /// A fresh hasher of this domain.
    pub fn hasher(self) -> Hasher {
        Hasher(blake3::Hasher::new_derive_key(self.context()))
    }
}

/// A hash in the making; every field is preceded by its length.
#[derive(Clone)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Absorbs one field.
    pub fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Absorbs a number.
    pub fn number(&mut self, n: u64) -> &mut Self {
        self.0.update(&n.to_le_bytes());
        self
    }

    /// Absorbs bytes of a length that both sides know, without a length before them.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// The digest of all fields so far.
    pub fn digest(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }

    /// As many bytes as wanted from all fields so far.
    pub fn expand(&self, out: &mut [u8]) {
        self.0.finalize_xof().fill(out);
    }
}

/// 256 bits that stand for what was hashed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ConstantTimeEq for Digest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}
