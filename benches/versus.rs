//! The same Lua on hotlua and on skynet: `SKYNET=FOLDER cargo bench --bench versus [-- WORKLOAD…] [--rounds N] [--seconds N] [--write]`.
//!
//! FOLDER holds a built skynet; without it hotlua is measured alone. `HOTLUA=FILE` measures another build of hotlua. The two take turns, with two worker threads each and skynet's own profiling
//! off. Ratios are those of one round; above 1 hotlua is better. `--write` puts table and plot into `docs/benchmarks/`.

#[path = "versus/report.rs"]
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use report::Row;

/// The workloads: name, unit, whether less is better.
const WORKLOADS: [(&str, &str, bool); 11] = [
    ("call_1", "calls/s", false),
    ("call_8", "calls/s", false),
    ("call_1000", "calls/s", false),
    ("call_table", "calls/s", false),
    ("flood", "messages/s", false),
    ("fork", "forks/s", false),
    ("fork_yield", "yields/s", false),
    ("timers", "timers/s of CPU", false),
    ("newservice", "services/s", false),
    ("memory_idle", "KiB/service", true),
    ("memory_modules", "KiB/service", true),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |flag: &str, default: u32| {
        let at = arguments.iter().position(|word| word == flag);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let (rounds, seconds) = (number("--rounds", 5), number("--seconds", 2));
    let is_wanted = |name: &str| {
        let mut named = WORKLOADS
            .iter()
            .filter(|(name, ..)| arguments.iter().any(|word| word == name));
        named.clone().next().is_none() || named.any(|(other, ..)| *other == name)
    };
    let peer = std::env::var_os("SKYNET").map(|folder| fs::canonicalize(folder).expect("SKYNET is a folder"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    prepare(dir.path());
    let mut rows = Vec::new();
    for (name, unit, less) in WORKLOADS.iter().filter(|(name, ..)| is_wanted(name)) {
        let mut row = Row::new(name, unit, *less);
        for round in 0..rounds {
            let mut pair = [None, None];
            for turn in 0..2 {
                // Neither is always the one that runs on a warm machine.
                let side = (turn + round as usize) % 2;
                pair[side] = match (side, &peer) {
                    (0, _) => Some(figure(ours(dir.path(), name, seconds))),
                    (_, Some(peer)) => Some(figure(theirs(dir.path(), peer, name, seconds))),
                    (_, None) => None,
                };
            }
            row.add(pair[0].expect("measured"), pair[1]);
        }
        println!("{row}");
        rows.push(row);
    }
    if arguments.iter().any(|word| word == "--write") {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("versus.md"), report::table(&rows, rounds, seconds)).expect("a file");
        fs::write(folder.join("versus.svg"), report::plot(&rows)).expect("a file");
    }
}

/// The services, and the modules that some of them load.
fn prepare(dir: &Path) {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/versus");
    fs::create_dir(dir.join("services")).expect("a folder");
    for entry in fs::read_dir(services).expect("the workloads") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "lua") {
            let name = path.file_name().expect("a name");
            fs::copy(&path, dir.join("services").join(name)).expect("a copy");
        }
    }
    fs::create_dir(dir.join("lualib")).expect("a folder");
    for module in 1..=5 {
        fs::write(dir.join(format!("lualib/module{module}.lua")), module_text(module)).expect("a file");
    }
}

/// 700 lines as games have them: functions with locals, strings and tables.
fn module_text(module: usize) -> String {
    let mut text = "local M = {}\nlocal config = { rate = 3 }\n".to_owned();
    for number in 0..99 {
        text += &format!(
            "function M.step_{number}(self, amount)\n    local before = self.gold_{number} or 0\n    if amount > config.rate then\n        \
             self.log = (self.log or \"\") .. \"module {module} step {number}\"\n    end\n    self.gold_{number} = before + amount * {number}\nend\n"
        );
    }
    text + "M.config = config\nM.version = 1\nM.name = \"module\"\nM.started = false\nreturn M\n"
}

fn ours(dir: &Path, workload: &str, seconds: u32) -> Command {
    let config = dir.join(format!("{workload}.toml"));
    let text = format!(
        "[node]\nstart = \"bench\"\nthreads = 2\nstate = \"state\"\n[console]\nlisten = \"\"\n[env]\nworkload = \"{workload}\"\nseconds = {seconds}\n"
    );
    fs::write(&config, text).expect("a file");
    let program = std::env::var_os("HOTLUA").unwrap_or_else(|| env!("CARGO_BIN_EXE_hotlua").into());
    let mut command = Command::new(program);
    command.arg("run").arg("--config").arg(config);
    command
}

fn theirs(dir: &Path, peer: &Path, workload: &str, seconds: u32) -> Command {
    let config = dir.join("skynet.config");
    let (root, here) = (peer.display(), dir.display());
    let text = format!(
        "thread = 2\nharbor = 0\nlogger = nil\nprofile = false\nstart = \"bench\"\nbootstrap = \"snlua bootstrap\"\n\
         luaservice = \"{root}/service/?.lua;{here}/services/?.lua\"\nlualoader = \"{root}/lualib/loader.lua\"\n\
         lua_path = \"{root}/lualib/?.lua;{root}/lualib/?/init.lua;{here}/lualib/?.lua\"\nlua_cpath = \"{root}/luaclib/?.so\"\n\
         cpath = \"{root}/cservice/?.so\"\nworkload = \"{workload}\"\nseconds = {seconds}\n"
    );
    fs::write(&config, text).expect("a file");
    let program: PathBuf = peer.join("skynet");
    let mut command = Command::new(program);
    command.arg(config).current_dir(peer);
    command
}

/// Runs to the end; what it has measured.
fn figure(mut command: Command) -> f64 {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let figure = said.lines().find_map(|line| line.split_once("RESULT ")?.1.parse().ok());
    figure.unwrap_or_else(|| {
        panic!(
            "{command:?} measured nothing: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}
