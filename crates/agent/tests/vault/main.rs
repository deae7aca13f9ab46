//! The vault between parties: on the ideal engine by the hundred, on the real one by sample.

mod cheating;
mod fixture;
mod real;
mod refused;
mod round_trips;
