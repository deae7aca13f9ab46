//! A fixed session for an instruction counter: `instructions LEVEL EVALUATIONS`, e.g. `valgrind --tool=callgrind instructions avx2 3`.
//!
//! Two parties in one process and on one thread, from seeds, evaluate a circuit of one AES-128 block so many times. LEVEL is `portable` or `avx2`, what the
//! vector code may use. Prints the number of AND gates and their AES blocks.
#![forbid(unsafe_code)]

use cotenant_bench::{
    alone,
    workload::{Unit, Workload},
};
use cotenant_core::simd::{self, Level};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let level = match arguments.first().map(String::as_str) {
        Some("portable") => Level::Portable,
        Some("avx2") => Level::Avx2,
        _ => return wrong("the level is portable or avx2"),
    };
    let Some(evaluations) = arguments.get(1).and_then(|n| n.parse().ok()).filter(|n: &usize| (1..1000).contains(n)) else {
        return wrong("evaluations are from 1 to 999");
    };
    simd::limit(level);
    if simd::level() != level {
        return wrong("this processor lacks the level");
    }
    let one = Workload::new(Unit::Aes, 1, 1).ands();
    match alone::in_process(2, &Workload::new(Unit::Aes, evaluations * one, one), |link| link) {
        Ok(parties) => {
            let blocks: u64 = parties.iter().map(|party| party.stats.aes_blocks).sum();
            println!("{} AND gates, {blocks} AES blocks", parties[0].stats.ands);
            ExitCode::SUCCESS
        }
        Err(error) => wrong(&error.to_string()),
    }
}

fn wrong(text: &str) -> ExitCode {
    eprintln!("instructions: {text}");
    ExitCode::FAILURE
}
