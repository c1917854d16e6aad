//! The text that a tree is of: its bytes, its lines as Lua counts them, and what stands where.

use std::ops::Range;

use emmylua_parser::{
    LuaAstNode, LuaChunk, LuaLanguageLevel, LuaParser, LuaSyntaxNode, LuaSyntaxToken, LuaTokenKind, ParserConfig,
};

/// The bytes of a file, and where its lines begin.
pub struct Text<'a> {
    bytes: &'a [u8],
    starts: Vec<usize>,
}

/// The tree of a text; its offsets are those of the bytes. Each byte of what is not UTF-8 (only strings and comments may hold such)
/// is one character in it.
pub fn parse(bytes: &[u8]) -> LuaChunk {
    let replaced: String;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => {
            let character = |&b: &u8| if b.is_ascii() { b as char } else { '?' };
            replaced = bytes.iter().map(character).collect();
            &replaced
        }
    };
    let mut config = ParserConfig::with_level(LuaLanguageLevel::Lua55);
    config.enable_emmylua_doc = false;
    LuaParser::parse(text, config).get_chunk_node()
}

impl<'a> Text<'a> {
    /// Finds the lines of a text.
    pub fn new(bytes: &'a [u8]) -> Text<'a> {
        let mut starts = vec![0];
        let mut at = 0;
        while let Some(step) = bytes[at..].iter().position(|b| matches!(b, b'\n' | b'\r')) {
            at += step;
            let pair = matches!(bytes.get(at..at + 2), Some(b"\r\n" | b"\n\r"));
            at += if pair { 2 } else { 1 };
            starts.push(at);
        }
        Text { bytes, starts }
    }

    /// The line of a byte, counted from 1.
    pub fn line(&self, at: usize) -> u32 {
        self.starts.partition_point(|&start| start <= at) as u32
    }

    /// The lines of the first and of the last byte of a range.
    pub fn lines(&self, range: &Range<usize>) -> (u32, u32) {
        let last = range.end.saturating_sub(1).max(range.start);
        (self.line(range.start), self.line(last))
    }

    /// The bytes of a range; none where there is no such range.
    pub fn bytes(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// The text of a token, each byte of what is not UTF-8 written as `\xE9`.
    pub fn token(&self, token: &LuaSyntaxToken) -> String {
        let bytes = self.bytes(token.text_range().into());
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            chunk
                .invalid()
                .iter()
                .for_each(|byte| text.push_str(&format!("\\x{byte:02X}")));
        }
        text
    }

    /// Where a node stands, from its first word to its last.
    pub fn range(&self, node: &LuaSyntaxNode) -> Range<usize> {
        let whole: Range<usize> = node.text_range().into();
        let first = words_from(node.first_token(), LuaSyntaxToken::next_token);
        let last = words_from(node.last_token(), LuaSyntaxToken::prev_token);
        let start = first.map_or(whole.start, |token| usize::from(token.text_range().start()));
        let end = last.map_or(whole.end, |token| usize::from(token.text_range().end()));
        // Nothing but blanks in it: the search went on outside.
        if start < whole.start || end > whole.end || start > end {
            return whole;
        }
        start..end
    }
}

fn words_from(
    token: Option<LuaSyntaxToken>,
    next: fn(&LuaSyntaxToken) -> Option<LuaSyntaxToken>,
) -> Option<LuaSyntaxToken> {
    std::iter::successors(token, next).find(|token| !is_blank(token))
}

/// Whether a token is none to Lua's compiler: a blank or a comment.
pub fn is_blank(token: &LuaSyntaxToken) -> bool {
    matches!(
        token.kind().to_token(),
        LuaTokenKind::TkWhitespace
            | LuaTokenKind::TkEndOfLine
            | LuaTokenKind::TkShortComment
            | LuaTokenKind::TkLongComment
            | LuaTokenKind::TkShebang
    )
}

/// The first token of one of these kinds directly in a node.
pub fn token_of(node: &impl LuaAstNode, kind: LuaTokenKind) -> Option<LuaSyntaxToken> {
    let tokens = node.syntax().children_with_tokens().filter_map(|it| it.into_token());
    tokens.into_iter().find(|token| token.kind().to_token() == kind)
}
