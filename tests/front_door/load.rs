//! Much at once: messages without end, services by the hundred, clients that do not read. What concerns one delays no other, and memory stays
//! bounded.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use crate::harness::{Mark, Node, Project};

/// Counts what it gets; the first message waits until there is a file `go`.
const SINK: &str = r#"
local skynet = require "skynet"
local count, by_old = 0, 0
local command = {}
function command.item()
	by_old = by_old + 1
	if by_old == 1 then print "the first has come" end
	while count == 0 do
		local file = io.open "go"
		if file then file:close() break end
	end
	count = count + 1
end
function command.counts() return count .. " " .. by_old end
skynet.start(function()
	skynet.dispatch("lua", function(session, _, name)
		if session == 0 then command[name]() else skynet.retpack(command[name]()) end
	end)
end)
"#;

/// Sends; `push` until it is refused.
const SOURCE: &str = r#"
local skynet = require "skynet"
require "skynet.manager"
local command = {}
function command.flood(to, number)
	for _ = 1, number do skynet.send(to, "lua", "item") end
	return number
end
function command.push(to)
	local sent, padding = 0, ("x"):rep(1000)
	while true do
		local ok, why = pcall(skynet.send, to, "lua", "item", padding)
		if not ok then return sent .. " " .. why end
		sent = sent + 1
	end
end
function command.ask(to) return select(2, pcall(skynet.call, to, "lua", "counts")) end
skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...) skynet.retpack(command[name](...)) end)
end)
"#;

const MAIN: &str = r#"
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	for _, name in ipairs { "sink", "source" } do skynet.name("." .. name, skynet.newservice(name)) end
	print "ready"
end)
"#;

fn flooded(limit: &str) -> (Project, Node) {
    let project = Project::empty()
        .set("node", "mailbox_limit", limit)
        .service("main", MAIN)
        .service("sink", SINK)
        .service("source", SOURCE);
    let mut node = project.start();
    node.wait_line("ready");
    (project, node)
}

fn go(project: &Project) {
    fs::write(project.path("go"), "").expect("written");
}

fn counts(node: &Node) -> (u64, u64) {
    let said = node.ask(".sink", "\"counts\"");
    let (count, by_old) = said.split_once(' ').expect("two numbers");
    (count.parse().expect("a number"), by_old.parse().expect("a number"))
}

/// A patch comes while so many messages wait: none of them is handled by the old code.
fn a_patch_overtakes(messages: u64) {
    let (project, mut node) = flooded("\"1 GiB\"");
    let before = node.resident().unwrap_or_default();
    let began = Instant::now();
    assert_eq!(
        node.ask(".source", &format!("\"flood\",\".sink\",{messages}")),
        messages.to_string()
    );
    let (sent, grown) = (began.elapsed(), node.resident().unwrap_or_default() - before);
    project.drop_file("sink", "x.lua", "function command.item() count = count + 1 end\n");
    let summary = node.wait_summary(Mark::START, "sink/x.lua");
    assert!(summary.contains("the patch is pending there"), "{summary}");
    let mark = node.mark();
    go(&project);
    node.wait_line_since(mark, "applied to 1 of 1 instance");
    node.wait_until("all to be handled", |node| counts(node).0 >= messages);
    assert_eq!(counts(&node), (messages, 1), "one by the old code");
    println!(
        "{messages} messages sent in {sent:?}, {} bytes each; all handled {:?} after they began to come",
        grown / messages,
        began.elapsed()
    );
}

#[test]
fn a_patch_overtakes_a_full_mailbox() {
    a_patch_overtakes(100_000);
}

/// `cargo test --release --test front_door a_patch_overtakes_a_million -- --ignored --nocapture`
#[test]
#[ignore = "for the figures"]
fn a_patch_overtakes_a_million() {
    a_patch_overtakes(1_000_000);
}

