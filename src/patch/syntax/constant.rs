//! Which expressions the compiler makes constants of: `luaK_exp2const`, `constfolding` and the handling of `and`, `or` and `not` in
//! Lua's code generator. A `<const>` local with such a value is no variable at run time.

use emmylua_parser::{
    BinaryOperator, LuaAstNode, LuaBinaryExpr, LuaLiteralExpr, LuaSyntaxElement, LuaSyntaxKind, LuaSyntaxNode,
    LuaTokenKind, LuaUnaryExpr, UnaryOperator,
};

use crate::patch::syntax::literal::{self, Constant, integer_of};
use crate::patch::syntax::text::{Text, is_blank};
use crate::patch::syntax::walk::{Step, Walk};

/// An expression as the code generator knows it: what it is if it is constant, and whether jumps lead out of it with a value that
/// is true, or one that is false.
#[derive(Default)]
struct Operand {
    value: Option<Constant>,
    if_true: bool,
    if_false: bool,
}

/// The constant that an expression is to the compiler; `known` tells the values of other compile-time constants.
pub fn constant(text: &Text, node: &LuaSyntaxNode, known: impl Fn(&str) -> Option<Constant>) -> Option<Constant> {
    let mut operands: Vec<Operand> = Vec::new();
    let mut walk = Walk::new(node.clone());
    while let Some(step) = walk.next() {
        match step {
            Step::Enter(LuaSyntaxElement::Node(node)) => match node.kind().into() {
                LuaSyntaxKind::BinaryExpr | LuaSyntaxKind::UnaryExpr | LuaSyntaxKind::ParenExpr => {}
                kind => {
                    let value = match kind {
                        LuaSyntaxKind::LiteralExpr => literal_value(text, &node),
                        LuaSyntaxKind::NameExpr => known(&node.text().to_string()),
                        _ => None,
                    };
                    operands.push(Operand {
                        value,
                        ..Operand::default()
                    });
                    walk.pass_over();
                }
            },
            Step::Leave(LuaSyntaxElement::Node(node)) => apply(&node, &mut operands),
            _ => {}
        }
    }
    let result = operands.pop()?;
    if result.if_true || result.if_false {
        return None;
    }
    result.value
}

/// The value of a literal; `None` for `...`.
pub fn literal_value(text: &Text, node: &LuaSyntaxNode) -> Option<Constant> {
    LuaLiteralExpr::can_cast(node.kind().into()).then_some(())?;
    let token = node
        .children_with_tokens()
        .filter_map(|it| it.into_token())
        .find(|token| !is_blank(token))?;
    let written = text.bytes(token.text_range().into());
    match token.kind().to_token() {
        LuaTokenKind::TkNil => Some(Constant::Nil),
        LuaTokenKind::TkTrue => Some(Constant::Boolean(true)),
        LuaTokenKind::TkFalse => Some(Constant::Boolean(false)),
        LuaTokenKind::TkInt | LuaTokenKind::TkFloat => literal::number(std::str::from_utf8(written).ok()?),
        LuaTokenKind::TkString | LuaTokenKind::TkLongString => Some(Constant::Text(literal::string(written))),
        _ => None,
    }
}

/// Puts the result of an operator in the place of its operands.
fn apply(node: &LuaSyntaxNode, operands: &mut Vec<Operand>) {
    if let Some(unary) = LuaUnaryExpr::cast(node.clone()) {
        let operand = operands.pop().unwrap_or_default();
        let operator = unary
            .get_op_token()
            .map_or(UnaryOperator::OpNop, |token| token.get_op());
        operands.push(apply_unary(operator, operand));
    } else if let Some(binary) = LuaBinaryExpr::cast(node.clone()) {
        let (right, left) = (operands.pop().unwrap_or_default(), operands.pop().unwrap_or_default());
        let operator = binary
            .get_op_token()
            .map_or(BinaryOperator::OpNop, |token| token.get_op());
        operands.push(apply_binary(operator, left, right));
    }
}

fn apply_unary(operator: UnaryOperator, operand: Operand) -> Operand {
    let folded = match operator {
        UnaryOperator::OpNot => {
            return Operand {
                value: operand.value.map(|value| Constant::Boolean(!is_true(&value))),
                if_true: operand.if_false,
                if_false: operand.if_true,
            };
        }
        UnaryOperator::OpUnm => match operand.number() {
            Some(Constant::Integer(value)) => Some(Constant::Integer(value.wrapping_neg())),
            Some(Constant::Float(value)) => float(-value),
            _ => None,
        },
        UnaryOperator::OpBNot => operand
            .number()
            .and_then(integer)
            .map(|value| Constant::Integer(!value)),
        _ => None,
    };
    Operand {
        value: folded,
        ..Operand::default()
    }
}

