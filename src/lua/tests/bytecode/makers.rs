//! Chunks that make one function: they load, their closures run on the variables that they are joined to, and they are where the
//! file says.

use mlua::{Function, Lua, MultiValue, Table};

use super::{code, compiled, maker, parsed, sources, upvalue, vm};
use crate::lua::layout::{self, Proto};

/// The prototype of a function, and those nested in it.
fn prototypes(lua: &Lua, function: &Function) -> (Proto, Vec<Proto>) {
    let mut found = None;
    // SAFETY: the function is on the stack while it is looked at; `check` is asked first.
    let looked: mlua::Result<MultiValue> = unsafe {
        lua.exec_raw(function.clone(), |l| {
            assert!(layout::check(l));
            found = layout::proto_of(l, -1).map(|proto| (proto, layout::children(proto)));
        })
    };
    looked.unwrap();
    found.unwrap()
}

fn identity(function: &Function) -> usize {
    function.to_pointer() as usize
}

/// Joins an upvalue of one function to one of another, both by number from 0.
fn join(lua: &Lua, function: &Function, number: usize, to: &Function, its: usize) {
    let join: Function = lua.globals().get::<Table>("debug").unwrap().get("upvaluejoin").unwrap();
    join.call::<()>((function, number + 1, to, its + 1)).unwrap();
}

fn info(lua: &Lua, function: &Function) -> Table {
    let get: Function = lua.globals().get::<Table>("debug").unwrap().get("getinfo").unwrap();
    get.call((function, "Su")).unwrap()
}

#[test]
fn closures_run_on_the_cells_they_are_joined_to() {
    let lua = vm();
    let text = "local unused\nlocal n = 10\nlocal function bump(by)\n  n = n + by\n  return n\nend\nreturn bump, function() return n end";
    let (bump, look): (Function, Function) = compiled(&lua, text.as_bytes()).call(()).unwrap();
    let new = code(&text.replace("n + by", "n + by * 100"));
    let number = new.functions.iter().position(|function| function.line == 3).unwrap();
    let maker = maker(&lua, &new, number);
    let [first, second] = [(); 2].map(|()| maker.call::<Function>(()).unwrap());
    for closure in [&first, &second] {
        join(&lua, closure, 0, &bump, 0);
    }
    assert_eq!(first.call::<i64>(1).unwrap(), 110);
    assert_eq!(second.call::<i64>(2).unwrap(), 310);
    assert_eq!(bump.call::<i64>(1).unwrap(), 311);
    assert_eq!(look.call::<i64>(()).unwrap(), 311);
}

#[test]
fn closures_are_many_on_one_prototype() {
    let lua = vm();
    let code = code("local a = 1\nfunction f()\n return function() return a end, function() end\nend");
    let maker = maker(&lua, &code, 1);
    let closures: Vec<Function> = (0..100).map(|_| maker.call(()).unwrap()).collect();
    let mut identities: Vec<usize> = closures.iter().map(identity).collect();
    identities.sort_unstable();
    identities.dedup();
    assert_eq!(identities.len(), closures.len());
    let shared = prototypes(&lua, &closures[0]);
    assert_eq!(shared.1.len(), 2);
    for closure in &closures {
        assert_eq!(prototypes(&lua, closure), shared);
    }
    assert_ne!(
        prototypes(&lua, &super::maker(&lua, &code, 1).call(()).unwrap()),
        shared
    );
}

