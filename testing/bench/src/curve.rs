//! `cotenant-bench curve`: time, bytes and memory against the number of AND gates and of parties, as JSON and as plots.

use crate::{
    calibrate::Calibration,
    engine::{self, Job},
    error::Error,
    plot::{Axis, Line, Plot},
    processes::Place,
    table,
    workload::{SEGMENT, Unit},
};
use serde::{Deserialize, Serialize};
use std::{fs, io::Write, num::NonZeroUsize, path::PathBuf};

/// The smallest number of gates.
const FEWEST: usize = 10_000;

/// The largest number of parties.
const PARTIES: usize = 5;

/// The measured points, in the directory of the plots.
const POINTS: &str = "curve.json";

/// What is measured and where it goes.
#[derive(Clone, Debug)]
pub struct Options {
    /// An existing directory for the points and the plots.
    pub out: PathBuf,
    /// The most gates of two parties.
    pub two: usize,
    /// The most gates of three to five parties.
    pub more: usize,
    /// How often each point is measured; the fastest counts.
    pub repeat: usize,
}

/// What is kept and printed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    points: Vec<Point>,
}

/// The fastest run of one size.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Point {
    parties: usize,
    ands: u64,
    setup_s: f64,
    prepare_s: f64,
    online_s: f64,
    total_s: f64,
    /// Of the party that sent most.
    bytes_per_and: f64,
    /// Resident memory of the largest process.
    memory_per_and: f64,
    calibration: Calibration,
}

/// Measures, and writes the points and the plots; tells how far it has come on standard error.
///
/// # Errors
/// What failed first.
pub async fn run(options: Options) -> Result<Report, Error> {
    let mut points = Vec::new();
    for parties in 2..=PARTIES {
        for ands in sizes(if parties == 2 { options.two } else { options.more }) {
            let _ = writeln!(std::io::stderr(), "{parties} parties, {} AND gates", table::count(ands as u64));
            points.push(measure(parties, ands, options.repeat).await?);
        }
    }
    let report = Report { points };
    write(&options, POINTS, serde_json::to_string_pretty(&report)? + "\n")?;
    draw(&options, &report)?;
    Ok(report)
}

/// Draws the plots once more from points that were measured before.
///
/// # Errors
/// [`Error::Io`], [`Error::Malformed`].
pub fn redraw(options: &Options) -> Result<Report, Error> {
    let text = fs::read_to_string(options.out.join(POINTS)).map_err(Error::io("cannot read the measured points, curve.json"))?;
    let report: Report = serde_json::from_str(&text)?;
    draw(options, &report)?;
    Ok(report)
}

/// Half a decade from each other.
fn sizes(most: usize) -> impl Iterator<Item = usize> {
    (0..).map(|i| (FEWEST as f64 * 10f64.powf(f64::from(i) / 2.0)).round() as usize).take_while(move |&ands| ands <= most)
}

async fn measure(parties: usize, ands: usize, repeat: usize) -> Result<Point, Error> {
    let job = Job { unit: Unit::Aes, ands, segment: SEGMENT, threads: NonZeroUsize::MIN, sessions: NonZeroUsize::MIN };
    let mut fastest: Option<engine::Report> = None;
    for _ in 0..repeat {
        let report = engine::run(parties, job, Place::default(), false).await?;
        if fastest.as_ref().is_none_or(|before| report.total_s < before.total_s) {
            fastest = Some(report);
        }
    }
    let report = fastest.expect("each point is measured at least once");
    let most = |list: &[f64]| list.iter().copied().fold(0.0, f64::max);
    Ok(Point {
        parties,
        ands: report.ands,
        setup_s: report.setup_s,
        prepare_s: report.prepare_s,
        online_s: report.online_s,
        total_s: report.total_s,
        bytes_per_and: most(&report.bytes_per_and),
        memory_per_and: most(&report.peak_mb) * 1e6 / report.ands as f64,
        calibration: report.calibration,
    })
}

fn draw(options: &Options, report: &Report) -> Result<(), Error> {
    let against_gates = |title: &str, unit: &str, value: fn(&Point) -> f64| {
        let line =
            |parties| Line { name: format!("n = {parties}"), points: report.of(parties).map(|p| [p.ands as f64, value(p)]).collect() };
        Plot {
            title: title.to_owned(),
            x: Axis { label: "AND gates".to_owned(), logarithmic: true },
            y: Axis { label: unit.to_owned(), logarithmic: true },
            lines: (2..=PARTIES).map(line).filter(|line| !line.points.is_empty()).collect(),
        }
        .svg()
    };
    write(options, "seconds.svg", against_gates("All phases of a session", "seconds", |p| p.total_s))?;
    write(options, "bytes.svg", against_gates("Sent by the busiest party", "bytes an AND gate", |p| p.bytes_per_and))?;
    write(options, "memory.svg", against_gates("Memory of the largest process at its peak", "bytes an AND gate", |p| p.memory_per_and))?;
    write(options, "parties.svg", report.against_parties().svg())
}

impl Report {
    fn of(&self, parties: usize) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(move |point| point.parties == parties)
    }

    /// At the largest number of gates that was measured for every number of parties.
    fn against_parties(&self) -> Plot {
        let most = |parties| self.of(parties).map(|p| p.ands).max().unwrap_or(0);
        let ands = (2..=PARTIES).map(most).min().unwrap_or(0);
        let line = |name: &str, value: fn(&Point) -> f64| {
            let points = self.points.iter().filter(|p| p.ands == ands).map(|p| [p.parties as f64, value(p) * 1e9 / ands as f64]);
            Line { name: name.to_owned(), points: points.collect() }
        };
        Plot {
            title: format!("Time of an AND gate, {} of them", table::count(ands)),
            x: Axis { label: "parties".to_owned(), logarithmic: false },
            y: Axis { label: "nanoseconds an AND gate".to_owned(), logarithmic: true },
            lines: vec![line("in all", |p| p.total_s), line("online", |p| p.online_s)],
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let head = ["parties", "AND gates", "seconds", "AND/s", "online AND/s", "bytes an AND", "memory an AND"];
        let row = |p: &Point| {
            let rates = [p.total_s, p.online_s].map(|seconds| table::millions(p.ands as f64 / seconds));
            let [all, online] = rates;
            let per_and = [p.bytes_per_and, p.memory_per_and].map(|bytes| format!("{bytes:.1}"));
            let [bytes, memory] = per_and;
            vec![p.parties.to_string(), table::count(p.ands), format!("{:.3}", p.total_s), all, online, bytes, memory]
        };
        table::grid(&std::iter::once(head.map(str::to_owned).to_vec()).chain(self.points.iter().map(row)).collect::<Vec<_>>())
    }
}

fn write(options: &Options, name: &str, text: String) -> Result<(), Error> {
    fs::write(options.out.join(name), text).map_err(Error::io("cannot write to the directory of the plots"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_half_decades_up_to_the_most() {
        assert_eq!(sizes(1_000_000).collect::<Vec<_>>(), [10_000, 31_623, 100_000, 316_228, 1_000_000]);
        assert_eq!(sizes(9999).count(), 0);
    }
}
