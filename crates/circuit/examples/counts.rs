//! Prints the counts of every circuit of the library.

use cotenant_circuit::library::library;

fn main() {
    println!("{:<44} {:>8} {:>7} {:>7} {:>9} {:>6} {:>6}  source", "circuit", "AND", "half", "public", "XOR", "depth", "slots");
    for entry in library() {
        let s = entry.build().stats();
        println!(
            "{:<44} {:>8} {:>7} {:>7} {:>9} {:>6} {:>6}  {}",
            entry.name, s.and_full, s.and_half_public, s.and_public, s.xor, s.depth, s.slots, entry.source
        );
    }
}
