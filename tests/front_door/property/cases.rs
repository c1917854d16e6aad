//! What the random services have found, each as small as it gets.

use crate::harness::{Node, Project};

/// The rest of each service: Lua that the test sends is run with the service's table.
const TAIL: &str = r#"
require("skynet").start(function()
	require("skynet").dispatch("lua", function(_, _, source)
		require("skynet").retpack(load(source)(M))
	end)
end)
"#;

const MAIN: &str = r#"
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	skynet.name(".s", skynet.newservice "s")
	print "ready"
end)
"#;

struct Running {
    project: Project,
    node: Node,
    drops: usize,
}

impl Running {
    fn new(file: &str) -> Running {
        let project = Project::empty().service("main", MAIN).service("s", &whole(file));
        let mut node = project.start();
        node.wait_line("ready");
        Running {
            project,
            node,
            drops: 0,
        }
    }

    /// Drops a text; what is said of it.
    fn drop_text(&mut self, text: &str) -> String {
        self.drops += 1;
        let (name, mark) = (format!("{}.lua", self.drops), self.node.mark());
        self.project.drop_file("s", &name, text);
        self.node.wait_summary(mark, &format!("s/{name}"))
    }

    #[track_caller]
    fn applied(&mut self, text: &str) {
        let said = self.drop_text(text);
        assert!(said.starts_with("applied to 1 of 1"), "{said}");
    }

    /// What Lua gives in the service, where `M` is the service's table.
    fn ask(&self, lua: &str) -> String {
        self.node.ask(".s", &format!("[[local M = ... {lua}]]"))
    }
}

/// A whole file of a service.
fn whole(file: &str) -> String {
    format!("local M = {{}}\n{file}{TAIL}")
}

/// A factory of two functions that share no variable, and the same with a new one that they share.
const APART: &str = "function M.mk(a, b)\nreturn function() return a end, function() return b end\nend\n";
const SHARING: &str = "function M.mk(a, b)\nlocal n = 10\n\
    return function() n = n + 1 return a .. n end, function() n = n + 1 return b .. n end\nend\n";

#[test]
fn one_of_each_share_a_new_local() {
    let mut it = Running::new(APART);
    it.ask("K = { M.mk(1, 2) }");
    it.applied(&whole(SHARING));
    assert_eq!(it.ask("return K[1]() .. ' ' .. K[2]()"), "111 212");
}

#[test]
fn which_of_several_share_a_new_local_is_not_guessed() {
    let mut it = Running::new(APART);
    it.ask("K = { M.mk(1, 2) } L = { M.mk(3, 4) }");
    let said = it.drop_text(&whole(SHARING));
    assert!(
        said.contains("`n` is a new local, and which functions share it cannot be told"),
        "{said}"
    );
    assert_eq!(it.ask("return K[1]() .. K[2]() .. L[1]() .. L[2]()"), "1234");
}

#[test]
fn functions_of_different_versions_share_a_new_local() {
    let file = |one: &str, two: &str, new: &str| {
        whole(&format!(
            "function M.mk(a)\n{new}\nreturn function() a = a + 1 return {one} end, function() a = a + 1 return {two} end\nend\n"
        ))
    };
    let mut it = Running::new(
        "function M.mk(a)\n\nreturn function() a = a + 1 return 'x' end, function() a = a + 1 return 'y' end\nend\n",
    );
    it.ask("K = { M.mk(1) } L = { M.mk(5) }");
    // One of the two is of the first version still when the next one comes.
    it.applied(&file("'X'", "'y'", ""));
    it.applied(&file(
        "'X' .. n",
        "(function() n = n + 1 return n end)()",
        "local n = 10",
    ));
    assert_eq!(
        it.ask("return K[2]() .. ' ' .. K[1]() .. ' ' .. L[2]() .. ' ' .. L[1]()"),
        "11 X11 11 X11"
    );
}

