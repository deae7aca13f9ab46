//! The ideal engine is indistinguishable from the real one to what stands above: the same test bodies run on both.

mod aborts;
mod both;
mod faults;
mod misuse;
mod results;
