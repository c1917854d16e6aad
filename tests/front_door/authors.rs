//! For authors: a new project runs at once, and the editor's stubs say what there is.

use std::fs;
use std::path::{Path, PathBuf};

use emmylua_parser::{LuaParser, ParserConfig};

use crate::harness::{Project, copy_tree, hotlua, repository};

#[test]
fn a_new_project_runs_at_once_and_takes_its_patch() {
    let project = Project::empty();
    let made = hotlua(&project, &["new", "game"]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(
        made.stdout
            .starts_with("game is ready. Try it:\n\n  cd game\n  hotlua dev "),
        "{made:?}"
    );
    let config = project.path("game/config.toml");
    let text = fs::read_to_string(&config).expect("a config");
    fs::write(&config, text.replace("127.0.0.1:8000", "127.0.0.1:0")).expect("written");
    let mut node = project.spawn(&["dev", "--config", "game/config.toml"]);
    node.wait_line("hello from greeter 3, number 1");
    node.wait_line("[dev] saved files of services, lualib, hotfix are applied");
    let mark = node.mark();
    fs::copy(
        project.path("game/patches/polite.lua"),
        project.path("game/hotfix/greeter/polite.lua"),
    )
    .expect("dropped");
    assert!(
        node.wait_summary(mark, "greeter/polite.lua")
            .starts_with("applied to 3 of 3 instances: 1 function")
    );
    node.wait_line_since(mark, "good day from greeter 2, number ");
    let back = hotlua(&project, &["rollback", "greeter", "--config", "game/config.toml"]);
    assert_eq!(back.code, 0, "{back:?}");
    let words = project.path("game/lualib/words.lua");
    let text = fs::read_to_string(&words).expect("words");
    let mark = node.mark();
    fs::write(&words, text.replace("\"hello\"", "\"salute\"")).expect("saved");
    node.wait_line_since(mark, "[dev] lualib/words.lua: ");
    assert_eq!(
        hotlua(&project, &["list", "--config", "game/config.toml"])
            .stdout
            .matches(" greeter ")
            .count(),
        3
    );
}

#[test]
fn a_new_project_overwrites_nothing() {
    let project = Project::empty().file("full/notes.txt", "mine").file("taken", "a file");
    let full = hotlua(&project, &["new", "full"]);
    assert_eq!(
        (full.code, full.stderr.as_str()),
        (2, "error: full is not empty; name a new folder\n")
    );
    assert_eq!(hotlua(&project, &["new", "taken"]).code, 2);
    assert_eq!(fs::read_dir(project.path("full")).expect("a folder").count(), 1);
    fs::create_dir(project.path("empty")).expect("made");
    assert_eq!(hotlua(&project, &["new", "empty"]).code, 0);
    assert!(project.path("empty/types/skynet/manager.lua").exists());
}

/// Compares the tables of functions that the stubs declare with those that there are.
const COMPARE: &str = r#"
local skynet = require "skynet"
local wrong = {}
local function note(...) wrong[#wrong + 1] = string.format(...) end

-- As the text says it: the library itself is loaded without the names of its locals.
local function parameters(func)
    local info = debug.getinfo(func, "S")
    if info.what == "C" then return nil end
    local file = info.source:match "^@hotlua:(.*)"
    file = file and (io.open("library/" .. file) or io.open("library/hotlua/" .. file)) or assert(io.open(info.source:sub(2)))
    for _ = 2, info.linedefined do file:read() end
    local line = file:read()
    file:close()
    local said = line:match "function.-%((.-)%)"
    if line:find("function [%w_.]+:") then said = said == "" and "self" or "self, " .. said end
    return said
end

-- A parameter that is `_` in the library may have a name in the stub.
local function same(is, said)
    local names = said:gmatch "[^, ]+"
    for name in is:gmatch "[^, ]+" do
        local other = names()
        if name ~= "_" and name ~= other or other == nil then return false end
    end
    return names() == nil
end

local function declared(name)
    return assert(loadfile("stubs/" .. name .. ".lua"))()
end

local function compare(name, real, stub)
    for key, value in pairs(real) do
        if type(value) == "function" and type(stub[key]) ~= "function" then
            note("%s.%s is not declared", name, key)
        end
    end
    for key, value in pairs(stub) do
        local is, said = real[key], type(value) == "function" and parameters(value)
        if type(is) ~= "function" then
            note("%s.%s is declared and is not there", name, key)
        elseif parameters(is) and not same(parameters(is), said) then
            note("%s.%s has (%s), declared are (%s)", name, key, parameters(is), said)
        end
    end
end

compare("skynet", skynet, declared "skynet")
local before = {}
for key in pairs(skynet) do before[key] = true end
local manager = require "skynet.manager"
local added = {}
for key, value in pairs(manager) do
    if not before[key] then added[key] = value end
end
compare("skynet.manager", added, declared "skynet/manager")
compare("hotfix", require "hotfix", declared "hotfix")
compare("skynet.debug", require "skynet.debug", declared "skynet/debug")
-- A request is made by a function, so its methods are read from the text of the stub.
assert(parameters(declared "skynet/request") == parameters(require "skynet.request"))
local class, methods = getmetatable(require "skynet.request" ()), {}
for line in io.lines "stubs/skynet/request.lua" do
    local key, said = line:match "^function request:(%w+)%((.*)%)"
    if key then methods[key] = said == "" and "self" or "self, " .. said end
end
for key, value in pairs(class) do
    if type(value) == "function" and key:sub(1, 2) ~= "__" and parameters(value) ~= methods[key] then
        note("skynet.request.%s has (%s), declared are (%s)", key, parameters(value), methods[key])
    end
end
for key in pairs(methods) do
    if type(class[key]) ~= "function" then note("skynet.request.%s is declared and is not there", key) end
end
for line in io.lines "stubs/skynet.lua" do
    local field = line:match "^%-%-%-@field (PTYPE_[%u]+) integer"
    if field and math.type(skynet[field]) ~= "integer" then note("skynet.%s is declared and is not there", field) end
    if field then before[field] = nil end
end
for key in pairs(before) do
    if key:match "^PTYPE_" then note("skynet.%s is not declared", key) end
end
table.sort(wrong)
print("compared: " .. (#wrong == 0 and "all fits" or table.concat(wrong, "; ")))
"#;

#[test]
fn the_stubs_declare_what_there_is_and_nothing_else() {
    let project = Project::empty().service("main", COMPARE);
    copy_tree(&repository().join("lualib/types"), &project.path("stubs"));
    copy_tree(&repository().join("lualib"), &project.path("library"));
    // Some globals are there in patches only.
    let globals = fs::read_to_string(repository().join("lualib/types/globals.lua")).expect("the stub");
    let names: Vec<&str> = globals
        .lines()
        .filter(|line| !line.starts_with("--"))
        .filter_map(|line| Some(line.split_once(" = ")?.0))
        .collect();
    assert_eq!(names, ["SERVICE_NAME", "SERVICE_PATH", "_P", "_U"]);
    let patch: Vec<String> = names
        .iter()
        .map(|name| format!("print('{name}', type({name}))\n"))
        .collect();
    project.write("globals.lua", patch.concat());
    let mut node = project.start();
    assert_eq!(node.wait_line("compared: "), "compared: all fits");
    let seen = node.console().cmd("inject main globals.lua").succeeded();
    assert_eq!(
        seen[..4],
        ["SERVICE_NAME\tstring", "SERVICE_PATH\tstring", "_P\ttable", "_U\ttable"]
    );
    assert_eq!(node.stop(), 0);
}

#[test]
fn the_stubs_are_read_by_an_editors_parser() {
    let mut open: Vec<PathBuf> = vec![repository().join("lualib/types")];
    let mut read = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .expect("a folder")
                    .map(|entry| entry.expect("an entry").path()),
            );
            continue;
        }
        read += 1;
        check(&path);
    }
    assert!(read >= 6, "{read}");
}

#[track_caller]
fn check(path: &Path) {
    let text = fs::read_to_string(path).expect("a stub");
    let tree = LuaParser::parse(&text, ParserConfig::default());
    let errors: Vec<String> = tree.get_errors().iter().map(|error| error.message.clone()).collect();
    assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    assert!(text.starts_with("---@meta"), "{}", path.display());
    // Whatever is declared says what it is.
    for (number, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("function "))
    {
        let before: Vec<&str> = text.lines().take(number).collect();
        let comments = before.iter().rev().take_while(|line| line.starts_with("---"));
        assert!(
            comments.clone().any(|line| !line.starts_with("---@")),
            "{}:{}",
            path.display(),
            number + 1
        );
        let parameters = line
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'))
            .map_or("", |(list, _)| list);
        for parameter in parameters.split(", ").filter(|parameter| !parameter.is_empty()) {
            let said = |line: &&str| line.starts_with(&format!("---@param {parameter}"));
            assert!(
                comments.clone().any(said),
                "{}:{}: {parameter}",
                path.display(),
                number + 1
            );
        }
    }
}
