-- reason: tell the patched service from the old one
function command.do_test(msg) test("New " .. msg) end
