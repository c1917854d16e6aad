-- The node's environment: getenv and setenv. The [env] values are in this test's config:
-- answer = 42, flag = true, ratio = 0.5, greeting = "hello there".
local skynet = require "skynet"
local check = require "check"

check.suite(function()
	check.case("values of the config read as strings", function()
		check.equal(skynet.getenv "answer", "42")
		check.equal(skynet.getenv "flag", "true")
		check.equal(skynet.getenv "ratio", "0.5")
		check.equal(skynet.getenv "greeting", "hello there")
	end)

	check.case("a key that is not there gives nil", function()
		check.equal(skynet.getenv "no_such_key", nil)
	end)

	check.case("setenv is seen by every service", function()
		skynet.setenv("fresh", "value")
		check.equal(skynet.getenv "fresh", "value")
		check.equal(skynet.call(skynet.newservice "env_reader", "lua", "fresh"), "value")
	end)

	check.case("setenv takes a number and a value with spaces", function()
		skynet.setenv("count", 7)
		skynet.setenv("sentence", "more than one word")
		check.equal(skynet.getenv "count", "7")
		check.equal(skynet.getenv "sentence", "more than one word")
	end)

	check.case("a key is set once", function()
		check.raises("Can't setenv exist key : fresh", skynet.setenv, "fresh", "other")
		check.raises("Can't setenv exist key : answer", skynet.setenv, "answer", "43")
		check.equal(skynet.getenv "fresh", "value")
	end)
end)
