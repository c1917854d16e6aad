//! The roots of the source trees, and how a path is called after them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::watch::SourceRoot;
use crate::watch::ledger::Ledger;
use crate::watch::names;
use crate::watch::spots::{Spot, Spots};
use crate::watch::stamp::Stamp;

/// One root.
struct Root {
    path: PathBuf,
    label: String,
    /// With all folders below it, or by itself.
    is_deep: bool,
    /// The nearest folder above it that is there, and the name in it that leads to the root: it tells when the root is made or exchanged.
    above: Option<(Spot, OsString)>,
}

/// All roots, and what lies below them and is no source.
pub(super) struct Roots {
    roots: Vec<Root>,
    skip: Vec<PathBuf>,
    /// `skip` without links, as far as it is there.
    skip_canonical: Vec<PathBuf>,
}

impl Roots {
    /// Paths are absolute.
    pub(super) fn new(roots: Vec<SourceRoot>, skip: Vec<PathBuf>) -> Self {
        let mut all = Self {
            roots: Vec::new(),
            skip,
            skip_canonical: Vec::new(),
        };
        for root in roots {
            all.add(root, true);
        }
        all
    }

    /// Takes a further root, with the folders below it (`is_deep`) or by itself; false if its path is known.
    pub(super) fn add(&mut self, root: SourceRoot, is_deep: bool) -> bool {
        let is_new = !self.is_root(&root.path);
        if is_new {
            let SourceRoot { path, label } = root;
            self.roots.push(Root {
                path,
                label,
                is_deep,
                above: None,
            });
        }
        is_new
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Whether this is the path of a root.
    pub(super) fn is_root(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| root.path == path)
    }

    /// The roots' paths.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.roots.iter().map(|root| root.path.clone()).collect()
    }

    /// Whether the folders right below this one count.
    pub(super) fn has_subfolders(&self, path: &Path) -> bool {
        let is_alone = |root: &Root| !root.is_deep && root.path == path;
        let is_in_tree = |root: &Root| root.is_deep && path.starts_with(&root.path);
        !self.roots.iter().any(is_alone) || self.roots.iter().any(is_in_tree)
    }

    /// Whether the folder at this canonical path is none of the sources.
    pub(super) fn is_skipped(&self, path: &Path, canonical: &Path) -> bool {
        let is_listed = self.skip.iter().any(|skip| skip == path || skip == canonical);
        (is_listed || self.skip_canonical.iter().any(|skip| skip == canonical)) && !self.is_root(path)
    }

    /// How messages name a path: after the nearest root above it.
    pub(super) fn display(&self, path: &Path) -> String {
        let above = self.roots.iter().filter(|root| path.starts_with(&root.path));
        let nearest = above.max_by_key(|root| root.path.as_os_str().len());
        let Some(root) = nearest else {
            return names::escaped(path.as_os_str());
        };
        let below = path.strip_prefix(&root.path).unwrap_or(path);
        let below = names::escaped(below.as_os_str());
        match (root.label.trim_end_matches('/'), below.as_str()) {
            ("" | ".", _) => below,
            (label, "") => label.to_owned(),
            (label, _) => format!("{label}/{below}"),
        }
    }

    /// Whether what happened to this path may make another folder a root.
    pub(super) fn may_move(&self, path: &Path) -> bool {
        let parent = path.parent();
        self.roots.iter().any(|root| {
            let leads = |(above, name): &(Spot, OsString)| {
                above.path == path || parent == Some(above.path.as_path()) && path.file_name() == Some(name)
            };
            root.above.as_ref().is_some_and(leads)
        })
    }

    /// The folder at this path was removed or renamed away: watches of it and below are worth nothing. True if there were any: those roots
    /// are to be looked for.
    pub(super) fn left(&mut self, spots: &mut Spots, path: &Path) -> bool {
        let mut is_lost = false;
        for root in &mut self.roots {
            if let Some((spot, _)) = root.above.take_if(|(spot, _)| spot.path.starts_with(path)) {
                spots.unwatch(&spot);
                is_lost = true;
            }
        }
        is_lost
    }

    /// All watches are lost.
    pub(super) fn forget_watches(&mut self) {
        self.roots.iter_mut().for_each(|root| root.above = None);
    }

    /// Brings the watches above the roots in line with what is there.
    pub(super) fn watch_above(&mut self, spots: &mut Spots, ledger: &Ledger) {
        self.skip_canonical = self.skip.iter().map(|path| without_links(path)).collect();
        for root in &mut self.roots {
            let mut found = nearest_above(&root.path);
            // A nearer one may be made before the watch is in place: so the last look comes after the watch.
            for _ in root.path.ancestors() {
                let Some((path, id, name)) = found else { break };
                let before = root.above.take().map(|(spot, _)| spot);
                let spot = spots.keep_or_watch(before, path, id, ledger);
                found = nearest_above(&root.path).filter(|(path, id, _)| !spot.is_at(path, *id));
                root.above = Some((spot, name));
            }
        }
    }
}

/// The path without links, also if only what is above it is there.
fn without_links(path: &Path) -> PathBuf {
    let by_parent = || Some(fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?));
    let canonical = fs::canonicalize(path).ok().or_else(by_parent);
    canonical.unwrap_or_else(|| path.to_owned())
}

/// The nearest folder above that is there (without links, with device and number), and the name in it that leads on.
fn nearest_above(path: &Path) -> Option<(PathBuf, (u64, u64), OsString)> {
    path.ancestors().find_map(|child| {
        let canonical = fs::canonicalize(child.parent()?).ok()?;
        let metadata = fs::metadata(&canonical).ok()?;
        Some((canonical, Stamp::of(&metadata).id(), child.file_name()?.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::Roots;
    use crate::watch::SourceRoot;
    use std::path::{Path, PathBuf};

    fn root(path: &str, label: &str) -> SourceRoot {
        SourceRoot {
            path: PathBuf::from(path),
            label: label.to_owned(),
        }
    }

    #[test]
    fn paths_are_named_after_the_nearest_root() {
        let mut roots = Roots::new(vec![root("/app", "."), root("/app/lib", "lib/")], Vec::new());
        assert!(roots.add(root("/usr/share/lua", "/usr/share/lua"), false));
        assert!(!roots.add(root("/app", "again"), false));
        for (path, display) in [
            ("/app/main.lua", "main.lua"),
            ("/app/lib/a/b.lua", "lib/a/b.lua"),
            ("/app/library/b.lua", "library/b.lua"),
            ("/app/lib", "lib"),
            ("/usr/share/lua/x\n.lua", "/usr/share/lua/x\\n.lua"),
            ("/elsewhere/x.lua", "/elsewhere/x.lua"),
        ] {
            assert_eq!(roots.display(Path::new(path)), display);
        }
        assert!(roots.has_subfolders(Path::new("/app/lib/a")));
        assert!(!roots.has_subfolders(Path::new("/usr/share/lua")));
    }

    #[test]
    fn what_is_skipped_is_a_folder_below_a_root_only() {
        let roots = Roots::new(
            vec![root("/app", ".")],
            vec![PathBuf::from("/app/hotfix"), "/app".into()],
        );
        let is_skipped = |path| roots.is_skipped(Path::new(path), Path::new(path));
        assert!(is_skipped("/app/hotfix"));
        assert!(!is_skipped("/app/hotfix2"));
        assert!(!is_skipped("/app"));
    }
}
