//! Walking a syntax tree without recursion: a chain of a thousand operators is valid Lua, and its tree as deep as it is long.

use emmylua_parser::LuaSyntaxElement;

/// A step of a walk. Tokens are entered and left, too.
pub enum Step {
    /// Before what is inside.
    Enter(LuaSyntaxElement),
    /// After it.
    Leave(LuaSyntaxElement),
}

/// All steps through an element, in the order of the text.
pub struct Walk {
    root: LuaSyntaxElement,
    last: Option<Step>,
    begun: bool,
}

impl Walk {
    /// Begins before `root`.
    pub fn new(root: impl Into<LuaSyntaxElement>) -> Walk {
        Walk {
            root: root.into(),
            last: None,
            begun: false,
        }
    }

    /// Leaves out what is inside the element that was entered last.
    pub fn pass_over(&mut self) {
        if let Some(Step::Enter(element)) = &self.last {
            self.last = Some(Step::Leave(element.clone()));
        }
    }

    fn enter(&mut self, element: LuaSyntaxElement) -> Step {
        self.begun = true;
        self.last = Some(Step::Enter(element.clone()));
        Step::Enter(element)
    }

    fn leave(&mut self, element: LuaSyntaxElement) -> Step {
        self.last = Some(Step::Leave(element.clone()));
        Step::Leave(element)
    }
}

impl Iterator for Walk {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let step = match self.last.take() {
            None if !self.begun => self.enter(self.root.clone()),
            None => return None,
            Some(Step::Enter(element)) => {
                let inside = element.as_node().and_then(|node| node.first_child_or_token());
                match inside {
                    Some(inside) => self.enter(inside),
                    None => self.leave(element),
                }
            }
            Some(Step::Leave(element)) if element == self.root => return None,
            Some(Step::Leave(element)) => match element.next_sibling_or_token() {
                Some(next) => self.enter(next),
                None => self.leave(element.parent()?.into()),
            },
        };
        Some(step)
    }
}
