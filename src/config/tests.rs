//! Config files as people write them, and the lines that they get to read.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use crate::config::{AfterApply, Config, ConfigError, Format, Profile, load};

/// Writes a config file into a new directory and loads it.
fn load_text(text: impl AsRef<[u8]>) -> (tempfile::TempDir, Result<Config, ConfigError>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("config.toml");
    fs::write(&file, text).expect("a written config");
    let loaded = load(&file);
    (dir, loaded)
}

fn good(text: &str) -> Config {
    load_text(text).1.expect("a good config")
}

/// The error lines, with the file as its author would have named it.
fn errors(text: impl AsRef<[u8]>) -> String {
    let (dir, loaded) = load_text(text);
    let prefix = format!("{}/", dir.path().display());
    loaded.expect_err("a bad config").to_string().replace(&prefix, "")
}

#[test]
fn the_shipped_file_shows_the_defaults() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = base.join("config.toml");
    let shipped = load(&file).expect("the shipped config");
    let mut defaults = Config::defaults(base.to_path_buf());
    // Said outright: without the line, dev mode keeps the file.
    defaults.hotfix.after_apply = Some(AfterApply::Archive);
    assert_eq!(shipped, defaults);

    // It is the manual too: every key stands in it, with a comment.
    let text = fs::read_to_string(&file).expect("the shipped config");
    let keys: Vec<&str> = text.lines().filter(|line| line.contains(" = ")).collect();
    let keys = keys.iter().filter(|line| !line.starts_with('#'));
    let uncommented: Vec<_> = keys.clone().filter(|line| !line.contains(" # ")).collect();
    assert_eq!(uncommented, Vec::<&&str>::new());
    assert_eq!(keys.count(), 23);
}

#[test]
fn an_empty_file_means_the_defaults() {
    let (dir, loaded) = load_text("");
    let expected = Config::defaults(dir.path().to_path_buf());
    assert_eq!(loaded.expect("a good config"), expected);
}

#[test]
fn every_key_is_read() {
    let config = good(
        r#"
        [node]
        start = "boot 1 2"
        threads = 0x10
        mailbox_limit = "2 GB"
        profile = "production"
        preload = "preload.lua"
        state = "var"
        [paths]
        services = ["a/?.lua"]
        lualib = []
        [hotfix]
        dir = "drop/here/"
        after_apply = "keep"
        replay = false
        max_size = "2.5 KiB"
        in_flight_wait = "0s"
        restart_limit = "2m"
        snapshot_limit = "1GB"
        time_limit = "1m 30s"
        memory_limit = "1000"
        poll = true
        [console]
        listen = "0.0.0.0:1"
        token = "s3cret"
        http = true
        [log]
        format = "json"
        level = "debug"
        "#,
    );
    assert_eq!(config.node.start, "boot 1 2");
    assert_eq!(config.node.threads, 16);
    assert_eq!(config.node.profile, Profile::Production);
    assert_eq!(config.node.preload, Some(PathBuf::from("preload.lua")));
    assert_eq!(config.node.state, config.base.join("var"));
    assert_eq!(config.paths.services, ["a/?.lua"]);
    assert_eq!(config.paths.lualib, Vec::<String>::new());
    assert_eq!(config.hotfix.label, "drop/here");
    assert_eq!(config.hotfix.dir, config.resolve("drop/here"));
    assert_eq!(config.hotfix.after_apply, Some(AfterApply::Keep));
    assert!(!config.hotfix.replay && config.hotfix.poll);
    assert_eq!(config.hotfix.max_size, 2560);
    assert_eq!(config.hotfix.in_flight_wait, Duration::ZERO);
    assert_eq!(config.hotfix.restart_limit, Duration::from_secs(120));
    assert_eq!(config.node.mailbox_limit, 2_000_000_000);
    assert_eq!(config.hotfix.snapshot_limit, 1_000_000_000);
    assert_eq!(config.hotfix.time_limit, Duration::from_secs(90));
    assert_eq!(config.hotfix.memory_limit, 1000);
    assert_eq!(config.console.listen, "0.0.0.0:1".parse().ok());
    assert_eq!(config.console.token, "s3cret");
    assert!(config.console.http);
    assert_eq!(config.log.format, Format::Json);
    assert_eq!(config.log.level, LevelFilter::DEBUG);
}

