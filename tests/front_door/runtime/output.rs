//! Lines that are no errors: launches and ends, `skynet.error`, `print`, and where scripts and
//! modules are looked for.

use super::main_with;

#[test]
fn launches_and_ends_are_logged_under_the_handle() {
    let project = main_with(
        "\tlocal first = skynet.newservice(\"leaves\", \"a\", 1)\n\
         \tlocal second = skynet.newservice \"stays\"\n\
         \tskynet.send(first, \"lua\")\n\tskynet.kill(second)\n\tprint \"ready\"",
    )
    .service(
        "leaves",
        "local skynet = require \"skynet\"\nskynet.start(function() skynet.dispatch(\"lua\", function() skynet.exit() end) end)\n",
    )
    .service("stays", "require(\"skynet\").start(function() end)\n");
    let mut node = project.start();
    node.wait_line("[:00000008] LAUNCH snlua main");
    let first = node.wait_line("LAUNCH snlua leaves a 1");
    let handle = first.split(' ').next().unwrap_or_default().to_owned();
    assert_eq!(first, format!("{handle} LAUNCH snlua leaves a 1"));
    node.wait_line(&format!("{handle} KILL self"));

    let second = node.wait_line("LAUNCH snlua stays");
    let digits = second.trim_start_matches(['[', ':', '0']);
    let (number, _) = digits.split_once(']').expect("a handle in brackets");
    let kill = node.wait_line(&format!(" KILL :{number}"));
    assert_eq!(kill, format!("[:00000008] KILL :{number}"));
}

#[test]
fn skynet_error_joins_with_one_space() {
    let project = main_with(
        "\tskynet.error(\"text\", 1, 2.5, true, nil, \"last\")\n\tskynet.error()\n\
         \tskynet.error(\"two\\nlines\")\n\
         \tskynet.error(setmetatable({}, { __tostring = function() return \"an object\" end }))\n\
         \tprint \"ready\"",
    );
    let mut node = project.start();
    node.wait_line("ready");
    let lines = node.lines();
    for line in [
        "[:00000008] text 1 2.5 true nil last",
        "[:00000008] nil",
        "[:00000008] two",
        "lines",
        "[:00000008] an object",
    ] {
        assert!(lines.iter().any(|seen| seen == line), "{line:?} is not in {lines:#?}");
    }
}

#[test]
fn print_writes_bare_lines() {
    let project = main_with(
        "\tprint(\"one\", 2, nil, true)\n\tprint()\n\tprint(\"two\\nlines\")\n\
         \tio.write(\"by \", \"io.write\\n\")\n\tprint \"ready\"",
    );
    let mut node = project.start();
    node.wait_line("ready");
    assert_eq!(node.stop(), 0);
    let lines = node.lines();
    for line in ["one\t2\tnil\ttrue", "", "two", "lines", "by io.write"] {
        assert!(lines.iter().any(|seen| seen == line), "{line:?} is not in {lines:#?}");
    }
}

#[test]
fn lines_of_services_that_print_at_once_stay_whole() {
    const SERVICES: usize = 4;
    const LINES: usize = 500;
    let project = main_with(&format!(
        "\tfor i = 1, {SERVICES} do\n\t\tskynet.send(skynet.newservice(\"loud\", i), \"lua\")\n\tend"
    ))
    .service(
        "loud",
        &format!(
            "local skynet = require \"skynet\"\nlocal letter = string.char(96 + ...)\n\
             skynet.start(function()\n\tskynet.dispatch(\"lua\", function()\n\
             \t\tfor _ = 1, {LINES} do print(letter:rep(200)) end\n\t\tprint(\"end of \" .. letter)\n\tend)\nend)\n"
        ),
    );
    let mut node = project.start();
    for letter in ["a", "b", "c", "d"] {
        node.wait_line(&format!("end of {letter}"));
        let line = letter.repeat(200);
        assert_eq!(node.count(|seen| seen == line), LINES, "whole lines of {letter}");
    }
}

#[test]
fn a_module_is_required_from_lualib_and_named_as_spelled() {
    let project = main_with("\tprint(require(\"tool\").name)\n\trequire(\"tool\").fail()").file(
        "lualib/tool.lua",
        "local M = { name = \"the tool\" }\n\nfunction M.fail()\n\terror \"tool fails\"\nend\n\nreturn M\n",
    );
    let mut node = project.start();
    node.wait_line("the tool");
    let line = node.wait_line("tool fails");
    assert!(line.contains("lualib/tool.lua:4: "), "{line}");
}

#[test]
fn the_preload_file_runs_in_every_service_before_its_script() {
    let project = main_with("\tprint(\"main\", PRELOADED)\n\tskynet.newservice \"other\"\n\tprint \"ready\"")
        .service(
            "other",
            "print(\"script\", PRELOADED)\nrequire(\"skynet\").start(function() end)\n",
        )
        .file("preload.lua", "PRELOADED = \"by preload\"\n")
        .set("node", "preload", "\"preload.lua\"");
    let mut node = project.start();
    node.wait_line("ready");
    node.wait_line("script\tby preload");
    node.wait_line("main\tby preload");
}

#[test]
fn a_service_may_be_a_folder_with_init_lua() {
    let project = main_with("\tskynet.newservice \"folder\"\n\tprint \"ready\"").file(
        "services/folder/init.lua",
        "print(\"from the folder\", SERVICE_NAME)\nrequire(\"skynet\").start(function() end)\n",
    );
    let mut node = project.start();
    node.wait_line("ready");
    node.wait_line("from the folder\tfolder");
}

#[test]
fn json_lines_parse_and_carry_the_handle() {
    let project = main_with("\tskynet.error \"an error line\"\n\tprint \"a \\\"printed\\\" line\"\n\tskynet.abort()")
        .set("log", "format", "\"json\"");
    let mut node = project.spawn(&["run"]);
    assert_eq!(node.wait_exit(), 0);
    let lines: Vec<serde_json::Value> = node
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}")))
        .collect();
    for message in ["an error line", "a \"printed\" line"] {
        let line = lines.iter().find(|line| line["message"] == message);
        let line = line.unwrap_or_else(|| panic!("{message:?} is not in {lines:#?}"));
        assert_eq!(line["handle"], 8, "{line}");
        assert!(line["time"].is_string() && line["level"].is_string(), "{line}");
    }
}
