//! Random Lua files that declare, fold, shadow and assign.

use std::fmt::Write;

struct Random {
    text: String,
    state: u64,
}

/// Constants made of each other by every operator.
pub fn constants(seed: u64) -> String {
    let mut random = Random::new(seed);
    for number in 0..20 {
        let _ = write!(random.text, "local k{} <const> = ", number % 4);
        random.constant(3);
        random.text.push('\n');
    }
    random.text
}

/// Names that are declared in every way, and assigned from inside functions.
pub fn assignments(seed: u64) -> String {
    let mut random = Random::new(seed);
    random.text.push_str("global *\n");
    random.block(0);
    random.text
}

impl Random {
    fn new(seed: u64) -> Random {
        Random {
            text: String::new(),
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 8) as usize % bound
    }

    fn one(&mut self, of: &[&str]) {
        let chosen = of[self.below(of.len())];
        self.text.push_str(chosen);
    }

    fn constant(&mut self, depth: usize) {
        match self.below(if depth == 0 { 2 } else { 6 }) {
            0 => self.one(&["0", "1", "-3", "2.5", "0.0", "64", "nil", "true", "false", "'s'", "f()"]),
            1 => self.one(&["k0", "k1", "k2", "k3", "7", "0x7fffffffffffffff"]),
            2 => {
                self.one(&["- ", "not ", "~", "not ", "#"]);
                self.constant(depth - 1);
            }
            3 => {
                self.text.push('(');
                self.constant(depth - 1);
                self.text.push(')');
            }
            _ => {
                self.constant(depth - 1);
                self.one(&[
                    " + ", " - ", " * ", " / ", " // ", " % ", " ^ ", " & ", " | ", " ~ ", " << ", " >> ", " and ",
                    " or ", " and ", " or ", " .. ", " < ", " == ",
                ]);
                self.constant(depth - 1);
            }
        }
    }

    fn name(&mut self) {
        self.one(&["a", "b", "c"]);
    }

    fn block(&mut self, depth: usize) {
        for _ in 0..=self.below(6) {
            self.statement(depth);
            self.one(&[" ", "\n", "; "]);
        }
    }

    fn statement(&mut self, depth: usize) {
        match self.below(if depth < 4 { 14 } else { 6 }) {
            0 => {
                self.text.push_str("local ");
                self.name();
                self.one(&["", ", d", ", a", " <close> = nil, d"]);
                // (To-be-closed variables are not assigned: `d` alone is not in the pool.)
                if self.text.ends_with("> = nil, d") {
                    let start = self.text.rfind("local ").unwrap_or_default();
                    self.text.replace_range(start.., "local e <close> = nil");
                }
            }
            1 => {
                self.text.push_str("local ");
                self.name();
                self.text.push_str(" = ");
                self.value(depth);
            }
            2 => self.assignment(depth),
            3 => {
                self.one(&[
                    "local k <const> = 1",
                    "local k <const> = k",
                    "local <const> k = 'x'",
                    "local k <const> = {}",
                ]);
            }
            4 => {
                self.text.push_str("run(function() function ");
                self.name();
                self.text.push_str("() end end)");
            }
            5 => {
                self.text.push_str("global ");
                self.name();
            }
            6 => {
                self.text.push_str("local function ");
                self.name();
                self.body(depth);
            }
            _ => self.block_statement(depth),
        }
    }

    fn block_statement(&mut self, depth: usize) {
        match self.below(7) {
            0 => self.around("do ", depth, " end"),
            1 => {
                self.text.push_str("for i = 1, ");
                self.value(depth);
                self.around(" do ", depth, " end");
            }
            2 => {
                self.text.push_str("for i, j in ");
                self.value(depth);
                self.around(" do ", depth, " end");
            }
            3 => {
                self.around("repeat ", depth, " until ");
                self.value(depth);
            }
            4 => {
                self.text.push_str("while ");
                self.value(depth);
                self.around(" do ", depth, " end");
            }
            5 => {
                self.text.push_str("if ");
                self.value(depth);
                self.around(" then ", depth, "");
                self.around(" else ", depth, " end");
            }
            _ => {
                self.text.push_str("run(");
                self.value(depth);
                self.text.push(')');
            }
        }
    }

    fn around(&mut self, before: &str, depth: usize, after: &str) {
        self.text.push_str(before);
        self.block(depth + 1);
        self.text.push_str(after);
    }

    /// An assignment in a function of its own, where the compiler writes down which outer variable is meant.
    fn assignment(&mut self, depth: usize) {
        self.text.push_str("run(function() ");
        self.name();
        if self.below(2) == 0 {
            self.text.push_str(", t.x, ");
            self.name();
        }
        self.text.push_str(" = ");
        self.value(depth);
        self.text.push_str(" end)");
    }

    fn value(&mut self, depth: usize) {
        match self.below(6) {
            0 => self.text.push('1'),
            1 => self.one(&["k", "k + 1", "t[k]", "-k"]),
            2 if depth < 4 => {
                self.text.push_str("function");
                self.body(depth);
            }
            3 => {
                self.text.push_str("{ x = ");
                self.name();
                self.text.push_str(" }");
            }
            _ => self.name(),
        }
    }

    fn body(&mut self, depth: usize) {
        self.one(&["()", "(a)", "(b, ...)", "(c, ...v)", "(a, b)"]);
        self.around(" ", depth, " end");
    }
}
