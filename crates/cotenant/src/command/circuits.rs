//! `cotenant circuits`: the library of circuits and what each costs.

use super::{print, print_json};
use crate::error::Error;
use clap::Args;
use serde::Serialize;

/// Lists the circuits that joint TLS and signing are made of, with exact counts
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant circuits --json")]
pub(super) struct CircuitsArgs {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    source: &'static str,
    /// ANDs of every kind.
    ands: usize,
    /// Of two secrets: the expensive ones.
    ands_of_two_secrets: usize,
    depth: usize,
    xors: usize,
    inputs: usize,
    outputs: usize,
}

#[derive(Serialize)]
struct Table {
    circuits: Vec<Row>,
}

impl CircuitsArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let circuits = cotenant_circuit::library::library().into_iter().map(|entry| {
            let stats = entry.build().stats();
            Row {
                name: entry.name,
                source: entry.source,
                ands: stats.ands(),
                ands_of_two_secrets: stats.and_full,
                depth: stats.depth,
                xors: stats.xor,
                inputs: stats.inputs,
                outputs: stats.outputs,
            }
        });
        let table = Table { circuits: circuits.collect() };
        if self.json { print_json(&table) } else { print(table.text().as_bytes()) }
    }
}

impl Table {
    fn text(&self) -> String {
        let mut text = format!("{:<44} {:>8} {:>12} {:>7} {:>9}  source\n", "circuit", "ANDs", "two secrets", "depth", "XORs");
        for row in &self.circuits {
            let Row { name, ands, ands_of_two_secrets, depth, xors, source, .. } = row;
            text += &format!("{name:<44} {ands:>8} {ands_of_two_secrets:>12} {depth:>7} {xors:>9}  {source}\n");
        }
        text
    }
}
