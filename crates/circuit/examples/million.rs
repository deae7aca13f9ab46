//! Builds a circuit of a million ANDs and prints what that takes: `million aes`, `million sha-256`, `million chain`.

use std::time::Instant;

use cotenant_circuit::aes::RoundKeys;
use cotenant_circuit::bytes::{input_array, output_bytes};
use cotenant_circuit::sha256::{compress, state_bytes, state_of};
use cotenant_circuit::{Builder, Circuit};

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let start = Instant::now();
    let mut b = Builder::new();
    match name.as_str() {
        "aes" => aes_blocks(&mut b, 195),
        "sha-256" => (0..45).for_each(|_| sha256_blocks(&mut b, 1)),
        "chain" => sha256_blocks(&mut b, 45),
        _ => panic!("aes, sha-256 or chain"),
    }
    let built = start.elapsed();
    let circuit = b.finish();
    let finished = start.elapsed() - built;
    println!("{name}: built in {:.3} s, compiled in {:.3} s, at most {} in memory", built.as_secs_f64(), finished.as_secs_f64(), peak());
    print_shape(&circuit);
}

/// Blocks side by side under one key.
fn aes_blocks(b: &mut Builder, blocks: usize) {
    let key = input_array(b);
    let keys = RoundKeys::expand(b, &key);
    for _ in 0..blocks {
        let block = input_array(b);
        let out = keys.encrypt(b, &block);
        output_bytes(b, &out);
    }
}

/// One chain of secret blocks.
fn sha256_blocks(b: &mut Builder, blocks: usize) {
    let mut state = state_of(&input_array(b));
    for _ in 0..blocks {
        let block = input_array(b);
        state = compress(b, &state, &block);
    }
    output_bytes(b, &state_bytes(&state));
}

fn print_shape(circuit: &Circuit) {
    let s = circuit.stats();
    let per_run = s.ands() as f64 / s.runs as f64;
    println!("{} ANDs, {} XORs, depth {}, {per_run:.2} ANDs a run, {} slots", s.ands(), s.xor, s.depth, s.slots);
}

/// The peak of resident memory, as Linux reports it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("an unknown amount".into(), |value| value.trim().into())
}
