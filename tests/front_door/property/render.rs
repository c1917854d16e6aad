//! A random service as Lua.

use std::fmt::Write;

use super::service::{Factory, Function, How, Item, Service, Shape, Style, Table, Use, is_state};

const HEAD: &str = "local skynet = require \"skynet\"\nlocal M = {}\nKEPT = {}\n";

/// The file.
pub fn text(service: &Service) -> String {
    let mut out = HEAD.to_owned();
    for each in &service.items {
        out += &item(each);
    }
    out += &state(service);
    let handler = service.handler;
    let _ = write!(
        out,
        "skynet.start(function()\n\tskynet.dispatch(\"lua\", function(_, _, source, ...)\n\t\tTAG = \"handler {handler}\"\n\
         \t\tskynet.retpack(load(source)(M, ...))\n\tend)\nend)\n"
    );
    out
}

/// How the test reads and writes the file's own variables.
fn state(service: &Service) -> String {
    let (mut get, mut set) = (String::new(), String::new());
    for item in &service.items {
        match item {
            Item::Local(bindings) => {
                for (name, _) in bindings.iter().filter(|(name, _)| is_state(name)) {
                    let _ = write!(get, "{name} = {name}, ");
                    let _ = writeln!(set, "\tif s.{name} ~= nil then {name} = s.{name} end");
                }
            }
            Item::Table(Table {
                name, of_module: false, ..
            }) => {
                let _ = write!(get, "{name} = {name}, ");
                let _ = writeln!(set, "\tfor k, v in pairs(s.{name} or {{}}) do {name}[k] = v end");
            }
            _ => {}
        }
    }
    format!("function M.__get() return {{ {get}}} end\nfunction M.__set(s)\n{set}end\n")
}

fn item(item: &Item) -> String {
    match item {
        Item::Local(bindings) => {
            let fixed = |name: &str| if name.starts_with("c_") { " <const>" } else { "" };
            let names: Vec<String> = bindings
                .iter()
                .map(|(name, _)| format!("{name}{}", fixed(name)))
                .collect();
            let values: Vec<&str> = bindings.iter().map(|(_, value)| value.as_str()).collect();
            format!("local {} = {}\n", names.join(", "), values.join(", "))
        }
        Item::Table(it) => table(it),
        Item::Function(name, style, it) => {
            let after = if it.recursive { name.as_str() } else { "" };
            let body = function(it, "", after);
            match style {
                Style::Local => format!("local function {name}{body}\n"),
                Style::LocalValue => format!("local {name} = function{body}\n"),
                Style::Field => format!("function M.{name}{body}\n"),
                Style::FieldValue => format!("M.{name} = function{body}\n"),
                Style::Method => format!("function M:{name}{body}\n"),
            }
        }
        Item::Cell {
            name,
            initial,
            block,
            functions,
        } => {
            let mut inside = format!("local {name} = {initial}\n");
            for (name, it) in functions {
                inside += &format!("function M.{name}{}\n", function(it, "", ""));
            }
            if *block { format!("do\n{inside}end\n") } else { inside }
        }
        Item::Mutual([(one, first), (two, second)]) => format!(
            "local {one}\nlocal function {two}{}\nfunction {one}{}\n",
            function(second, "", one),
            function(first, "", two)
        ),
        Item::Factory(it) => factory(it),
        Item::Noise(text) => text.clone(),
    }
}

fn table(table: &Table) -> String {
    let start = if table.of_module {
        format!("M.{}", table.name)
    } else {
        format!("local {}", table.name)
    };
    let mut out = format!("{start} = {{\n");
    for (key, value) in &table.data {
        let _ = writeln!(out, "\t{key} = {value},");
    }
    for (key, it) in &table.functions {
        let _ = writeln!(out, "\t{key} = function{},", function(it, "\t", ""));
    }
    out + "}\n"
}

