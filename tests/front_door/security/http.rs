//! HTTP on the console's port: off unless it is switched on, and then for programs, not for other people's web pages.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::harness::svc::{greet, running};
use crate::harness::{DEADLINE, Node, Project};

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Sends bytes at once and reads to the end.
fn exchange(node: &Node, sent: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(node.address()).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time limit");
    // It may be refused before all of it is sent.
    let _ = stream.write_all(sent.as_ref());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("UTF-8")
}

#[track_caller]
fn ask(node: &Node, sent: impl AsRef<[u8]>) -> Answer {
    let all = exchange(node, sent);
    let (head, body) = all
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer of HTTP: {all:?}"));
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok());
    let length = format!("\r\nContent-Length: {}\r\n", body.len());
    assert!(head.contains(&length), "{head}");
    assert!(
        head.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"),
        "{head}"
    );
    Answer {
        status: status.unwrap_or_else(|| panic!("no status: {head}")),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost:8000\r\n{headers}\r\n")
}

fn post(line: &str, headers: &str) -> String {
    let length = line.len();
    format!("POST / HTTP/1.1\r\nHost: localhost:8000\r\n{headers}Content-Length: {length}\r\n\r\n{line}")
}

fn speaking() -> (Project, Node) {
    let project = Project::with_svc().set("console", "http", "true");
    let mut node = project.start();
    node.wait_line("ready");
    (project, node)
}

/// That nobody has set the environment's `touched`.
#[track_caller]
fn untouched(node: &Node) {
    assert_eq!(node.console().cmd("getenv touched").succeeded(), ["touched\tnil"]);
}

#[test]
fn off_by_default_a_request_is_refused_before_any_line_of_it_runs() {
    let (_project, node) = running();
    for request in [
        get("/setenv/touched/1", ""),
        post("setenv touched 1\n", ""),
        post("\r\nsetenv touched 1\r\n", ""),
    ] {
        assert_eq!(
            exchange(&node, request),
            "Welcome to skynet console\nthis console speaks no HTTP (`http` under [console] is false): connect with `nc` or \
             `telnet`\n<CMD Error>\n"
        );
    }
    // Longer than any line may be, so that it is not seen to be HTTP: what follows is not run either.
    let path = "x".repeat(2 << 20);
    let said = exchange(&node, format!("POST /{path} HTTP/1.1\r\n\r\nsetenv touched 1\n"));
    assert!(
        said.is_empty() || said.ends_with("the line is longer than 1114112 bytes\n<CMD Error>\n"),
        "{said}"
    );
    let said = exchange(&node, b"\x16\x03\x01\nsetenv touched 1\n");
    assert!(
        said.ends_with("the line holds control characters; a command is one line of plain text\n<CMD Error>\n"),
        "{said}"
    );
    untouched(&node);
}

/// A web page may choose the method of its request; what follows must not be run, whether HTTP is spoken or not.
#[test]
fn whatever_says_that_it_is_http_is_no_line() {
    for (_project, node) in [running(), speaking()] {
        for first in [
            "patch / HTTP/1.1",
            "M-SEARCH * HTTP/1.1",
            "X1 / HTTP/1.1",
            "post  / http/1.1",
            "setenv touched 1 HTTP/1.0",
            "PRI * HTTP/2",
        ] {
            let said = exchange(
                &node,
                format!("{first}\r\nHost: localhost:8000\r\n\r\nsetenv touched 1\nsetenv touched 1\n"),
            );
            assert!(!said.contains("<CMD OK>"), "{first}: {said}");
            untouched(&node);
        }
    }
}

#[test]
fn switched_on_it_answers_get_and_post() {
    let (_project, node) = speaking();
    let list = node.console().cmd("list").succeeded().join("\n");
    let answer = ask(&node, get("/list", ""));
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, format!("{list}\n<CMD OK>\n").as_str())
    );
    assert!(answer.head.contains("\r\nConnection: close"), "{answer:?}");
    for request in [
        post("call .svc \"greet\",\"you\"", ""),
        post("call .svc \"greet\",\"you\"\r\n", ""),
        get("/call/.svc/%22greet%22,%22you%22", ""),
    ] {
        let answer = ask(&node, request);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "1\t<hello you>\nn\t1\n<CMD OK>\n")
        );
    }
    let answer = ask(&node, post("ping zz", ""));
    assert_eq!(answer.status, 422);
    assert!(answer.body.ends_with("<CMD Error>\n"), "{answer:?}");
    // A client that asks before it sends a large body.
    let answer = exchange(&node, post("getenv a", "Expect: 100-continue\r\n"));
    let (first, rest) = answer.split_once("\r\n\r\n").expect("two answers");
    assert_eq!(first, "HTTP/1.1 100 Continue");
    assert!(rest.ends_with("\r\n\r\na\tnil\n<CMD OK>\n"), "{rest}");
}

