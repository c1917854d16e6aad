//! Which variable of the new text is which of the old: by name within matched functions; of several with one name by the functions
//! that use them, then by order.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::patch::bytecode::{Binding, Declaration};
use crate::patch::compare::Side;

/// Variables matched.
#[derive(Default)]
pub(super) struct Aligned {
    /// New → old.
    pub same: HashMap<Declaration, Declaration>,
    /// New ones that could be several of the old.
    pub doubtful: HashSet<Declaration>,
}

/// Matches the variables of matched functions.
pub(super) fn aligned(old: Side<'_>, new: Side<'_>, pairs: &[(usize, usize)]) -> Aligned {
    let votes = votes(old, new, pairs);
    let mut aligned = Aligned::default();
    for &(of, nf) in pairs {
        let (was, is) = (by_name(old, of), by_name(new, nf));
        for (name, now) in is {
            if let Some(before) = was.get(&name) {
                match_named(old, before, new, &now, &votes, &mut aligned);
            }
        }
    }
    aligned
}

fn by_name(side: Side<'_>, function: usize) -> BTreeMap<String, Vec<Declaration>> {
    let mut found: BTreeMap<String, Vec<Declaration>> = BTreeMap::new();
    for variable in side.variables(function) {
        found.entry(side.name(variable)).or_default().push(variable);
    }
    found
}

/// Which variables matched functions use under one name: new → old ones.
type Votes = HashMap<Declaration, HashSet<Declaration>>;

fn votes(old: Side<'_>, new: Side<'_>, pairs: &[(usize, usize)]) -> Votes {
    let mut votes = Votes::new();
    for &(of, nf) in pairs {
        let (was, is) = (old.code.bindings(of), new.code.bindings(nf));
        for (upvalue, binding) in new.code.functions[nf].upvalues.iter().zip(&is) {
            let named = |u: &crate::patch::bytecode::Upvalue| u.name == upvalue.name;
            let mut alike = old.code.functions[of]
                .upvalues
                .iter()
                .zip(&was)
                .filter(|(u, _)| named(u));
            // A function that uses two variables of one name is no evidence.
            if let (Some(Binding::Local(now)), Some((_, Some(Binding::Local(before)))), None) =
                (binding, alike.next(), alike.next())
            {
                votes.entry(*now).or_default().insert(*before);
            }
        }
    }
    votes
}

fn match_named(
    old: Side<'_>,
    before: &[Declaration],
    new: Side<'_>,
    now: &[Declaration],
    votes: &Votes,
    aligned: &mut Aligned,
) {
    if let (&[one], &[other]) = (before, now) {
        aligned.same.insert(other, one);
        return;
    }
    let (mut taken, mut rest) = (HashSet::new(), Vec::new());
    for &variable in now {
        let voted: Vec<Declaration> = votes
            .get(&variable)
            .into_iter()
            .flatten()
            .copied()
            .filter(|voted| before.contains(voted))
            .collect();
        match voted[..] {
            [] => rest.push(variable),
            [one] if taken.insert(one) => {
                aligned.same.insert(variable, one);
            }
            _ => {
                aligned.doubtful.insert(variable);
            }
        }
    }
    // One old variable that two new ones claim is neither's.
    let claimed_twice = |one: &Declaration| {
        let claims = now.iter().filter(|n| votes.get(n).is_some_and(|v| v.contains(one)));
        claims.count() > 1
    };
    for &variable in now {
        if aligned.same.get(&variable).is_some_and(claimed_twice) {
            aligned.same.remove(&variable);
            aligned.doubtful.insert(variable);
        }
    }
    match_gaps(old, before, new, now, &rest, aligned);
}

/// Matches variables of one name that no function gives evidence for: between those that are matched, as many as there were are the same
/// ones in order.
fn match_gaps(
    old: Side<'_>,
    before: &[Declaration],
    new: Side<'_>,
    now: &[Declaration],
    rest: &[Declaration],
    aligned: &mut Aligned,
) {
    let anchors: Vec<(usize, usize)> = now
        .iter()
        .enumerate()
        .filter_map(|(n, variable)| Some((before.iter().position(|b| Some(b) == aligned.same.get(variable))?, n)))
        .collect();
    let mut start = (0, 0);
    for (b, n) in anchors.into_iter().chain([(before.len(), now.len())]) {
        // Where the matched ones have changed places, order tells nothing.
        let free = before.get(start.0..b).unwrap_or_default();
        let open: Vec<Declaration> = now[start.1..n].iter().copied().filter(|v| rest.contains(v)).collect();
        match_rest(old, free, new, &open, aligned);
        start = (b + 1, n + 1);
    }
}

fn match_rest(old: Side<'_>, free: &[Declaration], new: Side<'_>, rest: &[Declaration], aligned: &mut Aligned) {
    if free.len() == rest.len() {
        aligned.same.extend(rest.iter().copied().zip(free.iter().copied()));
        return;
    }
    let text = |side: Side<'_>, at: Declaration| {
        side.declared(at)
            .and_then(|declared| declared.initial.as_ref().map(|initial| initial.text.clone()))
    };
    for &variable in rest {
        let initial = text(new, variable);
        let alike: Vec<Declaration> = free.iter().copied().filter(|one| text(old, *one) == initial).collect();
        let rivals = rest.iter().filter(|other| text(new, **other) == initial).count();
        match alike[..] {
            [one] if rivals == 1 => {
                aligned.same.insert(variable, one);
            }
            [] => {}
            _ => {
                aligned.doubtful.insert(variable);
            }
        }
    }
}
