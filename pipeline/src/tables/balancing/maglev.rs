//! Weighted Maglev hashing: which backend a hash stands for.
//!
//! Each backend lists the table's places in an order of its own, a function of its identity alone. They take turns
//! at taking the first place in their list that is still free, those of greater weight more often, until the table
//! is full. So every node fills a table alike whatever the order the backends are written in, shares are in
//! proportion to the weights to within a place, and a backend that goes leaves its places to the others while
//! those keep nearly all of theirs (Eisenbud et al., "Maglev", NSDI 2016, section 3.4).

use std::hash::BuildHasher;
use std::net::IpAddr;

/// Sizes of tables: primes, each about twice the one before.
const SIZES: [usize; 10] = [
    251, 509, 1021, 2039, 4093, 8191, 16_381, 32_749, 65_521, 131_071,
];
/// How many places a table has at least for each backend.
const PLACES_PER_BACKEND: usize = 100;
/// Makes all nodes fill tables alike.
const SEEDS: [u64; 2] = [0x6d61_676c, 0x6576_7365];

/// Who is hashed to: what stays the same while a backend lives.
type Identity = (IpAddr, u16);

/// A filled table of indexes of backends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Maglev {
    /// Empty while there is no backend; a single place for one.
    places: Vec<u16>,
}

/// A backend on its way through its list of places.
struct Turn {
    index: u16,
    weight: u64,
    /// Places that it is due, in units of the greatest weight.
    credit: u64,
    next: u64,
    skip: u64,
}

impl Maglev {
    /// The table of these backends: `(index, identity, weight)`. A weight of 0 takes no place. Backends beyond what
    /// the largest table can hold take none either.
    pub(crate) fn fill(backends: impl IntoIterator<Item = (u16, Identity, u16)>) -> Maglev {
        let mut backends: Vec<_> = backends
            .into_iter()
            .filter(|(_, _, weight)| *weight > 0)
            .collect();
        backends.sort_unstable_by_key(|(_, identity, _)| *identity);
        backends.dedup_by_key(|(_, identity, _)| *identity);
        match &backends[..] {
            [] => Maglev::default(),
            [(index, ..)] => Maglev {
                places: vec![*index],
            },
            _ => Maglev {
                places: take_turns(&backends),
            },
        }
    }

    /// The backend for a hash; `None` if there is no backend.
    pub(crate) fn pick(&self, hash: u64) -> Option<u16> {
        let place = hash.checked_rem(self.places.len() as u64)?;
        self.places.get(place as usize).copied()
    }

    /// True if there is no backend.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

fn take_turns(backends: &[(u16, Identity, u16)]) -> Vec<u16> {
    const FREE: u16 = u16::MAX;
    let size = size_for(backends.len());
    let greatest = backends.iter().map(|(_, _, weight)| *weight).max();
    let greatest = u64::from(greatest.unwrap_or(1));
    let mut turns: Vec<_> = backends
        .iter()
        .map(|backend| Turn::new(backend, size as u64))
        .collect();
    let mut places = vec![FREE; size];
    let mut free = size;
    loop {
        for turn in &mut turns {
            turn.credit += turn.weight;
            if turn.credit < greatest {
                continue;
            }
            turn.credit -= greatest;
            let Some(place) = turn.first_free(&places, FREE) else {
                return places;
            };
            places[place] = turn.index;
            free -= 1;
            if free == 0 {
                return places;
            }
        }
    }
}

fn size_for(backends: usize) -> usize {
    let needed = backends * PLACES_PER_BACKEND;
    let fitting = SIZES.into_iter().find(|size| *size >= needed);
    fitting.unwrap_or(SIZES[SIZES.len() - 1])
}

impl Turn {
    fn new((index, identity, weight): &(u16, Identity, u16), size: u64) -> Turn {
        let [offset, skip] =
            SEEDS.map(|seed| foldhash::quality::FixedState::with_seed(seed).hash_one(identity));
        Turn {
            index: *index,
            weight: u64::from(*weight),
            credit: 0,
            next: offset % size,
            // The size is prime, so that every step in 1..size meets every place.
            skip: 1 + skip % (size - 1),
        }
    }

    fn first_free(&mut self, places: &[u16], free: u16) -> Option<usize> {
        let size = places.len() as u64;
        for _ in 0..size {
            let place = self.next as usize;
            self.next = (self.next + self.skip) % size;
            if places[place] == free {
                return Some(place);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn backends(weights: &[u16]) -> Vec<(u16, Identity, u16)> {
        let backend = |(index, weight): (usize, &u16)| {
            let ip = Ipv4Addr::from(0x0a00_0001 + index as u32);
            (index as u16, (ip.into(), 80), *weight)
        };
        weights.iter().enumerate().map(backend).collect()
    }

    fn shares(table: &Maglev) -> BTreeMap<u16, usize> {
        let mut shares = BTreeMap::new();
        for index in &table.places {
            *shares.entry(*index).or_insert(0) += 1;
        }
        shares
    }

    #[test]
    fn no_backend_takes_nothing_and_one_takes_all() {
        assert_eq!(Maglev::fill([]).pick(7), None);
        assert_eq!(Maglev::fill(backends(&[0])).pick(7), None);
        for hash in [0, 1, u64::MAX] {
            assert_eq!(Maglev::fill(backends(&[0, 3])).pick(hash), Some(1));
        }
    }

    #[test]
    fn more_backends_than_places_are_no_harm() {
        let table = Maglev::fill(backends(&[1; 60_000]));
        assert_eq!(table.places.len(), 131_071);
        assert_eq!(shares(&table).len(), 60_000);
    }

    proptest! {
        #[test]
        fn shares_are_in_proportion_to_weights(weights in prop::collection::vec(1_u16..100, 2..40)) {
            let table = Maglev::fill(backends(&weights));
            let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
            let shares = shares(&table);
            for (index, weight) in weights.iter().enumerate() {
                let due = table.places.len() as f64 * f64::from(*weight) / total;
                let got = shares.get(&(index as u16)).copied().unwrap_or(0) as f64;
                // The last round of turns may be cut short.
                prop_assert!((got - due).abs() <= 1.0 + due / 100.0, "{index}: {got} for {due}");
            }
        }

        #[test]
        fn the_order_of_backends_does_not_matter(
            weights in prop::collection::vec(1_u16..10, 1..30),
            seed: u64,
        ) {
            let ordered = backends(&weights);
            let mut shuffled = ordered.clone();
            shuffled.sort_by_key(|(index, ..)| (u64::from(*index) + 1).wrapping_mul(seed | 1));
            prop_assert_eq!(Maglev::fill(ordered), Maglev::fill(shuffled));
        }

        #[test]
        fn a_backend_that_goes_moves_little_but_its_own(
            count in 3_usize..100,
            gone in any::<prop::sample::Index>(),
        ) {
            let all = backends(&vec![1; count]);
            let gone = gone.index(count) as u16;
            let rest: Vec<_> = all.iter().copied().filter(|(index, ..)| *index != gone).collect();
            prop_assume!(size_for(count) == size_for(count - 1));
            let (before, after) = (Maglev::fill(all), Maglev::fill(rest));
            let pairs = before.places.iter().zip(&after.places);
            let moved = pairs.filter(|(old, new)| **old != gone && old != new).count();
            // What moves besides is the Maglev table's price for even shares.
            prop_assert!(moved * 100 <= before.places.len() * 12, "{moved} of {}", before.places.len());
            prop_assert!(!after.places.contains(&gone));
        }
    }
}
