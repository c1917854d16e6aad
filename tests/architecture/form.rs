//! The rules of what a file may look like: each answers with what breaks it, as `file:line: what the rule is`.

use crate::source::{self, Source};

/// Unsafe code in the wrong place, or without its reason.
pub fn unsafe_code(file: &Source, places: &[&str]) -> Vec<String> {
    let allowed = places.iter().any(|place| file.path.starts_with(place));
    // Such a file says with this lint's reason where the rules stand that all its unsafe functions share.
    let shared_rules = file.code.contains("unsafe_op_in_unsafe_fn");
    let mut found = Vec::new();
    for at in file.words("unsafe") {
        let after = file.code[at + "unsafe".len()..].trim_start();
        let signature = after.strip_prefix("extern").unwrap_or(after).trim_start();
        let function = signature.strip_prefix("fn").map(str::trim_start);
        // The type of a function pointer: nothing unsafe happens here.
        if function.is_some_and(|rest| rest.starts_with('(')) {
            continue;
        }
        if !allowed {
            let rule = format!("unsafe code lives in {} alone", places.join(" and "));
            found.push(file.finding(at, &rule));
        } else if !(function.is_some() && shared_rules || has_reason(file, file.line_of(at))) {
            let rule = "unsafe code needs a `SAFETY:` comment (a function: `# Safety`) above it";
            found.push(file.finding(at, rule));
        }
    }
    found
}

/// Whether the comment above the statement that this line belongs to, or on the line itself, says why it is safe.
fn has_reason(file: &Source, line: usize) -> bool {
    let says_why = |line: &str| line.contains("SAFETY:") || line.contains("# Safety");
    let lines: Vec<&str> = file.text.lines().take(line).collect();
    let (own, above) = match lines.split_last() {
        Some((own, above)) => (*own, above),
        None => return false,
    };
    let still_the_same = |line: &&&str| {
        let line = line.trim();
        let comment_or_attribute = line.starts_with("//") || line.starts_with("#[");
        comment_or_attribute || !(line.is_empty() || line.ends_with([';', '{', '}']))
    };
    says_why(own) || above.iter().rev().take_while(still_the_same).any(|line| says_why(line))
}

/// A file that is too long or does not begin by saying what it is for.
pub fn file_form(file: &Source, max_lines: usize) -> Vec<String> {
    let mut found = Vec::new();
    if !file.text.starts_with("//! ") {
        found.push(file.finding(0, "a file begins with `//! ` and what it is for"));
    }
    let lines = file.text.lines().count();
    if lines > max_lines {
        let rule = format!("{lines} lines; a file has {max_lines} at most");
        found.push(file.finding(0, &rule));
    }
    found
}

/// Functions that are too long.
pub fn function_sizes(file: &Source, max_lines: usize) -> Vec<String> {
    let too_long = file.words("fn").filter_map(|at| {
        let end = body_end(&file.code[at..])?;
        let lines = 1 + file.code[at..at + end].matches('\n').count();
        let rule = format!("{lines} lines; a function has {max_lines} at most");
        (lines > max_lines).then(|| file.finding(at, &rule))
    });
    too_long.collect()
}

/// Where the body of the function that begins here ends; `None` if it has none.
fn body_end(code: &str) -> Option<usize> {
    let (mut brackets, mut braces) = (0_usize, 0_usize);
    for (at, character) in code.char_indices() {
        match character {
            '(' | '[' => brackets += 1,
            // Out of what encloses it: the type of a function pointer in an argument list.
            ')' | ']' => brackets = brackets.checked_sub(1)?,
            '{' => braces += 1,
            '}' => {
                braces = braces.checked_sub(1)?;
                if braces == 0 {
                    return Some(at);
                }
            }
            ';' | ',' if brackets == 0 && braces == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Marks of unfinished work.
pub fn leftovers(file: &Source) -> Vec<String> {
    // Written in two pieces, so that this file does not hold what it forbids.
    let in_text = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let in_code = [concat!("dbg", "!"), concat!("todo", "!"), concat!("unimplemented", "!")];
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for mark in in_text.iter().filter(|mark| line.contains(**mark)) {
            found.push(format!("{}:{}: no `{mark}`: do it or drop it", file.path, number + 1));
        }
    }
    for mark in in_code {
        let places = file.code.match_indices(mark);
        found.extend(places.map(|(at, _)| file.finding(at, &format!("no `{mark}` is left in"))));
    }
    found
}

/// Lints that are silenced without a word.
pub fn silenced_lints(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in ["allow(", "expect("] {
        for opening in ["#[", "#!["] {
            for (at, _) in file.code.match_indices(&format!("{opening}{attribute}")) {
                let rest = &file.code[at..];
                let end = rest.find(")]").unwrap_or(rest.len());
                if !rest[..end].contains("reason =") {
                    found.push(file.finding(at, "a silenced lint says `reason = \"…\"`"));
                }
            }
        }
    }
    found
}

/// Links of a document to files that are not there.
pub fn dead_links(file: &Source) -> Vec<String> {
    let folder = match file.path.rsplit_once('/') {
        Some((folder, _)) => source::root().join(folder),
        None => source::root().to_path_buf(),
    };
    let links = file.text.match_indices("](").filter_map(|(at, opening)| {
        let target = file.text[at + opening.len()..].split([')', '#']).next()?;
        let elsewhere = target.is_empty() || target.contains("://");
        (!elsewhere && !folder.join(target).exists()).then_some((at, target))
    });
    links
        .map(|(at, target)| file.finding(at, &format!("the link to {target} leads nowhere")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{dead_links, file_form, function_sizes, leftovers, silenced_lints, unsafe_code};
    use crate::source::{Source, lines};

    #[test]
    fn unsafe_code_is_seen() {
        let rule = |file: &Source| unsafe_code(file, &["src/lua/"]);
        let text = "// SAFETY: so\nlet x =\n    unsafe { y };\nunsafe { z }\ntype F = unsafe extern \"C\" fn(i32);\nunsafe fn f() {}";
        assert_eq!(lines("src/lua/vm.rs", text, rule), [4, 6]);
        let sharing = format!("#![allow(unsafe_op_in_unsafe_fn, reason = \"x\")]{text}");
        assert_eq!(lines("src/lua/vm.rs", &sharing, rule), [4]);
        assert_eq!(lines("src/a.rs", text, rule), [3, 4, 6]);
    }

    #[test]
    fn what_is_too_large_is_seen() {
        let rule = |file: &Source| function_sizes(file, 2);
        let text = "fn a() {\n}\nfn b(x: [u8; 2], f: fn(u8)) {\n if x {\n }\n}\ntrait T { fn c(); }\n\n\n\n";
        assert_eq!(lines("src/a.rs", text, rule), [3]);
        let rule = |file: &Source| file_form(file, 2);
        assert_eq!(lines("src/a.rs", "//! a\n\n", rule), Vec::<usize>::new());
        assert_eq!(lines("src/a.rs", "// a\n\n\n", rule), [1, 1]);
    }

    #[test]
    fn what_is_left_lying_about_is_seen() {
        let mark = concat!("x // FIX", "ME\nlet s = \"dbg", "!\"; dbg", "!(s);");
        assert_eq!(lines("src/a.rs", mark, leftovers), [1, 2]);
        let text = "#[allow(dead_code)]\n#[expect(a, reason = \"b\")]\nf.expect(\"c\")";
        assert_eq!(lines("src/a.rs", text, silenced_lints), [1]);
        let text = "[a](README.md) [b](https://x.y)\n[c](no/such.md#d) [e](#f)";
        assert_eq!(lines("x.md", text, dead_links), [2]);
    }
}
