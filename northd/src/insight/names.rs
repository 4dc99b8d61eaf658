//! The sets that a microflow may name, from the northbound rows.

use expr::Constant;
use expr::microflow::Sets;
use model::Database;
use model::nb::{AddressSet, LogicalSwitchPort, PortGroup};

use crate::compile::stations_of;

/// The address sets and port groups of a database.
pub(super) struct Names<'a>(pub(super) &'a Database);

impl Sets for Names<'_> {
    fn addresses(&self, set: &str) -> Option<Vec<Constant>> {
        let row = self.0.table::<AddressSet>().named(set);
        if let Some(row) = row {
            let members = row.addresses.iter();
            return Some(members.filter_map(|text| text.parse().ok()).collect());
        }
        self.group_addresses(set)
    }

    fn ports(&self, group: &str) -> Option<Vec<String>> {
        let members = self.members(group)?.into_iter();
        Some(members.map(|port| port.name).collect())
    }
}

impl Names<'_> {
    fn members(&self, group: &str) -> Option<Vec<LogicalSwitchPort>> {
        let group: PortGroup = self.0.table::<PortGroup>().named(group)?;
        let ports = self.0.table::<LogicalSwitchPort>();
        let members = group.ports.iter();
        Some(members.filter_map(|&port| ports.get(port)).collect())
    }

    /// The set that each port group has for each family, `$GROUP_ip4` and `$GROUP_ip6`.
    fn group_addresses(&self, set: &str) -> Option<Vec<Constant>> {
        let (group, is_ipv4) = match set.strip_suffix("_ip4") {
            Some(group) => (group, true),
            None => (set.strip_suffix("_ip6")?, false),
        };
        let members = self.members(group)?;
        let texts = members
            .iter()
            .flat_map(|port| port.addresses.iter().chain(&port.dynamic_addresses));
        let addresses = stations_of(texts).flat_map(|station| match is_ipv4 {
            true => station.ipv4.iter().map(ToString::to_string).collect(),
            false => station
                .ipv6
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
        });
        Some(addresses.filter_map(|text| text.parse().ok()).collect())
    }
}