#[test]
fn a_web_page_of_somebody_else_cannot_ask() {
    let (_project, mut node) = speaking();
    let own = format!("Host: {}\r\n", node.address());
    let to = |host: &str, headers: &str| format!("GET /setenv/touched/1 HTTP/1.1\r\n{host}{headers}\r\n");
    for request in [
        to("Host: evil.example\r\n", ""),
        to("Host: localhost.evil.example:8000\r\n", ""),
        to("Host: 10.1.2.3:8000\r\n", ""),
        to(&own, "Origin: http://evil.example\r\n"),
        to(&own, "Origin: null\r\n"),
        to(&own, "Sec-Fetch-Site: cross-site\r\n"),
        to(&own, "Sec-Fetch-Site: same-site\r\n"),
        post("setenv touched 1", "Origin: http://localhost:3000\r\n"),
    ] {
        let answer = ask(&node, &request);
        assert_eq!(answer.status, 403, "{request} {answer:?}");
        assert!(
            answer.body.contains("a web page of somebody else's may be behind it"),
            "{answer:?}"
        );
    }
    assert_eq!(ask(&node, to("", "")).status, 400, "no Host");
    assert_eq!(ask(&node, to(&own, "Host: localhost\r\n")).status, 400, "two");
    untouched(&node);
    node.wait_line("sent away: the host `evil.example` is none of this console's");
    assert_eq!(ask(&node, to(&own, "Sec-Fetch-Site: none\r\n")).status, 200);
    assert_eq!(node.console().cmd("getenv touched").succeeded(), ["touched\t1"]);
}

#[test]
fn a_request_that_makes_no_sense_is_refused() {
    let (_project, node) = speaking();
    let long = "x".repeat(9000);
    let many = "A: b\r\n".repeat(101);
    for (request, status) in [
        (get("list", ""), 400),
        (get("/getenv%0aa", ""), 400),
        (get("/list", "no header\r\n"), 400),
        (get("/list", &format!("A: {long}\r\n")), 400),
        (get("/list", &many), 431),
        (post("getenv a\nsetenv touched 1\n", ""), 400),
        (get("/list", "").replace("GET", "DELETE"), 405),
        ("POST / HTTP/1.1\r\nHost: localhost\r\n\r\ngetenv a\n".to_owned(), 411),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n".to_owned(),
            413,
        ),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n".to_owned(),
            400,
        ),
        (post("", "Transfer-Encoding: chunked\r\n"), 501),
    ] {
        let answer = ask(&node, &request);
        assert_eq!(answer.status, status, "{request:.200} {answer:?}");
        assert!(answer.body.ends_with("\n<CMD Error>\n"), "{answer:?}");
    }
    let mut stream = TcpStream::connect(node.address()).expect("a connection");
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nsetenv touched 1")
        .expect("sent");
    stream.shutdown(Shutdown::Write).expect("the end is told");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    untouched(&node);
}

#[test]
fn a_token_is_needed_if_one_is_set_and_guessing_is_slow() {
    let project = Project::with_svc()
        .set("console", "http", "true")
        .set("console", "token", "\"s3cret\"");
    let mut node = project.start();
    node.wait_line("ready");
    let bearer = |token: &str| get("/getenv/a", &format!("Authorization: Bearer {token}\r\n"));
    let answer = ask(&node, get("/getenv/a", ""));
    assert_eq!(answer.status, 401);
    assert!(answer.head.contains("\r\nWWW-Authenticate: Bearer\r\n"), "{answer:?}");
    assert_eq!(ask(&node, bearer("s3cret")).body, "a\tnil\n<CMD OK>\n");
    for _ in 0..5 {
        assert_eq!(ask(&node, bearer("guess")).status, 401);
    }
    let answer = ask(&node, bearer("s3cret"));
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(
        answer.body,
        "Too many wrong tokens from 127.0.0.1: wait a minute\n<CMD Error>\n"
    );
    let said = exchange(&node, "auth s3cret\nlist\n");
    assert!(
        said.ends_with("Too many wrong tokens from 127.0.0.1: wait a minute\n<CMD Error>\n"),
        "{said}"
    );
}

#[test]
fn lines_are_still_spoken_where_http_is() {
    let (_project, node) = speaking();
    // One that waits to be greeted, and one that does not.
    assert_eq!(greet(&node), "<hello you>");
    let mut stream = TcpStream::connect(node.address()).expect("a connection");
    stream.write_all(b"getenv a\n").expect("sent");
    stream.shutdown(Shutdown::Write).expect("the end is told");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("the answer");
    assert_eq!(said, "Welcome to skynet console\na\tnil\n<CMD OK>\n");
    let mut console = node.console();
    assert!(console.cmd("getenv a").ok);
    console.send("GET /setenv/touched/1 HTTP/1.1\r\n\r\n");
    assert!(console.reply().failed().contains("must be the first and only thing"));
    assert_eq!(console.line(), None);
    untouched(&node);
}
