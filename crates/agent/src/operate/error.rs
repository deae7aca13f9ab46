//! Why an operation does not run, or did not succeed.

use super::flow::FlowError;
use crate::{
    approve::{
        item::{Pick, in_words},
        operation::BadOperation,
        run::BadRun,
    },
    call::CallError,
    http::RequestError,
    sign::sigv4::SigningError,
    vault::{
        VaultError,
        item::{ItemError, Use},
    },
};

/// Why this party takes no part. Nothing has been computed and nobody has heard of it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// The operation.
    #[error(transparent)]
    Operation(#[from] BadOperation),
    /// The values that were found for the run.
    #[error(transparent)]
    Run(#[from] BadRun),
    /// The operation is of another room than the vault.
    #[error("the operation is of another room")]
    Room,
    /// The operation is one of the room, not of its vault.
    #[error("a change of the room does nothing to its vault: the members enter a new epoch")]
    ChangeRoom,
    /// What changes the vault is committed in the round that follows its version, in the operation's epoch; nothing else is committed.
    #[error("the round of the commit is not the one that follows the vault's version in the operation's epoch")]
    Round,
    /// The date is too far from this party's clock.
    #[error("the date of the run is {date}, the clock here says {clock} (seconds since 1970); set the clocks right")]
    Clock {
        /// The run's.
        date: i64,
        /// This party's.
        clock: i64,
    },
    /// The shares are among others than the members of the room.
    #[error("the vault is still shared among earlier members; reshare it first")]
    Members,
    /// Shares go to other members for all items at once.
    #[error("the members have changed, so all items are reshared together, and {item} is not in the list")]
    Unlisted {
        /// One that is missing.
        item: String,
    },
    /// No such item.
    #[error("there is no item {item} in the vault")]
    NoItem {
        /// Its name.
        item: String,
    },
    /// The item is in the vault in another version.
    #[error("the {wanted} of {item} was approved, and the vault has version {found}")]
    Version {
        /// The item.
        item: String,
        /// What was approved.
        wanted: Pick,
        /// What is there.
        found: u64,
    },
    /// The approved version of a new value is not the one that follows.
    #[error("version {approved} of {item} was approved, and version {next} is the next")]
    NextVersion {
        /// The item.
        item: String,
        /// What was approved.
        approved: u64,
        /// What follows.
        next: u64,
    },
    /// The description of the new version.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// Too many items, or names of removed ones.
    #[error("the vault is full")]
    Full,
    /// Of those who take part, too few have a share.
    #[error("{item} needs the shares of {wanted} members, and of those who take part {found} have one")]
    TooFew {
        /// The item.
        item: String,
        /// The threshold.
        wanted: usize,
        /// How many.
        found: usize,
    },
    /// The item may not be used like this.
    #[error("{item} may not be used like this: {}. {}", in_words(wanted), allowed_uses(allowed))]
    Use {
        /// The item.
        item: String,
        /// How it would be used.
        wanted: Use,
        /// How it may be used.
        allowed: Vec<Use>,
    },
    /// A hole stands at another place than it is for.
    #[error("the hole {hole} stands where it is not meant to be: {}", in_words(.purpose))]
    Place {
        /// The hole.
        hole: String,
        /// What it is for.
        purpose: Use,
    },
    /// The characters of an item may not stand at the place of a hole.
    #[error("{item} can have characters that may not stand at the place of the hole {hole}")]
    Characters {
        /// The hole.
        hole: String,
        /// The item.
        item: String,
    },
    /// A key of that length signs nothing.
    #[error("{item} has {len} bytes: a secret access key has 1 to 60")]
    KeyLength {
        /// The item.
        item: String,
        /// Its length.
        len: usize,
    },
    /// A request has one signature, and nothing else in it is secret.
    #[error("a signed request has one signature and no other hole that is not public")]
    Signed,
    /// A signed request needs the public half of its key as an argument.
    #[error("a signed request needs the argument {}", super::ACCESS_KEY_ID)]
    NoAccessKeyId,
    /// What one party alone gives cannot be sent yet.
    #[error("the hole {hole} is for what one party gives, which this version cannot send")]
    Private {
        /// The hole.
        hole: String,
    },
    /// The text of the request.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// The request that the text makes.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Its signature.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// What becomes of the answer.
    #[error("this version opens answers whole, to all who take part: the policy has to say \"{}\"", super::OPEN_ALL)]
    Response,
    /// The answer could tell what was sent.
    #[error("the whole answer is opened, so the policy has to say \"{} {hole}\"", super::NOT_REFLECTED)]
    Reflected {
        /// The hole.
        hole: String,
    },
    /// Other trust roots than those that were approved.
    #[error("the trust roots here are not those that were approved")]
    TrustRoots,
    /// The members compared another run.
    #[error("the members have compared another run")]
    NotCompared,
}

fn allowed_uses(uses: &[Use]) -> String {
    match uses {
        [] => "No use was agreed on".to_owned(),
        _ => format!("It may be used: {}", uses.iter().map(in_words).collect::<Vec<_>>().join("; ")),
    }
}

/// Why an operation failed. The session is over, and nothing of it was saved.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// This party refused before anything was computed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Loading or saving.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The call.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<cotenant_mpc::Error> for OperateError {
    fn from(error: cotenant_mpc::Error) -> Self {
        OperateError::Vault(error.into())
    }
}
