//! The patch file that a command names, and whom it is for: what `inject` and `check` have in common.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use crate::actor::address::Handle;
use crate::control::address;
use crate::control::command::{Request, Window};
use crate::hotfix::desk::{Injection, Target};
use crate::plain;

/// Reads the file of a request, unless it came with it, that goes `ADDRESS|SERVICE FILE [ARGS...]`.
///
/// # Errors
/// What is wrong with the request, the address or the file.
pub async fn read(window: &Window, request: &Request<'_>) -> Result<Injection, String> {
    let (address, rest) = request.first_word();
    if address.is_empty() {
        return Err(request.misused("Need an address"));
    }
    let (label, args) = match request.upload {
        Some(upload) => (upload.label.clone(), upload.args.clone()),
        None => {
            let mut words = rest.split_whitespace().map(str::to_owned);
            let Some(file) = words.next() else {
                return Err(request.misused("Need a file"));
            };
            (file, words.collect())
        }
    };
    if label.contains(plain::misleads) {
        return Err(format!(
            "Can't open {label}: its name holds control characters; rename it"
        ));
    }
    let target = target(window, address)?;
    let (path, limit) = (window.base.join(&label), window.max_patch);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = match request.upload {
        Some(upload) if upload.bytes.len() as u64 > limit => Err(too_large(limit)),
        Some(upload) => Ok(upload.bytes.clone()),
        None => {
            // A disk that does not answer holds up this client only.
            let base = window.base.clone();
            let reading = tokio::task::spawn_blocking(move || {
                let inside = inside(&base, &path)?;
                bytes_of(&inside, limit, "the node")
            });
            let read = reading.await;
            let read = read.map_err(|_| format!("Can't open {label}: the node is stopping"))?;
            read.and_then(|bytes| bytes.ok_or_else(|| too_large(limit)))
        }
    };
    let bytes = bytes.map_err(|why| format!("Can't open {label}: {why}"))?;
    Ok(Injection {
        target,
        name,
        label,
        bytes,
        args,
        by: request.asker.clone(),
    })
}

fn too_large(limit: u64) -> String {
    format!("it is larger than {limit} bytes, the `max_size` under [hotfix]")
}

/// Whom a patch is for. What reads as a handle is one; where it is the name of a service as well, nobody guesses.
fn target(window: &Window, word: &str) -> Result<Target, String> {
    if let Some(handle) = address::named(window, word) {
        return instance(window, handle?);
    }
    // As its folder in `hotfix/` is called: `game/agent` is `game.agent` there, and either may be typed.
    let peers = window.node.registry().of_service(&word.replace('/', "."));
    match (Handle::parse(word), peers.first()) {
        (Some(handle), Some(peer)) => Err(format!(
            "`{word}` is a service, but also reads as the handle {handle}: name an instance, for example {}",
            peer.identity.handle
        )),
        (Some(handle), None) => instance(window, handle),
        (None, _) if word.starts_with(':') => Err(format!("Need an address: `{word}` is no handle (:0000000a)")),
        (None, None) => Err(format!("no instance of {word} is running; `list` shows what runs")),
        (None, Some(_)) => Ok(Target::Service(word.to_owned())),
    }
}

fn instance(window: &Window, handle: Handle) -> Result<Target, String> {
    let instance = address::living(window, handle)?;
    address::refuse_own(&instance)?;
    Ok(Target::Instance(handle))
}

/// Where a file is, without links, that a peer of the console names. The node reads it with its own rights, so it must lie below the
/// directory of the config file.
fn inside(base: &Path, path: &Path) -> Result<PathBuf, String> {
    let outside = || {
        format!(
            "it is not below {}, the directory of the config file; `hotlua inject` sends any file that its user may read",
            base.display()
        )
    };
    // Before anything is looked at: whether there is such a file elsewhere is nobody's business either.
    let typed = without_dots(path);
    if !typed.starts_with(without_dots(base)) {
        return Err(outside());
    }
    let canonical = |path: &Path| fs::canonicalize(path).map_err(|error| reason(path, "the node", &error));
    let found = canonical(path)?;
    if found.starts_with(canonical(base)?) {
        Ok(found)
    } else {
        Err(outside())
    }
}

/// An absolute path with its `.` and `..` carried out.
fn without_dots(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

fn reason(path: &Path, reader: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no file {}", path.display()),
        io::ErrorKind::PermissionDenied => format!("{reader} may not read {}", path.display()),
        _ => format!("{}: {error}", path.display()),
    }
}

/// The bytes of a regular file; `None` if there are more than `limit`. `reader`: who reads it, for messages.
///
/// # Errors
/// What is wrong with the file, as a clause.
pub fn bytes_of(path: &Path, limit: u64, reader: &str) -> Result<Option<Vec<u8>>, String> {
    let reason = |error: io::Error| reason(path, reader, &error);
    // Non-blocking, so that a named pipe without a writer cannot hold the thread for ever; regular files do not mind.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = opened.map_err(reason)?;
    let metadata = file.metadata().map_err(reason)?;
    if metadata.is_dir() {
        return Err("it is a directory; name one file".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    // By what is there and not by the length that was told: it may grow meanwhile.
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(reason)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit))
}
