//! A random service, as data that a random edit can change: what it is made of, and the first version of one.

use std::collections::BTreeSet;

use fastrand::Rng;

/// One version of a service's file.
#[derive(Clone, Debug)]
pub struct Service {
    /// What stands in the file, in order.
    pub items: Vec<Item>,
    /// The number of the next name: no name is given twice.
    pub next: u32,
    /// A word in the dispatch handler.
    pub handler: u32,
}

/// Something at the level of the file.
#[derive(Clone, Debug)]
pub enum Item {
    /// `local k_1, c_2 <const> = 1, "x"`; the letter tells what it is: see [`Service::name`].
    Local(Vec<(String, String)>),
    /// `local t_1 = {…}` or `M.t_1 = {…}`.
    Table(Table),
    /// A function of `M`, a method, or a local function.
    Function(String, Style, Function),
    /// A local that only these functions of `M` have, in a block of its own or hiding another of that name.
    Cell {
        name: String,
        initial: String,
        block: bool,
        functions: Vec<(String, Function)>,
    },
    /// `local a` … `function a() … end`: two functions that know each other.
    Mutual([(String, Function); 2]),
    /// A function of `M` that makes functions.
    Factory(Factory),
    /// Lines without meaning.
    Noise(String),
}

/// How a function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `local function f() … end`
    Local,
    /// `local f = function() … end`
    LocalValue,
    /// `function M.f() … end`
    Field,
    /// `M.f = function() … end`
    FieldValue,
    /// `function M:f() … end`
    Method,
}

/// A table with data and functions.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub of_module: bool,
    pub data: Vec<(String, String)>,
    pub functions: Vec<(String, Function)>,
}

/// A function's body: its word, its arguments, and what it uses.
#[derive(Clone, Debug)]
pub struct Function {
    pub word: u32,
    /// It calls functions of lower levels only.
    pub level: u8,
    pub params: Vec<String>,
    pub vararg: bool,
    /// It calls itself (a local function only).
    pub recursive: bool,
    pub uses: Vec<Use>,
    /// Comments in it.
    pub notes: u32,
}

/// A use of a name.
#[derive(Clone, Debug)]
pub struct Use {
    /// The item's name.
    pub root: String,
    /// The expression.
    pub text: String,
    pub how: How,
}

/// What is done with what is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Read,
    /// It gets another value first.
    Bump,
    Call,
}

/// A function that makes others.
#[derive(Clone, Debug)]
pub struct Factory {
    pub name: String,
    pub shape: Shape,
    pub cells: Vec<(String, String)>,
    /// Of the second level, in a factory of two.
    pub inner_cells: Vec<(String, String)>,
    pub made: Vec<(String, Function)>,
    /// What it does itself (in one of two levels, the middle one).
    pub itself: Function,
}

/// What a factory gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `return function() … end`
    One,
    /// Local functions, then a table of them.
    Locals,
    /// A table of functions.
    Table,
    /// A list of functions that a loop makes, each with the loop's variable.
    Loop,
    /// A function that gives a table of functions.
    TwoLevels,
}

impl Service {
    /// A service with some of everything.
    pub fn random(rng: &mut Rng) -> Service {
        let mut service = Service {
            items: Vec::new(),
            next: 1,
            handler: 1,
        };
        for _ in 0..rng.usize(2..5) {
            service.add_local(rng);
        }
        for _ in 0..rng.usize(6..14) {
            let at = service.items.len();
            service.add_something(rng, at);
        }
        service
    }

