//! Which addresses a walk has met: one bit for 16 bytes of address, in pages made when they are first needed. Lua's objects come from
//! an allocator that gives each of them 16 bytes at least, at a multiple of 16.

use rustc_hash::FxHashMap;

/// Bits of an address that tell nothing.
const GRAIN: u32 = 4;
/// Words of a page: 512 bytes, for the 64 KiB in which the allocator keeps blocks of one size. (A small heap has some of each.)
const WORDS: usize = 64;
const PAGE_BITS: u32 = (WORDS * 64).trailing_zeros();
/// Pages that are found without a look into the map.
const RECENT: usize = 256;

type Page = Box<[u64; WORDS]>;
/// The number of a page that no address belongs to.
const NOWHERE: usize = usize::MAX;

/// A set of addresses.
pub struct Seen {
    pages: Vec<Page>,
    /// Page numbers, and where the page is in `pages`.
    index: FxHashMap<usize, usize>,
    /// The same for recent pages, by the last bits of their numbers.
    recent: [(usize, usize); RECENT],
}

impl Default for Seen {
    /// The empty set.
    fn default() -> Seen {
        Seen {
            pages: Vec::new(),
            index: FxHashMap::default(),
            recent: [(NOWHERE, 0); RECENT],
        }
    }
}

impl Seen {
    /// Adds an address; whether it is new.
    #[inline]
    pub fn insert(&mut self, address: usize) -> bool {
        let grain = address >> GRAIN;
        let number = grain >> PAGE_BITS;
        let (known, place) = self.recent[number % RECENT];
        let place = if known == number { place } else { self.page(number) };
        let word = &mut self.pages[place][(grain >> 6) % WORDS];
        let bit = 1 << (grain & 63);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Whether an address was added.
    #[inline]
    pub fn contains(&self, address: usize) -> bool {
        let grain = address >> GRAIN;
        let number = grain >> PAGE_BITS;
        let (known, place) = self.recent[number % RECENT];
        let place = if known == number {
            place
        } else if let Some(&place) = self.index.get(&number) {
            place
        } else {
            return false;
        };
        self.pages[place][(grain >> 6) % WORDS] >> (grain & 63) & 1 != 0
    }

    #[cold]
    fn page(&mut self, number: usize) -> usize {
        let place = *self.index.entry(number).or_insert_with(|| {
            self.pages.push(Box::new([0; WORDS]));
            self.pages.len() - 1
        });
        self.recent[number % RECENT] = (number, place);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn every_address_is_new_once() {
        let mut seen = Seen::default();
        // Near each other, on pages that share a place among the recent ones, and at both ends.
        let addresses = (0..5000).map(|n| n * 16);
        let addresses = addresses.chain((1..200).map(|n| n << 26)).chain([usize::MAX & !15]);
        let addresses: Vec<usize> = addresses.collect();
        for &address in &addresses {
            assert!(!seen.contains(address) && seen.insert(address), "{address:x}");
        }
        for &address in &addresses {
            assert!(seen.contains(address) && !seen.insert(address), "{address:x}");
            assert!(seen.contains(address + 8));
        }
        assert!(!seen.contains(16 << 40));
    }
}