fn factory(factory: &Factory) -> String {
    let Factory {
        name,
        shape,
        cells,
        inner_cells,
        made,
        itself,
    } = factory;
    let locals = |cells: &[(String, String)], indent: &str| -> String {
        let valued = cells.iter().filter(|(_, value)| !value.is_empty());
        valued
            .map(|(name, value)| format!("{indent}local {name} = {value}\n"))
            .collect()
    };
    let mut out = format!("function M.{name}({})\n{}", cells[0].0, locals(cells, "\t"));
    let fields = |indent: &str| -> String {
        made.iter()
            .map(|(key, it)| {
                format!(
                    "{indent}\t{key} = function{},\n",
                    function(it, &format!("{indent}\t"), "")
                )
            })
            .collect()
    };
    match shape {
        Shape::One => {
            out += &format!(
                "{}\treturn function{}\n",
                bumps(itself, "\t"),
                function(&made[0].1, "\t", "")
            )
        }
        Shape::Table => out += &format!("{}\treturn {{\n{}\t}}\n", bumps(itself, "\t"), fields("\t")),
        Shape::Locals => {
            for (key, it) in made {
                out += &format!("\tlocal function {key}{}\n", function(it, "\t", ""));
            }
            let names: Vec<String> = made.iter().map(|(key, _)| format!("{key} = {key}")).collect();
            out += &format!("{}\treturn {{ {} }}\n", bumps(itself, "\t"), names.join(", "));
        }
        Shape::Loop => {
            let body = function(&made[0].1, "\t\t", "");
            out += &format!("{}\tlocal list = {{}}\n\tfor i = 1, 3 do\n", bumps(itself, "\t"));
            out += &format!(
                "\t\tlocal {} = i\n\t\tlist[i] = function{body}\n\tend\n\treturn list\n",
                inner_cells[0].0
            );
        }
        Shape::TwoLevels => {
            out += &format!(
                "\treturn function({})\n{}{}",
                inner_cells[0].0,
                locals(inner_cells, "\t\t"),
                bumps(itself, "\t\t")
            );
            out += &format!("\t\treturn {{\n{}\t\t}}\n\tend\n", fields("\t\t"));
        }
    }
    out + "end\n"
}

/// The statements of a function that change something.
fn bumps(function: &Function, indent: &str) -> String {
    let mut out = String::new();
    for note in 0..function.notes {
        let _ = write!(out, "{indent}-- note {note} of {}\n\n", function.word);
    }
    for Use { text, .. } in function.uses.iter().filter(|u| u.how == How::Bump) {
        let value = match text.as_bytes()[0] {
            b's' => format!("({text} .. \"x\"):sub(-6)"),
            b'b' => format!("not {text}"),
            _ => format!("({text} or 0) + {}", function.word % 7 + 1),
        };
        let _ = writeln!(out, "{indent}{text} = {value}");
    }
    out
}

/// From the parameters to `end`. `after` is a function that is called at the end, as often as the first parameter says.
fn function(function: &Function, indent: &str, after: &str) -> String {
    let dots = function.vararg.then_some("...");
    let params: Vec<&str> = function.params.iter().map(String::as_str).chain(dots).collect();
    let mut out = format!("({})\n{}", params.join(", "), bumps(function, &format!("{indent}\t")));
    let mut parts = vec![format!("\"w{}(\"", function.word)];
    parts.extend(function.params.iter().map(|name| format!("tostring({name})")));
    if function.vararg {
        parts.push("select(\"#\", ...) .. tostring((...))".into());
    }
    let first = function.params.first().map_or("1", |name| name.as_str());
    for Use { text, how, .. } in &function.uses {
        parts.push(match how {
            How::Call => format!("{text}({first}, {})", function.word % 5),
            _ => format!("tostring({text})"),
        });
    }
    if !after.is_empty() {
        let less = format!("{first} - 1");
        parts.push(format!("((tonumber({first}) or 0) > 0 and {after}({less}) or \"end\")"));
    }
    let _ = write!(
        out,
        "{indent}\treturn {} .. \")\"\n{indent}end",
        parts.join(" .. \",\" .. ")
    );
    out
}
