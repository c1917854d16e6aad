//! What a syntax tree tells about a file that Lua's compiler has accepted: its file-level locals, its functions in the order in
//! which the compiler numbers them, and where its last statement stands. Whether a text is valid Lua is the compiler's verdict alone:
//! the tree of an invalid text is never asked for.

mod model;

use std::collections::HashMap;

use emmylua_parser::{
    LuaAssignStat, LuaAst, LuaAstNode, LuaChunk, LuaClosureExpr, LuaExpr, LuaLanguageLevel, LuaLocalAttribute,
    LuaLocalFuncStat, LuaLocalName, LuaLocalStat, LuaParser, LuaStat, LuaSyntaxNode, LuaTableField, ParserConfig,
};

pub use model::{
    Body, Call, Declaration, Expression, Field, Function, Kind, Local, Outline, Path, Read, Statement, Target, Value,
};

/// The tree of a text, and the text that its offsets are of: each byte of what is not UTF-8 (only strings and comments may hold such)
/// becomes one character.
pub(super) fn parse(text: &[u8]) -> (String, LuaChunk) {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => text
            .iter()
            .map(|&b| if b.is_ascii() { b as char } else { '?' })
            .collect(),
    };
    let mut config = ParserConfig::with_level(LuaLanguageLevel::Lua55);
    config.enable_emmylua_doc = false;
    let chunk = LuaParser::parse(&text, config).get_chunk_node();
    (text, chunk)
}

/// Reads the outline of a text that Lua's compiler has accepted.
pub fn outline(text: &[u8]) -> Outline {
    let (text, chunk) = parse(text);
    let stats: Vec<LuaStat> = chunk
        .get_block()
        .map(|block| block.get_stats().collect())
        .unwrap_or_default();
    let last_return = stats.last().filter(|stat| matches!(stat, LuaStat::ReturnStat(_)));
    Outline {
        locals: visible_locals(&stats),
        functions: functions(chunk.syntax()),
        tail: last_return.map_or(text.len(), |stat| stat.syntax().text_range().start().into()),
        returns: last_return.is_some(),
        ..Outline::default()
    }
}

fn visible_locals(stats: &[LuaStat]) -> Vec<Local> {
    let mut locals: Vec<Local> = Vec::new();
    let mut declare = |name: Option<LuaLocalName>, all: bool| {
        let Some(token) = name.as_ref().and_then(LuaLocalName::get_name_token) else {
            return;
        };
        let fixed = all || name.and_then(|n| n.get_attrib()).as_ref().is_some_and(is_fixed);
        let name = token.get_name_text().to_owned();
        locals.retain(|local| local.name != name);
        locals.push(Local { name, fixed });
    };
    for stat in stats {
        match stat {
            LuaStat::LocalStat(stat) => {
                let all = stat.get_attrib().as_ref().is_some_and(is_fixed);
                stat.get_local_name_list().for_each(|name| declare(Some(name), all));
            }
            LuaStat::LocalFuncStat(stat) => declare(stat.get_local_name(), false),
            _ => {}
        }
    }
    locals
}

fn is_fixed(attribute: &LuaLocalAttribute) -> bool {
    attribute.is_const() || attribute.is_close()
}

fn functions(root: &LuaSyntaxNode) -> Vec<Function> {
    let closures: Vec<LuaClosureExpr> = root.descendants().filter_map(LuaClosureExpr::cast).collect();
    let numbers: HashMap<&LuaClosureExpr, usize> = closures.iter().zip(0..).collect();
    let parent_of = |closure: &LuaClosureExpr| {
        let around = closure.syntax().ancestors().skip(1).find_map(LuaClosureExpr::cast)?;
        numbers.get(&around).copied()
    };
    closures
        .iter()
        .map(|closure| {
            let (name, replaces) = name_of(closure).unwrap_or_default();
            Function {
                name,
                parent: parent_of(closure),
                replaces,
                key: String::new(),
                path: String::new(),
                range: 0..0,
                lines: (0, 0),
                params: Vec::new(),
            }
        })
        .collect()
}

