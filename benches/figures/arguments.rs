//! What was asked on the command line of a benchmark.

use std::process::exit;
use std::str::FromStr;

/// The words behind `--`.
pub struct Arguments(Vec<String>);

impl Arguments {
    /// Reads them; ends the program if there is a word that means nothing. `numbers` are the flags that a number follows.
    pub fn read(flags: &[&str], numbers: &[&str]) -> Arguments {
        let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if numbers.contains(&word.as_str()) {
                // Its value is looked at when it is asked for.
                let _ = rest.next();
            } else if !flags.contains(&word.as_str()) {
                let known: Vec<String> = flags
                    .iter()
                    .map(|flag| (*flag).to_owned())
                    .chain(numbers.iter().map(|flag| format!("{flag} N")))
                    .collect();
                refuse(&format!("`{word}` means nothing here; known are {}", known.join(", ")));
            }
        }
        Arguments(words)
    }

    pub fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|word| word == flag)
    }

    /// The number behind a flag; ends the program if it is none, or not positive.
    pub fn number<T: FromStr + PartialOrd + Default>(&self, flag: &str, default: T) -> T {
        let Some(place) = self.0.iter().position(|word| word == flag) else {
            return default;
        };
        let number = self.0.get(place + 1).and_then(|word| word.parse().ok());
        number
            .filter(|number| *number > T::default())
            .unwrap_or_else(|| refuse(&format!("{flag} needs a number above 0")))
    }
}

fn refuse(why: &str) -> ! {
    eprintln!("error: {why}");
    exit(2)
}
