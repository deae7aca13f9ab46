//! Who owns an identity together, on what terms, and how that is agreed and changed.
//!
//! | file | what |
//! | --- | --- |
//! | [`parameters`] | charter, members, and every rule about them |
//! | [`signed`] | signatures of parameters, and the rule by which a room changes |
//! | [`draft`], [`invitation`], [`join`] | a room that is to be, and how people get their seats |
//! | [`assembly`] | how all sign, and enter the same epochs |
//! | [`diff`], [`words`], [`address`] | what people read, hear and type |
//!
//! What is agreed, why the rules are as they are, and what is not prevented, is in `docs/protocol/room.md`.

pub mod address;
pub mod assembly;
pub mod diff;
pub mod draft;
pub mod invitation;
pub mod join;
pub mod parameters;
mod purpose;
pub mod signed;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod words;

pub use address::Address;
pub use assembly::Record;
pub use draft::Draft;
pub use invitation::Invitation;
pub use join::Phrase;
pub use parameters::{Charter, Limits, Member, Parameters, RoomId, Trust};
pub use signed::{Sheet, Signed, admits};
