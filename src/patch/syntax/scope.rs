//! One walk through a file that resolves every name: which variable it means, who assigns it, and what each function does itself.

use emmylua_parser::{
    LuaAssignStat, LuaAstNode, LuaBlock, LuaCallExpr, LuaChunk, LuaClosureExpr, LuaForRangeStat, LuaForStat,
    LuaFuncStat, LuaGlobalStat, LuaLocalAttribute, LuaLocalFuncStat, LuaLocalName, LuaLocalStat, LuaLoopStat,
    LuaNameExpr, LuaStat, LuaSyntaxElement, LuaSyntaxKind, LuaSyntaxNode, LuaSyntaxToken, LuaTokenKind, LuaVarExpr,
};
use rustc_hash::FxHashSet;

use crate::patch::syntax::constant::constant;
use crate::patch::syntax::function::name_of;
use crate::patch::syntax::literal::Constant;
use crate::patch::syntax::model::{Body, Call, Declaration, Function, Kind, Local, Read, Statement};
use crate::patch::syntax::names::{Meaning, Names};
use crate::patch::syntax::part::Reader;
use crate::patch::syntax::text::{Text, token_of};
use crate::patch::syntax::walk::{Step, Walk};
use crate::patch::syntax::written::callee;

/// What the walk found.
#[derive(Default)]
pub struct Found {
    /// As [`crate::patch::syntax::Outline::bodies`].
    pub bodies: Vec<Body>,
    /// As [`crate::patch::syntax::Outline::locals`].
    pub locals: Vec<Local>,
    /// As [`crate::patch::syntax::Outline::reads`].
    pub reads: Vec<Read>,
    /// As [`crate::patch::syntax::Outline::writes`].
    pub writes: Vec<String>,
}

/// Walks through a file whose functions are known.
pub fn resolve(text: &Text, functions: &[Function], chunk: &LuaChunk) -> Found {
    let mut scopes = Scopes {
        reader: Reader { text, functions },
        found: Found {
            bodies: vec![Body::default(); functions.len() + 1],
            ..Found::default()
        },
        around: vec![Around { body: 0, blocks: 0 }],
        next_body: 1,
        names: Names::default(),
        targets: FxHashSet::default(),
        read: FxHashSet::default(),
        written: FxHashSet::default(),
    };
    for step in Walk::new(chunk.syntax().clone()) {
        match step {
            Step::Enter(LuaSyntaxElement::Node(node)) => scopes.enter(node),
            Step::Leave(LuaSyntaxElement::Node(node)) => scopes.leave(node),
            Step::Enter(LuaSyntaxElement::Token(token)) if token.kind().to_token() == LuaTokenKind::TkDo => {
                scopes.begin_loop(&token);
            }
            _ => {}
        }
    }
    scopes.found.locals = scopes.visible_locals();
    scopes.found
}

struct Scopes<'a> {
    reader: Reader<'a>,
    found: Found,
    /// The functions around this place.
    around: Vec<Around>,
    next_body: usize,
    names: Names,
    /// Offsets of the names that the assignments around this place assign.
    targets: FxHashSet<usize>,
    /// The names in `found.reads`.
    read: FxHashSet<String>,
    /// The names in `found.writes`.
    written: FxHashSet<String>,
}

/// A function around the walk's place.
struct Around {
    body: usize,
    /// How many blocks were open with its outermost.
    blocks: usize,
}

