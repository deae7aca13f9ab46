//! Random walks until one fails or all are taken: `just soak`, `WALKS=10000 just soak`; `SEED=7 just soak` takes walk 7 alone.

use cotenant_model::REAL;
use cotenant_model::schedule::{Failure, Reached};
use cotenant_model::walk::walk;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

fn main() -> ExitCode {
    let number = |name| std::env::var(name).ok().map(|value| value.parse().expect("a number"));
    let (first, walks) = match number("SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("WALKS").unwrap_or(1_000_000)),
    };
    let soak =
        Soak { next: AtomicU64::new(first), end: first + walks, start: Instant::now(), total: Mutex::default(), failed: Mutex::default() };
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64).min(walks);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(|| soak.take()))));
    soak.report()
}

struct Soak {
    next: AtomicU64,
    end: u64,
    start: Instant,
    total: Mutex<Total>,
    failed: Mutex<Option<(u64, Box<Failure>)>>,
}

#[derive(Default)]
struct Total {
    walks: u64,
    reached: Reached,
}

impl Soak {
    fn take(&self) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end || self.failed.lock().expect("no panic").is_some() {
                return;
            }
            match walk(seed, REAL) {
                Ok(reached) => self.count(&reached),
                Err(failure) => *self.failed.lock().expect("no panic") = Some((seed, failure)),
            }
        }
    }

    fn count(&self, reached: &Reached) {
        let mut total = self.total.lock().expect("no panic");
        total.walks += 1;
        total.reached.add(reached);
        if total.walks.is_multiple_of(20_000) {
            let (walks, seconds) = (total.walks as f64, self.start.elapsed().as_secs_f64());
            let left = (self.end - total.walks) as f64 * seconds / walks;
            println!(
                "{} walks, {:.0} walks/s, {:.0} steps/s, {left:.0} s to go",
                total.walks,
                walks / seconds,
                total.reached.steps as f64 / seconds
            );
        }
    }

    fn report(self) -> ExitCode {
        let (total, seconds) = (self.total.into_inner().expect("no panic"), self.start.elapsed().as_secs_f64());
        println!("{} walks in {seconds:.1} s: {:#?}", total.walks, total.reached);
        let Some((seed, failure)) = self.failed.into_inner().expect("no panic") else { return ExitCode::SUCCESS };
        println!("SEED={seed} fails after {} steps; the shortest:", failure.schedule.len());
        println!("{}", failure.shrink());
        ExitCode::FAILURE
    }
}
