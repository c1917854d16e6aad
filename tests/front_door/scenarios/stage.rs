//! The stage of a scenario: a running node with services that note what is applied to them, a shell, and what must be there at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::harness::svc::SVC;
use crate::harness::{Mark, Node, Project};

/// Longer than the watcher takes from one sweep to the next: whatever would be found anew is found by then.
pub const A_SWEEP: Duration = Duration::from_millis(3300);

/// A patch that leaves a trace each time it is applied.
pub fn note(value: impl std::fmt::Display) -> String {
    format!("seen[#seen + 1] = \"{value}\"\n")
}

/// A project with these services, each with one instance under its name, in a new directory below `base`.
pub fn project(base: &Path, services: &[&str]) -> Project {
    let names: String = services.iter().map(|name| format!("\"{name}\", ")).collect();
    let main = format!(
        r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function()
            for _, name in ipairs {{ {names} }} do
                skynet.name("." .. name, skynet.newservice(name))
            end
            print "ready"
        end)"#
    );
    let project = Project::empty_in(base).service("main", &main);
    for service in services {
        project.write(&format!("services/{service}.lua"), SVC);
    }
    fs::create_dir(project.path(SPARE)).expect("a folder beside the letterbox");
    project
}

/// On the same file system, outside of the letterbox.
const SPARE: &str = "spare";

/// What the shell knows: the names of the table of scenarios.
const SHELL: &str = r#"
set -e
R=hotfix
S=hotfix/svc
T=spare
P() { printf 'seen[#seen + 1] = "%s"\n' "$1"; }
"#;

/// A project and its node.
pub struct Stage {
    pub project: Project,
    pub node: Node,
}

impl Stage {
    /// `svc` runs and has an empty letterbox.
    pub fn new(base: &Path) -> Self {
        Self::with(base, &["svc"])
    }

    /// These services run, and the letterbox of `svc` is there.
    pub fn with(base: &Path, services: &[&str]) -> Self {
        let project = project(base, services);
        fs::create_dir(project.path("hotfix/svc")).expect("the letterbox");
        Self::of(project)
    }

    /// Starts the node of a project.
    pub fn of(project: Project) -> Self {
        let node = project.start();
        Self::running(project, node)
    }

    /// With a node that has been started.
    pub fn running(project: Project, mut node: Node) -> Self {
        node.wait_line("ready");
        Self { project, node }
    }

    /// Starts the node again, after it has ended.
    pub fn start_again(&mut self) {
        self.node = self.project.start();
        self.node.wait_line("ready");
    }

    /// Runs a script in the project's directory; it must succeed.
    #[track_caller]
    pub fn sh(&self, script: &str) {
        sh(&self.project, script);
    }

    /// Waits for the first summary of a patch, `SERVICE/FILE`, and holds that it begins like this.
    #[track_caller]
    pub fn hears(&mut self, mark: Mark, file: &str, beginning: &str) {
        let summary = self.node.wait_summary(mark, file);
        assert!(summary.starts_with(beginning), "{file}: {summary}");
    }

    /// Waits until there are so many summaries of a patch that begin like this.
    #[track_caller]
    pub fn hears_times(&mut self, times: usize, file: &str, beginning: &str) {
        let said = |node: &Node| {
            let summaries = node.summaries(file).into_iter();
            summaries.filter(|summary| summary.starts_with(beginning)).count()
        };
        self.node
            .wait_until(&format!("{times} × {file} {beginning:?}"), |node| said(node) >= times);
        assert_eq!(said(&self.node), times, "{file} {beginning:?}");
    }

    /// Waits until `svc` has seen exactly these values.
    #[track_caller]
    pub fn sees(&mut self, seen: &str) {
        self.node
            .wait_until(&format!("svc to have seen {seen:?}"), |node| see(node, "svc") == seen);
    }

    /// The same where the order of some may be one or the other; which it was.
    #[track_caller]
    pub fn sees_one_of(&mut self, orders: &[&str]) -> String {
        self.node
            .wait_for(&format!("svc to have seen one of {orders:?}"), |node| {
                Some(see(node, "svc")).filter(|seen| orders.contains(&seen.as_str()))
            })
    }