impl Scopes<'_> {
    fn enter(&mut self, node: LuaSyntaxNode) {
        let kind: LuaSyntaxKind = node.kind().into();
        if let Some(stat) = LuaStat::cast(node.clone()).filter(|_| is_outermost(&node)) {
            let statement = self.reader.statement(&stat);
            self.body().statements.push(statement);
        }
        if LuaLoopStat::can_cast(kind) {
            let lines = self.reader.text.lines(&self.reader.text.range(&node));
            self.body().loops.push(lines);
        }
        match kind {
            LuaSyntaxKind::ClosureExpr => self.begin_function(node),
            LuaSyntaxKind::Block if is_own_block(&node) => self.names.open(),
            LuaSyntaxKind::RepeatStat => self.names.open(),
            LuaSyntaxKind::LocalFuncStat => self.local_function(node),
            LuaSyntaxKind::FuncStat => self.function_statement(node),
            LuaSyntaxKind::AssignStat => self.assignment(node),
            LuaSyntaxKind::NameExpr => self.name(node),
            _ if LuaCallExpr::can_cast(kind) => self.call(node),
            _ => {}
        }
    }

    fn leave(&mut self, node: LuaSyntaxNode) {
        match node.kind().into() {
            LuaSyntaxKind::ClosureExpr => {
                self.names.close();
                self.around.pop();
            }
            LuaSyntaxKind::Block if is_own_block(&node) => self.names.close(),
            LuaSyntaxKind::RepeatStat => self.names.close(),
            LuaSyntaxKind::ForStat | LuaSyntaxKind::ForRangeStat if loop_body(&node).is_some() => self.names.close(),
            LuaSyntaxKind::LocalStat => self.local(node),
            LuaSyntaxKind::GlobalStat => self.global(node),
            _ => {}
        }
    }

    fn number(&self) -> usize {
        self.around.last().map_or(0, |around| around.body)
    }

    fn body(&mut self) -> &mut Body {
        let number = self.number();
        &mut self.found.bodies[number]
    }

    fn declare(&mut self, name: String, at: usize, rest: Declaration, value: Option<Constant>) {
        let declaration = Declaration {
            name: name.clone(),
            line: self.reader.text.line(at),
            folded: value.is_some(),
            outermost: self
                .around
                .last()
                .is_some_and(|around| around.blocks == self.names.blocks()),
            ..rest
        };
        let number = self.number();
        let declarations = &mut self.found.bodies[number].declarations;
        declarations.push(declaration);
        let place = declarations.len() - 1;
        self.names.mean(name, Meaning::Local(number, place, value));
    }

    fn declare_plain(&mut self, name: String, at: usize) {
        self.declare(name, at, Declaration::default(), None);
    }

    fn begin_function(&mut self, node: LuaSyntaxNode) {
        let body = self.next_body;
        self.next_body += 1;
        self.names.open();
        let blocks = self.names.blocks();
        self.around.push(Around { body, blocks });
        let list = LuaClosureExpr::cast(node).and_then(|closure| closure.get_params_list());
        let Some(list) = list else { return };
        let params = list.get_params().collect::<Vec<_>>();
        // One more than is written: the `self` of a method.
        if self.reader.functions[body - 1].params.len() > params.len() {
            self.declare_plain("self".to_owned(), list.syntax().text_range().start().into());
        }
        for token in params.iter().filter_map(|param| token_of(param, LuaTokenKind::TkName)) {
            self.declare_plain(token.text().to_owned(), token.text_range().start().into());
        }
    }

    fn begin_loop(&mut self, word: &LuaSyntaxToken) {
        let Some(stat) = word.parent().filter(|stat| loop_body(stat).as_ref() == Some(word)) else {
            return;
        };
        self.names.open();
        let names = stat.children_with_tokens().filter_map(|it| it.into_token());
        for token in names.filter(|token| token.kind().to_token() == LuaTokenKind::TkName) {
            self.declare_plain(token.text().to_owned(), token.text_range().start().into());
        }
    }

    fn local_function(&mut self, node: LuaSyntaxNode) {
        let name = LuaLocalFuncStat::cast(node.clone()).and_then(|stat| stat.get_local_name());
        let Some((name, at)) = name.and_then(|name| named(&name)) else {
            return;
        };
        let declaration = Declaration {
            statement: self.statement_of(&node),
            ..Declaration::default()
        };
        self.declare(name, at, declaration, None);
    }

    fn local(&mut self, node: LuaSyntaxNode) {
        let Some(stat) = LuaLocalStat::cast(node.clone()) else {
            return;
        };
        let (names, values): (Vec<_>, Vec<_>) =
            (stat.get_local_name_list().collect(), stat.get_value_exprs().collect());
        let statement = self.statement_of(&node);
        let initial = match statement.and_then(|number| self.body().statements.get(number)) {
            Some(Statement {
                kind: Kind::Local { values, .. },
                ..
            }) => values.clone(),
            _ => self.reader.expressions(values.iter().cloned()),
        };
        let mut initial = initial.into_iter();
        let last_value = values.last().filter(|_| names.len() == values.len());
        let last_value = last_value.and_then(|value| {
            constant(self.reader.text, value.syntax(), |name| {
                match self.names.meaning(name)? {
                    Meaning::Local(_, _, value) => value.clone(),
                    Meaning::Global => None,
                }
            })
        });
        for (place, declared) in names.iter().enumerate() {
            let attribute = declared.get_attrib().or_else(|| stat.get_attrib());
            let is_const = attribute.as_ref().is_some_and(LuaLocalAttribute::is_const);
            let declaration = Declaration {
                fixed: attribute.is_some(),
                initial: initial.next(),
                statement,
                ..Declaration::default()
            };
            let value = last_value.clone().filter(|_| is_const && place + 1 == names.len());
            if let Some((name, at)) = named(declared) {
                self.declare(name, at, declaration, value);
            }
        }
    }

    fn global(&mut self, node: LuaSyntaxNode) {
        let Some(stat) = LuaGlobalStat::cast(node) else { return };
        let assigned = token_of(&stat, LuaTokenKind::TkAssign).is_some();
        for (name, _) in stat.get_local_name_list().filter_map(|name| named(&name)) {
            self.names.mean(name.clone(), Meaning::Global);
            if assigned {
                self.write(name);
            }
        }
    }

    /// `global function f` declares its name before its body.
    fn function_statement(&mut self, node: LuaSyntaxNode) {
        let Some(stat) = LuaFuncStat::cast(node) else { return };
        let global = token_of(&stat, LuaTokenKind::TkGlobal).is_some();
        if let (true, Some(LuaVarExpr::NameExpr(name))) = (global, stat.get_func_name()) {
            self.names
                .mean(name.get_name_text().unwrap_or_default(), Meaning::Global);
        }
    }

    fn assignment(&mut self, node: LuaSyntaxNode) {
        let Some(stat) = LuaAssignStat::cast(node) else { return };
        for target in stat.get_var_and_expr_list().0 {
            if let LuaVarExpr::NameExpr(name) = target {
                self.targets.insert(name.syntax().text_range().start().into());
            }
        }
    }

    fn name(&mut self, node: LuaSyntaxNode) {
        let at: usize = node.text_range().start().into();
        let names_function = node
            .parent()
            .is_some_and(|around| LuaFuncStat::can_cast(around.kind().into()));
        let Some(name) = LuaNameExpr::cast(node).and_then(|name| name.get_name_text()) else {
            return;
        };
        if self.targets.remove(&at) || names_function {
            self.write(name);
        } else if self.names.meaning(&name).is_none() && self.read.insert(name.clone()) {
            let line = self.reader.text.line(at) as usize;
            self.found.reads.push(Read { name, line });
        }
    }

    fn write(&mut self, name: String) {
        if let Some(&Meaning::Local(body, place, _)) = self.names.meaning(&name) {
            self.found.bodies[body].declarations[place].assigned = true;
        } else if name != "_ENV" && self.written.insert(name.clone()) {
            // (`_ENV`, in which globals are looked up, is none itself.)
            self.found.writes.push(name);
        }
    }

    fn call(&mut self, node: LuaSyntaxNode) {
        let text = self.reader.text;
        let last_line = text.lines(&text.range(&node)).1;
        let Some(call) = LuaCallExpr::cast(node) else { return };
        let word = call.get_prefix_expr().map(|prefix| text.range(prefix.syntax()));
        let call = Call {
            name: callee(text, &call),
            line: word.map_or(last_line, |word| text.lines(&word).1),
            last_line,
        };
        self.body().calls.push(call);
    }

    /// The number of the outermost statement that this one is.
    fn statement_of(&mut self, node: &LuaSyntaxNode) -> Option<usize> {
        is_outermost(node).then(|| self.body().statements.len().checked_sub(1))?
    }

    /// The file-level locals that a further statement of the file would see.
    fn visible_locals(&self) -> Vec<Local> {
        let declarations = self
            .found
            .bodies
            .first()
            .map(|body| body.declarations.iter().enumerate());
        let visible = declarations.into_iter().flatten().filter(|(number, declaration)| {
            let meaning = self.names.meaning(&declaration.name);
            matches!(meaning, Some(&Meaning::Local(0, place, _)) if place == *number)
        });
        let local = |(_, declaration): (usize, &Declaration)| Local {
            name: declaration.name.clone(),
            fixed: declaration.fixed,
        };
        visible.map(local).collect()
    }
}

