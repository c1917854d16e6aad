//! The functions of a file, and what each is called: by its author, and among those that stand in the same function.

use std::collections::HashMap;

use emmylua_parser::{
    LuaAssignStat, LuaAst, LuaAstNode, LuaCallExpr, LuaChunk, LuaClosureExpr, LuaExpr, LuaFuncStat, LuaGlobalStat,
    LuaIndexExpr, LuaLocalFuncStat, LuaLocalName, LuaLocalStat, LuaSyntaxKind, LuaSyntaxNode, LuaTableField,
    LuaTokenKind, LuaVarExpr,
};

use crate::patch::syntax::model::Function;
use crate::patch::syntax::text::{Text, token_of};
use crate::patch::syntax::written::{code, constant_key, literal_arguments, operator, target, written};

/// Every function expression, a nested one after the one around it.
pub fn functions(text: &Text, chunk: &LuaChunk) -> Vec<Function> {
    let closures: Vec<LuaClosureExpr> = chunk.descendants().collect();
    let mut namer = Namer {
        text,
        items: HashMap::new(),
    };
    let mut functions: Vec<Function> = Vec::with_capacity(closures.len());
    let mut around: Vec<usize> = Vec::new();
    for (number, closure) in closures.iter().enumerate() {
        let range = text.range(closure.syntax());
        while around
            .last()
            .is_some_and(|&outer| functions[outer].range.end <= range.start)
        {
            around.pop();
        }
        let parent = around.last().copied();
        let (name, replaces) = namer.name(closure);
        let key = namer.key(closure);
        let path = match parent {
            Some(parent) => format!("{}/{key}", functions[parent].path),
            None => key.clone(),
        };
        functions.push(Function {
            name,
            parent,
            replaces,
            key,
            path,
            lines: defined_lines(text, closure),
            params: params(text, closure),
            range,
        });
        around.push(number);
    }
    functions
}

/// The line of the parameters, or in a statement that begins with it the line of `function`; and the line of `end`.
fn defined_lines(text: &Text, closure: &LuaClosureExpr) -> (u32, u32) {
    let around = closure.syntax().parent().and_then(LuaFuncStat::cast);
    let first = match around {
        Some(stat) if token_of(&stat, LuaTokenKind::TkGlobal).is_none() => text.range(stat.syntax()).start,
        _ => {
            let params = closure.get_params_list();
            params.map_or(0, |params| params.syntax().text_range().start().into())
        }
    };
    let range = text.range(closure.syntax());
    (text.line(first), text.lines(&range).1)
}

fn params(text: &Text, closure: &LuaClosureExpr) -> Vec<String> {
    let mut names = Vec::new();
    if is_method(closure) {
        names.push("self".to_owned());
    }
    if let Some(params) = closure.get_params_list() {
        names.extend(params.get_params().map(|param| code(text, param.syntax())));
    }
    names
}

fn is_method(closure: &LuaClosureExpr) -> bool {
    let stat = closure.syntax().parent().and_then(LuaFuncStat::cast);
    match stat.and_then(|stat| stat.get_func_name()) {
        Some(LuaVarExpr::IndexExpr(index)) => index.get_index_token().is_some_and(|token| token.is_colon()),
        _ => false,
    }
}

/// Gives names and keys. Functions are asked for in source order.
struct Namer<'a, 't> {
    text: &'a Text<'t>,
    /// For each table, by its offset, the item that was asked for last, and its place among the items.
    items: HashMap<usize, (LuaSyntaxNode, usize)>,
}

impl Namer<'_, '_> {
    /// The name under which a function comes into being, and whether that statement can replace what stands there.
    fn name(&mut self, closure: &LuaClosureExpr) -> (String, bool) {
        let mut node = closure.syntax().clone();
        let mut fields: Vec<String> = Vec::new();
        loop {
            let Some(around) = node.parent() else {
                return (String::new(), false);
            };
            let in_table = !fields.is_empty();
            if let Some(field) = LuaTableField::cast(around.clone()) {
                let named = field.is_assign_field() && field.get_value_expr().is_some_and(|v| *v.syntax() == node);
                let key = field.get_field_key().filter(|_| named).map(|key| key.get_path_part());
                let (Some(key), Some(table)) = (key, around.parent()) else {
                    return (String::new(), false);
                };
                fields.push(key);
                node = table;
                continue;
            }
            let (base, replaces) = self.statement_name(&around, &node).unwrap_or_default();
            let base = Some(base).filter(|base| !base.is_empty());
            let parts = base.into_iter().chain(fields.into_iter().rev());
            return (parts.collect::<Vec<_>>().join("."), replaces && !in_table);
        }
    }

