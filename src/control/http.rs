//! A request of HTTP, as text: what it asks for, and whether a foreign web page may be behind it. Pure: no sockets, no commands.
//!
//! A browser sends requests wherever the page that it shows wants it to, also to this machine's own addresses. What gives such a
//! request away: the name that it was sent to (`Host`: a page can let any name of its own mean 127.0.0.1), the page that sends it
//! (`Origin`), and the browser's own word (`Sec-Fetch-Site`).

use std::net::{IpAddr, SocketAddr};

use crate::control::line::{self, one_line};

/// The most header lines of a request.
const MOST_HEADERS: usize = 100;

/// What stands before the body of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    method: String,
    target: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
}

/// A request that is not done: the status, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The status code.
    pub status: u16,
    /// A sentence.
    pub why: String,
}

/// A [`Rejection`].
pub fn rejection(status: u16, why: impl Into<String>) -> Rejection {
    let why = why.into();
    Rejection { status, why }
}

impl Head {
    /// Reads the first line of a request, as `POST / HTTP/1.1`; `None` for any other line. Whatever says that it is HTTP is a request, be it a
    /// bad one: a web page may choose the method as it likes, and what follows must never be read as commands.
    pub fn begin(line: &str) -> Option<Head> {
        let (rest, version) = line.trim_end().rsplit_once(char::is_whitespace)?;
        let number = version
            .get(..5)
            .filter(|name| name.eq_ignore_ascii_case("HTTP/"))?
            .len();
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !is_number(&version[number..]) {
            return None;
        }
        let (method, target) = rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
        Some(Head {
            method: method.to_owned(),
            target: target.trim_start().to_owned(),
            headers: Vec::new(),
        })
    }

    /// Takes a header line.
    ///
    /// # Errors
    /// If it is none, or one too many.
    pub fn add(&mut self, line: &str) -> Result<(), Rejection> {
        if self.headers.len() >= MOST_HEADERS {
            return Err(rejection(431, format!("there are more than {MOST_HEADERS} headers")));
        }
        let no_header = || rejection(400, "a header has the form `Name: value`");
        let (name, value) = line.split_once(':').ok_or_else(no_header)?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(no_header());
        }
        self.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        Ok(())
    }

    /// The value of a header that may be there once.
    ///
    /// # Errors
    /// If it is there twice: others could read the other one.
    fn get(&self, name: &str) -> Result<Option<&str>, Rejection> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        match values.next() {
            Some(_) => Err(rejection(400, format!("there are two headers `{name}`"))),
            None => Ok(value),
        }
    }

    /// Refuses what a foreign web page may have sent to `local`, the address at which it has arrived.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn refuse_foreign(&self, local: SocketAddr) -> Result<(), Rejection> {
        let refused = |what: &str, value: &str| {
            let why =
                format!("{what} `{value}` is none of this console's: a web page of somebody else's may be behind it");
            Err(rejection(403, why))
        };
        let Some(host) = self.get("host")? else {
            return Err(rejection(400, "the header `Host` is missing"));
        };
        if !is_own_name(host, local.ip()) {
            return refused("the host", host);
        }
        if let Some(origin) = self.get("origin")?
            && origin.strip_prefix("http://") != Some(host)
        {
            return refused("the origin", origin);
        }
        match self.get("sec-fetch-site")? {
            None | Some("none" | "same-origin") => Ok(()),
            Some(site) => refused("the site", site),
        }
    }

    /// The token of `Authorization: Bearer TOKEN`.
    ///
    /// # Errors
    /// If there are two.
    pub fn token(&self) -> Result<Option<&str>, Rejection> {
        let value = self.get("authorization")?.and_then(|value| value.split_once(' '));
        let token = value.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        Ok(token.map(|(_, token)| token.trim()))
    }

    /// How many bytes follow.
    ///
    /// # Errors
    /// If that is not said, or too much.
    pub fn length(&self) -> Result<usize, Rejection> {
        if self.get("transfer-encoding")?.is_some() {
            return Err(rejection(501, "send the body in one piece, with its length"));
        }
        match (self.method.as_str(), self.get("content-length")?) {
            ("POST", None) => Err(rejection(411, "the header `Content-Length` is missing")),
            (_, None) => Ok(0),
            (_, Some(digits)) if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                Err(rejection(400, "the header `Content-Length` is no number"))
            }
            (_, Some(digits)) => match digits.parse() {
                Ok(length) if length <= line::LONGEST => Ok(length),
                _ => Err(rejection(
                    413,
                    format!("the body is longer than {} bytes", line::LONGEST),
                )),
            },
        }
    }

    /// Whether the client waits for a word before it sends the body.
    pub fn waits(&self) -> bool {
        let expects = |(name, value): &(String, String)| name == "expect" && value.eq_ignore_ascii_case("100-continue");
        self.headers.iter().any(expects)
    }

    /// The command line that is asked for: the path, whose slashes are spaces, or the body.
    ///
    /// # Errors
    /// If there is none.
    pub fn command(&self, body: &[u8]) -> Result<String, Rejection> {
        let line = match self.method.as_str() {
            "GET" => {
                let path = self.target.strip_prefix('/');
                decoded(path.ok_or_else(|| rejection(400, "the path begins with no `/`"))?)
            }
            "POST" => {
                let line = body.strip_suffix(b"\n").unwrap_or(body);
                line.strip_suffix(b"\r").unwrap_or(line).to_vec()
            }
            method => {
                return Err(rejection(
                    405,
                    format!("{method} is no method of this console: use GET or POST"),
                ));
            }
        };
        let line = one_line(&line).map_err(|why| rejection(400, why))?;
        Ok(line.to_owned())
    }
}

