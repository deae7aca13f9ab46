//! Why a load or a save failed.

use super::share::Mismatch;
use cotenant_core::PartyId;

/// Why secrets were not loaded or saved. Nothing was opened but what the variant says, and the session is over.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The joint computation.
    #[error(transparent)]
    Mpc(#[from] cotenant_mpc::Error),
    /// The check of the vault: the shares that were given do not make what was saved. One bit says so for all items together.
    #[error("the check of the vault failed for {}: at least one party gave a share that is not the one it was given by the save, of this version, item and room", items.join(", "))]
    VaultTag {
        /// The items that were loaded together.
        items: Vec<String>,
    },
    /// A value that is to be a text has a character that is not in its alphabet. One bit says so for all such items together.
    #[error("a value for {} has a character outside of the item's alphabet", items.join(", "))]
    Alphabet {
        /// The items whose characters were looked at together.
        items: Vec<String>,
    },
    /// This party's own share is another than the one that is wanted, by its header.
    #[error("this party's share of {item} {mismatch}")]
    Share {
        /// The item that is wanted.
        item: String,
        /// What differs.
        mismatch: Mismatch,
    },
    /// This party has no share of an item that it is to give one of, or has a share of too many.
    #[error("this party is to give {wanted} shares and has {found}")]
    Shares {
        /// How many.
        wanted: usize,
        /// How many were given.
        found: usize,
    },
    /// This party has a value for too few or too many items.
    #[error("{wanted} items are to be saved, with {found} values")]
    Values {
        /// How many items.
        wanted: usize,
        /// How many values.
        found: usize,
    },
    /// This party's own value for an item is of another length, or has a character outside of the alphabet; nobody else has heard of it.
    #[error("this party's value for {item} does not fit: {len} bytes are wanted, of the item's alphabet")]
    Value {
        /// The item.
        item: String,
        /// Its length.
        len: usize,
    },
    /// The caller asks for what was not declared: another way to come by a value, another item, a party that does not exist.
    #[error("{0}")]
    Plan(#[from] PlanError),
}

/// A load or save that cannot be: an error of the caller, which all parties make alike.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// There is nothing to load or save.
    #[error("there is no item to load or save")]
    Empty,
    /// A party that is not one of the session.
    #[error("{0} is not a party of this session")]
    Party(PartyId),
    /// Receivers are not as many parties as the item has members, each once.
    #[error("the shares of {item} need {members} parties, each once")]
    Receivers {
        /// The item.
        item: String,
        /// How many.
        members: usize,
    },
    /// A quorum of another sharing than the item's.
    #[error("the quorum for {item} is one of another sharing")]
    Quorum {
        /// The item.
        item: String,
    },
    /// A value comes from elsewhere than was declared, or is of another item.
    #[error("the value of {item} is not where the plan has it from")]
    Source {
        /// The item.
        item: String,
    },
}
