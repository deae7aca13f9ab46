//! Approved operations on a room's vault, as each party carries them out: on the ideal engine by the dozen, on the real one by sample, calls against real
//! servers.
//!
//! | file | what |
//! | --- | --- |
//! | `world` | a room with its vault, the disk of each member, and operations on it |
//! | `saves` | what each operation leaves, and what happens when a share is not there or not right |
//! | `refused` | what a party refuses before anything is computed, and how members find that they differ |
//! | `calls` | requests with a secret of the vault |
//! | `derived` | requests with what is made of secrets, and with what one party gives |
//! | `jwe` | requests with a password that is encrypted for the server's RSA key |
//! | `dry` | the same by one who has the secrets, and what members would see of an answer |
//! | `moto` | a key of IAM, as moto plays it, that goes into the vault |
//! | `keeps` | requests whose answers have a secret, which becomes an item |
//! | `presigned` | URLs for one member |
//! | `closed` | answers that are not what their policy says: nothing is opened |

mod calls;
mod closed;
mod derived;
mod dry;
mod jwe;
mod keeps;
#[path = "../joint_tls/lanes.rs"]
mod lanes;
mod moto;
mod presigned;
mod refused;
mod saves;
#[path = "../answers/seen.rs"]
#[expect(dead_code, reason = "parties that lie about what they hold are for other tests")]
mod seen;
#[path = "../joint_tls/servers.rs"]
#[expect(dead_code, reason = "servers that lie are for other tests")]
mod servers;
#[path = "../joint_tls/watched.rs"]
mod watched;
mod world;
