//! The letterbox under trees, links, odd names, odd files and busy writers. drops.rs has the
//! ordinary ways of saving.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::svc::{SVC, apply_well, running};
use crate::harness::{DEADLINE, Mark, Node, Project, QUIET};

fn note(value: &str) -> String {
    format!("seen[#seen + 1] = \"{value}\"\n")
}

/// Waits until `.svc` has seen exactly these values, then that nothing follows.
fn sees(node: &mut Node, seen: &str) {
    node.wait_until(&format!("the service to have seen {seen:?}"), |node| {
        node.ask(".svc", "\"seen\"") == seen
    });
    thread::sleep(QUIET);
    assert_eq!(node.ask(".svc", "\"seen\""), seen);
}

/// Waits for a line about `name`, and holds that there is only one.
fn said_once(node: &mut Node, name: &str) -> String {
    let line = node.wait_line(name);
    thread::sleep(QUIET);
    assert_eq!(node.count(|line| line.contains(name)), 1, "said once: {line}");
    line
}

#[test]
fn names_that_are_nobodys_business_are_left_alone() {
    let (project, mut node) = running();
    let names = [
        ".hidden.lua",
        "x.lua~",
        "#x.lua#",
        "x.lua.bak",
        "README.md",
        "4913",
        ".x.lua.swp",
    ];
    for name in names {
        project.drop_file("svc", name, note(name));
    }
    symlink("user@host.1", project.path("hotfix/svc/.#x.lua")).expect("an emacs lock");
    apply_well(&project, &mut node, note("real"));
    sees(&mut node, "real");
    for name in names {
        assert!(project.is_waiting("svc", name), "{name} stays");
        assert_eq!(node.count(|line| line.contains(name)), 0, "{name} is not mentioned");
    }
}

#[test]
fn pipes_directories_and_outward_links_are_refused_once() {
    let (project, mut node) = running();
    let outside = project.write("outside.lua", note("outside"));
    fs::create_dir_all(project.path("hotfix/svc/folder.lua")).expect("a folder");
    let pipe = project.path("hotfix/svc/pipe.lua");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo starts").success());
    symlink(outside, project.path("hotfix/svc/link.lua")).expect("a link");
    symlink("nowhere", project.path("hotfix/svc/dangling.lua")).expect("a link");
    project.drop_file("svc", "file.lua", note("file"));
    sees(&mut node, "file");
    for name in ["pipe.lua", "folder.lua", "link.lua"] {
        said_once(&mut node, name);
    }
}

#[test]
fn a_link_inside_the_letterbox_counts() {
    // A mounted ConfigMap looks like this: x.lua -> ..data/x.lua, ..data -> ..v1.
    let (project, mut node) = running();
    project.write("hotfix/svc/..v1/x.lua", note("one"));
    symlink("..v1", project.path("hotfix/svc/..data")).expect("a link");
    symlink("..data/x.lua", project.path("hotfix/svc/x.lua")).expect("a link");
    sees(&mut node, "one");
}

#[test]
fn a_file_over_the_limit_is_refused_unread() {
    let project = Project::with_svc().set("hotfix", "max_size", "\"64 KiB\"");
    let mut node = project.start();
    node.wait_line("ready");
    let file = fs::File::create(project.drop_file("svc", "big.lua", "")).expect("a file");
    file.set_len(1 << 30).expect("a sparse GiB");
    drop(file);
    let line = said_once(&mut node, "svc/big.lua");
    assert!(line.contains("64"), "the limit is named: {line}");
    apply_well(&project, &mut node, note("small"));
    assert!(project.is_waiting("svc", "big.lua"));
}

#[test]
fn an_empty_file_is_waited_for_and_noticed() {
    let (project, mut node) = running();
    let before = Instant::now();
    project.drop_file("svc", "x.lua", "");
    let line = node.wait_line("svc/x.lua");
    assert!(
        before.elapsed() >= Duration::from_secs(2),
        "a save may be under way: {line}"
    );
    assert!(line.contains("empty"), "{line}");
    apply_well(&project, &mut node, note("filled"));
    sees(&mut node, "filled");
}

