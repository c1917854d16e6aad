//! Expressions as names: callees, targets and keys without spaces, so that what means the same is written the same.

use emmylua_parser::{
    LuaAstNode, LuaCallExpr, LuaExpr, LuaIndexExpr, LuaSyntaxElement, LuaSyntaxKind, LuaSyntaxNode, LuaTokenKind,
};

use crate::patch::syntax::constant::{constant, literal_value};
use crate::patch::syntax::literal::{Constant, quoted};
use crate::patch::syntax::model::Path;
use crate::patch::syntax::text::{Text, is_blank};
use crate::patch::syntax::walk::{Step, Walk};

/// The words of a node without spaces, functions and tables in it emptied.
pub fn code(text: &Text, node: &LuaSyntaxNode) -> String {
    let mut code = String::new();
    let mut walk = Walk::new(node.clone());
    while let Some(step) = walk.next() {
        match step {
            Step::Enter(LuaSyntaxElement::Node(node)) => {
                let instead = match node.kind().into() {
                    LuaSyntaxKind::ClosureExpr => "function",
                    LuaSyntaxKind::TableArrayExpr | LuaSyntaxKind::TableObjectExpr => "{}",
                    _ => continue,
                };
                code.push_str(instead);
                walk.pass_over();
            }
            Step::Enter(LuaSyntaxElement::Token(token)) if !is_blank(&token) => {
                let word = text.token(&token);
                let letters = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                if letters(code.chars().next_back()) && letters(word.chars().next()) {
                    code.push(' ');
                }
                code.push_str(&word);
            }
            _ => {}
        }
    }
    code
}

/// A name with its indices and calls, `a.b["x y"]("lit")`: constant keys in their one form, of arguments only the literal ones.
pub fn written(text: &Text, expr: &LuaExpr) -> String {
    let mut parts = Vec::new();
    let mut inner = expr.clone();
    loop {
        let prefix = match &inner {
            LuaExpr::IndexExpr(index) => {
                parts.push(index_text(text, index));
                index.get_prefix_expr()
            }
            LuaExpr::CallExpr(call) => {
                parts.push(format!("({})", literal_arguments(text, call).join(", ")));
                call.get_prefix_expr()
            }
            other => {
                parts.push(code(text, other.syntax()));
                None
            }
        };
        let Some(prefix) = prefix else { break };
        inner = prefix;
    }
    parts.reverse();
    parts.concat()
}

/// An index as it stands after what is indexed: `.name` (a method's `:name` too), `["a b"]`, `[3]`, or `[code]` for what is computed.
fn index_text(text: &Text, index: &LuaIndexExpr) -> String {
    if let Some(key) = constant_index(text, index) {
        let colon = index.get_index_token().is_some_and(|token| token.is_colon());
        return if colon { key.replacen('.', ":", 1) } else { key };
    }
    let key = index.children::<LuaExpr>().nth(1);
    format!("[{}]", key.map(|key| code(text, key.syntax())).unwrap_or_default())
}

/// The index if it is constant: `.name`, `["a b"]`, `[3]`.
fn constant_index(text: &Text, index: &LuaIndexExpr) -> Option<String> {
    let by_name = index
        .get_index_token()
        .is_some_and(|token| token.is_dot() || token.is_colon());
    if by_name {
        let name = index.get_name_token()?;
        return Some(format!(".{}", name.get_name_text()));
    }
    constant_key(text, index.children::<LuaExpr>().nth(1)?.syntax())
}

/// A key between brackets, if it is constant in itself.
pub fn constant_key(text: &Text, key: &LuaSyntaxNode) -> Option<String> {
    constant(text, key, |_| None)?.index()
}

/// What a statement assigns to, a method's colon as a dot; and the path if constants lead there.
pub fn target(text: &Text, target: &LuaExpr) -> (String, Option<Path>) {
    let mut keys = Vec::new();
    let mut inner = target.clone();
    let path = loop {
        match &inner {
            LuaExpr::NameExpr(name) => {
                keys.reverse();
                let root = name.get_name_text().unwrap_or_default();
                break Some(Path { root, keys });
            }
            LuaExpr::IndexExpr(index) => {
                let (Some(key), Some(prefix)) = (constant_index(text, index), index.get_prefix_expr()) else {
                    break None;
                };
                keys.push(key);
                inner = prefix;
            }
            _ => break None,
        }
    };
    let written = match &path {
        Some(path) => format!("{}{}", path.root, path.keys.concat()),
        None => without_colon(text, target),
    };
    (written, path)
}

fn without_colon(text: &Text, target: &LuaExpr) -> String {
    match target {
        LuaExpr::IndexExpr(index) => {
            let key = constant_index(text, index).unwrap_or_else(|| index_text(text, index));
            let prefix = index.get_prefix_expr();
            prefix.map(|prefix| written(text, &prefix)).unwrap_or_default() + &key
        }
        other => written(text, other),
    }
}

/// The callee of a call; of a method call `:name` alone.
pub fn callee(text: &Text, call: &LuaCallExpr) -> String {
    match call.get_prefix_expr() {
        Some(LuaExpr::IndexExpr(index)) if call.is_colon_call() => index_text(text, &index),
        Some(prefix) => written(text, &prefix),
        None => String::new(),
    }
}

/// The arguments that are a string or a number.
pub fn literal_arguments(text: &Text, call: &LuaCallExpr) -> Vec<String> {
    let Some(arguments) = call.get_args_list() else {
        return Vec::new();
    };
    let literals = arguments
        .get_args()
        .filter_map(|argument| match literal_value(text, argument.syntax())? {
            Constant::Text(value) => Some(quoted(&value)),
            Constant::Integer(value) => Some(value.to_string()),
            Constant::Float(value) => Some(format!("{value:?}")),
            _ => None,
        });
    literals.collect()
}

/// The module of `require "x"`.
pub fn required(text: &Text, call: &LuaCallExpr) -> Option<String> {
    let LuaExpr::NameExpr(callee) = call.get_prefix_expr()? else {
        return None;
    };
    (callee.get_name_text()? == "require").then_some(())?;
    let mut arguments = call.get_args_list()?.get_args();
    let (first, second) = (arguments.next()?, arguments.next());
    match literal_value(text, first.syntax())? {
        Constant::Text(name) if second.is_none() => String::from_utf8(name).ok(),
        _ => None,
    }
}

/// The operator of a unary or binary expression.
pub fn operator(node: &LuaSyntaxNode) -> String {
    let tokens = node.children_with_tokens().filter_map(|it| it.into_token());
    tokens
        .into_iter()
        .find(|token| !is_blank(token) && token.kind().to_token() != LuaTokenKind::TkSemicolon)
        .map(|token| token.text().to_owned())
        .unwrap_or_default()
}
