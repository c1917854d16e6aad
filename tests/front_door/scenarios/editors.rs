//! Editors and tools that save in steps of their own, and leave things beside the file.

use super::stage::{End, Stage, note};
use crate::ground::{needs, on_every_file_system};
use crate::harness::Mark;

#[test]
fn sed_and_perl_edit_in_place() {
    on_every_file_system(|base| {
        needs("perl");
        let mut stage = Stage::new(base);
        for (round, command) in ["sed -i", "perl -pi -e"].into_iter().enumerate() {
            stage.sh("printf 'bad(' >$S/x.lua");
            stage.hears_times(round + 1, "svc/x.lua", "rejected: hotfix/svc/x.lua:1: ");
            stage.sh(&format!("{command} 's/.*/seen[#seen + 1] = \"{round}\"/' $S/x.lua"));
            stage.hears_times(round + 1, "svc/x.lua", "applied to 1 of 1 instance");
        }
        let texts = ["0", "1"].map(|value| note(value).trim_end().to_owned());
        stage.ends(&End::applied(&["0", "1"]).archived("svc", &texts));
        assert_eq!(
            stage.node.count(|line| line.contains("svc/sed")),
            0,
            "a name of sed's own"
        );
    });
}

#[test]
fn vim_saves_in_each_of_its_ways() {
    on_every_file_system(|base| {
        needs("vim");
        let mut stage = Stage::new(base);
        for (round, backup) in ["auto", "no", "yes"].into_iter().enumerate() {
            stage.sh("printf 'bad(' >$S/x.lua");
            stage.hears_times(round + 1, "svc/x.lua", "rejected: ");
            let edit = format!("%s/.*/seen[#seen + 1] = \"{backup}\"/");
            stage.sh(&format!(
                "vim -u NONE -N -es -c 'set bsk= bkc={backup} backup' -c '{edit}' -c wq $S/x.lua"
            ));
            stage.hears_times(round + 1, "svc/x.lua", "applied to 1 of 1 instance");
        }
        stage.ends(&End::applied(&["auto", "no", "yes"]).remains(&["svc/x.lua~"]));
        for name in ["4913", ".swp", "x.lua~"] {
            assert_eq!(stage.node.count(|line| line.contains(name)), 0, "{name}");
        }
    });
}

#[test]
fn names_that_are_nobodys_business_are_left_alone() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        let names = [
            ".x.lua",
            "x.lua~",
            "#x.lua#",
            "x.lua.bak",
            ".x.lua.swp",
            "sedAH2qlA",
            "4913",
            "README.md",
            ".#x.lua",
        ];
        for name in &names[..names.len() - 1] {
            stage.project.drop_file("svc", name, note(name));
        }
        stage.sh("ln -s user@host.1 $S/.#x.lua; P real >$S/x.lua");
        let remain = names.map(|name| format!("svc/{name}"));
        let remain: Vec<&str> = remain.iter().map(String::as_str).collect();
        stage.ends(&End::applied(&["real"]).remains(&remain));
        for name in names {
            assert_eq!(
                stage.node.count(|line| line.contains(name)),
                0,
                "{name} is not mentioned"
            );
        }
    });
}

#[test]
fn editors_that_write_another_file_and_rename_it_save_once() {
    on_every_file_system(|base| {
        let mut stage = Stage::new(base);
        // As emacs does it, with a lock and a backup, and as JetBrains' editors do.
        stage.sh("P 1 >$S/x.lua.om9RcuW; ln -s me@here.1 $S/.#x.lua; mv $S/x.lua.om9RcuW $S/x.lua; rm $S/.#x.lua");
        stage.sees("1");
        stage.sh("P 2 >$S/x.lua___jb_tmp___; mv $S/x.lua___jb_tmp___ $S/x.lua");
        stage.ends(&End::applied(&["1", "2"]));
    });
}

#[test]
fn git_checks_out_another_branch() {
    on_every_file_system(|base| {
        needs("git");
        let mut stage = Stage::new(base);
        stage.sh("export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
            git init -q -b b1 $T/w
            cd $T/w
            git config user.name t; git config user.email t@t
            mkdir svc; P 1 >svc/a.lua; P 2 >svc/b.lua
            git add .; git commit -qm 1
            git checkout -qb b2
            P 3 >svc/a.lua; P 4 >svc/b.lua
            git commit -qam 2");
        let checkout = |branch| format!("git --git-dir=$T/w/.git --work-tree=$R checkout -qf {branch}");
        stage.sh(&checkout("b1"));
        let first = stage.sees_one_of(&["1 2", "2 1"]);
        for name in ["svc/a.lua", "svc/b.lua"] {
            stage.hears(Mark::START, name, "applied to 1 of 1 instance");
        }
        stage.sh(&checkout("b2"));
        // They are written within the same millisecond: either may be the first to be left alone by its writer.
        let all = stage.sees_one_of(&[&format!("{first} 3 4"), &format!("{first} 4 3")]);
        stage.ends(&End::applied(&all.split(' ').collect::<Vec<&str>>()));
    });
}
