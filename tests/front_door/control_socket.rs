//! The control socket as it is spoken to: other versions, rubbish, and clients that do not behave.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};

use serde_json::{Value, json};

use crate::harness::svc::{GREETING, SVC, greet, running};
use crate::harness::{Mark, Project, hotlua};

const SOCKET: &str = "archive/.control/control.sock";

fn connect(project: &Project) -> UnixStream {
    UnixStream::connect(project.path(SOCKET)).expect("a connection")
}

/// Sends bytes over the socket, says that this is all, and reads every line of the answer.
pub fn exchange(project: &Project, bytes: &[u8]) -> Vec<Value> {
    let mut stream = connect(project);
    stream.write_all(bytes).expect("the node reads");
    stream.shutdown(Shutdown::Write).expect("the end is told");
    let lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
    lines.map(|line| serde_json::from_str(&line).expect("JSON")).collect()
}

/// A request to inject a patch.
fn inject(name: &str, patch: &str) -> Vec<u8> {
    let head = json!({ "label": name, "size": patch.len(), "args": [] });
    let ask = json!({ "version": 1, "line": "inject svc", "upload": head });
    format!("{ask}\n{patch}").into_bytes()
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
    std::fs::create_dir_all(project.path("archive/.control")).expect("a directory");
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

#[test]
fn a_client_without_a_seat_waits_for_one() {
    let (project, node) = running();
    let mut seats: Vec<UnixStream> = (0..64).map(|_| connect(&project)).collect();
    let mut next = connect(&project);
    next.write_all(b"{\"version\":1,\"line\":\"history\",\"upload\":null}\n")
        .expect("it can be written");
    // Time for an answer, if there were to be one.
    for _ in 0..20 {
        node.console().cmd("list").succeeded();
    }
    next.set_nonblocking(true).expect("its mode");
    let early = next.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(early, Err(ErrorKind::WouldBlock), "it has no seat");
    seats.pop();
    next.set_nonblocking(false).expect("its mode");
    let mut answer = String::new();
    next.read_to_string(&mut answer).expect("the answer");
    assert!(answer.starts_with("{\"reply\":{\"ok\":true,"), "{answer}");
}

#[test]
fn a_client_that_hangs_up_stops_no_patch() {
    let project = Project::with_svc().set("hotfix", "time_limit", "\"60s\"");
    let mut node = project.start();
    node.wait_line("ready");
    let patch =
        "io.open('began', 'w'):close() local t = os.clock() while os.clock() - t < 0.3 do end\n".to_owned() + GREETING;
    let mut client = connect(&project);
    client.write_all(&inject("slow.lua", &patch)).expect("the node reads");
    node.wait_until("the patch to run", |_| project.path("began").exists());
    drop(client);
    let summary = node.wait_summary(Mark::START, "svc/slow.lua");
    assert!(summary.starts_with("applied to 1 of 1 instance"), "{summary}");
    assert_eq!(greet(&node), "<good day you>");
}

#[test]
fn how_far_a_patch_is_is_told_to_whoever_asked_for_it_alone() {
    let main = r#"
        local skynet = require "skynet"
        skynet.start(function()
            for _ = 1, 20 do skynet.newservice "svc" end
            print "ready"
        end)"#;
    let project = Project::empty()
        .set("node", "threads", "1")
        .set("hotfix", "time_limit", "\"60s\"")
        .service("main", main)
        .service("svc", SVC);
    let mut node = project.start();
    node.wait_line("ready");
    let slow = |name: &str| {
        let began = format!("io.open('{name}', 'w'):close()");
        let patch = format!("{began} local t = os.clock() while os.clock() - t < 0.05 do end\n{GREETING}");
        exchange(&project, &inject(name, &patch))
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| slow("first.lua"));
        node.wait_until("the first patch to run", |_| project.path("first.lua").exists());
        for (lines, what) in [
            (slow("second.lua"), "svc/second.lua"),
            (first.join().expect("no panic"), "svc/first.lua"),
        ] {
            let (last, words) = lines.split_last().expect("an answer");
            assert_eq!(last["reply"]["ok"], true, "{last}");
            assert!(words.len() > 1, "{lines:?}");
            assert!(words.iter().all(|word| word["progress"]["what"] == what), "{words:?}");
            let done: Vec<u64> = words
                .iter()
                .filter_map(|word| word["progress"]["done"].as_u64())
                .collect();
            assert!(done.is_sorted() && done.len() == words.len(), "{words:?}");
        }
    });
}

#[test]
fn without_a_socket_the_node_says_so_and_runs() {
    let project = Project::with_svc();
    // Something that no folder can replace.
    project.write("archive/.control", "in the way");
    let mut node = project.start();
    node.wait_line("the command line cannot reach this node: cannot open the control socket ");
    node.wait_line("ready");
    assert_eq!(greet(&node), "<hello you>");
    assert_eq!(hotlua(&project, &["list"]).code, 2);
    assert_eq!(node.stop(), 0);
    assert!(project.path("archive/.control").is_file(), "it is not taken away");
}
