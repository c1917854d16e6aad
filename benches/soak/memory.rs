//! The node's memory over time, and whether it grows.

use std::time::Instant;

use crate::node::resident_mib;

/// What it may grow by between the first half of the run and its end: a part of it, and so many MiB.
const SHARE: f64 = 0.10;
const MARGIN: f64 = 6.0;

/// Samples, each taken when nothing is live that has to be kept.
pub struct Curve {
    pid: u32,
    began: Instant,
    samples: Vec<(f64, f64)>,
}

impl Curve {
    pub fn of(pid: u32) -> Curve {
        Curve {
            pid,
            began: Instant::now(),
            samples: Vec::new(),
        }
    }

    pub fn sample(&mut self) {
        let at = self.began.elapsed().as_secs_f64();
        self.samples.push((at, resident_mib(self.pid)));
    }

    /// Prints the curve in at most twenty points, and judges it: after a quarter of the run it must not grow.
    pub fn judge(&self) {
        let step = self.samples.len().div_ceil(20).max(1);
        let points = self.samples.iter().step_by(step);
        let points: Vec<String> = points.map(|(at, mib)| format!("{at:.0} s {mib:.1}")).collect();
        println!("  memory, MiB: {}", points.join(", "));
        if self.samples.len() < 12 {
            println!("  too few samples ({}) to judge it", self.samples.len());
            return;
        }
        let quarter = self.samples.len() / 4;
        let (early, late) = (
            median(&self.samples[quarter..2 * quarter]),
            median(&self.samples[3 * quarter..]),
        );
        println!("  second quarter {early:.1} MiB, last quarter {late:.1} MiB");
        let most = early * (1.0 + SHARE) + MARGIN;
        assert!(
            late <= most,
            "the memory grows: {late:.1} MiB, and {most:.1} MiB at most was expected"
        );
    }
}

fn median(samples: &[(f64, f64)]) -> f64 {
    let mut figures: Vec<f64> = samples.iter().map(|(_, mib)| *mib).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
