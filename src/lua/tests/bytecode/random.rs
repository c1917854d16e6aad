//! Random Lua files in which it is known which declaration each use of a variable means.

/// A file.
#[derive(Default)]
pub struct Random {
    pub text: String,
    /// How many functions it has, the main one included.
    pub functions: usize,
    /// Uses from inside a function of what is declared outside of it: the function, the name, the declaration.
    pub uses: Vec<(usize, &'static str, (usize, usize))>,
    state: u64,
    /// What is visible: name and declaration (`None` for what is no local at run time), innermost last.
    visible: Vec<(&'static str, Option<(usize, usize)>)>,
    /// The functions that are open: number, and locals declared in it so far.
    open: Vec<(usize, usize)>,
}

impl Random {
    /// The file of a seed.
    pub fn file(seed: u64) -> Random {
        let mut file = Random {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            functions: 1,
            open: vec![(0, 0)],
            ..Random::default()
        };
        file.block(0);
        file
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % bound
    }

    fn name(&mut self) -> &'static str {
        ["a", "b"][self.below(2) as usize]
    }

    fn write(&mut self, text: &str) {
        self.text.push_str(text);
        let space = if self.below(4) == 0 { "\n" } else { " " };
        self.text.push_str(space);
    }

    fn declare(&mut self, name: &'static str) {
        let (function, locals) = self.open.last_mut().unwrap();
        self.visible.push((name, Some((*function, *locals))));
        *locals += 1;
    }

    /// A local that Lua adds and nobody can name.
    fn hidden(&mut self, count: usize) {
        self.open.last_mut().unwrap().1 += count;
    }

    /// Writes a block; what it declares is invisible afterwards.
    fn block(&mut self, depth: usize) {
        let before = self.visible.len();
        self.statements(depth);
        self.visible.truncate(before);
    }

    fn statements(&mut self, depth: usize) {
        for _ in 0..=self.below(5) {
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: usize) {
        let name = self.name();
        let kinds = if depth < 5 { 12 } else { 4 };
        match self.below(kinds) {
            0 => self.local(name, ""),
            1 => self.local(name, "<close>"),
            2 => self.constant(name),
            3 => self.use_of(name),
            4 => {
                self.write(&format!("local {name} ="));
                self.function(depth);
                self.declare(name);
            }
            5 => {
                self.write(&format!("local function {name}"));
                self.declare(name);
                self.body(depth);
            }
            6 => {
                self.write("do");
                self.block(depth + 1);
                self.write("end");
            }
            7 => self.counting_loop(name, depth),
            8 => self.generic_loop(name, depth),
            9 => self.repeat(name, depth),
            10 => {
                self.write("if x then");
                self.block(depth + 1);
                self.write("else");
                self.block(depth + 1);
                self.write("end");
            }
            _ => {
                self.write("x =");
                self.function(depth);
            }
        }
    }

    fn local(&mut self, name: &'static str, attribute: &str) {
        self.write(&format!("local {name} {attribute} = nil"));
        self.declare(name);
    }

    /// A constant that the compiler folds: no variable at run time.
    fn constant(&mut self, name: &'static str) {
        self.write(&format!("local {name} <const> = 7"));
        self.visible.push((name, None));
    }

    /// A function of its own that uses a variable.
    fn use_of(&mut self, name: &'static str) {
        self.write("x = function() return");
        self.open.push((self.functions, 0));
        self.functions += 1;
        self.mention(name);
        self.open.pop();
        self.write("end");
    }

    /// Uses a variable in the function that is being written.
    fn mention(&mut self, name: &'static str) {
        self.write(name);
        let (function, _) = *self.open.last().unwrap();
        let found = self.visible.iter().rev().find(|(visible, _)| *visible == name);
        if let Some((_, Some(declaration))) = found
            && declaration.0 != function
        {
            self.uses.push((function, name, *declaration));
        }
    }

    fn function(&mut self, depth: usize) {
        self.write("function");
        self.body(depth);
    }

    fn body(&mut self, depth: usize) {
        let before = self.visible.len();
        self.open.push((self.functions, 0));
        self.functions += 1;
        match self.below(4) {
            0 => self.write("(a)"),
            1 => self.write("(a, ...)"),
            2 => self.write("(a, ...b)"),
            _ => self.write("()"),
        }
        if self.text.trim_end().ends_with("(a)") {
            self.declare("a");
        } else if self.text.trim_end().ends_with("(a, ...)") {
            self.declare("a");
            self.hidden(1);
        } else if self.text.trim_end().ends_with("...b)") {
            self.declare("a");
            self.declare("b");
        }
        self.statements(depth + 1);
        self.write("return");
        let name = self.name();
        self.mention(name);
        self.write("end");
        self.open.pop();
        self.visible.truncate(before);
    }

    fn counting_loop(&mut self, name: &'static str, depth: usize) {
        self.write(&format!("for {name} = 1, 2 do"));
        let before = self.visible.len();
        self.hidden(2);
        self.declare(name);
        self.statements(depth + 1);
        self.visible.truncate(before);
        self.write("end");
    }

    fn generic_loop(&mut self, name: &'static str, depth: usize) {
        self.write(&format!("for {name}, b in"));
        self.function(depth);
        self.write("do");
        let before = self.visible.len();
        self.hidden(3);
        self.declare(name);
        self.declare("b");
        self.statements(depth + 1);
        self.visible.truncate(before);
        self.write("end");
    }

    fn repeat(&mut self, name: &'static str, depth: usize) {
        self.write("repeat");
        let before = self.visible.len();
        self.statements(depth + 1);
        self.write("x = nil until (function() return");
        self.open.push((self.functions, 0));
        self.functions += 1;
        self.mention(name);
        self.open.pop();
        self.write("end)()");
        self.visible.truncate(before);
    }
}
