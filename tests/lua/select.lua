-- Several requests at once: skynet.request and select.
local skynet = require "skynet"
local check = require "check"

check.suite(function()
	local peer = skynet.newservice "peer"

	check.case("every request comes back with its answer", function()
		local requests = skynet.request()
		for i = 1, 5 do
			requests:add { peer, "lua", "ECHO", i, token = i }
		end
		local got = {}
		for request, answer in requests:select() do
			got[request.token] = answer[1]
		end
		check.equal(got, { 1, 2, 3, 4, 5 })
		check.equal(requests.timeout, nil)
	end)

	check.case("requests may be chained, and answers carry n", function()
		local count = 0
		local echo = { peer, "lua", "ECHO", "a", nil, "c", n = 6 }
		for _, answer in skynet.request(echo)(echo):select() do
			check.equal(answer, { "a", nil, "c", n = 3 })
			count = count + 1
		end
		check.equal(count, 2)
	end)

	check.case("answers come in the order they arrive", function()
		local order = {}
		for request in skynet.request { peer, "lua", "SLEEP", 40, name = "slow" } { peer, "lua", "ECHO", name = "quick" } :select() do
			order[#order + 1] = request.name
		end
		check.equal(order, { "quick", "slow" })
	end)

	check.case("a failed request gives false, a dead address nil", function()
		local got = {}
		for request, answer in skynet.request
			{ peer, "lua", "RAISE", "expected", name = "failed" }
			{ 0xfffff, "lua", "ECHO", name = "dead" }
			{ peer, "lua", "ECHO", "fine", name = "good" }
			:select() do
			got[request.name] = answer == nil and "nil" or answer
		end
		check.equal(got, { failed = false, dead = "nil", good = { "fine", n = 1 } })
	end)

	check.case("a timeout ends the loop and is said", function()
		local requests = skynet.request { peer, "lua", "FOREVER" } { peer, "lua", "ECHO", "quick" }
		local answers = {}
		for _, answer in requests:select(30) do
			answers[#answers + 1] = answer[1]
		end
		check.equal(answers, { "quick" })
		check.equal(requests.timeout, true)
	end)

	check.case("leaving the loop early drops the other answers without harm", function()
		for _ in skynet.request { peer, "lua", "ECHO", 1 } { peer, "lua", "SLEEP", 10 } :select() do
			break
		end
		skynet.sleep(20)
		check.equal(skynet.call(peer, "lua", "ECHO", "unharmed"), "unharmed")
	end)

	check.case("no requests, no turns", function()
		local turns = 0
		for _ in skynet.request():select() do
			turns = turns + 1
		end
		check.equal(turns, 0)
	end)
end)