    /// A new name. `k`: a literal that nothing assigns; `c`: a constant; `g`, `s`, `b`: state; `t`: a table; `l`: a local function; `f`,
    /// `m`, `d`: of `M`; `mk`, `mm`: a factory; `uo`, `ui`: a factory's variable, `in`: what it makes.
    pub fn name(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}_{}", self.next)
    }

    pub fn add_local(&mut self, rng: &mut Rng) -> String {
        let at = self.items.len();
        self.add_local_at(rng, at)
    }

    /// A new local of the file; its name.
    pub fn add_local_at(&mut self, rng: &mut Rng, at: usize) -> String {
        let count = if rng.u8(..4) == 0 { 2 } else { 1 };
        let mut bindings = Vec::new();
        for _ in 0..count {
            let kind = ["k", "k", "c", "g", "g", "s", "b"][rng.usize(..7)];
            bindings.push((self.name(kind), literal(rng, kind)));
        }
        let name = bindings[0].0.clone();
        self.items.insert(at, Item::Local(bindings));
        name
    }

    /// Something new at a place.
    pub fn add_something(&mut self, rng: &mut Rng, at: usize) {
        match rng.u8(..14) {
            0 => drop(self.add_local_at(rng, at)),
            1 | 2 => self.add_table(rng, at),
            3..=8 => self.add_function(rng, at),
            9 => self.add_cells(rng, at),
            10 => self.add_mutual(rng, at),
            _ => self.add_factory(rng, at),
        }
    }

    pub fn add_function(&mut self, rng: &mut Rng, at: usize) {
        let styles = [
            Style::Local,
            Style::LocalValue,
            Style::Field,
            Style::Field,
            Style::FieldValue,
            Style::Method,
        ];
        let style = styles[rng.usize(..styles.len())];
        let is_local = matches!(style, Style::Local | Style::LocalValue);
        let level = if is_local { rng.u8(..2) } else { rng.u8(1..3) };
        let kind = match style {
            Style::Method => "m",
            _ if is_local => "l",
            _ => "f",
        };
        let mut function = self.function(rng, at, level, &[]);
        function.recursive = style == Style::Local && rng.u8(..3) == 0;
        let name = self.name(kind);
        self.items.insert(at, Item::Function(name, style, function));
    }

    fn add_table(&mut self, rng: &mut Rng, at: usize) {
        let name = self.name("t");
        let (mut data, mut functions) = (Vec::new(), Vec::new());
        for _ in 0..rng.usize(1..4) {
            data.push((self.name("x"), rng.u32(..90).to_string()));
        }
        for _ in 0..rng.usize(..3) {
            let function = self.function(rng, at, 1, &[]);
            functions.push((self.name("h"), function));
        }
        self.items.insert(
            at,
            Item::Table(Table {
                name,
                of_module: rng.bool(),
                data,
                functions,
            }),
        );
    }

    /// Two blocks, each with a local of the same name.
    fn add_cells(&mut self, rng: &mut Rng, at: usize) {
        let (name, block) = (self.name("cell"), rng.bool());
        for _ in 0..2 {
            let mut functions = Vec::new();
            for number in 0..rng.usize(1..3) {
                let mut function = self.function(rng, at, 1, &[]);
                let how = if number == 0 { How::Bump } else { How::Read };
                function.uses.push(Use {
                    root: name.clone(),
                    text: name.clone(),
                    how,
                });
                functions.push((self.name("d"), function));
            }
            let initial = rng.u32(..90).to_string();
            self.items.insert(
                at,
                Item::Cell {
                    name: name.clone(),
                    initial,
                    block,
                    functions,
                },
            );
        }
    }

    fn add_mutual(&mut self, rng: &mut Rng, at: usize) {
        let pair = [(); 2].map(|()| {
            let mut function = self.function(rng, at, 0, &[]);
            function.params = vec!["n".into()];
            (self.name("l"), function)
        });
        self.items.insert(at, Item::Mutual(pair));
    }

    fn add_factory(&mut self, rng: &mut Rng, at: usize) {
        let shape = [Shape::One, Shape::Locals, Shape::Table, Shape::Loop, Shape::TwoLevels][rng.usize(..5)];
        let name = self.name(if shape == Shape::TwoLevels { "mm" } else { "mk" });
        let parameter = self.name("uo");
        let mut cells = vec![(parameter, String::new())];
        for _ in 0..rng.usize(1..3) {
            cells.push((self.name("uo"), rng.u32(..90).to_string()));
        }
        let mut itself = self.function(rng, at, 2, &[]);
        itself.params.clear();
        itself.vararg = false;
        let mut inner_cells = Vec::new();
        if matches!(shape, Shape::TwoLevels | Shape::Loop) {
            inner_cells.push((self.name("ui"), String::new()));
        }
        if shape == Shape::TwoLevels {
            inner_cells.push((self.name("ui"), rng.u32(..90).to_string()));
        }
        let mut factory = Factory {
            name,
            shape,
            cells,
            inner_cells,
            made: Vec::new(),
            itself,
        };
        let count = if matches!(shape, Shape::One | Shape::Loop) {
            1
        } else {
            rng.usize(1..4)
        };
        for _ in 0..count {
            let made = self.made(rng, at, &factory);
            factory.made.push(made);
        }
        self.items.insert(at, Item::Factory(factory));
    }

    /// One more function that a factory makes.
    pub fn made(&mut self, rng: &mut Rng, at: usize, factory: &Factory) -> (String, Function) {
        let cells: Vec<String> = factory
            .cells
            .iter()
            .chain(&factory.inner_cells)
            .map(|(name, _)| name.clone())
            .collect();
        let function = self.function(rng, at, 1, &cells);
        (self.name("in"), function)
    }

    /// A function of one level at a place; it uses some of `cells` surely.
    pub fn function(&mut self, rng: &mut Rng, at: usize, level: u8, cells: &[String]) -> Function {
        let mut uses = Vec::new();
        for cell in cells {
            if rng.u8(..4) > 0 {
                let how = if rng.bool() { How::Bump } else { How::Read };
                uses.push(Use {
                    root: cell.clone(),
                    text: cell.clone(),
                    how,
                });
            }
        }
        let known = self.visible(at, level);
        for _ in 0..rng.usize(..4) {
            if !known.is_empty() {
                uses.push(known[rng.usize(..known.len())].clone());
            }
        }
        self.next += 1;
        Function {
            word: self.next,
            level,
            params: ["a", "b", "c"][..rng.usize(1..4)]
                .iter()
                .map(|p| (*p).to_owned())
                .collect(),
            vararg: rng.u8(..4) == 0,
            recursive: false,
            uses,
            notes: 0,
        }
    }

    /// What a function of this level can use at a place.
    pub fn visible(&self, at: usize, level: u8) -> Vec<Use> {
        let mut found = Vec::new();
        let mut add = |root: &str, text: String, hows: &[How]| {
            found.extend(hows.iter().map(|how| Use {
                root: root.to_owned(),
                text: text.clone(),
                how: *how,
            }));
        };
        for (number, item) in self.items.iter().enumerate() {
            let before = number < at;
            match item {
                Item::Local(bindings) if before => {
                    for (name, _) in bindings {
                        add(
                            name,
                            name.clone(),
                            if is_state(name) {
                                &[How::Read, How::Bump]
                            } else {
                                &[How::Read]
                            },
                        );
                    }
                }
                Item::Table(table) if before || table.of_module => {
                    let path = if table.of_module {
                        format!("M.{}", table.name)
                    } else {
                        table.name.clone()
                    };
                    for (key, _) in &table.data {
                        add(&table.name, format!("{path}.{key}"), &[How::Read, How::Bump]);
                    }
                    for (key, function) in &table.functions {
                        if function.level < level {
                            add(&table.name, format!("{path}.{key}"), &[How::Call]);
                        }
                    }
                }
                Item::Function(name, style, function) if function.level < level => match style {
                    Style::Local | Style::LocalValue if before => add(name, name.clone(), &[How::Call]),
                    Style::Field | Style::FieldValue => add(name, format!("M.{name}"), &[How::Call]),
                    Style::Method => add(name, format!("M:{name}"), &[How::Call]),
                    _ => {}
                },
                Item::Mutual(pair) if before && level > 0 => add(&pair[1].0, pair[1].0.clone(), &[How::Call]),
                _ => {}
            }
        }
        found
    }
}