    fn statement_name(&self, around: &LuaSyntaxNode, value: &LuaSyntaxNode) -> Option<(String, bool)> {
        match LuaAst::cast(around.clone())? {
            LuaAst::LuaLocalFuncStat(stat) => Some((name_of(&stat.get_local_name()?)?, false)),
            LuaAst::LuaFuncStat(stat) => Some((code(self.text, stat.get_func_name()?.syntax()), true)),
            LuaAst::LuaAssignStat(stat) => {
                let (targets, values) = stat.get_var_and_expr_list();
                let place = values.iter().position(|v| v.syntax() == value)?;
                Some((code(self.text, targets.get(place)?.syntax()), true))
            }
            LuaAst::LuaLocalStat(stat) => {
                let names = stat.get_local_name_list().collect::<Vec<_>>();
                Some((name_of(names.get(place_of(value))?)?, false))
            }
            LuaAst::LuaGlobalStat(stat) => {
                let names = stat.get_local_name_list().collect::<Vec<_>>();
                Some((name_of(names.get(place_of(value))?)?, false))
            }
            _ => None,
        }
    }

    /// What identifies a function among its siblings, see [`Function::key`].
    fn key(&mut self, closure: &LuaClosureExpr) -> String {
        let mut node = closure.syntax().clone();
        let mut roles: Vec<String> = Vec::new();
        let base = loop {
            let Some(around) = node.parent() else {
                break String::new();
            };
            if let Some(base) = self.place(&around, &node) {
                break base;
            }
            roles.extend(self.role(&around, &node));
            // A field's place is in its table.
            let table = LuaTableField::can_cast(around.kind().into()).then(|| around.parent());
            node = table.flatten().unwrap_or(around);
        };
        roles.reverse();
        match (base.as_str(), roles.split_first()) {
            ("", Some((first, roles))) => format!("<{}>{}", first.trim_start_matches(':'), roles.concat()),
            ("", None) => "<function>".to_owned(),
            _ => base + &roles.concat(),
        }
    }

    /// What a statement or a call calls the expression in it; `None` where the answer is further out.
    fn place(&self, around: &LuaSyntaxNode, node: &LuaSyntaxNode) -> Option<String> {
        let base = match around.kind().into() {
            LuaSyntaxKind::LocalFuncStat => name_of(&LuaLocalFuncStat::cast(around.clone())?.get_local_name()?)?,
            LuaSyntaxKind::FuncStat => self.target(LuaFuncStat::cast(around.clone())?.get_func_name()?),
            LuaSyntaxKind::LocalStat | LuaSyntaxKind::ConstStat => {
                let names = LuaLocalStat::cast(around.clone())?.get_local_name_list();
                nth_or_last(names.filter_map(|name| name_of(&name)).collect(), place_of(node))
            }
            LuaSyntaxKind::GlobalStat => {
                let names = LuaGlobalStat::cast(around.clone())?.get_local_name_list();
                nth_or_last(names.filter_map(|name| name_of(&name)).collect(), place_of(node))
            }
            LuaSyntaxKind::AssignStat => {
                let (targets, values) = LuaAssignStat::cast(around.clone())?.get_var_and_expr_list();
                match values.iter().position(|value| value.syntax() == node) {
                    Some(place) => {
                        let targets = targets.into_iter().map(|target| self.target(target));
                        nth_or_last(targets.collect(), place)
                    }
                    None => "<target>".to_owned(),
                }
            }
            LuaSyntaxKind::ReturnStat => match place_of(node) {
                0 => "<return>".to_owned(),
                place => format!("<return {}>", place + 1),
            },
            LuaSyntaxKind::CallArgList => {
                let call = LuaCallExpr::cast(around.parent()?)?;
                let callee = call.get_prefix_expr().map(|callee| written(self.text, &callee));
                let mut inside = literal_arguments(self.text, &call);
                inside.push((place_of(node) + 1).to_string());
                format!("{}({})", callee.unwrap_or_default(), inside.join(", "))
            }
            LuaSyntaxKind::IfStat | LuaSyntaxKind::ElseIfClauseStat => "<if>".to_owned(),
            LuaSyntaxKind::WhileStat => "<while>".to_owned(),
            LuaSyntaxKind::RepeatStat => "<until>".to_owned(),
            LuaSyntaxKind::ForStat | LuaSyntaxKind::ForRangeStat => "<for>".to_owned(),
            LuaSyntaxKind::CallExprStat | LuaSyntaxKind::Block | LuaSyntaxKind::Chunk => String::new(),
            _ => return None,
        };
        Some(base)
    }

