//! What has to be opened of an answer that is to stay secret, and in which order: tried in the clear, against real servers; and on the engine.
//!
//! | file | what |
//! | --- | --- |
//! | `oracle` | stands for the shared keys: answers the few questions that the rules allow, and notes every answer |
//! | `conversation` | one request and the records that answer it |
//! | `servers` | OpenSSL, nginx and GnuTLS, with tickets, padding, small records, kept connections, key updates |
//! | `attacks` | what a connector does to the records, before and after keys of tags are open |
//! | `seen` | an engine that notes all that its party is told |
//! | `joint` | the same on the engine: several parties read a part of an answer |
//! | `costs` | the AND gates that it takes |

mod attacks;
mod conversation;
mod costs;
mod joint;
#[path = "../joint_tls/lanes.rs"]
mod lanes;
mod oracle;
mod seen;
mod servers;
#[path = "../joint_tls/servers.rs"]
#[expect(dead_code, reason = "servers that lie are for other tests")]
mod sockets;