/// Whether a `Host` names this console: the address at which the request has arrived, or this machine for itself. The port is not
/// compared: it may be forwarded, and no page can choose another machine's.
fn is_own_name(host: &str, local: IpAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let literal = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    match literal.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address.to_canonical() == local.to_canonical(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

/// A path with its slashes as spaces and its `%41` as what they stand for.
fn decoded(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = path.get(at + 1..at + 3).filter(|_| byte == b'%');
        let code = code.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(meant) => out.push(meant),
            None => out.push(if byte == b'/' { b' ' } else { byte }),
        }
        at += if code.is_some() { 3 } else { 1 };
    }
    out
}

/// The head of an answer, and its body.
pub fn answer(status: u16, body: &str) -> String {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        _ => "Not Implemented",
    };
    let more = match status {
        401 => "WWW-Authenticate: Bearer\r\n",
        405 => "Allow: GET, POST\r\n",
        429 => "Retry-After: 60\r\n",
        _ => "",
    };
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n{more}Connection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{Head, answer};

    fn head(text: &str) -> Head {
        let mut lines = text.lines();
        let mut head = Head::begin(lines.next().unwrap_or_default()).expect("a request");
        lines.for_each(|line| head.add(line).expect("a header"));
        head
    }

    fn local(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_request_begins_with_a_method_a_path_and_a_version() {
        for line in [
            "GET / HTTP/1.1",
            "POST /x HTTP/1.0",
            "OPTIONS * HTTP/2.0",
            "get  / http/1.1",
            "X-1 / HTTP/3",
        ] {
            assert!(Head::begin(line).is_some(), "{line}");
        }
        for line in ["", "list", "inject svc HTTP/x.lua", "GET /", "GET / HTTP/1.1 x"] {
            assert_eq!(Head::begin(line), None, "{line}");
        }
    }

    #[test]
    fn the_host_must_be_this_machine() {
        for (host, at, own) in [
            ("127.0.0.1:8000", "127.0.0.1:8000", true),
            ("localhost:9000", "127.0.0.1:8000", true),
            ("LOCALHOST", "127.0.0.1:8000", true),
            ("[::1]:8000", "[::1]:8000", true),
            ("10.0.0.7:8000", "10.0.0.7:8000", true),
            ("10.0.0.7", "[::ffff:10.0.0.7]:8000", true),
            ("10.0.0.8:8000", "10.0.0.7:8000", false),
            ("localhost.evil.example:8000", "127.0.0.1:8000", false),
            ("evil.example", "127.0.0.1:8000", false),
            ("127.0.0.1.evil.example:8000", "127.0.0.1:8000", false),
            ("localhost:8000:80", "127.0.0.1:8000", false),
            ("localhost:x", "127.0.0.1:8000", false),
            ("", "127.0.0.1:8000", false),
        ] {
            let verdict = head(&format!("GET / HTTP/1.1\nHost: {host}")).refuse_foreign(local(at));
            assert_eq!(verdict.is_ok(), own, "{host} at {at}: {verdict:?}");
        }
        assert_eq!(
            head("GET / HTTP/1.0")
                .refuse_foreign(local("127.0.0.1:1"))
                .map_err(|no| no.status),
            Err(400)
        );
        let two = head("GET / HTTP/1.1\nHost: localhost\nhost: evil.example");
        assert_eq!(
            two.refuse_foreign(local("127.0.0.1:1")).map_err(|no| no.status),
            Err(400)
        );
    }

    #[test]
    fn other_pages_are_refused() {
        for (header, own) in [
            ("Origin: http://localhost:8000", true),
            ("Origin: https://localhost:8000", false),
            ("Origin: http://localhost:3000", false),
            ("Origin: http://evil.example", false),
            ("Origin: null", false),
            ("Sec-Fetch-Site: none", true),
            ("Sec-Fetch-Site: same-origin", true),
            ("Sec-Fetch-Site: same-site", false),
            ("Sec-Fetch-Site: cross-site", false),
        ] {
            let verdict = head(&format!("GET / HTTP/1.1\nHost: localhost:8000\n{header}"))
                .refuse_foreign(local("127.0.0.1:8000"));
            assert_eq!(verdict.is_ok(), own, "{header}: {verdict:?}");
        }
    }

    #[test]
    fn the_command_is_the_path_or_the_body() {
        let get = |path: &str| head(&format!("GET {path} HTTP/1.1")).command(b"");
        assert_eq!(get("/call/a/%22x%2fy%22").as_deref(), Ok("call a \"x/y\""));
        assert_eq!(get("/").as_deref(), Ok(""));
        assert_eq!(get("/a%2").as_deref(), Ok("a%2"));
        for path in ["list", "http://localhost/list", "/a%0ab", "/%00", "/%ff"] {
            assert_eq!(get(path).map_err(|no| no.status), Err(400), "{path}");
        }
        let post = |body: &str| head("POST / HTTP/1.1").command(body.as_bytes());
        assert_eq!(post("list\r\n").as_deref(), Ok("list"));
        assert_eq!(post("list\nkill 8\n").map_err(|no| no.status), Err(400), "one line");
        assert_eq!(head("PUT / HTTP/1.1").command(b"").map_err(|no| no.status), Err(405));
    }

    #[test]
    fn lengths_and_tokens() {
        let length = |text: &str| head(text).length().map_err(|no| no.status);
        assert_eq!(length("GET / HTTP/1.1"), Ok(0));
        assert_eq!(length("POST / HTTP/1.1"), Err(411));
        assert_eq!(length("POST / HTTP/1.1\nContent-Length: 12"), Ok(12));
        for (value, status) in [
            ("+5", 400),
            ("", 400),
            ("x", 400),
            ("2000000", 413),
            ("99999999999999999999", 413),
        ] {
            assert_eq!(
                length(&format!("POST / HTTP/1.1\nContent-Length: {value}")),
                Err(status),
                "{value}"
            );
        }
        assert_eq!(length("POST / HTTP/1.1\nTransfer-Encoding: chunked"), Err(501));
        let token = |value: &str| {
            head(&format!("GET / HTTP/1.1\nAuthorization: {value}"))
                .token()
                .map(|t| t.map(str::to_owned))
        };
        assert_eq!(token("bearer  s3cret"), Ok(Some("s3cret".to_owned())));
        assert_eq!(token("Basic s3cret"), Ok(None));
    }

    #[test]
    fn an_answer_says_how_long_it_is() {
        let said = answer(401, "ä\n");
        assert!(said.starts_with("HTTP/1.1 401 Unauthorized\r\n") && said.contains("\r\nContent-Length: 3\r\n"));
        assert!(said.ends_with("\r\n\r\nä\n"), "{said}");
    }
}