#[test]
fn env_is_read_as_strings() {
    let config = good(concat!(
        "[env]\nname = \"a b\\n\"\nflag = true\ntwo = 2\nhalf = 0.5\nwhole = 1e3\nhex = 0xff\n",
        "\"a.b\" = -1_000\n"
    ));
    let expected = [
        ("a.b", "-1000"),
        ("flag", "true"),
        ("half", "0.5"),
        ("hex", "255"),
        ("name", "a b\n"),
        ("two", "2"),
        ("whole", "1000.0"),
    ];
    let found: Vec<(&str, &str)> = config
        .env
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_console_can_be_absent_or_named_localhost() {
    assert_eq!(good("console.listen = \"\"").console.listen, None);
    let found = good("console.listen = \"localhost:0\"").console.listen;
    assert_eq!(found, "127.0.0.1:0".parse().ok());
    let found = good("console.listen = \"[::1]:9\"").console.listen;
    assert_eq!(found, "[::1]:9".parse().ok());
}

#[test]
fn a_windows_editor_is_no_trouble() {
    assert_eq!(good("\u{feff}[node]\r\nthreads = 3\r\n").node.threads, 3);
}

/// Each text, and the whole of what is printed about it, after the file's name.
const MISTAKES: &[(&str, &str)] = &[
    (
        "\n[hotfix]\nmax_sise = \"1 MiB\"",
        "3: key `hotfix.max_sise`: unknown key; did you mean `max_size`?",
    ),
    (
        "[log]\ncolour = true",
        "2: key `log.colour`: unknown key; known keys: format, level",
    ),
    ("[hotfx]", "1: key `hotfx`: unknown section; did you mean `hotfix`?"),
    (
        "threads = 2",
        "1: key `threads`: stands outside of every section; known sections: node, paths, hotfix, console, log, env",
    ),
    ("node = 1", "1: key `node`: is a section: write it as [node]"),
    ("[node]\nstart = \" \"", "2: key `node.start`: must not be empty"),
    (
        "[node]\nstart = \"a\\nb\"",
        "2: key `node.start`: must not hold control characters",
    ),
    (
        "[node]\nthreads = 1025",
        "2: key `node.threads`: must be a whole number from 0 to 1024, found the number 1025",
    ),
    (
        "[node]\nthreads = -1",
        "2: key `node.threads`: must be a whole number from 0 to 1024, found the number -1",
    ),
    (
        "[node]\nthreads = \"2\"",
        "2: key `node.threads`: must be a whole number from 0 to 1024, found the string \"2\"",
    ),
    (
        "[node]\nprofile = \"prod\"",
        "2: key `node.profile`: must be \"development\" or \"production\", found the string \"prod\"",
    ),
    (
        "[paths]\nservices = []",
        "2: key `paths.services`: must not be empty: no service could be started",
    ),
    (
        "[paths]\nservices = \"x/?.lua\"",
        "2: key `paths.services`: must be a list of patterns, such as [\"services/?.lua\"], found the string \"x/?.lua\"",
    ),
    (
        "[paths]\nlualib = [\"lualib\"]",
        "2: key `paths.lualib`: the pattern \"lualib\" has no `?` where the name goes",
    ),
    (
        "[paths]\nlualib = [\"?;?\"]",
        "2: key `paths.lualib`: the pattern \"?;?\" holds a `;`: write one string per pattern",
    ),
    (
        "[paths]\nlualib = [1]",
        "2: key `paths.lualib`: each pattern must be a string, found the number 1",
    ),
    ("[hotfix]\ndir = \"\"", "2: key `hotfix.dir`: must not be empty"),
    (
        "[hotfix]\ndir = \"archive/\"",
        "2: key `hotfix.dir`: must not hold `node.state`: archived patches would be taken for new ones",
    ),
    (
        "[hotfix]\nreplay = 1",
        "2: key `hotfix.replay`: must be true or false, found the number 1",
    ),
    (
        "[hotfix]\nmax_size = 10",
        "2: key `hotfix.max_size`: must be a size with its unit, such as \"1 MiB\" or \"512 KiB\", found the number 10",
    ),
    (
        "[hotfix]\nmax_size = \"-1 MiB\"",
        "2: key `hotfix.max_size`: must be a size with its unit, such as \"1 MiB\" or \"512 KiB\", found the string \"-1 MiB\"",
    ),
    (
        "[hotfix]\nmax_size = \"0\"",
        "2: key `hotfix.max_size`: must not be zero",
    ),
    (
        "[hotfix]\nmax_size = \"1 TiB\"",
        "2: key `hotfix.max_size`: must be 512.0 MiB at most",
    ),
    (
        "[hotfix]\ntime_limit = \"2\"",
        "2: key `hotfix.time_limit`: must be a time with its unit, such as \"2s\" or \"500ms\", found the string \"2\"",
    ),
    (
        "[hotfix]\ntime_limit = \"0s\"",
        "2: key `hotfix.time_limit`: must not be zero",
    ),
    (
        "[hotfix]\nin_flight_wait = \"1 year\"",
        "2: key `hotfix.in_flight_wait`: must be 24h at most",
    ),
    (
        "[console]\nlisten = \"8000\"",
        "2: key `console.listen`: must be an IP address and a port, such as \"127.0.0.1:8000\", or \"\" for no console, found the string \"8000\"",
    ),
    (
        "[console]\nlisten = \"127.0.0.1:70000\"",
        "2: key `console.listen`: must be an IP address and a port, such as \"127.0.0.1:8000\", or \"\" for no console, found the string \"127.0.0.1:70000\"",
    ),
    (
        "[console]\nlisten = \"0.0.0.0:1\"",
        "2: key `console.listen`: other machines can reach this address, so `console.token` must be set; or listen on 127.0.0.1",
    ),
    (
        "[console]\ntoken = \"a b\"",
        "2: key `console.token`: must not hold spaces",
    ),
    (
        "[log]\nlevel = \"loud\"",
        "2: key `log.level`: must be \"error\" or \"warn\" or \"info\" or \"debug\" or \"trace\", found the string \"loud\"",
    ),
    (
        "[env]\na = [1]",
        "2: key `env.a`: must be a string, a number or a boolean, found a list",
    ),
    (
        "[env]\na.b = 1",
        "2: key `env.a`: must be a string, a number or a boolean, found a section (a key with a dot needs quotes: \"a.b\" = …)",
    ),
    (
        "[env]\na = 2026-01-01",
        "2: key `env.a`: must be a string, a number or a boolean, found the date 2026-01-01",
    ),
];

#[test]
fn errors_name_file_line_key_and_what_to_write() {
    for (text, expected) in MISTAKES {
        assert_eq!(errors(text), format!("config.toml:{expected}"), "of {text:?}");
    }
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let found = errors("[log]\nlevel = 1\n[node]\nthread = 2\n[console]\nhttp = \"no\"\n");
    let keys: Vec<&str> = found.lines().filter_map(|line| line.split('`').nth(1)).collect();
    assert_eq!(keys, ["log.level", "node.thread", "console.http"]);
}

#[test]
fn a_file_of_nothing_but_mistakes_is_not_told_in_full() {
    let text: String = (1..=50_000).map(|number| format!("k{number} = 1\n")).collect();
    let found = errors(text);
    assert_eq!(found.lines().count(), 20);
    let last = found.lines().last().unwrap_or_default();
    assert!(last.starts_with("config.toml:20: key `k20`: "), "{last}");
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    for (text, line) in [("[node]\nthreads = \n", 2), ("a b", 1)] {
        let found = errors(text);
        let start = format!("config.toml:{line}: not TOML: ");
        assert!(found.starts_with(&start), "{found:?} of {text:?}");
        assert_eq!(found.lines().count(), 1, "{found:?}");
    }
    assert_eq!(
        errors("[node]\n\n[node]\n"),
        "config.toml:3: key `node` stands twice; remove one"
    );
    assert_eq!(
        errors(b"# good\n# b\xffd\n"),
        "config.toml:2: not UTF-8; save the file with that encoding"
    );
}

#[test]
fn a_missing_file_says_what_to_do() {
    let error = load(Path::new("/nowhere/config.toml")).expect_err("no such file");
    assert_eq!(
        error.to_string(),
        "/nowhere/config.toml: no such file; run hotlua in the project's folder, or name the file with --config FILE"
    );
}

#[test]
fn what_is_no_config_file_at_all_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let error = load(dir.path()).expect_err("a directory");
    assert!(error.to_string().contains("cannot be read: "), "{error}");

    let found = errors("#".repeat(2 * 1024 * 1024));
    assert_eq!(found, "config.toml: larger than 1 MiB; is this really the config file?");
}
