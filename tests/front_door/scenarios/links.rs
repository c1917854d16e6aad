//! Symbolic links: of folders, of files, and whole trees that are exchanged by one.

use super::stage::{A_SWEEP, End, Stage, project, see};
use crate::ground::on_every_file_system;
use crate::harness::Mark;

#[test]
fn a_link_to_a_folder_outside_is_refused_once_wherever_it_leads() {
    on_every_file_system(|base| {
        let mut stage = Stage::with(base, &["svc", "lnk"]);
        stage.sh("mkdir $T/c1 $T/c2; ln -s ../$T/c1 $R/lnk; P 1 >$T/c1/x.lua; P 2 >$T/c2/x.lua");
        stage
            .node
            .wait_line("[hotfix] refused: hotfix/lnk is a link to a folder outside of this one");
        // Another link is another refusal.
        stage.sh("ln -s ../$T/c2 $T/l; mv -T $T/l $R/lnk; P 3 >$S/x.lua");
        stage.node.wait_until("the new link to be refused", |node| {
            node.count(|line| line.contains("refused: hotfix/lnk")) == 2
        });
        stage.ends(&End::applied(&["3"]).and("lnk", &[]).remains(&["lnk"]));
        assert_eq!(stage.node.count(|line| line.contains("hotfix/lnk")), 2);
    });
}

#[test]
fn a_link_to_a_folder_inside_is_followed_and_so_is_its_new_target() {
    on_every_file_system(|base| {
        let mut stage = Stage::with(base, &["svc", "lnk"]);
        // Names with a dot in front are no services: these folders have only the link's name.
        stage.sh("mkdir $R/.c1 $R/.c2; ln -s .c1 $R/lnk; P 1 >$R/.c1/x.lua");
        stage.hears(Mark::START, "lnk/x.lua", "applied to 1 of 1 instance");
        stage.sh("P 2 >$R/lnk/y.lua");
        stage.hears(Mark::START, "lnk/y.lua", "applied to 1 of 1 instance");
        stage.is_archived("lnk", "y.lua");
        stage.sh("ln -s .c2 $R/.l; mv -T $R/.l $R/lnk; P 3 >$R/lnk/z.lua");
        stage.hears(Mark::START, "lnk/z.lua", "applied to 1 of 1 instance");
        stage.sh("P 4 >$R/.c1/old.lua; P 5 >$R/.c2/new.lua");
        stage.ends(
            &End::applied(&[])
                .and("lnk", &["1", "2", "3", "5"])
                .remains(&["lnk", ".c1/old.lua"]),
        );
    });
}

#[test]
fn a_config_map_is_applied_version_by_version() {
    on_every_file_system(|base| {
        let project = project(base, &["svc"]).set("hotfix", "after_apply", "\"keep\"");
        let mut stage = Stage::of(project);
        // As the kubelet does it: a folder with a time as its name, a link to it that is renamed over the old one, and links through it.
        stage.sh("mkdir -p $S/..2026_01; P 1 >$S/..2026_01/x.lua; P y >$S/..2026_01/y.lua
            ln -s ..2026_01 $S/..data; ln -s ..data/x.lua $S/x.lua; ln -s ..data/y.lua $S/y.lua");
        stage.node.wait_until("both to be applied", |node| {
            let seen = see(node, "svc");
            seen == "1 y" || seen == "y 1"
        });
        stage.sh("mkdir $S/..2026_02; P 2 >$S/..2026_02/x.lua; P y >$S/..2026_02/y.lua
            ln -s ..2026_02 $S/..data_tmp; mv -T $S/..data_tmp $S/..data; rm -r $S/..2026_01");
        let mark = stage.node.mark();
        stage
            .node
            .wait_until("the second version", |node| see(node, "svc").ends_with(" 2"));
        std::thread::sleep(A_SWEEP);
        assert_eq!(
            see(&stage.node, "svc").len(),
            "1 y 2".len(),
            "what is the same in both is not applied again"
        );
        let said = stage.node.lines_since(mark);
        assert!(!said.iter().any(|line| line.contains("svc/y.lua")), "{said:#?}");
        // The whole map and its key may go.
        stage.sh("rm -r $S/..data $S/..2026_02 $S/x.lua $S/y.lua");
        std::thread::sleep(A_SWEEP);
        assert_eq!(see(&stage.node, "svc").len(), "1 y 2".len());
    });
}

#[test]
fn a_config_map_is_emptied_into_the_archive_where_files_are_moved_there() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("mkdir $S/..v1; P 1 >$S/..v1/x.lua
            ln -s ..v1 $S/..data; ln -s ..data/x.lua $S/x.lua");
        // The link is what is moved away; the file that it led to is somebody else's.
        stage.ends(&End::applied(&["1"]).remains(&["svc/..data", "svc/..v1/x.lua"]));
    });
}
