//! `cotenant-bench table`: the figures that the engine is to reach, all from one run, beside what they are to be and what bounds them.

use crate::{
    alone,
    calibrate::Calibration,
    cot,
    engine::{self, Job},
    error::Error,
    line::Line,
    processes::Place,
    table,
    workload::{SEGMENT, Unit},
};
use cotenant::party::on_own_thread;
use serde::Serialize;
use std::{io::Write, num::NonZeroUsize, thread::available_parallelism, time::Duration};

/// The network of WRK17b's and later papers' experiments between distant hosts.
const WAN: Line = Line { round_trip: Duration::from_micros(6600), gbit: Some(5.55) };

/// Batches of 2^20 correlated OTs.
const COT_BATCHES: usize = 16;

/// Sessions in the same processes, of which the last counts: in the first the system still looks for memory.
const SESSIONS: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// At least so many AND gates.
    pub ands: usize,
    /// How often.
    pub repeat: usize,
}

/// What is printed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// ANDs of each run.
    ands: u64,
    /// How often each figure was measured.
    repetitions: usize,
    rows: Vec<Row>,
    /// The most that the machine could do before any run.
    calibration: Calibration,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
struct Row {
    figure: &'static str,
    unit: &'static str,
    /// In the order of measuring; none if it cannot be measured.
    values: Vec<f64>,
    /// None for what is shown to compare with.
    wanted: Option<Wanted>,
    /// How the best value compares with what the machine could do just before it, or why there is none.
    bound: String,
}

/// What a figure is to be.
#[derive(Clone, Copy, Debug, Serialize)]
struct Wanted {
    must: f64,
    aim: f64,
}

/// One repetition.
struct Sample {
    loopback: engine::Report,
    one_core: engine::Report,
    wan: engine::Report,
    three: engine::Report,
    cot: cot::Report,
    /// How many times faster the slower party alone is on two threads.
    two_cores: Option<f64>,
}

/// Measures; tells how far it has come on standard error.
///
/// # Errors
/// What failed first.
pub async fn run(options: Options) -> Result<Report, Error> {
    let mut samples = Vec::new();
    for i in 1..=options.repeat {
        let _ = writeln!(std::io::stderr(), "repetition {i} of {}", options.repeat);
        samples.push(sample(options.ands).await?);
    }
    let calibrations = samples.iter().flat_map(|s| [s.loopback.calibration, s.wan.calibration, s.three.calibration, s.cot.calibration]);
    let calibration = calibrations.reduce(|a, b| Calibration {
        aes_blocks_per_s: a.aes_blocks_per_s.max(b.aes_blocks_per_s),
        tcp_gbit: a.tcp_gbit.max(b.tcp_gbit),
        copy_gb_per_s: a.copy_gb_per_s.max(b.copy_gb_per_s),
    });
    Ok(Report {
        ands: samples[0].loopback.ands,
        repetitions: options.repeat,
        rows: rows(&samples),
        calibration: calibration.expect("there is at least one repetition"),
    })
}

async fn sample(ands: usize) -> Result<Sample, Error> {
    let job = Job { unit: Unit::Aes, ands, segment: SEGMENT, threads: NonZeroUsize::MIN, sessions: SESSIONS };
    let measure = |parties, place| engine::run(parties, job, place, false);
    Ok(Sample {
        loopback: measure(2, Place::default()).await?,
        one_core: measure(2, Place { cores: Some("0".to_owned()), line: None }).await?,
        wan: measure(2, Place { line: Some(WAN), cores: None }).await?,
        three: measure(3, Place::default()).await?,
        cot: cot::run(cot::Job { k: 4, batches: COT_BATCHES }).await?,
        two_cores: if available_parallelism().is_ok_and(|cores| cores.get() < 2) {
            None
        } else {
            Some(on_own_thread(two_cores(job)).await?)
        },
    })
}

async fn two_cores(job: Job) -> Result<f64, Error> {
    let session = alone::Session::record(2, &job)?;
    let mut slowest = [0.0f64; 2];
    for (threads, slowest) in (1..).filter_map(NonZeroUsize::new).zip(&mut slowest) {
        for party in 0..2 {
            *slowest = slowest.max(session.replay(party, threads).await?.total_s());
        }
    }
    Ok(slowest[0] / slowest[1])
}