/// Every function of every source gets a maker that Lua loads, and is what it was.
#[test]
fn every_function_can_be_made_alone() {
    let lua = vm();
    for (name, text) in sources::all() {
        let code = parsed(&compiled(&lua, &text).dump(false));
        // Of thousands of like functions, some.
        let step = code.functions.len().div_ceil(200);
        for number in (0..code.functions.len()).step_by(step) {
            let function = &code.functions[number];
            let closure: Function = maker(&lua, &code, number).call(()).unwrap();
            let info = info(&lua, &closure);
            assert_eq!(info.get::<usize>("nups").unwrap(), function.upvalues.len(), "{name}");
            assert_eq!(info.get::<u32>("linedefined").unwrap(), function.line, "{name}");
            assert_eq!(
                info.get::<u32>("lastlinedefined").unwrap(),
                function.last_line,
                "{name}"
            );
            assert_eq!(info.get::<String>("source").unwrap(), "@dir/x.lua");
            // Lua dumps the closure as a file of its own: what it loaded is what was meant.
            let again = parsed(&closure.dump(false));
            assert!(again.same_body(0, &code, number), "{name}");
            assert_eq!(again.functions[0].lines, function.lines, "{name}");
            assert_eq!(again.functions[0].locals, function.locals, "{name}");
            for (&child, &original) in again.functions[0].children.iter().zip(&function.children) {
                assert!(again.same_body(child, &code, original), "{name}");
                assert_eq!(
                    again.functions[child].upvalues, code.functions[original].upvalues,
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn a_maker_is_a_dump_like_any_other() {
    let code = code("local a return function() return function() return a end end");
    for number in 0..code.functions.len() {
        let dump = code.maker(number);
        let again = parsed(&dump);
        assert!(again.encode() == dump);
        assert!(again.same_body(2, &code, number));
    }
}

/// The two small functions around the slice are what Lua makes of the same text.
#[test]
fn a_maker_is_built_as_the_compiler_would() {
    let lua = code("return function() local u return function() return u end end");
    let ours = parsed(&lua.maker(2));
    // Lua's file takes `...`, which ours does not, and ends each function once more.
    assert_eq!(ours.functions[0].code[0], lua.functions[0].code[1]);
    assert_eq!(ours.functions[1].code, lua.functions[1].code[..3]);
    assert_eq!(ours.functions[1].stack, lua.functions[1].stack);
    assert_eq!(ours.functions[2].code, lua.functions[2].code);
}

#[test]
fn no_upvalues_and_as_many_as_there_can_be() {
    let lua = vm();
    let none: Function = maker(&lua, &code("local function f(a) return a * 2 end"), 1)
        .call(())
        .unwrap();
    assert_eq!(none.call::<i64>(21).unwrap(), 42);

    let text = sources::many_upvalues(255);
    let live: Function = compiled(&lua, text.as_bytes()).call(()).unwrap();
    let code = code(&text);
    let number = code.functions.len() - 1;
    assert_eq!(code.functions[number].upvalues.len(), 255);
    let closure: Function = maker(&lua, &code, number).call(()).unwrap();
    for upvalue in 0..255 {
        join(&lua, &closure, upvalue, &live, upvalue);
    }
    let expected: Vec<String> = (0..255).map(|i| format!("v{i}")).collect();
    assert_eq!(closure.call::<Vec<String>>(()).unwrap(), expected);
}

#[test]
fn nested_functions_come_along() {
    let lua = vm();
    let code = code(
        "local step = 3\nreturn function(from)\n return function(...t)\n  from = from + step + t.n\n  return from, ...\n end\nend",
    );
    let live: Function = compiled(&lua, b"local step = 5 return function() return step end")
        .call(())
        .unwrap();
    let closure: Function = maker(&lua, &code, 1).call(()).unwrap();
    join(&lua, &closure, upvalue(&code.functions[1], "step"), &live, 0);
    let counter: Function = closure.call(100).unwrap();
    assert_eq!(
        counter.call::<(i64, String)>(("x", "y")).unwrap(),
        (107, "x".to_owned())
    );
    assert_eq!(counter.call::<i64>(()).unwrap(), 112);
}

#[test]
fn the_main_function_can_be_made_too() {
    let lua = vm();
    let code = code("local n = select('#', ...) return n, type(print)");
    let main: Function = maker(&lua, &code, 0).call(()).unwrap();
    join(&lua, &main, 0, &compiled(&lua, b"return print"), 0);
    assert_eq!(
        main.call::<(i64, String)>((1, 2, 3)).unwrap(),
        (3, "function".to_owned())
    );
}

#[test]
fn errors_and_tracebacks_name_the_lines_of_the_file() {
    let lua = vm();
    let long: String = (0..300).map(|i| format!("  x = x + {i}\n")).collect();
    let text = format!(
        "\n\nlocal function f(x)\n{long}  return error('boom'), 1\nend\n\n\nlocal function g() f(1) return 2 end"
    );
    let code = code(&text);
    let [f, g] = [1, 2].map(|number| maker(&lua, &code, number).call::<Function>(()).unwrap());
    join(
        &lua,
        &f,
        upvalue(&code.functions[1], "_ENV"),
        &compiled(&lua, b"return x"),
        0,
    );
    let holder: Function = lua
        .load("local f = ... return function() return f end")
        .call(&f)
        .unwrap();
    join(&lua, &g, upvalue(&code.functions[2], "f"), &holder, 0);
    let run = "local g = ... return select(2, xpcall(g, function(m) return debug.traceback(m) end))";
    let told: String = lua.load(run).call(g).unwrap();
    let line = 3 + 300 + 1;
    assert!(told.starts_with(&format!("dir/x.lua:{line}: boom")), "{told}");
    assert!(told.contains(&format!("dir/x.lua:{line}: in upvalue 'f'")), "{told}");
    assert!(
        told.contains(&format!("dir/x.lua:{}: in function <dir/x.lua:{}>", line + 4, line + 4)),
        "{told}"
    );
}

/// The collector finds nothing in a maker or its closures that it does not know.
#[test]
fn the_collector_lives_with_makers() {
    let lua = vm();
    let code = code("local a, b = {}, {} return function() return a, b, function() return a end end");
    for mode in ["generational", "incremental"] {
        lua.load("collectgarbage(...)").call::<()>(mode).unwrap();
        let mut kept = Vec::new();
        for round in 0..300 {
            let maker = maker(&lua, &code, 1);
            kept.push(maker.call::<Function>(()).unwrap());
            if round % 30 == 0 {
                lua.gc_collect().unwrap();
                kept.drain(..kept.len() / 2);
            }
        }
        assert!(
            kept.iter().all(|closure| closure.call::<Function>(()).is_err()),
            "nil is what an unjoined closure has"
        );
    }
}