#[test]
fn odd_names_are_escaped_and_refused_once() {
    let (project, mut node) = running();
    let letterbox = project.path("hotfix/svc");
    fs::create_dir_all(&letterbox).expect("the letterbox");
    fs::write(letterbox.join(OsStr::from_bytes(b"bad\xff.lua")), note("1")).expect("a file");
    fs::write(letterbox.join("two\nlines.lua"), note("2")).expect("a file");
    said_once(&mut node, "bad");
    let line = said_once(&mut node, "two");
    assert!(line.contains("lines.lua"), "the newline is escaped: {line}");
    apply_well(&project, &mut node, note("plain"));
    sees(&mut node, "plain");
}

#[test]
fn names_with_spaces_and_letters_of_any_script_are_fine() {
    let (project, mut node) = running();
    for name in ["with space.lua", "\u{6d4b}\u{8bd5}.lua", "it's \"quoted\".lua"] {
        let mark = node.mark();
        project.drop_file("svc", name, "seen[#seen + 1] = \"odd\"\n");
        let summary = node.wait_summary(mark, &format!("svc/{name}"));
        assert!(summary.starts_with("applied to 1 of 1 instance"), "{summary}");
    }
    sees(&mut node, "odd odd odd");
}

#[test]
fn a_file_outside_of_any_service_folder_gets_a_hint() {
    let (project, mut node) = running();
    project.write("hotfix/lost.lua", note("lost"));
    said_once(&mut node, "hotfix/lost.lua");
    assert!(project.path("hotfix/lost.lua").exists());
}

#[test]
fn touching_and_reading_a_waiting_file_is_no_news() {
    let (project, mut node) = running();
    project.write("services/ghost.lua", SVC);
    let path = project.drop_file("ghost", "x.lua", note("ghost"));
    node.wait_summary(Mark::START, "ghost/x.lua");
    for _ in 0..5 {
        let file = fs::File::options().append(true).open(&path).expect("the file");
        file.set_modified(std::time::SystemTime::now()).expect("touched");
        drop(file);
        fs::read(&path).expect("read");
    }
    thread::sleep(QUIET);
    assert_eq!(node.summaries("ghost/x.lua").len(), 1);
    node.ask(".svc", "\"spawn\",\"ghost\"");
    node.wait_until("one apply", |node| node.summaries("ghost/x.lua").len() == 2);
}

#[test]
fn a_letterbox_that_is_removed_and_made_again_still_works() {
    const ROUNDS: usize = 20;
    let (project, mut node) = running();
    for round in 0..ROUNDS {
        let name = format!("x{round}.lua");
        project.drop_file("svc", &name, note("r"));
        node.wait_summary(Mark::START, &format!("svc/{name}"));
        node.wait_until("it to be archived", |_| !project.is_waiting("svc", &name));
        fs::remove_dir_all(project.path("hotfix/svc")).expect("the letterbox removed");
    }
    sees(&mut node, ["r"; ROUNDS].join(" ").as_str());
}

#[test]
fn the_whole_folder_may_be_replaced() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, note("before"));
    fs::rename(project.path("hotfix"), project.path("old")).expect("moved away");
    project.drop_file("svc", "y.lua", note("after"));
    project.write("old/svc/z.lua", note("old tree"));
    sees(&mut node, "before after");
}

#[test]
fn the_whole_folder_may_be_removed_and_made_again() {
    let (project, mut node) = running();
    apply_well(&project, &mut node, note("before"));
    node.wait_until("it to be archived", |_| !project.is_waiting("svc", "x.lua"));
    fs::remove_dir_all(project.path("hotfix")).expect("removed");
    thread::sleep(Duration::from_millis(300));
    project.drop_file("svc", "y.lua", note("after"));
    sees(&mut node, "before after");
}

#[test]
fn a_letterbox_that_is_renamed_belongs_to_its_new_name() {
    let (project, mut node) = running();
    project.drop_file("other", "README", "");
    thread::sleep(Duration::from_millis(100));
    fs::rename(project.path("hotfix/other"), project.path("hotfix/svc")).expect("renamed");
    project.drop_file("svc", "x.lua", note("renamed"));
    sees(&mut node, "renamed");
}

