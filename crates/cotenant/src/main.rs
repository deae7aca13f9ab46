//! The command `cotenant`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    cotenant::command::main()
}