/// The name under which a function comes into being, and whether that statement can replace what stands there.
fn name_of(closure: &LuaClosureExpr) -> Option<(String, bool)> {
    let around = closure.syntax().parent()?;
    if let Some(stat) = LuaLocalFuncStat::cast(around.clone()) {
        return Some((
            stat.get_local_name()?.get_name_token()?.get_name_text().to_owned(),
            false,
        ));
    }
    if let Some(LuaAst::LuaFuncStat(stat)) = LuaAst::cast(around.clone()) {
        return Some((written(stat.get_func_name()?.syntax()), true));
    }
    named_by_value(&around, &LuaExpr::ClosureExpr(closure.clone()))
}

/// The name of a value that is assigned, initialises a local, or stands in a table that does.
fn named_by_value(around: &LuaSyntaxNode, value: &LuaExpr) -> Option<(String, bool)> {
    if let Some(stat) = LuaAssignStat::cast(around.clone()) {
        let (targets, values) = stat.get_var_and_expr_list();
        let place = values.iter().position(|v| v == value)?;
        return Some((written(targets.get(place)?.syntax()), true));
    }
    if let Some(stat) = LuaLocalStat::cast(around.clone()) {
        let name = stat.get_local_name_by_value(value.clone())?.get_name_token()?;
        return Some((name.get_name_text().to_owned(), false));
    }
    let field = LuaTableField::cast(around.clone())?;
    let key = field.get_field_key()?.get_path_part();
    let table = around.parent().and_then(LuaExpr::cast)?;
    let (path, _) = named_by_value(&table.syntax().parent()?, &table)?;
    Some((format!("{path}.{key}"), false))
}

fn written(node: &LuaSyntaxNode) -> String {
    node.text().to_string().trim().to_owned()
}

/// What a dropped text is a new version of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WholeFile {
    /// The service's script.
    Script,
    /// The module of this name.
    Module(String),
}

/// Whether a dropped text is a new version of a whole file.
pub fn source_of(_outline: &Outline, _text: &[u8]) -> Option<WholeFile> {
    None
}

#[cfg(test)]
mod tests {
    use super::{Function, outline};

    fn names(text: &str) -> Vec<String> {
        outline(text.as_bytes())
            .locals
            .into_iter()
            .map(|local| local.name)
            .collect()
    }

    #[test]
    fn file_level_locals_in_order_the_last_of_a_name_wins() {
        let text = "local a, b <const> = 1, 2\nlocal function f() local inner end\ndo local hidden end\nlocal a = 3\nfor i = 1, 2 do end";
        assert_eq!(names(text), ["b", "f", "a"]);
        let fixed: Vec<bool> = outline(text.as_bytes()).locals.iter().map(|l| l.fixed).collect();
        assert_eq!(fixed, [true, false, false]);
        assert_eq!(names("local <const> x, y = 1, 2\nglobal z"), ["x", "y"]);
        assert!(outline(b"local <const> x = 1").locals[0].fixed);
    }

    #[test]
    fn the_tail_is_before_the_final_return_or_at_the_end() {
        let text = "local a = '\u{e9}' return a -- done\n";
        let found = outline(text.as_bytes());
        assert_eq!(&text[found.tail..found.tail + 6], "return");
        assert!(found.returns);
        let latin1 = b"local a = '\xe9\xe8' return a";
        assert!(latin1[outline(latin1).tail..].starts_with(b"return"));
        let open = outline(b"local a = 1\n");
        assert_eq!((open.tail, open.returns), (12, false));
        assert!(
            outline(b"if x then return end").tail == 20,
            "a return inside a block is not the final one"
        );
    }

    #[test]
    fn functions_have_the_names_their_authors_give_them() {
        let text = "local function a() return function() end end\nfunction M.b() end\nfunction M:c() end\nM.d = function() end
local e = function() end\nlocal t = { f = function() end, g = { h = function() end } }\ncall(function() end)\nx, M['y'] = 1, function() end";
        let found: Vec<(String, Option<usize>, bool)> = outline(text.as_bytes())
            .functions
            .into_iter()
            .map(|f: Function| (f.name, f.parent, f.replaces))
            .collect();
        let expected = [
            ("a", None, false),
            ("", Some(0), false),
            ("M.b", None, true),
            ("M:c", None, true),
            ("M.d", None, true),
            ("e", None, false),
            ("t.f", None, false),
            ("t.g.h", None, false),
            ("", None, false),
            ("M['y']", None, true),
        ];
        let expected: Vec<_> = expected.iter().map(|(n, p, r)| (n.to_string(), *p, *r)).collect();
        assert_eq!(found, expected);
    }
}
