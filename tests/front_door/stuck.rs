//! Services that never return: they keep a thread, nobody else's.

use crate::harness::Project;
use crate::harness::svc::{GREETING, SVC, apply_well, greet};

const MAIN: &str = r#"
local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
	skynet.name(".svc", skynet.newservice("svc"))
	for _ = 1, 4 do
		skynet.newservice("loop")
	end
	print "ready"
end)
"#;

const LOOP: &str = r#"
local skynet = require "skynet"

skynet.start(function()
	skynet.dispatch("lua", function() while true do end end)
	skynet.timeout(1, function()
		print "looping"
		while true do end
	end)
end)
"#;

#[test]
fn services_that_never_return_keep_neither_patches_nor_messages_from_others() {
    let project = Project::empty()
        .set("node", "threads", "2")
        .service("main", MAIN)
        .service("svc", SVC)
        .service("loop", LOOP);
    let mut node = project.start();
    node.wait_line("ready");
    node.wait_until("all four to loop", |node| node.count(|line| line == "looping") == 4);
    assert_eq!(greet(&node), "<hello you>");
    apply_well(&project, &mut node, GREETING);
    assert_eq!(greet(&node), "<good day you>");
    node.wait_line("maybe in an endless loop");
    assert_eq!(node.stop(), 0, "a node with stuck services stops in order");
}