/// Whether functions may assign the variable.
pub fn is_state(name: &str) -> bool {
    name.starts_with("g_") || name.starts_with("s_") || name.starts_with("b_")
}

/// A literal for a variable of this kind.
pub fn literal(rng: &mut Rng, kind: &str) -> String {
    let number = rng.u32(..90);
    match kind {
        "g" => number.to_string(),
        "s" => format!("\"s{number}\""),
        "b" => rng.bool().to_string(),
        _ => match rng.u8(..6) {
            0 | 1 => number.to_string(),
            2 => format!("\"w{number}\""),
            3 => format!("{number}.5"),
            4 => rng.bool().to_string(),
            _ => format!("-{number} * 2"),
        },
    }
}

impl Item {
    /// The names of the file's locals that it declares.
    pub fn declares(&self) -> Vec<&str> {
        match self {
            Item::Local(bindings) => bindings.iter().map(|(name, _)| name.as_str()).collect(),
            Item::Table(table) if !table.of_module => vec![&table.name],
            Item::Function(name, Style::Local | Style::LocalValue, _) => vec![name],
            Item::Mutual(pair) => pair.iter().map(|(name, _)| name.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    /// Its functions.
    pub fn functions(&self) -> Vec<&Function> {
        match self {
            Item::Local(_) | Item::Noise(_) => Vec::new(),
            Item::Table(Table { functions, .. }) | Item::Cell { functions, .. } => {
                functions.iter().map(|(_, f)| f).collect()
            }
            Item::Function(_, _, function) => vec![function],
            Item::Mutual(pair) => pair.iter().map(|(_, f)| f).collect(),
            Item::Factory(factory) => [&factory.itself]
                .into_iter()
                .chain(factory.made.iter().map(|(_, f)| f))
                .collect(),
        }
    }

    /// As [`Item::functions`], to change them.
    pub fn functions_mut(&mut self) -> Vec<&mut Function> {
        match self {
            Item::Local(_) | Item::Noise(_) => Vec::new(),
            Item::Table(Table { functions, .. }) | Item::Cell { functions, .. } => {
                functions.iter_mut().map(|(_, f)| f).collect()
            }
            Item::Function(_, _, function) => vec![function],
            Item::Mutual(pair) => pair.iter_mut().map(|(_, f)| f).collect(),
            Item::Factory(factory) => [&mut factory.itself]
                .into_iter()
                .chain(factory.made.iter_mut().map(|(_, f)| f))
                .collect(),
        }
    }

    /// The names that it uses as locals of the file.
    pub fn needs(&self) -> BTreeSet<&str> {
        let uses = self.functions().into_iter().flat_map(|function| &function.uses);
        uses.filter(|u| !u.text.starts_with("M"))
            .map(|u| u.root.as_str())
            .collect()
    }
}
