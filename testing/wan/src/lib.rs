//! An emulated wide area network on one machine: hosts joined by links.
//!
//! A host is a network namespace with one TUN device (Linux, `Documentation/networking/tuntap.rst`), so whatever runs there has a network of its own.
//! This process carries the packets between the devices: each ordered pair of hosts has a line of its own, with a rate and a delay. It needs root and
//! the command `ip` (Debian's iproute2), and nothing of netem.
//!
//! | file | what |
//! | --- | --- |
//! | `hosts` | makes the namespaces and takes them down |
//! | `carry` | moves the packets |
//! | `line` | when bytes arrive |
//! | `thread` | threads that go before others |
//!
//! `cargo run --release -p cotenant-wan --example check` measures it, and the relay of the benchmarks, against what
//! they are to be.
#![forbid(unsafe_code)]

mod carry;
mod error;
mod hosts;
mod line;
mod thread;

pub use error::WanError;
pub use hosts::{Network, Wan};
pub use line::Line;
