//! The entries of the stages that balance load and translate.

use crate::balance::Asked;
use crate::conntrack::Mark;
use crate::object::{ForceSnat, NatKind};
use crate::record::Entry;
use crate::router::{dnat, gateway_redirect, snat, undnat, unsnat};
use crate::stage::Stage;
use crate::switch::stateful::{hairpin, lb};
use crate::tables::{DatapathTables, RouterTables, SwitchTables, Tables};
use crate::walk::In;

/// The stages of a switch.
pub(super) fn of_switch(stage: Stage, tables: &Tables, switch: In<'_, SwitchTables>) -> Vec<Entry> {
    let balances = switch.datapath.balances;
    let mut entries = match stage {
        Stage::InLb => services(tables, switch.datapath)
            .map(|asked| lb::entry(asked))
            .collect(),
        Stage::InNatHairpin if balances => hairpin::entries().to_vec(),
        Stage::InHairpin if balances => vec![hairpin::turn_entry()],
        _ => Vec::new(),
    };
    entries.push(next());
    entries
}

/// The stages of a router.
pub(super) fn of_router(stage: Stage, tables: &Tables, router: In<'_, RouterTables>) -> Vec<Entry> {
    let nats = router.tables.nats.all();
    let translates = router.datapath.balances || !nats.is_empty();
    let mut entries: Vec<_> = match stage {
        Stage::InUnsnat => nats
            .iter()
            .filter(|nat| nat.kind != NatKind::Dnat && !nat.is_stateless)
            .map(|nat| unsnat::entry(nat.external_ip))
            .collect(),
        Stage::InDefrag => services(tables, router.datapath)
            .map(|asked| dnat::defrag_entry(asked.service.vip.key.ip))
            .collect(),
        Stage::InDnat => {
            let services = services(tables, router.datapath);
            let nats = nats.iter().filter(|nat| nat.kind != NatKind::Snat);
            services
                .map(|asked| dnat::service_entry(asked, mark(router, asked)))
                .chain(nats.map(|nat| dnat::entry(nat)))
                .collect()
        }
        Stage::InGwRedirect => {
            let gateways = router.tables.gateways.iter();
            let ports = gateways.filter_map(|key| router.datapath.router_port(*key));
            ports
                .map(|(port, _)| gateway_redirect::entry(port))
                .collect()
        }
        Stage::OutUndnat if translates => vec![undnat::entry()],
        Stage::OutPostUndnat if translates => vec![undnat::keep_entry()],
        Stage::OutSnat => nats
            .iter()
            .filter(|nat| nat.kind != NatKind::Dnat)
            .map(|nat| snat::entry(nat))
            .collect(),
        _ => Vec::new(),
    };
    entries.push(next());
    entries.sort();
    entries.dedup();
    entries
}

fn services<'a>(
    tables: &'a Tables,
    datapath: &'a DatapathTables,
) -> impl Iterator<Item = Asked<'a>> {
    let all = tables.balancing().all(datapath.balancers());
    all.map(|(service, balancer)| Asked { service, balancer })
}

fn mark(router: In<'_, RouterTables>, asked: Asked<'_>) -> Mark {
    let settings = router.datapath.router();
    let is_forced = settings.is_some_and(|router| router.lb_force_snat != ForceSnat::No);
    match (asked.balancer.skip_snat, is_forced) {
        (true, _) => Mark::SKIP_SNAT,
        (false, true) => Mark::FORCE_SNAT,
        (false, false) => Mark::empty(),
    }
}

fn next() -> Entry {
    Entry::new(0, "1", ["next;"])
}
