//! The command `cotenant-bench`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    cotenant_bench::command::main()
}