fn apply_binary(operator: BinaryOperator, left: Operand, right: Operand) -> Operand {
    match operator {
        // The left operand's constant decides only whether a jump is needed after it; what remains is the right operand.
        BinaryOperator::OpAnd => {
            let never_leaves = left.value.as_ref().is_some_and(is_true);
            Operand {
                if_false: right.if_false || left.if_false || !never_leaves,
                ..right
            }
        }
        BinaryOperator::OpOr => {
            let never_leaves = left.value.as_ref().is_some_and(|value| !is_true(value));
            Operand {
                if_true: right.if_true || left.if_true || !never_leaves,
                ..right
            }
        }
        _ => {
            let folded = left.number().zip(right.number());
            Operand {
                value: folded.and_then(|(left, right)| arithmetic(operator, left, right)),
                ..Operand::default()
            }
        }
    }
}

impl Operand {
    /// The number that it is, if no jump leads out of it.
    fn number(&self) -> Option<Constant> {
        let number = matches!(self.value, Some(Constant::Integer(_) | Constant::Float(_)));
        (number && !self.if_true && !self.if_false).then(|| self.value.clone())?
    }
}

fn is_true(value: &Constant) -> bool {
    !matches!(value, Constant::Nil | Constant::Boolean(false))
}

fn integer(value: Constant) -> Option<i64> {
    match value {
        Constant::Integer(value) => Some(value),
        Constant::Float(value) => integer_of(value),
        _ => None,
    }
}

/// A float result; zero is not folded because of its sign, and not-a-number is not either.
fn float(value: f64) -> Option<Constant> {
    (value != 0.0 && !value.is_nan()).then_some(Constant::Float(value))
}

fn arithmetic(operator: BinaryOperator, left: Constant, right: Constant) -> Option<Constant> {
    use BinaryOperator as Op;
    let bits = match operator {
        Op::OpBAnd => Some((|a, b| a & b) as fn(i64, i64) -> i64),
        Op::OpBOr => Some((|a, b| a | b) as _),
        Op::OpBXor => Some((|a, b| a ^ b) as _),
        Op::OpShl => Some(shift_left as _),
        Op::OpShr => Some((|a, b: i64| shift_left(a, b.wrapping_neg())) as _),
        _ => None,
    };
    if let Some(bits) = bits {
        return Some(Constant::Integer(bits(integer(left)?, integer(right)?)));
    }
    if let (&Constant::Integer(a), &Constant::Integer(b)) = (&left, &right) {
        match operator {
            Op::OpAdd => return Some(Constant::Integer(a.wrapping_add(b))),
            Op::OpSub => return Some(Constant::Integer(a.wrapping_sub(b))),
            Op::OpMul => return Some(Constant::Integer(a.wrapping_mul(b))),
            Op::OpIDiv | Op::OpMod if b == 0 => return None,
            Op::OpIDiv => return Some(Constant::Integer(floor_divide(a, b))),
            Op::OpMod => return Some(Constant::Integer(a.wrapping_sub(floor_divide(a, b).wrapping_mul(b)))),
            _ => {}
        }
    }
    let (a, b) = (as_float(left)?, as_float(right)?);
    let result = match operator {
        Op::OpAdd => a + b,
        Op::OpSub => a - b,
        Op::OpMul => a * b,
        Op::OpPow => a.powf(b),
        Op::OpDiv | Op::OpIDiv | Op::OpMod if b == 0.0 => return None,
        Op::OpDiv => a / b,
        Op::OpIDiv => (a / b).floor(),
        Op::OpMod => match a % b {
            rest if rest * b < 0.0 => rest + b,
            rest => rest,
        },
        _ => return None,
    };
    float(result)
}

fn as_float(value: Constant) -> Option<f64> {
    match value {
        Constant::Integer(value) => Some(value as f64),
        Constant::Float(value) => Some(value),
        _ => None,
    }
}

fn shift_left(value: i64, by: i64) -> i64 {
    let bits = value as u64;
    let shifted = match by {
        0..64 => bits << by,
        -63..0 => bits >> -by,
        _ => 0,
    };
    shifted as i64
}

/// Division towards minus infinity.
fn floor_divide(a: i64, b: i64) -> i64 {
    let (quotient, rest) = (a.wrapping_div(b), a.wrapping_rem(b));
    if rest != 0 && (rest ^ b) < 0 {
        quotient - 1
    } else {
        quotient
    }
}
