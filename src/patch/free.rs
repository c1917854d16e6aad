//! Which globals a text reads: names that no local of the text itself explains.

use emmylua_parser::{
    LuaAssignStat, LuaAst, LuaAstNode, LuaBlock, LuaClosureExpr, LuaForRangeStat, LuaForStat, LuaFuncStat,
    LuaGlobalStat, LuaNameExpr, LuaRepeatStat, LuaStat, LuaSyntaxNode, LuaVarExpr,
};

use crate::patch::syntax::parse;

/// A free name that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The name.
    pub name: String,
    /// The first line that reads it, counted from 1.
    pub line: usize,
}

/// The free names that a text reads, each once, in the order of the text. Its own `global` declarations explain names, too.
pub fn reads(text: &[u8]) -> Vec<Read> {
    let (text, chunk) = parse(text);
    let mut found: Vec<Read> = Vec::new();
    for expr in chunk.descendants::<LuaNameExpr>() {
        let Some(name) = expr.get_name_text() else { continue };
        let known = found.iter().any(|read| read.name == name);
        if known || is_written(&expr) || is_declared(&expr, &name) {
            continue;
        }
        let start: usize = expr.syntax().text_range().start().into();
        let line = text[..start].bytes().filter(|&b| b == b'\n').count() + 1;
        found.push(Read { name, line });
    }
    found
}

/// Whether the name stands where it gets a value: left of `=`, or as a function's own name.
fn is_written(expr: &LuaNameExpr) -> bool {
    let Some(around) = expr.syntax().parent() else {
        return false;
    };
    if let Some(stat) = LuaAssignStat::cast(around.clone()) {
        let (targets, _) = stat.get_var_and_expr_list();
        return targets.contains(&LuaVarExpr::NameExpr(expr.clone()));
    }
    LuaFuncStat::cast(around).is_some()
}

/// Whether something around the name declares it.
fn is_declared(expr: &LuaNameExpr, name: &str) -> bool {
    let position = expr.syntax().text_range().start();
    expr.syntax()
        .ancestors()
        .filter_map(LuaAst::cast)
        .any(|around| match around {
            LuaAst::LuaBlock(block) => block_declares(&block, expr.syntax(), name),
            LuaAst::LuaClosureExpr(closure) => closure_declares(&closure, name),
            LuaAst::LuaForStat(stat) => for_declares(&stat, name, position >= body_start(&stat.get_block(), position)),
            LuaAst::LuaForRangeStat(stat) => {
                range_declares(&stat, name, position >= body_start(&stat.get_block(), position))
            }
            // The condition of a `repeat` sees the locals of its body.
            LuaAst::LuaRepeatStat(stat) => repeat_declares(&stat, expr.syntax(), name),
            _ => false,
        })
}

fn body_start<T: From<u32> + Copy>(block: &Option<LuaBlock>, otherwise: T) -> T {
    match block {
        Some(block) => T::from(u32::from(block.syntax().text_range().start())),
        None => otherwise,
    }
}

fn block_declares(block: &LuaBlock, at: &LuaSyntaxNode, name: &str) -> bool {
    let place = at.text_range();
    block.get_stats().any(|stat| match stat {
        LuaStat::LocalStat(stat) => {
            stat.syntax().text_range().end() <= place.start()
                && stat
                    .get_local_name_list()
                    .any(|local| local.get_name_token().is_some_and(|t| t.get_name_text() == name))
        }
        LuaStat::LocalFuncStat(stat) => {
            stat.syntax().text_range().start() <= place.start()
                && stat
                    .get_local_name()
                    .and_then(|n| n.get_name_token())
                    .is_some_and(|t| t.get_name_text() == name)
        }
        LuaStat::GlobalStat(stat) => stat.syntax().text_range().end() <= place.start() && global_declares(&stat, name),
        _ => false,
    })
}

fn global_declares(stat: &LuaGlobalStat, name: &str) -> bool {
    stat.get_local_name_list()
        .any(|global| global.get_name_token().is_some_and(|t| t.get_name_text() == name))
}

fn closure_declares(closure: &LuaClosureExpr, name: &str) -> bool {
    let named = closure.get_params_list().is_some_and(|params| {
        params
            .get_params()
            .any(|param| param.get_name_token().is_some_and(|t| t.get_name_text() == name))
    });
    let is_method = || {
        let stat = closure.syntax().parent().and_then(LuaFuncStat::cast);
        stat.and_then(|stat| stat.get_func_name())
            .is_some_and(|target| match target {
                LuaVarExpr::IndexExpr(index) => index.get_index_token().is_some_and(|token| token.is_colon()),
                LuaVarExpr::NameExpr(_) => false,
            })
    };
    named || (name == "self" && is_method())
}

fn for_declares(stat: &LuaForStat, name: &str, in_body: bool) -> bool {
    in_body && stat.get_var_name().is_some_and(|token| token.get_name_text() == name)
}

fn range_declares(stat: &LuaForRangeStat, name: &str, in_body: bool) -> bool {
    in_body && stat.get_var_name_list().any(|token| token.get_name_text() == name)
}

fn repeat_declares(stat: &LuaRepeatStat, at: &LuaSyntaxNode, name: &str) -> bool {
    stat.get_block().is_some_and(|block| {
        block.syntax().text_range().end() <= at.text_range().start() && block_declares(&block, at, name)
    })
}

#[cfg(test)]
mod tests {
    use super::reads;

    fn names(text: &str) -> Vec<String> {
        reads(text.as_bytes())
            .into_iter()
            .map(|read| format!("{}:{}", read.name, read.line))
            .collect()
    }

    #[test]
    fn locals_parameters_and_loops_explain_names() {
        let text = "local a = b\nfunction M.f(x, ...) return x + a + y end\nfunction M:g() return self end\nfor i = n, 2 do print(i) end
for k, v in pairs(t) do print(k, v) end\nrepeat local done = q() until done\nlocal function rec() return rec end";
        assert_eq!(
            names(text),
            ["b:1", "M:2", "y:2", "n:4", "print:4", "pairs:5", "t:5", "q:6"]
        );
    }

    #[test]
    fn a_local_is_not_there_before_its_statement_ends_nor_after_its_block() {
        assert_eq!(names("local x = x\ndo local y = 1 end\nreturn y"), ["x:1", "y:3"]);
        assert_eq!(names("for i = 1, 2 do end return i"), ["i:1"]);
        assert_eq!(names("function f() return self end"), ["self:1"]);
    }

    #[test]
    fn what_is_written_is_not_read() {
        assert_eq!(names("x = 1\nfunction y() end\nz.w = 2\nglobal g\nreturn g"), ["z:3"]);
        assert_eq!(names("hits = (hits or 0) + 1"), ["hits:1"]);
    }
}