    /// What an expression does with the one in it.
    fn role(&mut self, around: &LuaSyntaxNode, node: &LuaSyntaxNode) -> Option<String> {
        match around.kind().into() {
            LuaSyntaxKind::ParenExpr => None,
            LuaSyntaxKind::BinaryExpr | LuaSyntaxKind::UnaryExpr => Some(format!(":{}", operator(around))),
            LuaSyntaxKind::TableFieldAssign | LuaSyntaxKind::TableFieldValue => {
                let field = LuaTableField::cast(around.clone())?;
                let is_value = field.get_value_expr().is_some_and(|value| value.syntax() == node);
                is_value.then(|| self.field_index(&field)).or(Some(":key".to_owned()))
            }
            _ if LuaIndexExpr::can_cast(around.kind().into()) => Some(":index".to_owned()),
            _ => Some(":call".to_owned()),
        }
    }

    /// How the table is indexed to get this field.
    fn field_index(&mut self, field: &LuaTableField) -> String {
        match field_key(self.text, field) {
            Some(key) => key,
            None if field.is_value_field() => format!("[{}]", self.item(field.syntax())),
            None => {
                let key = field.children::<LuaExpr>().next();
                format!("[{}]", key.map(|key| code(self.text, key.syntax())).unwrap_or_default())
            }
        }
    }

    /// The place of an item without key among those of its table, from 1.
    fn item(&mut self, field: &LuaSyntaxNode) -> usize {
        let table = field.parent().map_or(0, |table| table.text_range().start().into());
        let is_item = |node: &LuaSyntaxNode| LuaSyntaxKind::TableFieldValue == node.kind().into();
        // From the item that was asked for last on, so that a long list is counted once.
        let counted = self
            .items
            .get(&table)
            .filter(|(last, _)| last.parent() == field.parent());
        let (from, before) = match counted {
            Some((last, place)) => (last.clone(), *place),
            None => {
                let first = field.parent().and_then(|table| table.children().find(is_item));
                (first.unwrap_or_else(|| field.clone()), 1)
            }
        };
        let end = field.text_range().end();
        let later = std::iter::successors(from.next_sibling(), LuaSyntaxNode::next_sibling);
        let between = later.take_while(|node| node.text_range().end() <= end).filter(is_item);
        let place = before + between.count();
        self.items.insert(table, (field.clone(), place));
        place
    }

    fn target(&self, of: LuaVarExpr) -> String {
        target(self.text, &of.to_expr()).0
    }
}

/// The constant key of a field with a key: `.name`, `["a b"]`, `[3]`.
pub fn field_key(text: &Text, field: &LuaTableField) -> Option<String> {
    if !field.is_assign_field() {
        return None;
    }
    if token_of(field, LuaTokenKind::TkLeftBracket).is_some() {
        return constant_key(text, field.children::<LuaExpr>().next()?.syntax());
    }
    let name = token_of(field, LuaTokenKind::TkName)?;
    Some(format!(".{}", name.text()))
}

/// The place of an expression among those of its statement or call.
fn place_of(node: &LuaSyntaxNode) -> usize {
    let earlier = std::iter::successors(node.prev_sibling(), LuaSyntaxNode::prev_sibling);
    earlier.filter(|node| LuaExpr::can_cast(node.kind().into())).count()
}

/// The name at a place; of a value that no name gets, the last name and the place.
fn nth_or_last(mut names: Vec<String>, place: usize) -> String {
    if place < names.len() {
        return names.swap_remove(place);
    }
    format!("{}:{}", names.pop().unwrap_or_default(), place + 1)
}

/// The name that a declaration gives.
pub fn name_of(name: &LuaLocalName) -> Option<String> {
    Some(name.get_name_token()?.get_name_text().to_owned())
}
