//! The command `cotenant-bench`.
#![forbid(unsafe_code)]

use std::alloc::System;
use zeroizing_alloc::ZeroAlloc;

/// As in the command `cotenant`, so that what is measured is what is used.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> std::process::ExitCode {
    cotenant_bench::command::main()
}
