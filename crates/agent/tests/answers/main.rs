//! What has to be opened of an answer that is to stay secret, and in which order: tried in the clear, against real servers.
//!
//! | file | what |
//! | --- | --- |
//! | `oracle` | stands for the shared keys: answers the few questions that the rules allow, and notes every answer |
//! | `reading` | what each party does: sees ciphertext and the oracle's answers, nothing else |
//! | `conversation` | one request and the records that answer it |
//! | `servers` | OpenSSL, nginx and GnuTLS, with tickets, padding, small records, kept connections, key updates |
//! | `attacks` | what a connector does to the records, before and after keys of tags are open |

mod attacks;
mod conversation;
mod oracle;
mod reading;
mod servers;
