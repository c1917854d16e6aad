//! A new project: a few files that run at once, and the editor's stubs for what a service may call.

use std::fs;
use std::io;
use std::path::Path;

/// The files, by their paths in the project.
const FILES: &[(&str, &str)] = &[
    ("config.toml", include_str!("template/config.toml")),
    ("services/main.lua", include_str!("template/main.lua")),
    ("services/greeter.lua", include_str!("template/greeter.lua")),
    ("lualib/words.lua", include_str!("template/words.lua")),
    ("patches/polite.lua", include_str!("template/polite.lua")),
    ("README.md", include_str!("template/README.md")),
    (".gitignore", include_str!("template/gitignore")),
    (".luarc.json", include_str!("template/luarc.json")),
    ("hotfix/greeter/.gitkeep", ""),
    (
        "lualib/types/globals.lua",
        include_str!("../../lualib/types/globals.lua"),
    ),
    ("lualib/types/hotfix.lua", include_str!("../../lualib/types/hotfix.lua")),
    ("lualib/types/skynet.lua", include_str!("../../lualib/types/skynet.lua")),
    (
        "lualib/types/skynet/debug.lua",
        include_str!("../../lualib/types/skynet/debug.lua"),
    ),
    (
        "lualib/types/skynet/manager.lua",
        include_str!("../../lualib/types/skynet/manager.lua"),
    ),
    (
        "lualib/types/skynet/request.lua",
        include_str!("../../lualib/types/skynet/request.lua"),
    ),
];

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
    for (path, text) in FILES {
        let file = folder.join(path);
        let written = file
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| write(&file, text));
        written.map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(format!(
        "{shown} is ready. Try it:\n\n  cd {shown}\n  hotlua dev                              # and save services/greeter.lua\n  \
         cp patches/polite.lua hotfix/greeter/   # in a second terminal\n"
    ))
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create_new(file)?;
    io::Write::write_all(&mut file, text.as_bytes())
}
