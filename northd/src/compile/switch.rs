//! `Logical_Switch` → `Datapath`.

use std::collections::BTreeMap;

use model::nb;
use pipeline::object::{Datapath, DatapathKind, Object, Switch};
use uuid::Uuid;

use super::load_balancer_group::balancers;
use super::options::Options;
use super::{Output, Reader};
use crate::ipam::Pool;

const OPTIONS: &[&str] = &[
    "exclude_ips",
    "ipv6_prefix",
    "mac_only",
    "requested-tnl-key",
    "subnet",
    "vlan-passthru",
];

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    // Column by column, so that a new port of the switch is no change of it.
    let name: Option<String> = reader.column::<nb::LogicalSwitch, _>(row, "name");
    let config = reader.column::<nb::LogicalSwitch, _>(row, "other_config");
    let Some((name, config)) = name.zip(config) else {
        return;
    };
    out.name(&name);
    let options = Options::new("other_config", &config, OPTIONS, out);
    for complaint in Pool::parse(&config).complaints {
        out.warn("other_config", complaint);
    }
    let kind = DatapathKind::Switch(Switch {
        vlan_passthru: options.flag("vlan-passthru", false),
        balancers: balancers::<nb::LogicalSwitch>(reader, row),
    });
    datapath(reader, row, name, kind, (&config, "other_config"), out);
}

/// Puts out the datapath of a row, if it has a tunnel key, and says when it is not the requested one.
pub(super) fn datapath(
    reader: &mut Reader<'_>,
    uuid: Uuid,
    name: String,
    kind: DatapathKind,
    (options, column): (&BTreeMap<String, String>, &'static str),
    out: &mut Output,
) {
    let Some(key) = reader.datapath_key(uuid) else {
        out.warn("name", "no tunnel key is free: nothing of it is in force");
        return;
    };
    requested_key(options, column, key.get(), out);
    out.object(Object::Datapath(Datapath {
        key,
        uuid,
        name,
        kind,
    }));
}

/// Warns when the row requests a tunnel key and has another.
pub(super) fn requested_key(
    options: &BTreeMap<String, String>,
    column: &'static str,
    key: u32,
    out: &mut Output,
) {
    if let Some(requested) = options.get("requested-tnl-key")
        && requested.parse() != Ok(key)
    {
        out.warn(
            column,
            format!("requested-tnl-key={requested:?} is no key or is taken; the key is {key}"),
        );
    }
}
