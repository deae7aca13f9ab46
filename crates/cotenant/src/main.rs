//! The command `cotenant`.
#![forbid(unsafe_code)]

use std::alloc::System;
use zeroizing_alloc::ZeroAlloc;

/// Erases what is freed: a value that came over a connection or was read into a growing buffer was in memory that no type erases.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> std::process::ExitCode {
    cotenant::command::main()
}
