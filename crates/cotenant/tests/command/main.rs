//! The command from outside: processes, files, sockets and servers as people have them. One program, as each would link the engine anew.

mod common;

mod calls;
mod cli;
mod demo;
mod epochs;
mod flows;
mod packaging;
mod parties;
mod planted;
mod rooms;
mod serve;
mod soak;
mod story;
mod vault;
