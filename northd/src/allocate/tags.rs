//! `Logical_Switch_Port.tag` from `tag_request`: a free one among the parent's ports, or the one asked for.

use std::collections::BTreeSet;

use model::{Changes, Database, Datum, Operation, nb};

/// The greatest VLAN id that a port may have (IEEE 802.1Q: 4095 is reserved).
const GREATEST_TAG: i64 = 4094;

pub(super) fn allocate(database: &Database, changes: &Changes) -> Vec<Operation> {
    let mut given = BTreeSet::new();
    let changed = changes.typed::<nb::LogicalSwitchPort>();
    let ports = changed.filter_map(|change| change.ok()?.new);
    let ports = ports.filter_map(|port| {
        let parent = port.parent_name.clone().filter(|name| !name.is_empty());
        let tag = match port.tag_request? {
            0 if port.tag.is_some() => return None,
            0 => free_tag(database, parent.as_deref()?, &given)?,
            tag => tag,
        };
        given.extend(parent.map(|parent| (parent, tag)));
        (port.tag != Some(tag)).then(|| Operation::update(port.id, [("tag", Datum::scalar(tag))]))
    });
    ports.collect()
}

/// The least tag that no port of the parent has.
fn free_tag(database: &Database, parent: &str, given: &BTreeSet<(String, i64)>) -> Option<i64> {
    let ports = database.table::<nb::LogicalSwitchPort>().iter();
    let siblings = ports.filter(|port| port.parent_name.as_deref() == Some(parent));
    let tags = siblings.flat_map(|port| [port.tag, port.tag_request]);
    let used: BTreeSet<i64> = tags.flatten().collect();
    let is_free = |tag: &i64| !used.contains(tag) && !given.contains(&(parent.to_owned(), *tag));
    (1..=GREATEST_TAG).find(is_free)
}
