//! The rules of who knows whom: each answers with what in a file breaks it, as `file:line: what the rule is`.

use std::collections::BTreeMap;

use crate::source::{Source, is_name};

/// Rooms named in `crate::…` paths (from `main.rs`: `hotlua::…`) that this file's room may not use.
pub fn directions(file: &Source, rooms: &[(&str, &[&str])]) -> Vec<String> {
    let room = room_of(&file.path);
    let Some((_, may_use)) = rooms.iter().find(|(name, _)| *name == room) else {
        return vec![file.finding(0, &format!("the room `{room}` is not in the table of rooms"))];
    };
    let mut found = Vec::new();
    for (at, path) in paths_into_the_house(file) {
        let used = path.first().map_or("", String::as_str);
        let a_room = rooms.iter().any(|(name, _)| *name == used);
        if a_room && used != room && !may_use.contains(&used) {
            let rule = format!("`{room}` may not use `{used}` (it may use: {})", may_use.join(", "));
            found.push(file.finding(at, &rule));
        }
    }
    // One step up from the room's own file, and two from anywhere, may be out of the room.
    let own_file = file.path.ends_with("/mod.rs") || file.path.matches('/').count() == 1;
    for at in file.words("super") {
        let first_in_line = file.code[..at].ends_with("\nuse ") || file.code[..at].ends_with("\npub use ");
        if file.code[at..].starts_with("super::super") || (own_file && first_in_line) {
            found.push(file.finding(at, "write the path from `crate::`, so that its direction shows"));
        }
    }
    found
}

/// `src/lua/heap.rs` and `src/lua.rs` both belong to the room `lua`.
fn room_of(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    let first = inside.split('/').next().unwrap_or(inside);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// Every path of the code that begins at our crate's root, groups spread out, without the root itself.
fn paths_into_the_house(file: &Source) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for root in ["crate", "hotlua"] {
        for at in file.words(root) {
            if let Some(rest) = file.code[at + root.len()..].strip_prefix("::") {
                let mut paths = Vec::new();
                spread(rest, &mut Vec::new(), &mut paths);
                found.extend(paths.into_iter().map(|path| (at, path)));
            }
        }
    }
    found
}

/// Reads `a::{b, c::d}` as `a::b` and `a::c::d`; answers with what follows it.
fn spread<'a>(text: &'a str, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut inside) = text.strip_prefix('{') {
        while !inside.is_empty() && !inside.starts_with('}') {
            let after = spread(inside, before, paths).trim_start();
            inside = after.strip_prefix(',').unwrap_or(after).trim_start();
            // Not a list of paths after all: enough was read.
            if inside.len() == after.len() && !inside.starts_with('}') {
                break;
            }
        }
        return inside.strip_prefix('}').unwrap_or(inside);
    }
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    before.push(name.to_owned());
    let rest = match rest.strip_prefix("::") {
        Some(deeper) => spread(deeper, before, paths),
        None => {
            paths.push(before.clone());
            rest
        }
    };
    before.pop();
    rest
}

/// The other files that this one's paths lead into, as far as they name modules of the same room.
pub fn modules_used(file: &Source, files: &[Source]) -> Vec<String> {
    let room = room_of(&file.path);
    let paths = paths_into_the_house(file).into_iter().map(|(_, path)| path);
    paths
        .filter(|path| path.first().is_some_and(|first| first == room))
        .filter_map(|path| {
            let candidates = (1..=path.len()).rev().flat_map(|length| {
                let stem = format!("src/{}", path[..length].join("/"));
                [format!("{stem}.rs"), format!("{stem}/mod.rs")]
            });
            candidates
                .into_iter()
                .find(|name| files.iter().any(|file| file.path == *name))
        })
        .filter(|used| *used != file.path && !used.ends_with("/mod.rs"))
        .collect()
}

/// One cycle of the graph, if there is any: `a → b → a`.
pub fn cycle(graph: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let mut done = Vec::new();
    graph
        .keys()
        .find_map(|start| cycle_from(start, graph, &mut Vec::new(), &mut done))
}