/// Whether a statement stands in the outermost block of its function.
fn is_outermost(stat: &LuaSyntaxNode) -> bool {
    let block = stat.parent().filter(|block| LuaBlock::can_cast(block.kind().into()));
    let around = block.and_then(|block| block.parent());
    around.is_some_and(|around| {
        let kind: LuaSyntaxKind = around.kind().into();
        matches!(kind, LuaSyntaxKind::Chunk | LuaSyntaxKind::ClosureExpr)
    })
}

/// Whether names that are declared in a block are forgotten at its very end: not in a function's, which ends with the function, nor
/// in that of a loop whose variables or condition belong to it.
fn is_own_block(block: &LuaSyntaxNode) -> bool {
    let around = block.parent().map(|around| around.kind().into());
    !matches!(
        around,
        Some(
            LuaSyntaxKind::Chunk
                | LuaSyntaxKind::ClosureExpr
                | LuaSyntaxKind::RepeatStat
                | LuaSyntaxKind::ForStat
                | LuaSyntaxKind::ForRangeStat
        )
    )
}

/// The `do` of a `for` loop, where its variables begin.
fn loop_body(stat: &LuaSyntaxNode) -> Option<LuaSyntaxToken> {
    let range = LuaForRangeStat::cast(stat.clone()).and_then(|stat| token_of(&stat, LuaTokenKind::TkDo));
    range.or_else(|| token_of(&LuaForStat::cast(stat.clone())?, LuaTokenKind::TkDo))
}

fn named(name: &LuaLocalName) -> Option<(String, usize)> {
    Some((name_of(name)?, name.syntax().text_range().start().into()))
}
