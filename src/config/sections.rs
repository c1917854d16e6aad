//! The keys of each section: their names, what each may be, and what two of them may not be together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str;

use crate::config::document::{Document, line_at};
use crate::config::error::Problem;
use crate::config::value;
use crate::config::{AfterApply, Config, Format, Profile};

/// What SQLite stores in one row at most is 1 GB, so a larger patch could not be kept in the history (bytes).
const MAX_PATCH_SIZE: u64 = 512 * 1024 * 1024;

/// More threads than this is a slip of the keyboard: services are tasks, not threads.
const MAX_THREADS: usize = 1024;

/// Turns the text of a file in the directory `base` into a config.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file: at most the first twenty.
pub fn parse(bytes: &[u8], base: PathBuf) -> Result<Config, Vec<Problem>> {
    let text = utf8(bytes).map_err(|problem| vec![problem])?;
    let mut document = Document::parse(text).map_err(|problem| vec![problem])?;
    let mut config = Config::defaults(base);
    node(&mut document, &mut config);
    paths(&mut document, &mut config);
    hotfix(&mut document, &mut config);
    console(&mut document, &mut config);
    log(&mut document, &mut config);
    config.env = document.section("env").take_all(value::env).collect();
    let problems = document.finish();
    match problems.is_empty() {
        true => Ok(config),
        false => Err(problems),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        Problem {
            line: line_at(&good, good.len()),
            key: None,
            message: "not UTF-8; save the file with that encoding".to_owned(),
        }
    })
}

fn node(document: &mut Document<'_>, config: &mut Config) {
    let node = &mut config.node;
    let mut section = document.section("node");
    section.take("start", &mut node.start, value::name);
    section.take("threads", &mut node.threads, value::count(MAX_THREADS));
    let profiles = [
        ("development", Profile::Development),
        ("production", Profile::Production),
    ];
    section.take("profile", &mut node.profile, value::one_of(&profiles));
    section.take("preload", &mut node.preload, value::optional_path);
    section.take("mailbox_limit", &mut node.mailbox_limit, value::size(u64::MAX));
    section.take("state", &mut node.state, |found| {
        value::name(found).map(|spelled| config.base.join(spelled))
    });
    section.finish();
}

fn paths(document: &mut Document<'_>, config: &mut Config) {
    let paths = &mut config.paths;
    let mut section = document.section("paths");
    let at = section.take("services", &mut paths.services, value::patterns);
    if let (Some(at), true) = (at, paths.services.is_empty()) {
        let message = "must not be empty: no service could be started".to_owned();
        section.wrong(at, "services", message);
    }
    section.take("lualib", &mut paths.lualib, value::patterns);
    section.finish();
}

fn hotfix(document: &mut Document<'_>, config: &mut Config) {
    let hotfix = &mut config.hotfix;
    let mut section = document.section("hotfix");
    let dir = section.take("dir", &mut hotfix.label, |found| {
        value::name(found).map(|spelled| without_slash(&spelled))
    });
    hotfix.dir = config.base.join(&hotfix.label);
    if let (Some(at), true) = (dir, config.node.state.starts_with(&hotfix.dir)) {
        let message = "must not hold `node.state`: archived patches would be taken for new ones";
        section.wrong(at, "dir", message.to_owned());
    }
    let choices = [("archive", AfterApply::Archive), ("keep", AfterApply::Keep)];
    section.take("after_apply", &mut hotfix.after_apply, |found| {
        value::one_of(&choices)(found).map(Some)
    });
    section.take("replay", &mut hotfix.replay, value::boolean);
    section.take("max_size", &mut hotfix.max_size, value::size(MAX_PATCH_SIZE));
    section.take("in_flight_wait", &mut hotfix.in_flight_wait, value::duration);
    section.take("restart_limit", &mut hotfix.restart_limit, value::time_limit);
    section.take("snapshot_limit", &mut hotfix.snapshot_limit, value::size(u64::MAX));
    section.take("time_limit", &mut hotfix.time_limit, value::time_limit);
    section.take("memory_limit", &mut hotfix.memory_limit, value::size(u64::MAX));
    section.take("poll", &mut hotfix.poll, value::boolean);
    section.finish();
}

/// How messages name a directory: `hotfix/` would give `hotfix//simpledb`.
fn without_slash(spelled: &str) -> String {
    match spelled.trim_end_matches('/') {
        "" => spelled.to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

fn console(document: &mut Document<'_>, config: &mut Config) {
    let console = &mut config.console;
    let mut section = document.section("console");
    let at = section.take("listen", &mut console.listen, value::listen);
    section.take("token", &mut console.token, value::word);
    section.take("http", &mut console.http, value::boolean);
    // Whoever reaches the console may run code in every service.
    let open = console.listen.is_some_and(|address| !is_loopback(address));
    if let (Some(at), true, true) = (at, open, console.token.is_empty()) {
        let message = "other machines can reach this address, so `console.token` must be set; \
                       or listen on 127.0.0.1";
        section.wrong(at, "listen", message.to_owned());
    }
    section.finish();
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn log(document: &mut Document<'_>, config: &mut Config) {
    let mut section = document.section("log");
    let formats = [("text", Format::Text), ("json", Format::Json)];
    section.take("format", &mut config.log.format, value::one_of(&formats));
    section.take("level", &mut config.log.level, value::level);
    section.finish();
}
