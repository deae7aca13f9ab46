//! Why an operation does not run, or did not succeed.

use crate::{
    approve::{
        item::{Pick, in_words},
        operation::BadOperation,
        run::BadRun,
        words::moment,
    },
    call::CallError,
    derive::NoValue,
    flow::FlowError,
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
    /// What changes the vault is committed in the round that follows its version, in the operation's epoch; nothing else is committed.
    #[error("the round of the commit is not the one that follows the vault's version in the operation's epoch")]
    Round,
    /// The date is too far from this party's clock.
    #[error("the date of the run is {}, and the clock here says {}; set the clocks right", moment(*date), moment(*clock))]
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
    /// Too many items, or names of removed ones, or bytes of what is known of them.
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
    /// The characters of a secret may not stand at the place of a hole.
    #[error("{of} can have characters that may not stand at the place of the hole {hole}")]
    Characters {
        /// The hole.
        hole: String,
        /// The item, or what else fills it.
        of: String,
    },
    /// What is to be made of secrets.
    #[error(transparent)]
    Value(#[from] NoValue),
    /// A key of that length signs nothing.
    #[error("{item} has {len} bytes: a secret access key has 1 to 60")]
    KeyLength {
        /// The item.
        item: String,
        /// Its length.
        len: usize,
    },
    /// The text of the request.
    #[error("the flow: {0}")]
    Flow(#[from] FlowError),
    /// The call is another one than its text says.
    #[error("the host, the secrets, the policy or the limits of the call are not what its text says")]
    NotItsText,
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

impl OperateError {
    /// What happened in the session, if that is why.
    pub fn in_session(&self) -> Option<&cotenant_mpc::Error> {
        match self {
            OperateError::Vault(VaultError::Mpc(error)) => Some(error),
            OperateError::Call(error) => error.in_session(),
            OperateError::Refused(_) | OperateError::Vault(_) => None,
        }
    }
}

impl From<cotenant_mpc::Error> for OperateError {
    fn from(error: cotenant_mpc::Error) -> Self {
        OperateError::Vault(error.into())
    }
}