#[test]
fn what_a_version_made_that_was_rolled_back_is_patched_again() {
    let file = |made: &str, word: &str| {
        whole(&format!(
            "function M.mk(a)\nlocal w = '{word}'\nreturn function() return w .. {made} end\nend\n"
        ))
    };
    let mut it = Running::new("function M.mk(a)\nlocal w = 'v'\nreturn function() return w .. a end\nend\n");
    it.applied(&file("a", "w"));
    // This one is the same in both versions, only what makes it is not.
    it.ask("K = M.mk(1)");
    it.node.console().cmd("rollback s").succeeded();
    assert_eq!(it.ask("return K() .. M.mk(2)()"), "w1v2");
    it.applied(&file("'new' .. a", "v"));
    assert_eq!(it.ask("return K()"), "wnew1");
}

#[test]
fn new_locals_that_one_call_gives_begin_as_the_file_says() {
    let mut it = Running::new("local function f() return 1, 2 end\nfunction M.f() return f() end\n");
    it.applied(&whole(
        "local function f() return 1, 2 end\nlocal a, b, c = 7, f()\nlocal d, e = f()\n\
         function M.f() return a .. ' ' .. b .. ' ' .. c .. ' ' .. d .. ' ' .. e end\n",
    ));
    assert_eq!(it.ask("return M.f()"), "7 1 2 1 2");
}

#[test]
fn a_second_chunk_reaches_what_the_first_left_alone() {
    let mut it = Running::new(
        "function M.mk(a)\nreturn { x = function() return 'x' .. a end, y = function() return 'y' .. a end }\nend\n",
    );
    it.ask("K = M.mk(1)");
    it.applied(
        "function M.mk(a)\nreturn { x = function() return 'X' .. a end, y = function() return 'y' .. a end }\nend\n",
    );
    assert_eq!(it.ask("return K.x() .. K.y()"), "X1y1");
    it.applied(
        "function M.mk(a)\nreturn { x = function() return 'X' .. a end, y = function() return 'Y' .. a end }\nend\n",
    );
    assert_eq!(it.ask("return K.x() .. K.y()"), "X1Y1");
}

#[test]
fn what_a_chunk_made_that_was_rolled_back_is_patched_again() {
    let chunk = |word: &str, made: &str| {
        format!("function M.mk(a)\nlocal w = '{word}'\nreturn function() return w .. {made} end\nend\n")
    };
    let mut it = Running::new(&chunk("v", "a"));
    it.applied(&chunk("w", "a"));
    it.ask("K = M.mk(1)");
    it.node.console().cmd("rollback s").succeeded();
    it.applied(&chunk("v", "'new' .. a"));
    assert_eq!(it.ask("return K()"), "wnew1");
}

#[test]
fn a_source_patch_reaches_what_a_chunk_left_alone() {
    let file = |word: &str, made: &str| {
        format!("function M.mk(a)\nlocal w = '{word}'\nreturn function() return w .. {made} end\nend\n")
    };
    let mut it = Running::new(&file("v", "a"));
    it.applied(&file("w", "a"));
    it.ask("K = M.mk(1)");
    it.applied(&whole(&file("w", "'new' .. a")));
    assert_eq!(it.ask("return K()"), "wnew1");
}

#[test]
fn a_source_patch_reaches_what_the_second_of_two_chunks_has_changed() {
    let file = |first: &str, second: &str| {
        format!(
            "function M.mk(a)\nreturn {{ x = function() return {first} .. a end, y = function() return {second} .. a end }}\nend\n"
        )
    };
    let mut it = Running::new(&file("'x'", "'y'"));
    it.ask("K = M.mk(1)");
    it.applied(&file("'X'", "'y'"));
    it.applied(&file("'X'", "'Y'"));
    it.applied(&whole(&file("'X'", "'source'")));
    assert_eq!(it.ask("return K.x() .. K.y()"), "X1source1");
}
