//! A project directory as a user has one: `config.toml`, `services/`, `lualib/`, `hotfix/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::command::hotlua;
use super::node::Node;

/// The root of this repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A project in a temporary directory, removed with the value.
pub struct Project {
    root: TempDir,
    settings: BTreeMap<String, BTreeMap<String, String>>,
}

impl Project {
    /// A project without services. Its console listens on a free port.
    pub fn empty() -> Self {
        Self::empty_in(&std::env::temp_dir())
    }

    /// The same in a directory of one's choice.
    pub fn empty_in(base: &Path) -> Self {
        let root = tempfile::tempdir_in(base).expect("a temporary directory");
        let project = Self {
            root,
            settings: BTreeMap::new(),
        };
        for folder in ["services", "lualib", "hotfix"] {
            fs::create_dir(project.path(folder)).expect("a new folder");
        }
        project
            .set("node", "threads", "2")
            .set("console", "listen", "\"127.0.0.1:0\"")
    }

    /// What a clone of this repository runs, except that the console listens on a free port.
    pub fn shipped() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        for folder in ["services", "examples", "hotfix", "lualib"] {
            let source = repository().join(folder);
            if source.exists() {
                copy_tree(&source, &root.path().join(folder));
            }
        }
        let config = fs::read_to_string(repository().join("config.toml"))
            .expect("the shipped config.toml")
            .replace("127.0.0.1:8000", "127.0.0.1:0");
        fs::write(root.path().join("config.toml"), config).expect("config.toml written");
        Self {
            root,
            settings: BTreeMap::new(),
        }
    }

    /// What `hotlua new` makes, except that the console listens on a free port.
    pub fn made() -> Self {
        let project = Self {
            root: tempfile::tempdir().expect("a temporary directory"),
            settings: BTreeMap::new(),
        };
        let made = hotlua(&project, &["new", "."]);
        assert_eq!(made.code, 0, "{made:?}");
        let config = fs::read_to_string(project.path("config.toml")).expect("its config.toml");
        project.write("config.toml", config.replace("127.0.0.1:8000", "127.0.0.1:0"));
        project
    }

    /// Sets a key of `config.toml`; `value` is TOML, so a string carries its quotes.
    pub fn set(mut self, section: &str, key: &str, value: &str) -> Self {
        self.settings
            .entry(section.to_owned())
            .or_default()
            .insert(key.to_owned(), value.to_owned());
        let text: String = self
            .settings
            .iter()
            .map(|(section, keys)| {
                let keys: String = keys.iter().map(|(k, v)| format!("{k} = {v}\n")).collect();
                format!("[{section}]\n{keys}\n")
            })
            .collect();
        self.write("config.toml", text);
        self
    }

    /// Adds `services/NAME.lua`.
    pub fn service(self, name: &str, text: &str) -> Self {
        self.file(&format!("services/{name}.lua"), text)
    }

    /// Adds a file; `path` is relative to the project.
    pub fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.write(path, text);
        self
    }

    /// Writes a file in place, as `cat >` does, and creates its folder if need be.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("the file's folder");
        }
        fs::write(&path, text).expect("the file written");
        path
    }

    /// Drops a patch the way `cat >` does.
    pub fn drop_file(&self, service: &str, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        self.write(&format!("hotfix/{service}/{name}"), text)
    }

    /// Whether a dropped file is still in the letterbox.
    pub fn is_waiting(&self, service: &str, name: &str) -> bool {
        self.path(&format!("hotfix/{service}/{name}")).exists()
    }

    /// An absolute path in the project.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    /// Starts the node and waits until its console listens.
    pub fn start(&self) -> Node {
        self.start_with(&[])
    }

    /// As [`Project::start`], with further arguments after `run`.
    pub fn start_with(&self, arguments: &[&str]) -> Node {
        let mut node = self.spawn(&[&["run"], arguments].concat());
        node.wait_for_console();
        node
    }

    /// Starts the binary with exactly these arguments and waits for nothing.
    pub fn spawn(&self, arguments: &[&str]) -> Node {
        Node::spawn(self.root.path(), arguments)
    }

    /// As [`Project::start`], by way of a command that ends by executing what follows it.
    pub fn start_by(&self, wrapper: &[&str]) -> Node {
        let mut node = Node::spawn_by(wrapper, self.root.path(), &["run"]);
        node.wait_for_console();
        node
    }
}

/// Copies a folder with everything in it.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder to copy to");
    for entry in fs::read_dir(from).expect("the folder to copy") {
        let entry = entry.expect("a folder entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a file type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copied file");
        }
    }
}