fn cycle_from<'g>(
    node: &'g str,
    graph: &'g BTreeMap<String, Vec<String>>,
    path: &mut Vec<&'g str>,
    done: &mut Vec<&'g str>,
) -> Option<String> {
    if let Some(start) = path.iter().position(|seen| *seen == node) {
        return Some(format!("{} → {node}", path[start..].join(" → ")));
    }
    if done.contains(&node) {
        return None;
    }
    path.push(node);
    let next = graph.get(node).map_or(&[][..], Vec::as_slice);
    let found = next.iter().find_map(|next| cycle_from(next, graph, path, done));
    path.pop();
    done.push(node);
    found
}

/// Crates named outside of the one place that may know them.
pub fn foreign_crates(file: &Source, only_in: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, place) in only_in {
        if file.path.starts_with(place) {
            continue;
        }
        for at in file.words(name) {
            let (before, after) = (&file.code[..at], &file.code[at + name.len()..]);
            let a_path = after.starts_with("::") || before.ends_with("use ");
            if a_path && !before.trim_end().ends_with("::") {
                let rule = format!("only {place} knows the crate `{name}`");
                found.push(file.finding(at, &rule));
            }
        }
    }
    found
}

/// Imports of everything.
pub fn globs(file: &Source) -> Vec<String> {
    let places = file.code.match_indices("::*");
    places
        .map(|(at, _)| file.finding(at, "imports name what they import, no `*`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{cycle, directions, foreign_crates, globs, modules_used};
    use crate::source::{Source, lines};

    const ROOMS: &[(&str, &[&str])] = &[("main", &["a"]), ("a", &["b"]), ("b", &[])];

    #[test]
    fn directions_are_seen_in_every_form() {
        let rule = |file: &Source| directions(file, ROOMS);
        let text = "use crate::{\n    c, a::{x, y},\n};\nfn f() { crate::a::x() }\n// crate::a\nuse crate::b::z;";
        assert_eq!(lines("src/b/x.rs", text, rule), [1, 1, 4]);
        assert_eq!(lines("src/a.rs", text, rule), Vec::<usize>::new());
        assert_eq!(lines("src/main.rs", "use hotlua::{a, b};\n", rule), [1]);
        assert_eq!(lines("src/c/mod.rs", "", rule), [1]);
        assert_eq!(
            lines("src/a/mod.rs", "\nuse super::c;\nmod t { use super::x; }", rule),
            [2]
        );
        assert_eq!(lines("src/a/x.rs", "\nuse super::y;\nuse super::super::c;", rule), [3]);
    }

    #[test]
    fn cycles_of_modules_are_seen() {
        let files = [
            Source::new("src/a/mod.rs", "use crate::a::x::f;"),
            Source::new(
                "src/a/x.rs",
                "use crate::a::y::{g, h}; use crate::a::T; use crate::b::x;",
            ),
            Source::new("src/a/y.rs", "use crate::a::x::f;"),
        ];
        let used = |file: &Source| (file.path.clone(), modules_used(file, &files));
        assert_eq!(used(&files[1]).1, ["src/a/y.rs", "src/a/y.rs"]);
        assert_eq!(cycle(&files[..2].iter().map(used).collect()), None);
        let found = cycle(&files[1..].iter().map(used).collect());
        assert_eq!(found.as_deref(), Some("src/a/x.rs → src/a/y.rs → src/a/x.rs"));
    }

    #[test]
    fn foreign_crates_and_globs_are_seen() {
        let rule = |file: &Source| foreign_crates(file, &[("notify", "src/watch")]);
        let text = "use notify::x;\nuse b::notify::x;\nlet notify = 1;\n\"notify::\"";
        assert_eq!(lines("src/a.rs", text, rule), [1]);
        assert_eq!(lines("src/watch/tree.rs", text, rule), Vec::<usize>::new());

        assert_eq!(lines("src/a.rs", "use a::*;\nlet x = 2 * 3;", globs), [1]);
    }
}
