//! The joint TLS client: `cotenant_agent::call` at every party, against real servers, liars and cheats.
//!
//! | file | what |
//! | --- | --- |
//! | `lanes` | links in memory, and running all parties of a call on one thread until they have ended |
//! | `watched` | an engine that notes what was opened, and lets a party lie to it |
//! | `servers` | sockets: to real servers, to rustls and to a scripted server in this process |
//! | `cheats` | what a cheating connector does to the messages that pass it |
//! | `parties` | one call of all parties, on either engine |
//! | all others | tests |

mod certificates;
mod cheats;
mod connector;
mod contributions;
mod disagreement;
mod interop;
mod lanes;
mod parties;
mod real_engine;
mod servers;
mod signed;
mod watched;
