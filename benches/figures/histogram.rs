//! How often which time was taken: in steps that grow with the time, as text and as a picture.

/// Where the steps end, in milliseconds.
const ENDS: [f64; 22] = [
    0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 1000.0,
    10_000.0,
];

/// The longest bar of the text.
const WIDTH: usize = 50;

/// Times, counted.
pub struct Histogram {
    counts: [usize; ENDS.len()],
}

impl Histogram {
    /// Of times in milliseconds.
    pub fn of(times: &[f64]) -> Histogram {
        let mut counts = [0; ENDS.len()];
        for time in times {
            let place = ENDS.iter().position(|end| time < end).unwrap_or(ENDS.len() - 1);
            counts[place] += 1;
        }
        Histogram { counts }
    }

    /// The steps between the first and the last that have any: begin, end, count.
    fn steps(&self, first: usize, last: usize) -> impl Iterator<Item = (f64, f64, usize)> + '_ {
        let begin = |place: usize| place.checked_sub(1).map_or(0.0, |before| ENDS[before]);
        (first..=last).map(move |place| (begin(place), ENDS[place], self.counts[place]))
    }

    fn first(&self) -> usize {
        self.counts.iter().position(|count| *count > 0).unwrap_or(0)
    }

    fn last(&self) -> usize {
        self.counts.iter().rposition(|count| *count > 0).unwrap_or(0)
    }

    /// A line for each step. A step that has any has a mark at least.
    pub fn text(&self) -> String {
        let most = self.counts.iter().copied().max().unwrap_or(1).max(1);
        let line = |(begin, end, count): (f64, f64, usize)| {
            let bar = "#".repeat((count * WIDTH).div_ceil(most));
            format!("{begin:>8} – {end:<6} ms {count:>6} {bar}\n")
        };
        self.steps(self.first(), self.last()).map(line).collect()
    }
}

/// Histograms one above the other, with the same steps; the colours can be read on light and on dark ground.
pub fn picture(parts: &[(&str, &Histogram)]) -> String {
    const HEIGHT: f64 = 110.0;
    const PART: f64 = HEIGHT + 70.0;
    const LEFT: f64 = 20.0;
    const ALL: f64 = 680.0;
    let first = parts.iter().map(|(_, part)| part.first()).min().unwrap_or(0);
    let last = parts.iter().map(|(_, part)| part.last()).max().unwrap_or(0);
    let step = ALL / (last - first + 1) as f64;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{:.0}\" font-family=\"sans-serif\" font-size=\"12\" \
         fill=\"#808080\">\n",
        PART * parts.len() as f64
    );
    for (number, (name, part)) in parts.iter().enumerate() {
        let base = PART * number as f64 + 40.0 + HEIGHT;
        let most = part.counts.iter().copied().max().unwrap_or(1).max(1) as f64;
        text += &format!(
            "<text x=\"{LEFT}\" y=\"{:.0}\" font-size=\"14\">{name}: saves by milliseconds</text>\n",
            base - HEIGHT - 22.0
        );
        for (place, (_, end, count)) in part.steps(first, last).enumerate() {
            let (x, height) = (LEFT + step * place as f64, count as f64 / most * HEIGHT);
            text += &format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"#3b82c4\"/>",
                x + 1.0,
                base - height,
                step - 2.0
            );
            if count > 0 {
                text += &format!(
                    "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{count}</text>",
                    x + step / 2.0,
                    base - height - 4.0
                );
            }
            text += &format!(
                "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{end}</text>\n",
                x + step,
                base + 14.0
            );
        }
        text += &format!(
            "<line x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{base:.0}\" y2=\"{base:.0}\" stroke=\"#808080\"/>\n",
            LEFT + ALL
        );
    }
    text + "</svg>\n"
}
