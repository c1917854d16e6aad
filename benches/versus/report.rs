//! What was measured, as lines, as a table and as a plot.

use std::fmt;

/// One workload.
pub struct Row {
    name: &'static str,
    unit: &'static str,
    /// Less is better.
    less: bool,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Row {
    pub fn new(name: &'static str, unit: &'static str, less: bool) -> Row {
        let (ours, theirs) = (Vec::new(), Vec::new());
        Row {
            name,
            unit,
            less,
            ours,
            theirs,
        }
    }

    /// One round.
    pub fn add(&mut self, ours: f64, theirs: Option<f64>) {
        self.ours.push(ours);
        self.theirs.extend(theirs);
    }

    /// How many times better hotlua was, in each round; sorted.
    fn ratios(&self) -> Vec<f64> {
        let pairs = self.ours.iter().zip(&self.theirs);
        sorted(pairs.map(|(ours, theirs)| if self.less { theirs / ours } else { ours / theirs }))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<15} hotlua {:>11.1} {}", self.name, median(&self.ours), self.unit)?;
        let ratios = self.ratios();
        let [least, .., most] = ratios[..] else {
            return match ratios[..] {
                [only] => write!(f, ", skynet {:>11.1}, ratio {only:.2}", median(&self.theirs)),
                _ => Ok(()),
            };
        };
        let ratio = median(&ratios);
        write!(
            f,
            ", skynet {:>11.1}, ratio {ratio:.2} ({least:.2}–{most:.2})",
            median(&self.theirs)
        )
    }
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures
}

fn median(figures: &[f64]) -> f64 {
    let sorted = sorted(figures.iter().copied());
    sorted[sorted.len() / 2]
}

/// A Markdown table.
pub fn table(rows: &[Row], rounds: u32, seconds: u32) -> String {
    let mut text = format!(
        "# hotlua and skynet\n\nMade by `SKYNET=FOLDER cargo bench --bench versus -- --write`: {rounds} rounds, {seconds} s each, two worker threads, skynet with \
         `profile = false`.\nMedians; the ratio is that of one round (above 1 hotlua is better), with the least and the greatest.\n\n\
         | workload | unit | hotlua | skynet | ratio | least–greatest |\n|---|---|---|---|---|---|\n"
    );
    for row in rows.iter().filter(|row| !row.theirs.is_empty()) {
        let ratios = row.ratios();
        text += &format!(
            "| {} | {} | {:.1} | {:.1} | {:.2} | {:.2}–{:.2} |\n",
            row.name,
            row.unit,
            median(&row.ours),
            median(&row.theirs),
            median(&ratios),
            ratios[0],
            ratios[ratios.len() - 1]
        );
    }
    text + "\n![ratios](versus.svg)\n"
}

/// A bar for each workload, with a line at 1.
pub fn plot(rows: &[Row]) -> String {
    const LEFT: f64 = 150.0;
    const WIDTH: f64 = 480.0;
    const STEP: f64 = 26.0;
    let rows: Vec<(&str, f64)> = rows
        .iter()
        .filter(|row| !row.theirs.is_empty())
        .map(|row| (row.name, median(&row.ratios())))
        .collect();
    let most = rows.iter().fold(1.0, |most: f64, (_, ratio)| most.max(*ratio));
    let height = STEP * rows.len() as f64 + 30.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"720\" height=\"{height:.0}\" fill=\"white\"/>\n"
    );
    for (number, (name, ratio)) in rows.iter().enumerate() {
        let (y, width) = (STEP * number as f64 + 8.0, ratio / most * WIDTH);
        text += &format!(
            "<text x=\"8\" y=\"{:.0}\">{name}</text><rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"18\" fill=\"#3b76af\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\">{ratio:.2}</text>\n",
            y + 14.0,
            LEFT + width + 6.0,
            y + 14.0
        );
    }
    let one = LEFT + WIDTH / most;
    text + &format!(
        "<line x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"0\" y2=\"{:.0}\" stroke=\"#c44\" stroke-dasharray=\"4\"/>\n\
         <text x=\"{:.0}\" y=\"{:.0}\" fill=\"#c44\">as skynet</text>\n</svg>\n",
        height - 20.0,
        one - 25.0,
        height - 6.0
    )
}
