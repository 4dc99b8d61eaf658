//! The names in matches.

use std::collections::BTreeSet;

use expr::{Condition, Predicate};

use super::group_member::group_of_set;
use super::index::Lookup;
use super::{Output, Reader};

/// A name that nothing has yet stands for nothing.
pub(super) fn warn_of_unknown_names(
    matches: &Predicate,
    reader: &mut Reader<'_>,
    out: &mut Output,
) {
    let mut complaints = BTreeSet::new();
    let mut ahead = vec![matches];
    while let Some(predicate) = ahead.pop() {
        match predicate {
            Predicate::Constant(_) => {}
            Predicate::All(operands) | Predicate::Any(operands) => ahead.extend(operands),
            Predicate::Test(condition, _) => complaints.extend(unknown_name(condition, reader)),
        }
    }
    for complaint in complaints {
        out.warn("match", complaint);
    }
}

/// The complaint about the name in a condition, if nothing has it.
fn unknown_name(condition: &Condition, reader: &mut Reader<'_>) -> Option<String> {
    let mut is_unknown = |lookup: Lookup| reader.find(lookup).is_none();
    let complaint = match condition {
        Condition::Masked { .. } | Condition::Range { .. } => return None,
        Condition::AddressSet { set, .. } => {
            let group = group_of_set(set).map(|group| Lookup::PortGroup(group.to_owned()));
            let is_derived = group.is_some_and(|group| !is_unknown(group));
            if is_derived || !is_unknown(Lookup::AddressSet(set.to_string())) {
                return None;
            }
            format!("there is no address set ${set}")
        }
        Condition::PortGroup(_, group) => {
            if !is_unknown(Lookup::PortGroup(group.to_string())) {
                return None;
            }
            format!("there is no port group @{group}")
        }
        Condition::Port(_, port) | Condition::Resident(port) => {
            if port.is_empty() || !is_unknown(Lookup::SwitchPort(port.to_string())) {
                return None;
            }
            format!("there is no logical switch port {port:?}")
        }
    };
    Some(complaint)
}
