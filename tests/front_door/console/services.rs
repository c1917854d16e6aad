//! Commands that look at one service or start, call and end it.

use super::{TARGET, handle_of, project, reply, running};
use crate::harness::{DEADLINE, poll};

#[test]
fn ping_by_every_form_of_address() {
    let project = project();
    let (_node, mut console) = running(&project);
    let full = handle_of(&mut console, "\tsnlua target");
    let hex = full.trim_start_matches([':', '0']).to_owned();
    for address in [full.as_str(), hex.as_str(), ".other"] {
        let lines = console.cmd(&format!("ping {address}")).succeeded();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].parse::<u32>().is_ok(), "hundredths of a second: {lines:?}");
    }
}

#[test]
fn a_wrong_address_is_an_error_that_says_so() {
    let project = project();
    let (_node, mut console) = running(&project);
    for command in ["ping", "kill", "exit", "info", "task", "call"] {
        for address in ["zz", ".nobody", "999", ":00000999", ":zz", ""] {
            let line = format!("{command} {address} \"add\",1");
            let line = if address.is_empty() { command } else { &line };
            let said = console.cmd(line).failed();
            assert!(!said.trim().is_empty(), "{line}: no reason given");
            assert!(!said.contains("attempt to"), "{line}: {said}");
        }
    }
    let said = console.cmd("ping 999").failed();
    assert!(said.contains("call to invalid address :00000999"), "{said}");
}

#[test]
fn call_packs_lua_values_and_prints_what_came_back() {
    let project = project();
    let (_node, mut console) = running(&project);
    let call = "call .target \"echo\",1,\"two\",{3}";
    assert_eq!(console.cmd(call), reply(&["1\t1", "2\ttwo", "3\t1:3", "n\t3"], true));
    assert_eq!(console.cmd("call .target 'add',3"), reply(&["1\t3", "n\t1"], true));
    assert_eq!(console.cmd("call .target \"echo\""), reply(&["n\t0"], true));
}

#[test]
fn call_failures_are_errors() {
    let project = project();
    let (mut node, mut console) = running(&project);
    for (command, said) in [
        ("call .target", "need arguments"),
        ("call .target (", "Invalid arguments"),
        ("call .target \"fail\"", "call failed"),
        ("call .target \"nosuch\"", "call failed"),
    ] {
        let text = console.cmd(command).failed();
        assert!(text.contains(said), "{command}: {text}");
    }
    node.wait_line("target fails");
}

#[test]
fn info_prints_the_table_of_the_service() {
    let project = project();
    let (_node, mut console) = running(&project);
    assert_eq!(
        console.cmd("info .target"),
        reply(&["count\t0", "nested\t1:1\t2:2"], true)
    );
}

#[test]
fn task_shows_where_coroutines_wait() {
    let project = project();
    let (node, mut console) = running(&project);
    assert_eq!(console.cmd("task .target"), reply(&[], true));
    let mut waiting = node.console();
    waiting.send("call .target \"forever\"\n");
    let text = poll(DEADLINE, || {
        let text = console.cmd("task .target").succeeded().join("\n");
        (!text.is_empty()).then_some(text)
    });
    let text = text.expect("a waiting coroutine");
    assert!(text.contains("session: "), "{text}");
    assert!(text.contains("services/target.lua:"), "{text}");
}

#[test]
fn start_launches_with_arguments_and_says_what_became_of_it() {
    let project = project();
    let (mut node, mut console) = running(&project);
    let lines = console.cmd("start target one two").succeeded();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (handle, name) = lines[0].split_once('\t').expect(&lines[0]);
    assert_eq!(name, "target");
    assert_eq!(handle_of(&mut console, "\tsnlua target one two"), handle);
    node.wait_line(&format!("[{handle}] LAUNCH snlua target one two"));

    for (command, said) in [
        ("start bad raise", "does not start"),
        ("start nosuch", "nosuch"),
        ("start", ""),
    ] {
        let text = console.cmd(command).failed();
        assert!(!text.trim().is_empty() && text.contains(said), "{command}: {text}");
    }
    assert!(console.cmd("start bad exit").text().contains("Exit"));
}

#[test]
fn kill_retires_a_service() {
    let project = project();
    let (mut node, mut console) = running(&project);
    let handle = handle_of(&mut console, "\tsnlua target");
    let line = format!("{handle}\tsnlua target");
    assert_eq!(console.cmd("kill .other"), reply(&[&line], true));
    let number = handle.trim_start_matches([':', '0']).to_owned();
    node.wait_line(&format!("KILL :{number}"));
    let rows = console.cmd("list").succeeded();
    assert!(!rows.contains(&line), "{rows:?}");
    console.cmd(&format!("kill {handle}")).failed();
}

#[test]
fn exit_asks_a_service_to_leave() {
    let project = project();
    let (mut node, mut console) = running(&project);
    let handle = handle_of(&mut console, "\tsnlua target");
    assert_eq!(console.cmd(&format!("exit {handle}")), reply(&[], true));
    node.wait_line(&format!("[{handle}] KILL self"));
    let rows = console.cmd("list").succeeded();
    assert!(!rows.iter().any(|row| row.starts_with(&handle)), "{rows:?}");
}

#[test]
fn a_service_started_later_runs_the_text_that_is_on_disk() {
    let project = project();
    let (_node, mut console) = running(&project);
    project.write("services/target.lua", TARGET.replace("return count", "return -count"));
    console.cmd("clearcache").succeeded();
    let lines = console.cmd("start target").succeeded();
    let handle = lines[0].split('\t').next().unwrap_or_default().to_owned();
    assert_eq!(console.call(&handle, "\"add\",3"), "-3");
    assert_eq!(console.call(".target", "\"add\",3"), "3");
}

#[test]
fn a_service_that_does_not_answer_is_shown_as_timed_out() {
    let project = project();
    let (mut node, mut console) = running(&project);
    let handle = handle_of(&mut console, "\tsnlua target");
    let mut stuck = node.console();
    stuck.send("call .other \"spin\"\n");
    node.wait_line("spinning");
    let stat = console.cmd("stat").succeeded();
    assert!(stat.contains(&format!("{handle}\tTIMEOUT")), "{stat:?}");
    let mem = console.cmd("mem").succeeded();
    assert!(mem.contains(&format!("{handle}\tTIMEOUT (snlua target)")), "{mem:?}");
    assert_eq!(mem.len(), 3, "the others are shown all the same: {mem:?}");
}
