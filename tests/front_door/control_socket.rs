//! The control socket as it is spoken to: other versions, rubbish, and clients that do not behave.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};

use serde_json::{Value, json};

use crate::harness::svc::running;
use crate::harness::{Project, hotlua};

const SOCKET: &str = "archive/control.sock";

fn connect(project: &Project) -> UnixStream {
    UnixStream::connect(project.path(SOCKET)).expect("a connection")
}

/// Sends bytes over the socket, says that this is all, and reads every line of the answer.
fn exchange(project: &Project, bytes: &[u8]) -> Vec<Value> {
    let mut stream = connect(project);
    stream.write_all(bytes).expect("the node reads");
    stream.shutdown(Shutdown::Write).expect("the end is told");
    let lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
    lines.map(|line| serde_json::from_str(&line).expect("JSON")).collect()
}

#[test]
fn a_client_of_another_version_gets_a_sentence() {
    let (project, _node) = running();
    for (sent, said) in [
        (
            b"{\"version\":2,\"question\":\"unheard of\"}\n".as_slice(),
            "this node speaks version 1 of the control protocol and the client 2",
        ),
        (b"GET / HTTP/1.1\r\n\r\n", "no request of `hotlua`"),
        (b"\xff\xfe\n", "no request of `hotlua`"),
        (b"{\"version\":1}\n", "makes no sense"),
        (b"{\"version\":1", "no end"),
        (b"", "no end"),
        (
            b"{\"version\":1,\"line\":\"inject svc\",\"upload\":{\"label\":\"x.lua\",\"size\":9,\"args\":[]}}\nshort",
            "not complete",
        ),
        (
            b"{\"version\":1,\"line\":\"inject svc\",\"upload\":{\"label\":\"x.lua\",\"size\":999999999,\"args\":[]}}\n",
            "max_size",
        ),
    ] {
        let lines = exchange(&project, sent);
        let reply = &lines[0]["reply"];
        assert_eq!((lines.len(), &reply["ok"]), (1, &json!(false)), "{lines:?}");
        assert!(
            reply["text"].as_str().is_some_and(|text| text.contains(said)),
            "{said}: {lines:?}"
        );
    }
    assert_eq!(hotlua(&project, &["list"]).code, 0);
}

#[test]
fn a_node_of_another_version_is_said_to_be_one() {
    let project = Project::with_svc();
    std::fs::create_dir(project.path("archive")).expect("a directory");
    let listener = UnixListener::bind(project.path(SOCKET)).expect("a socket");
    let server = std::thread::spawn(move || {
        for answer in ["{\"future\":1}\n", ""] {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).expect("a request");
            stream.write_all(answer.as_bytes()).expect("the client reads");
        }
    });
    for said in [
        "use the `hotlua` that runs the node",
        "the node went away before it had answered",
    ] {
        let output = hotlua(&project, &["list"]);
        assert!(output.code == 2 && output.stderr.contains(said), "{output:?}");
    }
    server.join().expect("the server ends");
}
