//! Lua files of a given length.

/// How long the files are.
pub const LINES: [usize; 3] = [100, 700, 3500];

/// A service of about so many lines as games have them: functions with locals, strings and tables, some of which make others. Two versions differ in
/// one function in the middle.
pub fn service(lines: usize, version: usize) -> String {
    let mut text =
        "local skynet = require 'skynet'\nlocal command, state = {}, { gold = 0, log = {} }\nlocal RATE = 3\n\
                    local function note(what) state.log[#state.log % 100 + 1] = what end\n"
            .to_owned();
    // Ten lines each, and a frame of eight.
    let functions = lines.saturating_sub(8) / 10;
    for number in 0..functions {
        let rate = if number == functions / 2 { version } else { 0 };
        text += &format!(
            "function command.step_{number}(player, amount)\n    local before = player.gold_{number} or 0\n    if amount > RATE then\n        \
             note('step {number} of ' .. tostring(player.name))\n    end\n    player.gold_{number} = before + amount * {number} + {rate}\n    \
             player.on_step = function(more) state.gold = state.gold + more + before end\n    return {{ before = before, now = player.gold_{number} }}\n\
             end\n\n"
        );
    }
    text + "skynet.start(function()\n    skynet.dispatch('lua', function(_, _, name, ...) skynet.retpack(command[name](...)) end)\n    print 'ready'\nend)\n"
}
