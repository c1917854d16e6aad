//! Statements and expressions, as far as a comparison looks into them.

use std::ops::Range;

use emmylua_parser::{
    BinaryOperator, LuaAstNode, LuaBinaryExpr, LuaCallExpr, LuaCallExprStat, LuaClosureExpr, LuaExpr, LuaStat,
    LuaSyntaxElement, LuaSyntaxKind, LuaSyntaxNode, LuaTableExpr, LuaTokenKind, LuaUnaryExpr, LuaVarExpr,
    UnaryOperator,
};

use crate::patch::syntax::constant::literal_value;
use crate::patch::syntax::function::{field_key, name_of};
use crate::patch::syntax::model::{Expression, Field, Function, Kind, Statement, Target, Value};
use crate::patch::syntax::text::{Text, is_blank};
use crate::patch::syntax::walk::{Step, Walk};
use crate::patch::syntax::written::{callee, required, target};

/// Tables nested deeper than this are not looked into. (The compiler's own limit is 200.)
const MOST_NESTED: usize = 250;

/// Reads statements and expressions of a file whose functions are known.
pub struct Reader<'a> {
    /// The file's text.
    pub text: &'a Text<'a>,
    /// Its functions.
    pub functions: &'a [Function],
}

impl Reader<'_> {
    /// One statement.
    pub fn statement(&self, stat: &LuaStat) -> Statement {
        let range = self.without_semicolon(stat.syntax());
        Statement {
            lines: self.text.lines(&range),
            text: self.normal(stat.syntax(), &range),
            kind: self.kind(stat),
            range,
        }
    }

    fn kind(&self, stat: &LuaStat) -> Kind {
        let known = match stat {
            LuaStat::LocalStat(stat) => Some(Kind::Local {
                names: stat.get_local_name_list().filter_map(|name| name_of(&name)).collect(),
                values: self.expressions(stat.get_value_exprs()),
            }),
            LuaStat::LocalFuncStat(stat) => {
                let name = stat.get_local_name().and_then(|name| name_of(&name));
                let function = self.number(stat.get_closure());
                name.zip(function)
                    .map(|(name, function)| Kind::LocalFunction { name, function })
            }
            LuaStat::FuncStat(stat) => {
                let target = stat.get_func_name().map(|target| self.target(&target));
                let function = self.number(stat.get_closure());
                target
                    .zip(function)
                    .map(|(target, function)| Kind::Function { target, function })
            }
            LuaStat::AssignStat(stat) => {
                let (targets, values) = stat.get_var_and_expr_list();
                Some(Kind::Assign {
                    targets: targets.iter().map(|target| self.target(target)).collect(),
                    values: self.expressions(values),
                })
            }
            LuaStat::ReturnStat(stat) => Some(Kind::Return {
                values: self.expressions(stat.get_expr_list()),
            }),
            LuaStat::CallExprStat(stat) => self.call(stat),
            LuaStat::GlobalStat(_) => Some(Kind::Global),
            LuaStat::DoStat(stat) => stat.get_block().map(|block| Kind::Block {
                statements: block.get_stats().map(|stat| self.statement(&stat)).collect(),
            }),
            _ => None,
        };
        known.unwrap_or(Kind::Other)
    }

    fn call(&self, stat: &LuaCallExprStat) -> Option<Kind> {
        let call = stat.get_call_expr()?;
        Some(Kind::Call {
            callee: callee(self.text, &call),
            arguments: self.expressions(call.get_args_list()?.get_args()),
        })
    }

    /// Each of some expressions.
    pub fn expressions(&self, exprs: impl IntoIterator<Item = LuaExpr>) -> Vec<Expression> {
        exprs.into_iter().map(|expr| self.expression(&expr)).collect()
    }

    fn expression(&self, expr: &LuaExpr) -> Expression {
        self.nested(expr, 0)
    }

    fn nested(&self, expr: &LuaExpr, depth: usize) -> Expression {
        let range = self.text.range(expr.syntax());
        Expression {
            lines: self.text.lines(&range),
            text: self.normal(expr.syntax(), &range),
            value: self.value(expr, depth),
            range,
        }
    }

    fn value(&self, expr: &LuaExpr, depth: usize) -> Value {
        let known = match expr {
            LuaExpr::ClosureExpr(closure) => self.number(Some(closure.clone())).map(Value::Function),
            LuaExpr::TableExpr(table) if depth < MOST_NESTED => Some(Value::Table(self.fields(table, depth))),
            LuaExpr::CallExpr(call) => self.required(call),
            _ => None,
        };
        match known {
            Some(known) => known,
            None if self.is_literal(expr.syntax()) => Value::Literal,
            None => Value::Other,
        }
    }

    fn required(&self, call: &LuaCallExpr) -> Option<Value> {
        required(self.text, call).map(Value::Require)
    }

    fn fields(&self, table: &LuaTableExpr, depth: usize) -> Vec<Field> {
        let mut items = 0;
        let fields = table.get_fields().filter_map(|field| {
            let key = if field.is_value_field() {
                items += 1;
                Some(format!("[{items}]"))
            } else {
                field_key(self.text, &field)
            };
            let value = field.get_value_expr()?;
            Some(Field {
                key,
                value: self.nested(&value, depth + 1),
            })
        });
        fields.collect()
    }

    /// Whether nothing but literals is in it, and operators that are defined for them.
    fn is_literal(&self, node: &LuaSyntaxNode) -> bool {
        node.descendants().all(|node| match node.kind().into() {
            LuaSyntaxKind::LiteralExpr => literal_value(self.text, &node).is_some(),
            LuaSyntaxKind::ParenExpr => true,
            LuaSyntaxKind::UnaryExpr => {
                let token = LuaUnaryExpr::cast(node).and_then(|unary| unary.get_op_token());
                token.is_some_and(|token| token.get_op() != UnaryOperator::OpLen)
            }
            LuaSyntaxKind::BinaryExpr => {
                let token = LuaBinaryExpr::cast(node).and_then(|binary| binary.get_op_token());
                token.is_some_and(|token| computes(token.get_op()))
            }
            _ => false,
        })
    }

    fn number(&self, closure: Option<LuaClosureExpr>) -> Option<usize> {
        let start = self.text.range(closure?.syntax()).start;
        self.function_at(start)
    }

    fn function_at(&self, start: usize) -> Option<usize> {
        self.functions
            .binary_search_by_key(&start, |function| function.range.start)
            .ok()
    }

    fn target(&self, of: &LuaVarExpr) -> Target {
        let (text, path) = target(self.text, &of.to_expr());
        Target {
            text,
            path,
            lines: self.text.lines(&self.text.range(of.syntax())),
        }
    }

    /// Where a statement stands: a semicolon belongs to the node, and with it what comes before it.
    fn without_semicolon(&self, node: &LuaSyntaxNode) -> Range<usize> {
        let range = self.text.range(node);
        let mut token = node.last_token();
        while let Some(last) = token.filter(|last| usize::from(last.text_range().start()) >= range.start) {
            let semicolon = last.kind().to_token() == LuaTokenKind::TkSemicolon;
            if !semicolon && !is_blank(&last) {
                return range.start..last.text_range().end().into();
            }
            token = last.prev_token();
        }
        range
    }

    /// The words in a range of a node, see [`Expression::text`].
    fn normal(&self, node: &LuaSyntaxNode, range: &Range<usize>) -> String {
        let mut words: Vec<String> = Vec::new();
        let mut walk = Walk::new(node.clone());
        while let Some(step) = walk.next() {
            match step {
                Step::Enter(LuaSyntaxElement::Node(node)) if LuaClosureExpr::can_cast(node.kind().into()) => {
                    // In a statement, `function` and its name stand before it.
                    let own_word = Some(()).filter(|()| starts_with_function(&node));
                    if let Some(number) = own_word.and_then(|()| self.function_at(self.text.range(&node).start)) {
                        words.push(format!("function {}", self.functions[number].key));
                    }
                    walk.pass_over();
                }
                Step::Enter(LuaSyntaxElement::Token(token))
                    if !is_blank(&token) && usize::from(token.text_range().end()) <= range.end =>
                {
                    words.push(self.text.token(&token));
                }
                _ => {}
            }
        }
        words.join(" ")
    }
}

fn starts_with_function(closure: &LuaSyntaxNode) -> bool {
    let first = closure.first_token();
    first.is_some_and(|token| token.kind().to_token() == LuaTokenKind::TkFunction)
}

/// Arithmetic on numbers and concatenation.
fn computes(operator: BinaryOperator) -> bool {
    use BinaryOperator as Op;
    matches!(
        operator,
        Op::OpAdd
            | Op::OpSub
            | Op::OpMul
            | Op::OpDiv
            | Op::OpIDiv
            | Op::OpMod
            | Op::OpPow
            | Op::OpBAnd
            | Op::OpBOr
            | Op::OpBXor
            | Op::OpShl
            | Op::OpShr
            | Op::OpConcat
    )
}
