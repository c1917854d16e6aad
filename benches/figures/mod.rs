//! What the benchmarks share: how figures are spread, what was asked on the command line, where results are written down.

#![allow(dead_code, reason = "no benchmark needs all of it")]

pub mod arguments;
pub mod histogram;

use std::fs;
use std::path::Path;

/// The lowest, the median and the highest of some figures.
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(figures: impl Iterator<Item = f64>) -> Spread {
        let figures = sorted(figures);
        Spread {
            low: figures[0],
            median: figures[figures.len() / 2],
            high: figures[figures.len() - 1],
        }
    }

    /// Median, lowest and highest, with so many decimals.
    pub fn text(&self, decimals: usize) -> String {
        let Spread { low, median, high } = self;
        format!("{median:.decimals$} ({low:.decimals$}–{high:.decimals$})")
    }
}

pub fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures
}

/// The figure that so many percent of the sorted ones do not exceed.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted[place]
}

/// How many processors there are, for whoever compares with other machines.
pub fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, |number| number.get());
    format!("{processors} processors")
}

/// Writes a file into the folder of results.
pub fn write(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks");
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(name), text));
    written.unwrap_or_else(|why| panic!("docs/benchmarks/{name} cannot be written: {why}"));
}