#[test]
fn a_file_that_is_held_open_is_said_and_applied_at_its_close() {
    let (project, mut node) = running();
    let path = project.drop_file("svc", ".tmp", note("held"));
    let file = fs::File::options().append(true).open(&path).expect("a writer");
    fs::rename(&path, project.path("hotfix/svc/held.lua")).expect("renamed while open");
    project.drop_file("svc", "x.lua", note("other"));
    node.wait_summary(Mark::START, "svc/x.lua");
    node.wait_line("open for writing");
    assert_eq!(node.summaries("svc/held.lua"), Vec::<String>::new());
    drop(file);
    sees(&mut node, "other held");
}

#[test]
fn a_writer_in_a_hurry_does_not_hurt_the_node() {
    let (project, mut node) = running();
    let start = Instant::now();
    let mut round = 0;
    while start.elapsed() < Duration::from_secs(1) {
        round += 1;
        project.drop_file("svc", "x.lua", format!("label = \"{round}\"\n"));
        thread::sleep(Duration::from_millis(1));
    }
    let last = round.to_string();
    node.wait_until("the last content to be live", |node| {
        node.ask(".svc", "\"label\"") == last
    });
}

#[test]
fn a_patch_may_write_the_next_one() {
    let (project, mut node) = running();
    let patch = format!(
        "local file = assert(io.open({:?}, \"w\"))\n\
         file:write('seen[#seen + 1] = \"second\"\\n')\n\
         file:close()\n\
         seen[#seen + 1] = \"first\"\n",
        project.path("hotfix/svc/x.lua")
    );
    apply_well(&project, &mut node, &patch);
    sees(&mut node, "first second");
    node.wait_until("both to be archived", |_| project.archived_patches("svc").len() == 2);
    let kept = fs::read_to_string(&project.archived_patches("svc")[0]);
    assert_eq!(kept.expect("the first patch"), patch);
}

#[test]
fn a_save_right_after_an_apply_is_handled_once() {
    // The node is about to take the applied file away: it must neither take the new bytes with
    // it nor look at them twice.
    const ROUNDS: usize = 20;
    let (project, mut node) = running();
    for round in 0..ROUNDS {
        apply_well(&project, &mut node, note(&round.to_string()));
        let mark = node.mark();
        project.drop_file("svc", "x.lua", format!("not Lua {round}\n"));
        let summary = node.wait_summary(mark, "svc/x.lua");
        assert!(summary.starts_with("rejected: "), "{summary}");
    }
    thread::sleep(QUIET);
    let summaries = node.summaries("svc/x.lua");
    assert_eq!(summaries.len(), 2 * ROUNDS, "{summaries:#?}");
    node.wait_until("all that was applied to be archived", |_| {
        project.archived_patches("svc").len() == ROUNDS
    });
}

#[test]
fn polling_finds_the_same_files() {
    for (flag, project) in [
        (&["--poll"][..], Project::with_svc()),
        (&[][..], Project::with_svc().set("hotfix", "poll", "true")),
    ] {
        let mut node = project.start_with(flag);
        node.wait_line("ready");
        apply_well(&project, &mut node, note("polled"));
        apply_well(&project, &mut node, note("again"));
        sees(&mut node, "polled again");
    }
}

#[test]
fn a_save_is_live_soon_after() {
    // Far above the goal (single milliseconds), so that a busy machine cannot fail it, and far
    // below what a debounce or a sweep would need every time.
    const SAVES: u32 = 30;
    let (project, mut node) = running();
    let start = Instant::now();
    for round in 0..SAVES {
        let name = format!("x{round}.lua");
        project.drop_file("svc", &name, format!("label = \"{round}\"\n"));
        node.wait_summary(Mark::START, &format!("svc/{name}"));
    }
    let each = start.elapsed() / SAVES;
    assert!(each < DEADLINE / 120, "{each:?} per save");
}
