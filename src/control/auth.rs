//! Who may come in: whoever knows the token, if one is set. Guessing it is slow.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// How many wrong tokens a peer may send within [`WINDOW`].
const FAILURES: usize = 5;
/// How long a wrong token counts.
const WINDOW: Duration = Duration::from_secs(60);
/// How many peers are remembered one by one. Whoever fails beyond them shares one count with all others, so that neither memory nor
/// guesses grow with the addresses that somebody has.
const PEERS: usize = 1024;
/// Stands for all others.
const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Keeps out whoever does not know the token.
pub struct Doorman {
    /// Of the token; `None` lets everybody in.
    digest: Option<[u8; 32]>,
    /// When each peer sent a wrong token.
    failures: Mutex<HashMap<IpAddr, Vec<Instant>>>,
}

/// Why somebody stays outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There was no token.
    Missing,
    /// It was another.
    Wrong,
    /// There were too many wrong ones before; this one was not looked at.
    TooMany(IpAddr),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Missing => {
                f.write_str("Need a token: the first line must be `auth TOKEN`, with the token under [console]")
            }
            Refusal::Wrong => f.write_str("Wrong token"),
            Refusal::TooMany(OTHERS) => f.write_str("Too many wrong tokens from too many addresses: wait a minute"),
            Refusal::TooMany(peer) => write!(f, "Too many wrong tokens from {peer}: wait a minute"),
        }
    }
}

impl Doorman {
    /// Lets in who knows `token`; everybody, if it is empty.
    pub fn new(token: &str) -> Doorman {
        let digest = (!token.is_empty()).then(|| Sha256::digest(token).into());
        Doorman {
            digest,
            failures: Mutex::default(),
        }
    }

    /// Whether everybody may come in.
    pub fn is_open(&self) -> bool {
        self.digest.is_none()
    }

    /// Judges the first line of a peer, `auth TOKEN`.
    ///
    /// # Errors
    /// Why it stays outside.
    pub fn admit_line(&self, peer: IpAddr, line: &str, now: Instant) -> Result<(), Refusal> {
        let said = line.trim().split_once(char::is_whitespace);
        let token = said.and_then(|(word, token)| (word == "auth").then_some(token.trim_start()));
        self.admit(peer, token, now)
    }

    /// Judges the token that a peer has given.
    ///
    /// # Errors
    /// Why it stays outside.
    pub fn admit(&self, peer: IpAddr, token: Option<&str>, now: Instant) -> Result<(), Refusal> {
        let Some(digest) = &self.digest else { return Ok(()) };
        let token = token.ok_or(Refusal::Missing)?;
        let mut failures = self.failures.lock();
        let counts = |time: &Instant| now.saturating_duration_since(*time) < WINDOW;
        if failures.len() >= PEERS {
            failures.retain(|_, times| times.iter().any(counts));
        }
        let mut peer = neighbourhood(peer);
        if failures.len() >= PEERS && !failures.contains_key(&peer) {
            peer = OTHERS;
        }
        let failed = failures
            .get(&peer)
            .map_or(0, |times| times.iter().filter(|time| counts(time)).count());
        if failed >= FAILURES {
            return Err(Refusal::TooMany(peer));
        }
        if same(digest, &Sha256::digest(token).into()) {
            return Ok(());
        }
        let times = failures.entry(peer).or_default();
        times.retain(counts);
        times.push(now);
        Err(Refusal::Wrong)
    }
}

/// Compares in a time that does not depend on where the difference is.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let difference = one
        .iter()
        .zip(other)
        .fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
    difference == 0
}

/// Whom an address belongs to: an IPv6 network of 64 bits is one customer's, who can take any address in it.
fn neighbourhood(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::{Duration, Instant};

    use super::{Doorman, FAILURES, OTHERS, PEERS, Refusal, WINDOW};

    fn peer(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_the_token_opens() {
        let doorman = Doorman::new("secret");
        let now = Instant::now();
        assert!(!doorman.is_open());
        for line in ["auth secret", "  auth   secret "] {
            assert_eq!(doorman.admit_line(peer("1.2.3.4"), line, now), Ok(()), "{line}");
        }
        for line in [
            "",
            "auth",
            "secret",
            "list",
            "AUTH secret",
            "auth secre",
            "auth secrets",
            "auth sec ret",
        ] {
            assert!(doorman.admit_line(peer("1.2.3.4"), line, now).is_err(), "{line}");
        }
        assert!(Doorman::new("").is_open());
        assert_eq!(Doorman::new("").admit_line(peer("1.2.3.4"), "", now), Ok(()));
    }

    #[test]
    fn guessing_is_slow() {
        let doorman = Doorman::new("secret");
        let start = Instant::now();
        let guesser = peer("1.2.3.4");
        for _ in 0..FAILURES {
            assert_eq!(doorman.admit_line(guesser, "auth x", start), Err(Refusal::Wrong));
        }
        let said = doorman.admit_line(guesser, "auth secret", start + WINDOW - Duration::from_millis(1));
        let said = said.map_err(|why| why.to_string());
        assert_eq!(
            said,
            Err("Too many wrong tokens from 1.2.3.4: wait a minute".to_owned())
        );
        assert!(
            doorman
                .admit_line(peer("::ffff:1.2.3.4"), "auth secret", start)
                .is_err(),
            "the same peer"
        );
        assert_eq!(
            doorman.admit_line(peer("1.2.3.5"), "auth secret", start),
            Ok(()),
            "another peer"
        );
        assert_eq!(
            doorman.admit_line(guesser, "auth secret", start + WINDOW),
            Ok(()),
            "a minute later"
        );
    }

    #[test]
    fn one_network_is_one_guesser() {
        let doorman = Doorman::new("secret");
        let now = Instant::now();
        for n in 0..FAILURES {
            assert!(
                doorman
                    .admit_line(peer(&format!("2001:db8::{n}")), "auth x", now)
                    .is_err()
            );
        }
        assert!(
            doorman
                .admit_line(peer("2001:db8::ffff:1"), "auth secret", now)
                .is_err()
        );
        assert!(doorman.admit_line(peer("2001:db8:0:1::1"), "auth secret", now).is_ok());
    }

    #[test]
    fn many_addresses_are_no_more_guesses_and_no_more_memory() {
        let doorman = Doorman::new("secret");
        let now = Instant::now();
        let network = |n: usize| peer(&format!("2001:db8:{:x}:{:x}::1", n >> 8, n & 0xff));
        for n in 0..PEERS {
            assert_eq!(doorman.admit(network(n), Some("x"), now), Err(Refusal::Wrong));
        }
        for n in 0..FAILURES {
            assert_eq!(doorman.admit(network(PEERS + n), Some("x"), now), Err(Refusal::Wrong));
        }
        for n in 0..FAILURES {
            let one_more = network(PEERS + FAILURES + n);
            assert_eq!(
                doorman.admit(one_more, Some("secret"), now),
                Err(Refusal::TooMany(OTHERS))
            );
        }
        assert_eq!(doorman.failures.lock().len(), PEERS + 1);
        assert_eq!(
            doorman.admit(network(0), Some("secret"), now),
            Ok(()),
            "it has failed once"
        );
        let later = now + WINDOW;
        assert_eq!(doorman.admit(network(2 * PEERS), Some("secret"), later), Ok(()));
        assert_eq!(doorman.admit(network(2 * PEERS), Some("x"), later), Err(Refusal::Wrong));
        assert_eq!(doorman.failures.lock().len(), 1, "what is over is forgotten");
    }
}
