//! Places where tests stop the node in order to kill it there: after each durable step. Only in what `cargo test` builds.

/// Stops here for good if a test has asked for this place.
macro_rules! failpoint {
    ($name:literal) => {{
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    }};
}

pub(crate) use failpoint;

/// Which place, and for the how manieth time it is reached: `NAME` or `NAME:2`.
#[cfg(feature = "failpoints")]
const VARIABLE: &str = "HOTLUA_STOP_AT";

/// Asks for the place that the environment names. The thread that comes to it says so on standard error and goes no further.
#[cfg(feature = "failpoints")]
pub fn arm() {
    use std::sync::atomic::{AtomicU32, Ordering};

    let Ok(wanted) = std::env::var(VARIABLE) else { return };
    let (name, number) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    let left = AtomicU32::new(number.parse().unwrap_or(1));
    let name = name.to_owned();
    let stop = {
        let name = name.clone();
        move || {
            if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                eprintln!("stopped at {name}");
                loop {
                    std::thread::park();
                }
            }
        }
    };
    if let Err(error) = fail::cfg_callback(name, stop) {
        eprintln!("{VARIABLE}: {error}");
    }
}

/// There are no such places.
#[cfg(not(feature = "failpoints"))]
pub fn arm() {}
