//! What cannot be a patch: refused once, by name, and nothing else is kept waiting.

use std::fs;

use rustix::process::geteuid;

use super::stage::{End, Stage, project};
use crate::ground::{needs, on_every_file_system, skip};
use crate::harness::Mark;

#[test]
fn pipes_devices_directories_and_outward_links_are_refused_once() {
    on_every_file_system(|base| {
        needs("mkfifo");
        let mut stage = Stage::new(base);
        stage.sh("mkfifo $S/a.lua; ln -s /etc/passwd $S/c.lua; ln -s nowhere $S/g.lua; mkdir $S/d.lua; P 1 >$S/f.lua");
        let mut remain = vec!["svc/a.lua", "svc/c.lua", "svc/g.lua"];
        stage.reaches(&End::applied(&["1"]).remains(&remain));
        // Root in a user namespace, too, may not make one; a socket is as special.
        stage.sh("mknod $S/b.lua c 1 5 2>/dev/null || mkfifo $S/b.lua; P 2 >$S/f.lua");
        remain.push("svc/b.lua");
        stage.ends(&End::applied(&["1", "2"]).remains(&remain));
        for name in ["a.lua", "b.lua", "c.lua", "d.lua", "g.lua"] {
            let path = format!("hotfix/svc/{name}");
            assert_eq!(stage.node.count(|line| line.contains(&path)), 1, "{name} once");
        }
    });
}

#[test]
fn a_file_over_the_limit_is_refused_unread() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        let before = resident(&stage);
        stage.sh("truncate -s 1G $S/big.lua; : >$S/empty.lua");
        let line = stage.node.wait_line("hotfix/svc/big.lua");
        assert!(line.contains("is larger than 1.0 MiB"), "{line}");
        let remain = ["svc/big.lua", "svc/empty.lua"];
        stage.ends(&End::applied(&[]).remains(&remain));
        let grown = resident(&stage).saturating_sub(before);
        assert!(grown < 10 << 20, "{grown} bytes more");
        assert_eq!(stage.node.count(|line| line.contains("svc/big.lua")), 1, "said once");
        stage.sh("P 1 >$S/big.lua");
        stage.reaches(&End::applied(&["1"]).remains(&["svc/empty.lua"]));
    });
}

/// The memory that the node has, in bytes.
fn resident(stage: &Stage) -> u64 {
    stage.node.resident().unwrap_or_else(|| skip("there is no /proc"))
}

#[test]
fn a_file_that_may_not_be_read_is_applied_once_it_may() {
    on_every_file_system(|base| {
        let project = project(base, &["svc"]);
        fs::create_dir(project.path("hotfix/svc")).expect("the letterbox");
        // Root reads everything, unless it has lost the right to.
        let without = if geteuid().is_root() {
            needs("setpriv");
            &["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"][..]
        } else {
            &[]
        };
        let node = project.start_by(without);
        let mut stage = Stage::running(project, node);
        stage.sh("P 1 >$T/a; chmod 000 $T/a; mv $T/a $S/x.lua");
        let refusal = "refused: hotfix/svc/x.lua may not be read by the user that runs hotlua";
        stage.node.wait_line(refusal);
        stage.reaches(&End::applied(&[]).remains(&["svc/x.lua"]));
        stage.sh("chmod 644 $S/x.lua");
        stage.ends(&End::applied(&["1"]));
        assert_eq!(stage.node.count(|line| line.contains(refusal)), 1, "said once");
    });
}

#[test]
fn names_that_are_no_text_are_escaped_and_refused_once() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("P 1 >\"$S/$(printf '\\377').lua\"; P 2 >\"$S/$(printf 'a\\nb').lua\"; P 3 >$S/plain.lua");
        stage.hears(Mark::START, "svc/plain.lua", "applied to 1 of 1 instance");
        stage.ends(&End::applied(&["3"]).remains(&["svc/\u{fffd}.lua", "svc/a\nb.lua"]));
        for line in [
            "[hotfix] refused: hotfix/svc/\\xff.lua the name is not UTF-8; rename it",
            "[hotfix] refused: hotfix/svc/a\\nb.lua the name contains a control character; rename it",
        ] {
            assert_eq!(stage.node.count(|other| other == line), 1, "{line}");
        }
    });
}

#[test]
fn a_file_outside_of_any_service_folder_gets_a_hint() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("P 1 >$R/lost.lua");
        stage
            .node
            .wait_line("hotfix/lost.lua belongs to no service; put it into hotfix/<service>/");
        stage.ends(&End::applied(&[]).remains(&["lost.lua"]));
        assert_eq!(stage.node.count(|line| line.contains("lost.lua")), 1, "said once");
    });
}
