//! A day of saves: what is old and dead is let go, what lives goes on, and the last saves can be taken back.

use serde_json::Value;

use super::{dev, save};
use crate::harness::{Node, Project, hotlua};

/// `N` is the number of the save. What is held from early on: closures of a factory, a function that a later text does not have, and a
/// coroutine in the middle of an old body.
const SERVICE: &str = r#"local skynet = require "skynet"
local total = 0
local command, held, made = {}, {}, {}

local function factory()
    local own = 0
    return function()
        own = own + 1
        return own .. " of save N"
    end
end

function held.gone() return "gone in save N" end

local function work()
    skynet.wait "work"
    made.late = function() return "late " .. total .. " of save N" end
    made.worker = "old body of save N"
end

function command.changed() total = total + 1 return total .. " in save N" end
function command.same() return "same" end
function command.first() made.first = made.first or factory() return made.first() end
function command.keep() made.gone = held.gone return "kept" end
function command.gone() return made.gone() end
function command.work() skynet.fork(work) return "working" end
function command.finish() skynet.wakeup "work" skynet.yield() return made.worker end
function command.late() return made.late() end

skynet.start(function()
    skynet.dispatch("lua", function(_, _, name) skynet.retpack(command[name]()) end)
end)
"#;

fn text(number: u32) -> String {
    SERVICE.replace("save N", &format!("save {number}"))
}

fn ask(node: &Node, what: &str) -> String {
    node.ask(".svc", &format!("\"{what}\""))
}

/// What the instance's VM has, in bytes.
fn memory(project: &Project) -> u64 {
    let listed = hotlua(project, &["list", "--json"]).stdout;
    let listed: Value = serde_json::from_str(&listed).expect("a document");
    let svc = listed["instances"]
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row["service"] == "svc");
    svc.expect("svc")["memory"].as_u64().expect("bytes")
}

#[test]
fn a_service_that_is_saved_all_day_neither_grows_nor_forgets() {
    let start = "local skynet = require 'skynet' require 'skynet.manager' \
        skynet.start(function() skynet.name('.svc', skynet.newservice 'svc') print 'ready' end)";
    let project = Project::empty().service("main", start).service("svc", &text(0));
    let mut node = dev(&project);
    for (what, answer) in [
        ("first", "1 of save 0"),
        ("keep", "kept"),
        ("work", "working"),
        ("changed", "1 in save 0"),
    ] {
        assert_eq!(ask(&node, what), answer);
    }
    let mut early = 0;
    for number in 1..=90 {
        // One function is in the first texts alone.
        let text = match number {
            ..=3 => text(number),
            _ => text(number).replace(
                &format!("function held.gone() return \"gone in save {number}\" end\n"),
                "",
            ),
        };
        let line = save(&project, &mut node, "services/svc.lua", &text);
        assert!(line.contains("in 1 of 1 instance of svc"), "{line}");
        if number % 15 == 0 {
            assert_eq!(ask(&node, "changed"), format!("{} in save {number}", 1 + number / 15));
            assert_eq!(ask(&node, "first"), format!("{} of save {number}", 1 + number / 15));
            assert_eq!(
                ask(&node, "gone"),
                "gone in save 3",
                "held by a field, and nowhere else"
            );
            assert_eq!(ask(&node, "same"), "same");
        }
        if number == 45 {
            early = memory(&project);
        }
    }
    let late = memory(&project);
    assert!(
        late < early + early / 2,
        "{late} bytes after 90 saves, {early} after 45"
    );
    // The old body ends; what it has made is exchanged then.
    assert_eq!(ask(&node, "finish"), "old body of save 0");
    assert_eq!(ask(&node, "late"), "late 7 of save 90");
    take_back(&project, &node);
    let line = save(&project, &mut node, "services/svc.lua", &text(200));
    assert!(line.contains("in 1 of 1 instance of svc"), "{line}");
    assert!(ask(&node, "changed").ends_with("in save 200"));
    assert!(ask(&node, "first").ends_with("of save 200"));
    assert_eq!(
        ask(&node, "gone"),
        "gone in save 200",
        "it is back, for all who held it"
    );
}

/// The last saves can be taken back, one after the other; those before are refused.
fn take_back(project: &Project, node: &Node) {
    for number in (71..=90).rev() {
        let back = hotlua(project, &["rollback", "svc"]);
        assert_eq!(back.code, 0, "{back:?}");
        let runs = ask(node, "changed");
        assert!(
            runs.ends_with(&format!("in save {}", number - 1)),
            "{runs} after save {number} was taken back"
        );
    }
    let mut refused = hotlua(project, &["rollback", "svc"]);
    while refused.code == 0 {
        refused = hotlua(project, &["rollback", "svc"]);
    }
    assert!(
        refused
            .stderr
            .contains("is too far back: the last 20 saves can be taken back"),
        "{refused:?}"
    );
}
