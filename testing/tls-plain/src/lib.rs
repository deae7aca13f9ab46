//! The plaintext key backend of the TLS client, and what its tests stand on. Never shipped: here one process knows every secret.
//!
//! - [`PlainKeys`] implements the client's key operations in the clear.
//! - [`client`] drives the client over a socket, and waits for it.
//! - [`servers`] starts and stops real TLS servers; [`pki`] makes certificates for them.
//! - [`scripted`] is a server that breaks one rule at a time.
#![forbid(unsafe_code)]

pub mod client;
mod keys;
pub mod pki;
pub mod schedule;
pub mod scripted;
pub mod servers;

pub use keys::{PlainKeys, SecretBytes};

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The result of a future that never waits, as those of [`PlainKeys`] are.
///
/// # Panics
/// If it waits.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a future of the plaintext backend waits"),
    }
}
