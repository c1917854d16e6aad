//! How instances are named on the command line: `a` and `:0000000a` (hexadecimal), or `.name`.

use std::sync::Arc;

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::control::command::{Request, Window};

/// What the hall calls the addresses at which Rust code waits for answers.
const PORT: &str = "port";

/// The living instance behind the first word of a request, and the rest of the line.
///
/// # Errors
/// What is wrong with the address.
pub fn first<'a>(window: &Window, request: &Request<'a>) -> Result<(Arc<Instance>, &'a str), String> {
    let (word, rest) = request.first_word();
    if word.is_empty() {
        return Err(request.misused("Need an address"));
    }
    let no_address = || {
        request.misused(&format!(
            "Need an address, and `{word}` is neither a handle nor a .name"
        ))
    };
    let handle = match named(window, word) {
        Some(found) => found?,
        None => Handle::parse(word).ok_or_else(no_address)?,
    };
    let instance = living(window, handle)?;
    // It would never answer.
    if instance.identity.service == PORT {
        refuse_own(&instance)?;
    }
    Ok((instance, rest))
}

/// As [`first`], for what must not be done to the node's own parts, which `list` does not show.
///
/// # Errors
/// What is wrong with the address.
pub fn first_service<'a>(window: &Window, request: &Request<'a>) -> Result<(Arc<Instance>, &'a str), String> {
    let (instance, rest) = first(window, request)?;
    refuse_own(&instance)?;
    Ok((instance, rest))
}

/// The handle behind `.name`, or why there is none; `None` if the word is no such name.
pub fn named(window: &Window, word: &str) -> Option<Result<Handle, String>> {
    let found = window.node.registry().find(word);
    word.starts_with('.')
        .then(|| found.ok_or_else(|| format!("Not a valid name: nobody is called {word}")))
}

/// The instance with a handle, which must live.
///
/// # Errors
/// If it does not.
pub fn living(window: &Window, handle: Handle) -> Result<Arc<Instance>, String> {
    window
        .node
        .registry()
        .get(handle)
        .ok_or_else(|| format!("call to invalid address {handle}: no such instance"))
}

/// Refuses the node's own parts.
///
/// # Errors
/// If it is one.
pub fn refuse_own(instance: &Instance) -> Result<(), String> {
    if instance.identity.listed {
        return Ok(());
    }
    let identity = &instance.identity;
    Err(format!(
        "{} ({}) is a part of the node itself; `list` shows the services",
        identity.handle, identity.service
    ))
}
