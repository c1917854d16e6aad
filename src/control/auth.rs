//! Who may come in: the first line of a client is `auth TOKEN`, if a token is set.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// How many wrong tokens a peer may send within [`WINDOW`].
const FAILURES: usize = 5;
/// How long a wrong token counts.
const WINDOW: Duration = Duration::from_secs(60);

/// Keeps out whoever does not know the token.
pub struct Doorman {
    /// Of the token; `None` lets everybody in.
    digest: Option<[u8; 32]>,
    /// When each peer sent a wrong token.
    failures: Mutex<HashMap<IpAddr, Vec<Instant>>>,
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

    /// Judges the first line of a peer.
    ///
    /// # Errors
    /// Why it stays outside.
    pub fn admit(&self, peer: IpAddr, line: &str, now: Instant) -> Result<(), String> {
        let Some(digest) = &self.digest else { return Ok(()) };
        let said = line.trim().split_once(char::is_whitespace);
        let Some(("auth", token)) = said else {
            return Err("Need a token: the first line must be `auth TOKEN`, with the token under [console]".to_owned());
        };
        let peer = neighbourhood(peer);
        let mut failures = self.failures.lock();
        failures.retain(|_, times| {
            times.retain(|&time| now.saturating_duration_since(time) < WINDOW);
            !times.is_empty()
        });
        let failed = failures.get(&peer).map_or(0, Vec::len);
        if failed >= FAILURES {
            return Err(format!("Too many wrong tokens from {peer}: wait a minute"));
        }
        if same(digest, &Sha256::digest(token.trim_start()).into()) {
            return Ok(());
        }
        failures.entry(peer).or_default().push(now);
        Err("Wrong token".to_owned())
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

    use super::{Doorman, FAILURES, WINDOW};

    fn peer(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_the_token_opens() {
        let doorman = Doorman::new("secret");
        let now = Instant::now();
        assert!(!doorman.is_open());
        for line in ["auth secret", "  auth   secret "] {
            assert_eq!(doorman.admit(peer("1.2.3.4"), line, now), Ok(()), "{line}");
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
            assert!(doorman.admit(peer("1.2.3.4"), line, now).is_err(), "{line}");
        }
        assert!(Doorman::new("").is_open());
        assert_eq!(Doorman::new("").admit(peer("1.2.3.4"), "", now), Ok(()));
    }

    #[test]
    fn guessing_is_slow() {
        let doorman = Doorman::new("secret");
        let start = Instant::now();
        let guesser = peer("1.2.3.4");
        for _ in 0..FAILURES {
            assert_eq!(doorman.admit(guesser, "auth x", start), Err("Wrong token".to_owned()));
        }
        let said = doorman.admit(guesser, "auth secret", start + WINDOW - Duration::from_millis(1));
        assert_eq!(
            said,
            Err("Too many wrong tokens from 1.2.3.4: wait a minute".to_owned())
        );
        assert!(
            doorman.admit(peer("::ffff:1.2.3.4"), "auth secret", start).is_err(),
            "the same peer"
        );
        assert_eq!(
            doorman.admit(peer("1.2.3.5"), "auth secret", start),
            Ok(()),
            "another peer"
        );
        assert_eq!(
            doorman.admit(guesser, "auth secret", start + WINDOW),
            Ok(()),
            "a minute later"
        );
    }

    #[test]
    fn one_network_is_one_guesser() {
        let doorman = Doorman::new("secret");
        let now = Instant::now();
        for n in 0..FAILURES {
            assert!(doorman.admit(peer(&format!("2001:db8::{n}")), "auth x", now).is_err());
        }
        assert!(doorman.admit(peer("2001:db8::ffff:1"), "auth secret", now).is_err());
        assert!(doorman.admit(peer("2001:db8:0:1::1"), "auth secret", now).is_ok());
    }
}
