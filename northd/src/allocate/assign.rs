//! Who gets which number.

use std::collections::BTreeMap;

use uuid::Uuid;

/// Somebody who needs a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) row: Uuid,
    /// The number it has.
    pub(super) current: Option<u32>,
    /// The number it asks for.
    pub(super) requested: Option<u32>,
}

/// Gives each owner a number in `1..=greatest`; rows that are not in the answer go without.
///
/// Requests come first: those that are already fulfilled, then the others in the order of the rows. Then
/// everybody keeps what he has, if nobody took it. The rest get numbers after the greatest in use, and from
/// the low end once these run out, so that a number that was given up is not soon another's.
pub(super) fn assign(owners: &[Owner], greatest: u32) -> BTreeMap<Uuid, u32> {
    let mut assignment = Assignment::default();
    let legal = |number: &u32| (1..=greatest).contains(number);
    let mut owners = owners.to_vec();
    owners.sort_by_key(|owner| (owner.requested != owner.current, owner.row));
    for owner in &owners {
        assignment.give(owner.row, owner.requested.filter(legal));
    }
    for owner in &owners {
        assignment.give(owner.row, owner.current.filter(legal));
    }
    owners.sort_by_key(|owner| owner.row);
    let last = assignment.by_number.keys().next_back().copied();
    let mut candidates = (last.unwrap_or(0)..greatest)
        .map(|n| n + 1)
        .chain(1..=greatest);
    for owner in &owners {
        if !assignment.by_row.contains_key(&owner.row) {
            let free = candidates.find(|number| !assignment.by_number.contains_key(number));
            assignment.give(owner.row, free);
        }
    }
    assignment.by_row
}

#[derive(Default)]
struct Assignment {
    by_row: BTreeMap<Uuid, u32>,
    by_number: BTreeMap<u32, Uuid>,
}

impl Assignment {
    /// Gives a row this number if it has none yet and the number is free.
    fn give(&mut self, row: Uuid, number: Option<u32>) {
        let Some(number) = number else { return };
        if !self.by_row.contains_key(&row) && !self.by_number.contains_key(&number) {
            self.by_row.insert(row, number);
            self.by_number.insert(number, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GREATEST: u32 = 5;

    fn owner(row: u128, current: Option<u32>, requested: Option<u32>) -> Owner {
        Owner {
            row: Uuid::from_u128(row),
            current,
            requested,
        }
    }

    fn check(owners: &[(Option<u32>, Option<u32>)], expected: &[Option<u32>]) {
        let rows = 0..owners.len();
        let owners: Vec<_> = std::iter::zip(rows, owners)
            .map(|(row, (current, requested))| owner(row as u128, *current, *requested))
            .collect();
        let assigned = assign(&owners, GREATEST);
        let found: Vec<_> = owners
            .iter()
            .map(|o| assigned.get(&o.row).copied())
            .collect();
        assert_eq!(found, expected, "{owners:?}");
    }

    /// Input: for each row the number it has and the one it requests. Output: the numbers given.
    #[test]
    fn numbers_stay_unless_they_are_requested() {
        check(&[(None, None), (None, None)], &[Some(1), Some(2)]);
        check(&[(Some(2), None), (None, None)], &[Some(2), Some(3)]);
        check(&[(Some(5), None), (None, None)], &[Some(5), Some(1)]);
        check(&[(Some(2), None), (None, Some(2))], &[Some(3), Some(2)]);
        check(&[(None, Some(2)), (Some(2), Some(2))], &[Some(3), Some(2)]);
        check(&[(None, Some(9)), (None, Some(0))], &[Some(1), Some(2)]);
        check(
            &[(Some(1), Some(2)), (Some(2), Some(1))],
            &[Some(2), Some(1)],
        );
    }

    #[test]
    fn whoever_comes_after_the_last_number_goes_without() {
        let none = (None, None);
        check(
            &[none, none, none, none, none, none],
            &[Some(1), Some(2), Some(3), Some(4), Some(5), None],
        );
    }

    proptest! {
        /// Input: any owners. Output: distinct numbers in bounds; assigning again changes nothing.
        #[test]
        fn assignments_are_unique_and_settled(
            owners in prop::collection::vec((prop::option::of(0..8u32), prop::option::of(0..8u32)), 0..10)
        ) {
            let rows = 0..owners.len() as u128;
            let mut owners: Vec<_> = std::iter::zip(rows, owners)
                .map(|(row, (current, requested))| owner(row, current, requested))
                .collect();
            let first = assign(&owners, GREATEST);
            let mut numbers: Vec<_> = first.values().copied().collect();
            numbers.sort_unstable();
            numbers.dedup();
            prop_assert_eq!(numbers.len(), owners.len().min(GREATEST as usize));
            prop_assert!(numbers.iter().all(|number| (1..=GREATEST).contains(number)));
            for owner in &mut owners {
                owner.current = first.get(&owner.row).copied();
            }
            owners.reverse();
            prop_assert_eq!(assign(&owners, GREATEST), first);
        }
    }
}
