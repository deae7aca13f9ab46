//! Prints the counts of every circuit of the library.

use cotenant_circuit::library::library;

fn main() {
    println!(
        "{:<44} {:>8} {:>7} {:>7} {:>9} {:>6} {:>6} {:>8}  source",
        "circuit", "AND", "half", "public", "XOR", "depth", "slots", "AND/run"
    );
    for entry in library() {
        let s = entry.build().stats();
        let per_run = s.ands() as f64 / s.runs.max(1) as f64;
        println!(
            "{:<44} {:>8} {:>7} {:>7} {:>9} {:>6} {:>6} {:>8.2}  {}",
            entry.name, s.and_full, s.and_half_public, s.and_public, s.xor, s.depth, s.slots, per_run, entry.source
        );
    }
}
