//! A new project: a few files that run at once, and the editor's stubs for what a service may call.

use std::fs;
use std::io;
use std::path::Path;

/// The files, by their paths in the project. The config file is made from the shipped one.
const FILES: &[(&str, &str)] = &[
    ("services/main.lua", include_str!("template/main.lua")),
    ("services/greeter.lua", include_str!("template/greeter.lua")),
    ("lualib/words.lua", include_str!("template/words.lua")),
    ("patches/polite.lua", include_str!("template/polite.lua")),
    ("README.md", include_str!("template/README.md")),
    (".gitignore", include_str!("template/gitignore")),
    (".luarc.json", include_str!("template/luarc.json")),
    ("hotfix/greeter/.gitkeep", ""),
];

/// The editor's stubs, by their paths in `types/`. They stand outside `lualib/`, so that no `require` finds them.
const STUBS: &[(&str, &str)] = &[
    ("globals.lua", include_str!("../../lualib/types/globals.lua")),
    ("hotfix.lua", include_str!("../../lualib/types/hotfix.lua")),
    ("skynet.lua", include_str!("../../lualib/types/skynet.lua")),
    ("skynet/debug.lua", include_str!("../../lualib/types/skynet/debug.lua")),
    (
        "skynet/manager.lua",
        include_str!("../../lualib/types/skynet/manager.lua"),
    ),
    (
        "skynet/request.lua",
        include_str!("../../lualib/types/skynet/request.lua"),
    ),
];

/// The keys that a new project sets itself; the others stand there as comments, with their defaults.
const SET: [&str; 3] = ["start", "profile", "listen"];

/// Makes a project in a folder that is empty or not there yet; what to tell.
///
/// # Errors
/// Why not, as a sentence. Nothing is ever overwritten.
pub fn make(folder: &Path) -> Result<String, String> {
    let shown = folder.display();
    match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return Err(format!("{shown} is not empty; name a new folder")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(format!("cannot use {shown}: {error}")),
        _ => {}
    }
    write(&folder.join("config.toml"), &config())?;
    for (path, text) in FILES {
        write(&folder.join(path), text)?;
    }
    for (path, text) in STUBS {
        write(&folder.join("types").join(path), text)?;
    }
    Ok(format!(
        "{shown} is ready. Try it:\n\n  cd {}\n  hotlua dev                              # and save services/greeter.lua\n  \
         cp patches/polite.lua hotfix/greeter/   # in a second terminal\n",
        for_a_shell(&shown.to_string())
    ))
}

/// Writes a file that must not be there yet.
fn write(file: &Path, text: &str) -> Result<(), String> {
    let written = file
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::File::create_new(file))
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// The shipped config file, so that all keys are there with their comments; but a default that is merely repeated is a comment.
fn config() -> String {
    let mut config = String::from("# What stands behind a `#` is the default: take the `#` away to change it.\n#\n");
    for line in include_str!("../../config.toml").lines() {
        let key = line.split_once(" = ").map(|(key, _)| key);
        if key.is_some_and(|key| !key.starts_with('#') && !SET.contains(&key)) {
            // Its comment stays in its column.
            config.push_str("# ");
            config.push_str(&line.replacen("  #", "#", 1));
        } else {
            config.push_str(line);
        }
        config.push('\n');
    }
    config
}

/// A path as one types it.
fn for_a_shell(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if path.chars().all(plain) && !path.starts_with('-') {
        return path.to_owned();
    }
    let quoted = path.replace('\'', r"'\''");
    if path.starts_with('-') {
        format!("-- '{quoted}'")
    } else {
        format!("'{quoted}'")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{fs, io};

    use super::{STUBS, config, for_a_shell};

    #[test]
    fn the_config_file_has_every_key_and_sets_few() {
        let config = config();
        let dense = |text: &str| text.replace(' ', "");
        for line in include_str!("../../config.toml").lines() {
            assert!(dense(&config).contains(&dense(line)), "{line}");
        }
        let set: Vec<&str> = config
            .lines()
            .filter(|line| !line.starts_with(['#', '[']) && !line.is_empty())
            .collect();
        assert_eq!(set.len(), 3, "{set:?}");
        assert!(set[2].starts_with("listen = \"127.0.0.1:8000\""), "{set:?}");
    }

    #[test]
    fn every_stub_goes_into_a_new_project() -> io::Result<()> {
        let types = Path::new(env!("CARGO_MANIFEST_DIR")).join("lualib/types");
        let mut there = Vec::new();
        let mut open = vec![types.clone()];
        while let Some(path) = open.pop() {
            for entry in fs::read_dir(path)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                } else if let Ok(inside) = path.strip_prefix(&types) {
                    there.push(inside.display().to_string());
                }
            }
        }
        there.sort();
        let mut taken: Vec<&str> = STUBS.iter().map(|(path, _)| *path).collect();
        taken.sort_unstable();
        assert_eq!(taken, there);
        Ok(())
    }

    #[test]
    fn a_path_is_told_as_one_types_it() {
        assert_eq!(for_a_shell("../game_2"), "../game_2");
        assert_eq!(for_a_shell("my game"), "'my game'");
        assert_eq!(for_a_shell("it's"), r"'it'\''s'");
        assert_eq!(for_a_shell("-x"), "-- '-x'");
    }
}
