-- Clocks and sleeping: now, time, starttime, hpc, sleep, timeout, wait.
local skynet = require "skynet"
local check = require "check"

check.suite(function()
	check.case("now counts hundredths of a second as an integer", function()
		check.equal(math.type(skynet.now()), "integer")
		local before = skynet.now()
		skynet.sleep(20)
		check.ok(skynet.now() - before >= 19, "20 hundredths must have passed")
	end)

	check.case("time is now on top of starttime", function()
		check.equal(math.type(skynet.starttime()), "integer")
		check.equal(math.type(skynet.time()), "float")
		check.ok(math.abs(skynet.time() - (skynet.now() / 100 + skynet.starttime())) < 0.05, "time = now/100 + starttime")
		check.ok(math.abs(skynet.time() - os.time()) < 5, "time is the wall clock's")
	end)

	check.case("hpc counts nanoseconds as an integer", function()
		check.equal(math.type(skynet.hpc()), "integer")
		local before = skynet.hpc()
		skynet.sleep(10)
		check.ok(skynet.hpc() - before >= 80000000, "10 hundredths are 100,000,000 ns")
	end)

	check.case("sleep that ends by itself returns nothing", function()
		check.equal(skynet.sleep(1), nil)
		check.equal(skynet.sleep(0), nil)
		check.equal(skynet.sleep(-5), nil)
		check.equal(skynet.yield(), nil)
	end)

	check.case("a woken sleep returns BREAK, long before its time", function()
		local before, outcome = skynet.now(), nil
		local token = {}
		skynet.fork(function()
			outcome = skynet.sleep(100000, token)
		end)
		skynet.yield()
		check.equal(skynet.wakeup(token), true)
		skynet.yield()
		check.equal(outcome, "BREAK")
		check.ok(skynet.now() - before < 50000, "it did not sleep to its end")
	end)

	check.case("the token of a sleep is the coroutine unless given", function()
		local outcome
		local sleeper = skynet.fork(function()
			outcome = skynet.sleep(100000)
		end)
		skynet.yield()
		check.equal(skynet.wakeup(sleeper), true)
		skynet.yield()
		check.equal(outcome, "BREAK")
	end)

	check.case("one token cannot be slept on twice", function()
		local token, err = {}, nil
		skynet.fork(function()
			skynet.wait(token)
		end)
		skynet.yield()
		skynet.fork(function()
			local _
			_, err = pcall(skynet.wait, token)
		end)
		skynet.yield()
		check.ok(tostring(err):find("token duplicative", 1, true), tostring(err))
	end)

	check.case("a token is free again after its sleep", function()
		local token = "again"
		check.equal(skynet.sleep(1, token), nil)
		check.equal(skynet.sleep(1, token), nil)
	end)

	check.case("timers fire once, in the order of their times", function()
		local log = {}
		for _, delay in ipairs { 30, 10, 20 } do
			skynet.timeout(delay, function()
				log[#log + 1] = delay
			end)
		end
		check.await(function()
			return #log >= 3
		end, "three timers")
		skynet.sleep(5)
		check.equal(log, { 10, 20, 30 })
	end)

	check.case("a timer does not fire before its time", function()
		local before, after = skynet.now(), nil
		skynet.timeout(15, function()
			after = skynet.now()
		end)
		check.await(function()
			return after
		end, "the timer")
		check.ok(after - before >= 14, "15 hundredths must have passed")
	end)

	check.case("a thousand sleepers all wake", function()
		local woken = 0
		for i = 1, 1000 do
			skynet.fork(function()
				skynet.sleep(i % 10)
				woken = woken + 1
			end)
		end
		check.await(function()
			return woken == 1000
		end, "a thousand sleepers")
	end)
end)