fn rows(samples: &[Sample]) -> Vec<Row> {
    let row = |figure, unit, wanted: Option<[f64; 2]>, value: &dyn Fn(&Sample) -> f64, bound: &dyn Fn(&Sample) -> String| {
        let wanted = wanted.map(|[must, aim]| Wanted { must, aim });
        let values: Vec<f64> = samples.iter().map(value).collect();
        let best = (0..values.len()).reduce(|a, b| if less(wanted) == (values[b] < values[a]) { b } else { a });
        Row { figure, unit, bound: best.map_or_else(String::new, |best| bound(&samples[best])), values, wanted }
    };
    let most = |list: &[f64]| list.iter().copied().fold(0.0, f64::max);
    let memory = |s: &Sample| most(&s.loopback.peak_mb) * 1e6 / s.loopback.ands as f64;
    let mut rows = vec![
        row("n = 2, all phases, loopback", "M AND/s", Some([3.5, 7.0]), &|s| s.loopback.and_per_s / 1e6, &|s| whole(&s.loopback)),
        row("the same, first session of the processes", "M AND/s", None, &|s| s.loopback.first_and_per_s() / 1e6, &|_| {
            "fresh memory comes from the system".to_owned()
        }),
        row("the same on one core", "M AND/s", None, &|s| s.one_core.and_per_s / 1e6, &|s| whole(&s.one_core)),
        row("n = 2, all phases, WAN", "M AND/s", Some([2.5, 5.0]), &|s| s.wan.and_per_s / 1e6, &|s| whole(&s.wan)),
        row("n = 3, all phases", "M AND/s", Some([1.0, 2.5]), &|s| s.three.and_per_s / 1e6, &|s| whole(&s.three)),
        row("n = 2, online", "M AND/s", Some([15.0, 40.0]), &|s| s.loopback.and_per_s_online / 1e6, &|s| {
            blocks(s.loopback.and_per_s_online, &s.loopback.calibration)
        }),
        row("n = 2, sent by the busier party", "B an AND", Some([95.0, 70.0]), &|s| most(&s.loopback.bytes_per_and), &|_| {
            "the same at every run".to_owned()
        }),
        row("n = 2, memory of a party", "B an AND", Some([250.0, 100.0]), &memory, &|_| "the whole process at its largest".to_owned()),
        row("correlated OT, one direction", "M COT/s", Some([150.0, 300.0]), &|s| s.cot.cot_per_s / 1e6, &|s| {
            let link = s.cot.cot_per_s * s.cot.bytes_per_cot * 8e-9 / s.cot.calibration.tcp_gbit;
            format!("{}; link {}", blocks(s.cot.cot_per_s, &s.cot.calibration), table::percent(link))
        }),
    ];
    rows.push(two_cores_row(samples));
    rows
}

/// A party alone, as in [`alone`].
fn two_cores_row(samples: &[Sample]) -> Row {
    let values: Vec<f64> = samples.iter().filter_map(|s| s.two_cores).collect();
    let why = "not measured: this machine has one core";
    let bound = if values.is_empty() { why } else { "the slower party alone, the other's messages at hand" };
    Row { figure: "n = 2, two cores a party", unit: "times", values, wanted: Some(Wanted { must: 1.6, aim: 1.9 }), bound: bound.to_owned() }
}

/// Whether the smallest value is the best.
fn less(wanted: Option<Wanted>) -> bool {
    wanted.is_some_and(|wanted| wanted.aim < wanted.must)
}

/// How many AES blocks one core makes while one item is made.
fn blocks(per_s: f64, calibration: &Calibration) -> String {
    format!("{:.1} AES blocks", calibration.aes_blocks_per_s / per_s)
}

fn whole(report: &engine::Report) -> String {
    let of = &report.of_machine;
    let [aes, link, copying] = [of.of_aes, of.of_link, of.of_copying].map(table::percent);
    format!("{}, made {aes}; link {link}; memory {copying}", blocks(report.and_per_s, &report.calibration))
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let best = if less(self.wanted) { sorted.first() } else { sorted.last() };
        let reached = self.wanted.zip(best).map_or("", |(Wanted { must, aim }, &best)| {
            let reaches = |wanted: f64| if aim < must { best <= wanted } else { best >= wanted };
            if reaches(aim) {
                "aim"
            } else if reaches(must) {
                "must"
            } else {
                "no"
            }
        });
        let spread = match sorted[..] {
            [] => String::new(),
            [.., last] => format!("{:.2} / {:.2} / {:.2}", sorted[0], sorted[sorted.len() / 2], last),
        };
        vec![
            self.figure.to_owned(),
            self.unit.to_owned(),
            best.map_or_else(String::new, |best| format!("{best:.2}")),
            spread,
            self.wanted.map_or_else(String::new, |wanted| wanted.must.to_string()),
            self.wanted.map_or_else(String::new, |wanted| wanted.aim.to_string()),
            reached.to_owned(),
            self.bound.clone(),
        ]
    }
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let head = ["figure", "unit", "best", "min / median / max", "must", "aim", "reached", "beside the machine"];
        let mut cells = vec![head.map(str::to_owned).to_vec()];
        cells.extend(self.rows.iter().map(Row::cells));
        let mut about = vec![("AND gates of a run", table::count(self.ands)), ("repetitions", self.repetitions.to_string())];
        about.extend(table::calibration(&self.calibration));
        format!("{}\n\n{}", table::grid(&cells), table::render(&about))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[f64], wanted: Option<Wanted>) -> Vec<String> {
        Row { figure: "f", unit: "u", values: values.to_vec(), wanted, bound: String::new() }.cells()[2..7].to_vec()
    }

    #[test]
    fn the_best_is_compared_with_what_is_wanted() {
        let more = Some(Wanted { must: 1.5, aim: 3.0 });
        assert_eq!(row(&[2.0, 1.0, 1.25], more), ["2.00", "1.00 / 1.25 / 2.00", "1.5", "3", "must"]);
        assert_eq!(row(&[1.0, 3.0], more)[4], "aim");
        assert_eq!(row(&[1.0], more)[4], "no");
        let less = Some(Wanted { must: 95.0, aim: 70.0 });
        assert_eq!(
            [row(&[70.0, 99.0], less)[4].clone(), row(&[71.0], less)[4].clone(), row(&[96.0], less)[4].clone()],
            ["aim", "must", "no"]
        );
        assert_eq!(row(&[], more), ["", "", "1.5", "3", ""]);
        assert_eq!(row(&[4.0], None), ["4.00", "4.00 / 4.00 / 4.00", "", "", ""]);
    }
}
