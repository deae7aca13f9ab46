//! Runs: a script on a machine that nobody has alone, over inputs that no other party's storage can read (docs/protocol/runs.md).
//!
//! | part | what |
//! | --- | --- |
//! | [`manifest`] | what is agreed on: script, inputs, outputs, by their digests; what each party offers |
//! | [`launch`] | the call that starts the machine, as text (`run.http`) and arguments, and back |
//! | [`seal`] | what a party and the machine seal for each other |
//! | [`storage`] | a party's own place for sealed objects, by presigned URLs |
//! | [`folder`] | what this party keeps of a run: its key, its offer, the manifest |
//! | `machine/` | the program that the machine runs, in two parts, [`PROGRAM`] |

pub mod folder;
pub mod launch;
pub mod manifest;
pub mod seal;
pub mod storage;

use cotenant_agent::{approve::escape::escape, hex, http::ResponseError, sign::sigv4::SigningError};
use sha2::{Digest, Sha256};
use std::{io, path::PathBuf};

/// What the machine runs: every party's program has the same, and a manifest is done by no other.
pub const PROGRAM: &str = concat!(include_str!("run/machine/seal.py"), include_str!("run/machine/run.py"));
/// The longest object that is fetched or put, in bytes.
pub const MAX_OBJECT: u64 = 1 << 28;

/// Why something about a run cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The operating system.
    #[error("no randomness from the operating system")]
    Randomness,
    /// A sealed object is not what it should be.
    #[error(
        "{name} was not sealed under this party's key for this run and manifest, or is not whole: whoever put it there, it was not the machine"
    )]
    NotSealed {
        /// Which.
        name: String,
    },
    /// A name of a run, a party or a file.
    #[error("\"{}\" is no name for a run, a party or a file in one: 1 to 64 letters, digits and . _ -, the first a letter or digit", escape(.0))]
    Name(String),
    /// A URL.
    #[error("this is no https URL that a run can have: {}", escape(.0))]
    Url(String),
    /// A file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file or an object that is not in its form.
    #[error("{what}: {source}")]
    Form {
        /// Which.
        what: String,
        /// Where.
        source: serde_json::Error,
    },
    /// There is a run of that name here.
    #[error("there is a run {0} here already; a run key is for one run, so choose another name")]
    Exists(String),
    /// There is none.
    #[error("this party has offered nothing to a run {0}; see cotenant run offer")]
    NoRun(String),
    /// It has not been proposed or approved here.
    #[error("this party has not approved run {0} yet, so it does not know the manifest; see cotenant run approve")]
    NoManifest(String),
    /// Nothing says which key opens the storage.
    #[error("set {0}: the key of this party's own storage")]
    NoStorageKey(&'static str),
    /// A server.
    #[error("{host} does not answer: {source}")]
    Unreachable {
        /// Which.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// Its answer.
    #[error("{host} gives no whole answer: {source}")]
    Answer {
        /// Which.
        host: String,
        /// What is wrong with it.
        source: ResponseError,
    },
    /// It refuses.
    #[error("{host} answers {status}")]
    Status {
        /// Which.
        host: String,
        /// How.
        status: u16,
    },
    /// A request could not be signed.
    #[error("a URL cannot be made: {0}")]
    Signing(#[from] SigningError),
    /// Something is not what was agreed on.
    #[error("{0} is not what its size and SHA-256 say")]
    Digest(String),
    /// The operation is no run, or not one as this program makes it.
    #[error("operation {number} is no run as this program makes them: {why}")]
    Strange {
        /// Which.
        number: u64,
        /// What is strange.
        why: Strange,
    },
    /// The offers do not fit.
    #[error("these offers make no run: {0}")]
    Offers(BadOffers),
    /// Nothing was named.
    #[error("give a script, or one of the commands that cotenant run --help lists")]
    NothingToRun,
    /// There is no word of the machine.
    #[error("the machine has told nothing yet; if that stays so, it was not started, or could not fetch what it needs")]
    NothingTold,
    /// There is no log.
    #[error("the machine has put no log there: the script has not ended, or this party has not asked for what it prints")]
    NoLog,
    /// There is a result missing.
    #[error("not all results are there; see cotenant run status")]
    NoResult,
    /// The time is too short.
    #[error("a machine of {minutes} minutes has no time for a script of {seconds} seconds and {KEPT} seconds around it")]
    Time {
        /// For the machine.
        minutes: u32,
        /// For the script.
        seconds: u32,
    },
}

/// What is strange about an operation that is to be a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Strange {
    /// Its text.
    #[error("its text is another than that of cotenant run")]
    Text,
    /// An argument.
    #[error("an argument is none that cotenant run gives")]
    Argument,
    /// The program.
    #[error("the machine would run another program than this party's")]
    Program,
    /// The manifest.
    #[error("its manifest is none, or of another run")]
    Manifest,
    /// The parties.
    #[error("those who give keys are not the parties of the manifest")]
    Parties,
    /// This party's part.
    #[error("this party's inputs and outputs are not those that it has offered")]
    Offer,
}

/// Why offers make no run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOffers {
    /// One is of another run.
    #[error("one is of another run")]
    Run,
    /// Two are of one party.
    #[error("two are of one party")]
    Twice,
    /// This party's is not among them.
    #[error("this party's own is not among them, or is another than it has made")]
    Own,
    /// One is not in its form.
    #[error("one has a part that is not in its form")]
    Form,
}

/// Seconds that a machine has beside the script's: to begin, and to tell how it ended (`KEPT` of the program, and as much before).
pub const KEPT: u32 = 240;

/// The SHA-256 of something, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes))
}
