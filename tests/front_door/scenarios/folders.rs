//! Folders that are made, moved, removed and made again: the folder of a service, and that of all services.

use std::fs;

use super::stage::{End, Stage, project};
use crate::ground::on_every_file_system;
use crate::harness::{Mark, Project};

#[test]
fn a_file_in_a_folder_that_was_made_with_it_is_applied() {
    // The table of scenarios has 500; each of these services is a VM, three times.
    const FOLDERS: usize = 60;
    on_every_file_system(|base| {
        let names: Vec<String> = (1..=FOLDERS).map(|number| format!("n{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut stage = Stage::of(project(base, &names));
        stage.sh(&format!(
            "for i in $(seq {FOLDERS}); do mkdir $R/n$i; P $i >$R/n$i/x.lua; done"
        ));
        let numbers: Vec<String> = (1..=FOLDERS).map(|number| number.to_string()).collect();
        let mut end = End::none();
        for (name, number) in names.iter().zip(&numbers) {
            end = end.and(name, &[number]);
        }
        stage.ends(&end);
    });
}

#[test]
fn a_folder_that_is_moved_there_is_looked_into_and_watched() {
    on_every_file_system(|base| {
        let mut stage = Stage::with(base, &["svc", "new"]);
        stage.sh("mkdir $T/d; P 1 >$T/d/x.lua; mv $T/d $R/new");
        stage.hears(Mark::START, "new/x.lua", "applied to 1 of 1 instance");
        stage.sh("P 2 >$R/new/y.lua");
        stage.ends(&End::applied(&[]).and("new", &["1", "2"]));
    });
}

#[test]
fn a_folder_that_is_removed_and_made_again_is_watched_each_time() {
    const ROUNDS: usize = 40;
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        for round in 0..ROUNDS {
            stage.sh(&format!("rm -r $S; mkdir $S; P {round} >$S/x{round}.lua"));
            let name = format!("x{round}.lua");
            stage.hears(Mark::START, &format!("svc/{name}"), "applied to 1 of 1 instance");
            stage.is_archived("svc", &name);
        }
        let values: Vec<String> = (0..ROUNDS).map(|round| round.to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        stage.ends(&End::applied(&values));
    });
}

#[test]
fn a_folder_that_is_renamed_belongs_to_its_new_name() {
    on_every_file_system(|base| {
        let mut stage = Stage::with(base, &["svc", "svc9"]);
        stage.sh("mv $S $R/svc9; P 1 >$R/svc9/y.lua");
        stage.ends(&End::applied(&[]).and("svc9", &["1"]));
    });
}

#[test]
fn the_whole_letterbox_may_be_moved_away_and_made_again() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("mv $R $T/old; mkdir -p $S; P 1 >$S/x.lua; P 2 >$T/old/svc/z.lua");
        stage.reaches(&End::applied(&["1"]));
        assert!(
            stage.project.path("spare/old/svc/z.lua").exists(),
            "nobody's business any more"
        );
        // Its watch went with it: what happens there is nobody's business either.
        stage.sh("P 3 >$T/old/svc/x.lua; P 4 >$S/y.lua");
        stage.ends(&End::applied(&["1", "4"]));
    });
}

#[test]
fn the_whole_letterbox_may_be_removed_and_made_again() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        stage.sh("rm -r $R");
        stage
            .node
            .wait_line("hotfix is missing: no patch can be dropped until there is a directory ");
        // The new folder may well have the old one's number.
        stage.sh("mkdir -p $S; P 1 >$S/x.lua");
        stage.node.wait_line("hotfix is back");
        stage.ends(&End::applied(&["1"]));
    });
}

#[test]
fn the_letterbox_may_be_made_after_the_start() {
    on_every_file_system(|base| {
        let project: Project = project(base, &["svc"]);
        fs::remove_dir(project.path("hotfix")).expect("the folder removed");
        let mut stage = Stage::of(project);
        stage.node.wait_line("hotfix is missing");
        stage.sh("mkdir -p $S; P 1 >$S/x.lua");
        stage.ends(&End::applied(&["1"]));
    });
}
