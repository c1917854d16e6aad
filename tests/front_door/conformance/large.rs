//! Large programs: as many locals and upvalues as Lua allows, many functions, a large heap.

use super::driver::service;
use super::nodes::{apply_to, start, value};
use crate::harness::{Node, Project};

fn running(body: &str) -> (Project, Node) {
    let project = Project::empty().service("large", &service("large", body));
    let node = start(&project, &["large"]);
    (project, node)
}

fn each(numbers: std::ops::RangeInclusive<usize>, separator: &str, text: impl Fn(usize) -> String) -> String {
    numbers.map(text).collect::<Vec<_>>().join(separator)
}

/// `count` locals of the file, `v1` to `vN` with their numbers as values.
fn locals(count: usize) -> String {
    each(1..=count, "\n", |i| format!("local v{i} = {i}"))
}

/// A function that raises the first so many locals by one each.
fn raise_all(count: usize) -> String {
    each(1..=count, " ", |i| format!("v{i} = v{i} + 1"))
}

fn sum(count: usize) -> String {
    each(1..=count, " + ", |i| format!("v{i}"))
}

#[test]
fn a_chunk_that_uses_nearly_two_hundred_locals_of_the_file() {
    // `skynet` is one more.
    let count = 195;
    let body = format!("{}\nfunction M.f() return 0 end", locals(count));
    let (project, mut node) = running(&body);
    apply_to(&project, &mut node, 1, "large", &format!("{}\n", raise_all(count)));
    let patch = format!("function M.f() return {} end\n", sum(count));
    apply_to(&project, &mut node, 1, "large", &patch);
    assert_eq!(
        value(&node, "large", "M.f()"),
        (count * (count + 1) / 2 + count).to_string()
    );
}

#[test]
fn a_source_that_uses_nearly_two_hundred_locals_of_the_file() {
    let count = 195;
    let before = format!(
        "{}\nfunction M.f() return 0 end\nfunction M.up() {} end",
        locals(count),
        raise_all(count)
    );
    let (project, mut node) = running(&before);
    assert_eq!(value(&node, "large", "M.up()"), "");
    let after = before.replace("return 0 end", &format!("return {} end", sum(count)));
    apply_to(&project, &mut node, 1, "large", &service("large", &after));
    assert_eq!(
        value(&node, "large", "M.f()"),
        (count * (count + 1) / 2 + count).to_string()
    );
}

#[test]
fn two_hundred_and_fifty_upvalues_in_one_function() {
    let (outer, inner) = (120, 125);
    let inner_locals = each(1..=inner, "\n", |i| format!("local w{i} = {i}"));
    let inner_sum = each(1..=inner, " + ", |i| format!("w{i}"));
    let body = format!(
        "{}\nfunction M.mk()\n{inner_locals}\nlocal n = 0\nreturn function() n = n + 1 return n, {} + {inner_sum} end\nend\nA, B = M.mk(), M.mk()",
        locals(outer),
        sum(outer)
    );
    let (project, mut node) = running(&body);
    let total = outer * (outer + 1) / 2 + inner * (inner + 1) / 2;
    assert_eq!(value(&node, "large", "A()"), format!("1 {total}"));
    apply_to(
        &project,
        &mut node,
        1,
        "large",
        &service("large", &body.replace("n = n + 1 return n,", "n = n + 10 return n,")),
    );
    assert_eq!(value(&node, "large", "A()"), format!("11 {total}"));
    assert_eq!(value(&node, "large", "B()"), format!("10 {total}"));
}

#[test]
fn a_thousand_functions_of_which_one_changes() {
    let body = each(1..=1000, "\n", |i| format!("function M.f{i}(x) return x + {i} end"));
    let (project, mut node) = running(&body);
    assert_eq!(value(&node, "large", "M.f1(1), M.f500(1), M.f1000(1)"), "2 501 1001");
    let after = body.replace("return x + 500 end", "return x + 555 end");
    let summary = apply_to(&project, &mut node, 1, "large", &service("large", &after));
    assert!(summary.contains("1 function,"), "{summary}");
    assert_eq!(value(&node, "large", "M.f1(1), M.f500(1), M.f1000(1)"), "2 556 1001");
}

#[test]
fn a_thousand_functions_that_all_change() {
    let body = |more: usize| {
        let functions = each(1..=1000, "\n", |i| {
            format!("function M.f{i}(x) N = N + 1 return x + {} end", i + more)
        });
        format!("N = 0\n{functions}")
    };
    let (project, mut node) = running(&body(0));
    let summary = apply_to(&project, &mut node, 1, "large", &service("large", &body(1000)));
    assert!(summary.contains("1000 functions,"), "{summary}");
    assert_eq!(
        value(&node, "large", "M.f1(1), M.f500(1), M.f1000(1), N"),
        "1002 1501 2001 3"
    );
}

#[test]
fn ten_thousand_closures_of_one_factory() {
    let body = "function M.mk(n) return function() n = n + 1 return n end end\nLIST = {}\n\
                for i = 1, 10000 do LIST[i] = M.mk(i) end\n\
                function M.sum() local s = 0 for _, f in ipairs(LIST) do s = s + f() end return s end";
    let (project, mut node) = running(body);
    assert_eq!(value(&node, "large", "M.sum()"), "50015000");
    let after = body.replace("n = n + 1 return n end", "n = n + 2 return n end");
    apply_to(&project, &mut node, 1, "large", &service("large", &after));
    assert_eq!(value(&node, "large", "M.sum()"), "50035000");
}

#[test]
fn a_heap_of_many_tables_is_patched_and_undone() {
    let body = "ROWS = {}\nfor i = 1, 100000 do ROWS[i] = { id = i, name = 'row' .. i } end\n\
                local function f() return 'v1' end\nROWS[99999].f = f\nfunction M.f() return f(), ROWS[99999].f() end";
    let (project, mut node) = running(body);
    apply_to(&project, &mut node, 1, "large", "function f() return 'v2' end\n");
    assert_eq!(value(&node, "large", "M.f()"), "v2 v2");
    let mark = node.mark();
    let harm = "function f() return 'half' end\nfor i = 1, #ROWS do ROWS[i].name = nil ROWS[i].more = i end\nerror 'on purpose'\n";
    project.drop_file("large", "harm.lua", harm);
    let summary = node.wait_summary(mark, "large/harm.lua");
    assert!(summary.starts_with("failed and undone: "), "{summary}");
    assert_eq!(value(&node, "large", "M.f()"), "v2 v2");
    assert_eq!(
        value(&node, "large", "ROWS[1].name, ROWS[100000].name, ROWS[5].more"),
        "row1 row100000 nil"
    );
}

#[test]
fn a_file_with_deep_nesting() {
    let depth = 40;
    let open = each(1..=depth, " ", |i| format!("return function() local d{i} = {i}"));
    let close = "end ".repeat(depth);
    let body = format!("M.make = (function() {open} return 'v1', d1 + d{depth} {close}end)()");
    let (project, mut node) = running(&body);
    let call = format!("M.make{}", "()".repeat(depth));
    assert_eq!(value(&node, "large", &call), format!("v1 {}", 1 + depth));
    apply_to(
        &project,
        &mut node,
        1,
        "large",
        &service("large", &body.replace("'v1'", "'v2'")),
    );
    assert_eq!(value(&node, "large", &call), format!("v2 {}", 1 + depth));
}
