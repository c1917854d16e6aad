//! Functions that were replaced, and by what. Coroutines may be in the middle of them for long.

use std::collections::HashMap;

use super::{Files, Origin};

impl Files {
    /// Notes that another function runs in the place of one. What was known of the two is returned.
    pub fn outdate(&mut self, was: Origin, now: Origin) -> Vec<(Origin, Option<Origin>)> {
        if was == now {
            return Vec::new();
        }
        // It may have been outdated itself, and runs again.
        let again = self.outdated.remove(&now).map(|place| (now, Some(place)));
        let before = (was, self.outdated.insert(was, now));
        again.into_iter().chain([before]).collect()
    }

    /// Takes [`Files::outdate`] back.
    pub fn restore(&mut self, before: &[(Origin, Option<Origin>)]) {
        for (old, place) in before.iter().rev() {
            match place {
                Some(place) => self.outdated.insert(*old, *place),
                None => self.outdated.remove(old),
            };
        }
    }

    /// Functions that were in a function's place before, however long ago.
    pub fn outdated_by(&self, now: Origin) -> Vec<Origin> {
        let mut before: HashMap<Origin, Vec<Origin>> = HashMap::new();
        for (old, place) in &self.outdated {
            before.entry(*place).or_default().push(*old);
        }
        let mut found = Vec::new();
        let mut open = vec![now];
        while let Some(place) = open.pop() {
            let older = before.remove(&place).unwrap_or_default();
            open.extend(&older);
            found.extend(older);
        }
        found
    }

    /// What has replaced a function that is gone, has replaced those before it.
    pub(super) fn forget_outdated(&mut self, is_gone: impl Fn(&Origin) -> bool) {
        let all = std::mem::take(&mut self.outdated);
        for (old, mut now) in all.iter().filter(|(old, _)| !is_gone(old)) {
            while is_gone(now)
                && let Some(next) = all.get(now)
            {
                now = next;
            }
            if !is_gone(now) {
                self.outdated.insert(*old, *now);
            }
        }
    }
}
