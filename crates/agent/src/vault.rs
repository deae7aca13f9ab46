//! The vault: secrets that exist only as shares, kept for years.
//!
//! A secret is padded, coded so that any change is noticed ([`amd`]), and divided among the members ([`sharing`]). What all know about it is an [`item::Item`], what
//! a member keeps is a [`share::Share`]. Both ways go through the joint computation alone: [`load`] makes secret wires of shares, [`save`] shares of secret
//! wires. How all members go from one version to the next is [`commit`].

pub mod alphabet;
pub mod amd;
mod circuits;
pub mod commit;
mod error;
pub mod item;
pub mod load;
pub mod save;
pub mod share;
pub mod sharing;

pub(crate) use circuits::conjunction;
pub use error::{PlanError, VaultError};
