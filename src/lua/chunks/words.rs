//! The compiler's messages, as people should read them.

use crate::patch::source::Source;

/// Lua shortens long file names in messages (`...end/of/the/name.lua`): puts the full one back.
pub fn full_label(message: &str, label: &str) -> String {
    /// `LUA_IDSIZE`, without the final zero.
    const LONGEST: usize = 59;
    if label.len() <= LONGEST {
        return message.to_owned();
    }
    let tail = label.len() - (LONGEST - "...".len());
    match label.get(tail..) {
        Some(tail) => message.replace(&format!("...{tail}"), label),
        None => message.to_owned(),
    }
}

/// Adds to a compiler's message what a person would not see: a look-alike character on the line that it names.
pub fn explain(source: &Source, label: &str, message: String) -> String {
    let line = message
        .strip_prefix(label)
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(|rest| rest.split(':').next());
    match line
        .and_then(|line| line.parse().ok())
        .and_then(|line| source.look_alike_on(line))
    {
        Some(hint) => format!("{message}: {hint}"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::full_label;

    #[test]
    fn shortened_names_are_made_whole() {
        let label = format!("hotfix/{}/x.lua", "s".repeat(60));
        let short = format!("...{}", &label[label.len() - 56..]);
        assert_eq!(
            full_label(&format!("{short}:3: boom"), &label),
            format!("{label}:3: boom")
        );
        assert_eq!(full_label("x.lua:3: boom", "x.lua"), "x.lua:3: boom");
    }
}
