//! `hotlua list`: what runs, told by nobody's leave.

use serde_json::{Value, json};

use crate::harness::svc::{GREETING, SVC, running};
use crate::harness::{Project, hotlua};

/// The row of the first instance of a service.
fn row(project: &Project, service: &str) -> Value {
    let output = hotlua(project, &["list", "--json"]);
    assert_eq!(output.code, 0, "{output:?}");
    let list: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let mut rows = list["instances"].as_array().expect("rows").iter();
    rows.find(|row| row["service"] == service).expect("its row").clone()
}

#[track_caller]
fn done(project: &Project, arguments: &[&str]) {
    let output = hotlua(project, arguments);
    assert_eq!(output.code, 0, "{output:?}");
}

#[test]
fn patches_come_and_go_and_survive_restarts() {
    let (project, mut node) = running();
    let patches = |expected: Value| assert_eq!(row(&project, "svc")["patches"], expected);
    let one = |id: u64, name: &str| json!({ "patch": id, "name": name });
    patches(json!([]));
    project.write("fix.lua", GREETING);
    project.write("more.lua", "function command.more() return 'more' end\n");
    done(&project, &["inject", "svc", "fix.lua"]);
    done(&project, &["inject", ".svc", "more.lua"]);
    patches(json!([one(1, "fix.lua"), one(2, "more.lua")]));
    project.write("fix.lua", GREETING.replace("good day", "good night"));
    done(&project, &["inject", "svc", "fix.lua"]);
    patches(json!([one(2, "more.lua"), one(3, "fix.lua")]));
    done(&project, &["rollback", "svc", "3"]);
    patches(json!([one(1, "fix.lua"), one(2, "more.lua")]));
    // A new VM has what stands, and not what was for the old one alone.
    done(&project, &["restart", "svc"]);
    patches(json!([one(1, "fix.lua")]));
    project.write("services/svc.lua", "error 'not today'");
    assert_eq!(hotlua(&project, &["restart", "svc"]).code, 1);
    patches(json!([one(1, "fix.lua")]));
    assert!(
        row(&project, "svc")["memory"].as_u64() > Some(10_000),
        "it is the old VM's"
    );
    project.write("services/svc.lua", SVC);
    node.kill9();
    let mut node = project.start();
    node.wait_line("ready");
    patches(json!([one(1, "fix.lua")]));
}

#[test]
fn a_stuck_instance_shows_its_queue_and_memory() {
    let greedy = r#"
        local skynet = require "skynet"
        skynet.start(function()
            skynet.dispatch("lua", function()
                local all = {}
                for i = 1, 200000 do all[i] = { i } end
                print "stuck now"
                while #all > 0 do end
            end)
        end)"#;
    let main = r#"
        local skynet = require "skynet"
        skynet.start(function()
            local greedy = skynet.newservice "greedy"
            for _ = 1, 8 do skynet.send(greedy, "lua") end
        end)"#;
    let project = Project::empty().service("greedy", greedy).service("main", main);
    let mut node = project.start();
    node.wait_line("stuck now");
    let row = row(&project, "greedy");
    assert!(row["memory"].as_u64() > Some(4_000_000), "{row}");
    assert_eq!(row["queue"], 7, "{row}");
}
