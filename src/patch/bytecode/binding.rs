//! Which variable an upvalue is. Names do not tell (two variables may share one, on one line even); where the compiler found it does.

use crate::patch::bytecode::{Code, Proto};

/// A local variable, by where it is declared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Declaration {
    /// The function that declares it: index in [`Code::functions`].
    pub function: usize,
    /// Its number among that function's [`Proto::locals`].
    pub local: usize,
}

/// What an upvalue is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Binding {
    /// A local variable of a function around.
    Local(Declaration),
    /// An upvalue of the main function, by number. There is only `_ENV`, number 0.
    Main(usize),
}

impl Code {
    /// What upvalue `upvalue` (from 0) of a function is; `None` if there is no such upvalue, or the dump does not tell (one that
    /// Lua's compiler made always does).
    pub fn binding(&self, function: usize, upvalue: usize) -> Option<Binding> {
        let (mut proto, mut number) = (self.functions.get(function)?, upvalue);
        loop {
            let upvalue = proto.upvalues.get(number)?;
            let Some(parent) = proto.parent else {
                return Some(Binding::Main(number));
            };
            let around = self.functions.get(parent)?;
            number = usize::from(upvalue.index);
            if upvalue.in_stack {
                let local = around.local_in_register(number, proto.made_at?)?;
                let function = parent;
                return Some(Binding::Local(Declaration { function, local }));
            }
            proto = around;
        }
    }

    /// [`Code::binding`] of each upvalue of a function, in order.
    ///
    /// # Panics
    /// If there is no such function.
    pub fn bindings(&self, function: usize) -> Vec<Option<Binding>> {
        let upvalues = 0..self.functions[function].upvalues.len();
        upvalues.map(|upvalue| self.binding(function, upvalue)).collect()
    }
}

impl Proto {
    /// The number of the local in this register, as the function sees it whose closure the instruction at `pc` makes.
    ///
    /// Locals in scope lie in the registers in their order. The scope of a `local function` begins after the instruction, though the
    /// function sees itself; what else begins there comes later in the order and changes nothing.
    fn local_in_register(&self, register: usize, pc: usize) -> Option<usize> {
        let in_scope = self.locals.iter().enumerate().filter(|(_, local)| {
            let (start, end) = (local.start as usize, local.end as usize);
            start <= pc + 1 && pc < end
        });
        in_scope.map(|(number, _)| number).nth(register)
    }
}