    /// Waits until a file has gone from the letterbox into the archive.
    #[track_caller]
    pub fn is_archived(&mut self, service: &str, name: &str) {
        let folder = self.project.path(&format!("hotfix/{service}"));
        // Also under the name that it has in between.
        let is_there = || {
            let names = fs::read_dir(&folder).into_iter().flatten().flatten();
            names
                .map(|entry| entry.file_name())
                .any(|other| other.to_string_lossy().contains(name))
        };
        self.node
            .wait_until(&format!("{service}/{name} to be archived"), |_| !is_there());
    }

    /// Waits until everything is as it must be at the end, then makes sure that it stays so.
    #[track_caller]
    pub fn ends(&mut self, end: &End) {
        self.reaches(end);
        thread::sleep(A_SWEEP);
        assert_eq!(End::now(&self.project, &self.node, end), *end, "a sweep later");
        let is_one = |line: &str| line.contains(" applied to ") || line.contains(" replayed to ");
        let seen: usize = end.seen.values().map(Vec::len).sum();
        assert_eq!(self.node.count(is_one), seen, "applied or replayed, once each");
    }

    /// Waits until everything is like this.
    #[track_caller]
    pub fn reaches(&mut self, end: &End) {
        let project = &self.project;
        let mut last = String::new();
        let is_reached = crate::harness::poll(crate::harness::DEADLINE, || {
            let now = End::now(project, &self.node, end);
            last = format!("{now:#?}");
            (now == *end).then_some(())
        });
        assert!(is_reached.is_some(), "it ended as {last}\ninstead of {end:#?}");
    }
}

/// Runs a script in a project's directory; it must succeed.
#[track_caller]
pub fn sh(project: &Project, script: &str) {
    let ran = Command::new("sh")
        .args(["-c", &format!("{SHELL}{script}")])
        .current_dir(project.path("."))
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{script}: {}: {said}", ran.status);
}

/// What a service has seen.
pub fn see(node: &Node, service: &str) -> String {
    node.ask(&format!(".{service}"), "\"seen\"")
}

/// How a scenario must end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// By service, in order.
    seen: BTreeMap<String, Vec<String>>,
    /// By service, the texts of the archived files in order.
    archived: BTreeMap<String, Vec<String>>,
    /// What is in the letterbox: all that is no directory.
    remains: BTreeSet<String>,
}

impl End {
    /// `svc` has seen these values, each by a [`note`] that was archived, and the letterbox is empty.
    pub fn applied(values: &[&str]) -> Self {
        Self::none().and("svc", values)
    }

    /// Nothing has been applied to anything, and the letterbox is empty.
    pub fn none() -> Self {
        Self::default()
    }

    /// Another service has seen these.
    pub fn and(mut self, service: &str, values: &[&str]) -> Self {
        let seen = values.iter().map(|value| (*value).to_owned());
        self.seen.insert(service.to_owned(), seen.collect());
        let texts: Vec<String> = values.iter().map(note).collect();
        self.archived(service, &texts)
    }

    /// Exactly these texts are in the archive.
    pub fn archived(mut self, service: &str, texts: &[String]) -> Self {
        if texts.is_empty() {
            self.archived.remove(service);
        } else {
            self.archived.insert(service.to_owned(), texts.to_vec());
        }
        self
    }

    /// These files (`svc/x.lua`) are still in the letterbox.
    pub fn remains(mut self, files: &[&str]) -> Self {
        self.remains.extend(files.iter().map(|file| (*file).to_owned()));
        self
    }

    fn now(project: &Project, node: &Node, expected: &End) -> Self {
        let services = expected.seen.keys();
        let split = |text: String| text.split_whitespace().map(str::to_owned).collect();
        let mut remains = BTreeSet::new();
        list(&project.path("hotfix"), "", &mut remains);
        let folders = fs::read_dir(project.path("archive")).into_iter().flatten().flatten();
        let folders = folders.filter(|entry| entry.path().is_dir());
        let names = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
        // The node keeps what is its own, such as its socket, in folders with a dot.
        let archived = names.filter(|name| !name.starts_with('.')).map(|service| {
            let patches = project.archived_patches(&service);
            let texts = patches.iter().map(|path| fs::read_to_string(path).unwrap_or_default());
            (service, texts.collect())
        });
        Self {
            seen: services.map(|name| (name.clone(), split(see(node, name)))).collect(),
            archived: archived.collect(),
            remains,
        }
    }
}

fn list(folder: &Path, name: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{name}{}", entry.file_name().to_string_lossy());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&entry.path(), &format!("{name}/"), found);
        } else {
            found.insert(name);
        }
    }
}
