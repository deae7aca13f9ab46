//! Parties that follow the protocol, and parties that do not, in one process. `cargo test -p cotenant-cluster --test cluster attacks::` runs those of one file.

mod attacks;
mod cheat_matrix;
mod chunks;
mod coins;
mod engine;
mod failures;
mod labels;
mod openings;
mod order;
mod privacy;
mod rates;
mod segments;
mod sizes;
mod statistics;
mod stock;
mod two_faces;
