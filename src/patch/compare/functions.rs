//! Which function of the new text is which of the old: by key, among the functions nested in the same one.

use std::collections::{BTreeMap, HashMap};

use crate::patch::compare::Side;

/// Functions matched, and those that are not; by their numbers in the codes.
#[derive(Default)]
pub(super) struct Matched {
    /// (old, new), the roots first, each before what is nested in it.
    pub pairs: Vec<(usize, usize)>,
    pub added: Vec<usize>,
    pub removed: Vec<usize>,
    pub doubtful: Vec<usize>,
}

pub(super) fn matched(old: Side<'_>, old_root: usize, new: Side<'_>, new_root: usize) -> Matched {
    let mut matched = Matched::default();
    let mut open = vec![(old_root, new_root)];
    while let Some((of, nf)) = open.pop() {
        matched.pairs.push((of, nf));
        let children = siblings(old, of, new, nf, &mut matched);
        // The first child is looked at first.
        open.extend(children.into_iter().rev());
    }
    matched
}

/// Matches the functions nested directly in two matched ones.
fn siblings(old: Side<'_>, of: usize, new: Side<'_>, nf: usize, matched: &mut Matched) -> Vec<(usize, usize)> {
    let (was, is) = (by_key(old, of), by_key(new, nf));
    let mut pairs = Vec::new();
    for (key, before) in &was {
        match is.get(key) {
            None => matched.removed.extend(before),
            Some(now) => pair_up(old, before, new, now, &mut pairs, matched),
        }
    }
    for (key, now) in &is {
        if !was.contains_key(key) {
            matched.added.extend(now);
        }
    }
    pairs.sort_unstable();
    pairs
}

/// The functions nested directly in one, by key. What the compiler was given besides the text (a probe) has no key.
fn by_key<'a>(side: Side<'a>, function: usize) -> BTreeMap<&'a str, Vec<usize>> {
    let mut found: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &child in &side.code.functions[function].children {
        if let Some(known) = side
            .function(child)
            .and_then(|number| side.outline.functions.get(number))
        {
            found.entry(known.key.as_str()).or_default().push(child);
        }
    }
    found
}

/// Matches functions of one key: equal ones first, in order; between those, as many as there were are the same ones in order.
fn pair_up(
    old: Side<'_>,
    before: &[usize],
    new: Side<'_>,
    now: &[usize],
    pairs: &mut Vec<(usize, usize)>,
    matched: &mut Matched,
) {
    if before.len() == now.len() && before.len() == 1 {
        pairs.push((before[0], now[0]));
        return;
    }
    let (mut was, mut is) = (0, 0);
    for (a, b) in anchors(old, before, new, now)
        .into_iter()
        .chain([(before.len(), now.len())])
    {
        let (gap_before, gap_now) = (&before[was..a], &now[is..b]);
        if gap_before.len() == gap_now.len() {
            pairs.extend(gap_before.iter().copied().zip(gap_now.iter().copied()));
        } else if gap_now.is_empty() {
            matched.removed.extend(gap_before);
        } else if gap_before.is_empty() {
            matched.added.extend(gap_now);
        } else {
            matched.doubtful.extend(gap_before);
        }
        if a < before.len() {
            pairs.push((before[a], now[b]));
        }
        (was, is) = (a + 1, b + 1);
    }
}

/// The longest run of functions whose texts are equal, in both orders: places in `before` and `now`.
fn anchors(old: Side<'_>, before: &[usize], new: Side<'_>, now: &[usize]) -> Vec<(usize, usize)> {
    let mut memo = HashMap::new();
    let mut equal = |a: usize, b: usize| looks_equal(old, before[a], new, now[b], &mut memo);
    let mut longest = vec![vec![0_usize; now.len() + 1]; before.len() + 1];
    for a in (0..before.len()).rev() {
        for b in (0..now.len()).rev() {
            longest[a][b] = if equal(a, b) {
                longest[a + 1][b + 1] + 1
            } else {
                longest[a + 1][b].max(longest[a][b + 1])
            };
        }
    }
    let (mut a, mut b, mut found) = (0, 0, Vec::new());
    while a < before.len() && b < now.len() {
        if equal(a, b) {
            found.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if longest[a + 1][b] >= longest[a][b + 1] {
            a += 1;
        } else {
            b += 1;
        }
    }
    found
}

/// Whether two functions have the same code throughout and name their variables alike.
fn looks_equal(old: Side<'_>, of: usize, new: Side<'_>, nf: usize, memo: &mut HashMap<(usize, usize), bool>) -> bool {
    if let Some(&known) = memo.get(&(of, nf)) {
        return known;
    }
    let (was, is) = (&old.code.functions[of], &new.code.functions[nf]);
    let same = old.code.same_body(of, new.code, nf)
        && was
            .upvalues
            .iter()
            .map(|u| &u.name)
            .eq(is.upvalues.iter().map(|u| &u.name))
        && was.children.len() == is.children.len()
        && was
            .children
            .iter()
            .zip(&is.children)
            .all(|(&a, &b)| looks_equal(old, a, new, b, memo));
    memo.insert((of, nf), same);
    same
}
