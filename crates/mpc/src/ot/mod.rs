//! Correlated oblivious transfer.
