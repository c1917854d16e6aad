//! The tables of the page for people who come from skynet, held against the program.

use std::collections::BTreeMap;

use super::page::text_of;
use crate::harness::Project;

/// Whether the thing that a row names is there.
fn is_there(row: &str) -> Option<bool> {
    match row.split('|').nth(2)?.trim() {
        "there" | "differs" | "new" => Some(true),
        "not there" => Some(false),
        _ => None,
    }
}

/// The tables of the page by their headings: what is named, and whether it is there.
fn tables() -> BTreeMap<String, Vec<(String, bool)>> {
    let mut tables: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
    let mut heading = String::new();
    for line in text_of("docs/coming-from-skynet.md").lines() {
        if let Some(title) = line.strip_prefix("##") {
            heading = title.trim_matches(['#', ' ', '`']).to_owned();
        }
        let Some(there) = line.starts_with("| `").then(|| is_there(line)).flatten() else {
            continue;
        };
        let cell = line.split('|').nth(1).expect("a first cell");
        let names = cell.split('`').skip(1).step_by(2);
        let table = tables.entry(heading.clone()).or_default();
        table.extend(names.map(|name| (name.to_owned(), there)));
    }
    tables
}

/// Compares what the page says of functions and modules with what there is.
const COMPARE: &str = r#"
local skynet = require "skynet"
local wrong = {}
local function note(...) wrong[#wrong + 1] = string.format(...) end

local before = {}
for key in pairs(skynet) do before[key] = true end
require "skynet.manager"
local manager = {}
for key, value in pairs(skynet) do
    if not before[key] then manager[key] = value end
end
for key in pairs(manager) do skynet[key] = nil end

local real = { skynet = skynet, ["skynet.manager"] = manager, ["skynet.debug"] = require "skynet.debug", hotfix = require "hotfix" }
for table_name, functions in pairs(page.functions) do
    local is = real[table_name]
    for name, there in pairs(functions) do
        if (type(is[name]) == "function") ~= there then
            note("%s.%s is %sthere", table_name, name, there and "not " or "")
        end
    end
    for name, value in pairs(is) do
        if type(value) == "function" and functions[name] == nil then note("the page does not know %s.%s", table_name, name) end
    end
end
for name, there in pairs(page.modules) do
    if pcall(require, name) ~= there then note("module %s is %sthere", name, there and "not " or "") end
end
table.sort(wrong)
print("compared: " .. (#wrong == 0 and "all fits" or table.concat(wrong, "; ")))
"#;

fn lua_table(names: &[(String, bool)]) -> String {
    let entries: Vec<String> = names
        .iter()
        .map(|(name, there)| format!("[\"{name}\"] = {there}"))
        .collect();
    format!("{{ {} }}", entries.join(", "))
}

#[test]
fn the_tables_about_skynet_are_true() {
    let tables = tables();
    let functions: Vec<String> = ["skynet", "skynet.manager", "skynet.debug", "hotfix"]
        .map(|name| format!("[\"{name}\"] = {}", lua_table(&tables[name])))
        .into();
    let page = format!(
        "local page = {{ functions = {{ {} }}, modules = {} }}",
        functions.join(", "),
        lua_table(&tables["Modules"])
    );
    let project = Project::empty().service("main", &format!("{page}\n{COMPARE}"));
    let mut node = project.start();
    assert_eq!(node.wait_line("compared: "), "compared: all fits");

    let help = node.console().cmd("help").succeeded();
    let known: Vec<&str> = help.iter().filter_map(|line| line.split_whitespace().next()).collect();
    let commands = &tables["Console"];
    for (name, there) in commands {
        assert_eq!(
            known.contains(&name.as_str()),
            *there,
            "console command {name}: {known:?}"
        );
    }
    for name in known {
        assert!(
            commands.iter().any(|(said, _)| said == name),
            "the page does not know {name}"
        );
    }
    assert_eq!(node.stop(), 0);
}
