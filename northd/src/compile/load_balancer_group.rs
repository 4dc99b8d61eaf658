//! `Load_Balancer_Group` → `BalancerGroup`, and the references of switches and routers.

use std::collections::BTreeSet;

use model::{Id, Table, nb};
use pipeline::object::{BalancerGroup, Balancers, Object};
use uuid::Uuid;

use super::{Output, Reader};

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(group) = reader.row::<nb::LoadBalancerGroup>(row) else {
        return;
    };
    out.name(&group.name);
    out.object(Object::BalancerGroup(BalancerGroup {
        uuid: row,
        name: group.name,
        balancers: uuids(group.load_balancer),
    }));
}

/// The load balancers of a switch or router.
pub(super) fn balancers<T: Table>(reader: &mut Reader<'_>, row: Uuid) -> Balancers {
    type Own = BTreeSet<Id<nb::LoadBalancer>>;
    type Groups = BTreeSet<Id<nb::LoadBalancerGroup>>;
    let own: Option<Own> = reader.column::<T, _>(row, "load_balancer");
    let groups: Option<Groups> = reader.column::<T, _>(row, "load_balancer_group");
    Balancers {
        own: uuids(own.unwrap_or_default()),
        groups: uuids(groups.unwrap_or_default()),
    }
}

fn uuids<T>(ids: BTreeSet<Id<T>>) -> Vec<Uuid> {
    let mut uuids: Vec<_> = ids.into_iter().map(|id| id.uuid()).collect();
    uuids.sort();
    uuids
}