#[test]
fn a_full_mailbox_is_said_and_refuses_what_is_sent_but_no_answer() {
    let (project, mut node) = flooded("\"2 MiB\"");
    // From now on the sink takes nothing out of its mailbox.
    node.ask(".source", "\"flood\",\".sink\",1");
    node.wait_line("the first has come");
    let said = node.ask(".source", "\"push\",\".sink\"");
    let (sent, why) = said.split_once(' ').expect("a number and a reason");
    let sent: u64 = sent.parse().expect("a number");
    assert!((1500..=2100).contains(&sent), "{said}");
    assert!(
        why.contains("source.lua:12: the mailbox of :0000000") && why.contains("is full: "),
        "{said}"
    );
    node.wait_line("May overload, message queue length = 1025");
    assert_eq!(node.count(|line| line.contains("May overload")), 1);
    // Whoever wants an answer is told as well.
    assert!(node.ask(".source", "\"ask\",\".sink\"").contains("is full: "));
    go(&project);
    node.wait_until("all to be handled", |node| {
        node.ask(".source", "\"ask\",\".sink\"") == format!("{0} {0}", sent + 1)
    });
}

/// So many services with so many instances each, and a patch for each of them at once.
fn patches_for_all(services: usize, instances: usize) {
    let member = "local skynet = require 'skynet'\nlocal function version() return 0 end\n\
                  skynet.start(function() skynet.dispatch('lua', function() skynet.retpack(version()) end) end)\n";
    let main = format!(
        "local skynet = require 'skynet'\nrequire 'skynet.manager'\nskynet.start(function()\n\
         for s = 1, {services} do for i = 1, {instances} do\n\
         local it = skynet.newservice('s' .. s)\nif i == {instances} then skynet.name('.s' .. s, it) end\n\
         end end\nprint 'ready'\nend)\n"
    );
    let mut project = Project::empty().service("main", &main);
    for service in 1..=services {
        project = project.service(&format!("s{service}"), member);
        fs::create_dir_all(project.path(&format!("hotfix/s{service}"))).expect("a folder");
    }
    let began = Instant::now();
    let mut node = project.start();
    node.wait_line("ready");
    let started = began.elapsed();
    let began = Instant::now();
    for service in 1..=services {
        project.drop_file(
            &format!("s{service}"),
            "x.lua",
            format!("function version() return {service} end\n"),
        );
    }
    for service in 1..=services {
        let summary = node.wait_summary(Mark::START, &format!("s{service}/x.lua"));
        let expected = format!("applied to {instances} of {instances} instances: ");
        assert!(summary.starts_with(&expected), "{summary}");
    }
    let applied = began.elapsed();
    for service in 1..=services {
        assert_eq!(node.ask(&format!(".s{service}"), "1"), service.to_string());
    }
    println!("{services} × {instances} instances started in {started:?}; {services} patches applied in {applied:?}");
}

#[test]
fn many_services_are_patched_at_once() {
    patches_for_all(50, 4);
}

/// `cargo test --release --test front_door ten_thousand_instances_are_patched -- --ignored --nocapture`
#[test]
#[ignore = "for the figures"]
fn ten_thousand_instances_are_patched() {
    patches_for_all(100, 100);
}

#[test]
fn clients_that_do_not_read_delay_nobody_and_take_little_memory() {
    let (project, mut node) = flooded("\"1 GiB\"");
    let before = node.resident().unwrap_or_default();
    let mut deaf: Vec<TcpStream> = (0..20)
        .map(|_| TcpStream::connect(node.address()).expect("the console accepts"))
        .collect();
    for client in &mut deaf {
        client.set_nonblocking(true).expect("set");
        // As much as the node takes from somebody who reads no answer.
        while client.write(b"help\nhelp\nlist\nstat\nhelp\n").is_ok() {}
    }
    for round in 1..=3 {
        let mark = node.mark();
        project.drop_file(
            "source",
            "x.lua",
            format!("function command.round() return {round} end\n"),
        );
        node.wait_summary(mark, "source/x.lua");
        assert_eq!(node.ask(".source", "\"round\""), round.to_string());
    }
    let grown = node.resident().unwrap_or_default() - before;
    assert!(grown < 64 << 20, "{grown} bytes more");
    drop(deaf);
    node.console().cmd("list").succeeded();
}
