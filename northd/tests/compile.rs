//! Golden listings: rows in, compiled objects and warnings out.

mod harness;

use harness::World;
use model::{Datum, Id, Operation, Table, nb};
use pipeline::object::{
    Attachment, DatapathKind, FixedBinding, NextHop, Object, Port, PortKind, Route, RouteOrigin,
    RoutePolicy, RouterPort, SwitchPort,
};

/// A network in the making; names stand for what is made.
#[derive(Default)]
struct Script {
    operations: Vec<Operation>,
}

impl Script {
    fn switch(&mut self, name: &str, config: &[(&str, &str)], ports: Vec<nb::LogicalSwitchPort>) {
        let switch = nb::LogicalSwitch {
            id: Id::random(),
            name: name.to_owned(),
            other_config: map(config),
            ports: ports.iter().map(|port| port.id).collect(),
            ..nb::LogicalSwitch::default()
        };
        self.operations.extend(ports.iter().map(Table::insert));
        self.operations.push(switch.insert());
    }

    fn router(
        &mut self,
        name: &str,
        ports: Vec<nb::LogicalRouterPort>,
        routes: Vec<nb::LogicalRouterStaticRoute>,
    ) {
        let router = nb::LogicalRouter {
            id: Id::random(),
            name: name.to_owned(),
            ports: ports.iter().map(|port| port.id).collect(),
            static_routes: routes.iter().map(|route| route.id).collect(),
            ..nb::LogicalRouter::default()
        };
        self.operations.extend(ports.iter().map(Table::insert));
        self.operations.extend(routes.iter().map(Table::insert));
        self.operations.push(router.insert());
    }

    /// What it compiles to, in lines whose order does not depend on made up UUIDs.
    fn listing(self) -> String {
        let mut world = World::new();
        for operation in self.operations.chunks(self.operations.len().max(1)) {
            world.commit(operation);
        }
        let objects = world.control.objects().values();
        let warnings = world.control.warnings();
        let mut warnings: Vec<_> = warnings
            .iter()
            .map(|warning| match warning.name.as_str() {
                "" => format!(
                    "warning: {} {}: {}",
                    warning.table, warning.column, warning.message
                ),
                _ => format!("warning: {warning}"),
            })
            .collect();
        warnings.sort();
        let lines = objects.map(|object| line(object)).chain(warnings);
        lines.map(|line| line + "\n").collect()
    }
}

fn map(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// A switch port whose key is requested, so that listings do not depend on made up UUIDs.
fn lsp(name: &str, key: u32, addresses: &[&str]) -> nb::LogicalSwitchPort {
    let mut port = harness::port(name);
    port.addresses = addresses.iter().map(|text| (*text).to_owned()).collect();
    port.options = map(&[("requested-tnl-key", &key.to_string())]);
    port
}

fn router_lsp(name: &str, key: u32, peer: &str) -> nb::LogicalSwitchPort {
    let mut port = lsp(name, key, &["router"]);
    port.r#type = "router".to_owned();
    port.options
        .insert("router-port".to_owned(), peer.to_owned());
    port
}

fn lrp(name: &str, key: u32, mac: &str, networks: &[&str]) -> nb::LogicalRouterPort {
    nb::LogicalRouterPort {
        id: Id::random(),
        name: name.to_owned(),
        mac: mac.to_owned(),
        networks: networks.iter().map(|text| (*text).to_owned()).collect(),
        options: map(&[("requested-tnl-key", &key.to_string())]),
        ..nb::LogicalRouterPort::default()
    }
}

fn route(prefix: &str, nexthop: &str, output_port: &str) -> nb::LogicalRouterStaticRoute {
    nb::LogicalRouterStaticRoute {
        id: Id::random(),
        ip_prefix: prefix.to_owned(),
        nexthop: nexthop.to_owned(),
        output_port: (!output_port.is_empty()).then(|| output_port.to_owned()),
        ..nb::LogicalRouterStaticRoute::default()
    }
}

// === The listing ===

fn line(object: &Object) -> String {
    match object {
        Object::Global(global) => format!(
            "global: nb_cfg={} fdb_age={}s neighbor_age={}s",
            global.nb_cfg, global.fdb_age_s, global.neighbor_age_s
        ),
        Object::Chassis(chassis) => format!("chassis {}", chassis.name),
        Object::Datapath(datapath) => {
            let kind = match &datapath.kind {
                DatapathKind::Switch(switch) => {
                    format!("switch vlan_passthru={}", switch.vlan_passthru)
                }
                DatapathKind::Router(router) => format!(
                    "router learns={} enabled={}",
                    router.always_learn_from_arp_request, router.enabled
                ),
            };
            format!("datapath {} {:?}: {kind}", datapath.key, datapath.name)
        }
        Object::Port(port) => port_line(port),
        Object::Route(route) => route_line(route),
        Object::Neighbor(neighbor) => {
            let fixed = neighbor.fixed.map(
                |FixedBinding {
                     mac,
                     overrides_learned,
                 }| {
                    format!(
                        "{mac}{}",
                        if overrides_learned {
                            " (overrides)"
                        } else {
                            ""
                        }
                    )
                },
            );
            let (at, ip) = (neighbor.port, neighbor.ip);
            format!(
                "neighbor {}/{} {ip}: fixed={fixed:?} learned={:?}",
                at.datapath, at.port, neighbor.learned
            )
        }
        Object::Fdb(entry) => format!("fdb {}/{} {}", entry.switch, entry.port, entry.mac),
        other => format!("{:?}", other.key()),
    }
}

fn port_line(port: &Port) -> String {
    let kind = match &port.kind {
        PortKind::Switch(kind) => switch_port_line(kind),
        PortKind::Router(kind) => router_port_line(kind),
    };
    let disabled = if port.enabled { "" } else { " disabled" };
    format!(
        "port {}/{} {:?}{disabled}: {kind}",
        port.at.datapath, port.at.port, port.name
    )
}

fn switch_port_line(port: &SwitchPort) -> String {
    let attachment = match &port.attachment {
        Attachment::Vif => "vif".to_owned(),
        Attachment::Localport => "localport".to_owned(),
        Attachment::Nested { parent, tag } => format!("nested in {parent:?} tag {tag}"),
        Attachment::Router(None) => "router nowhere".to_owned(),
        Attachment::Router(Some(peer)) => format!("router {}/{}", peer.datapath, peer.port),
    };
    let mut text = attachment;
    for station in &port.addresses {
        text += &format!(" [{} {:?} {:?}]", station.mac, station.ipv4, station.ipv6);
    }
    if port.has_unknown {
        text += " [unknown]";
    }
    for security in &port.port_security {
        text += &format!(
            " security[{} {:?} {:?}]",
            security.mac, security.ipv4, security.ipv6
        );
    }
    if let Some(chassis) = &port.requested_chassis {
        text += &format!(" requested={chassis}");
    }
    text
}

fn router_port_line(port: &RouterPort) -> String {
    let peer = port
        .peer
        .map(|peer| format!("{}/{}", peer.datapath, peer.port));
    format!(
        "{} {:?} {:?} peer={} mtu={:?} table={:?}",
        port.mac,
        port.ipv4,
        port.ipv6,
        peer.as_deref().unwrap_or("none"),
        port.gateway_mtu,
        port.route_table
    )
}

fn route_line(route: &Route) -> String {
    let key = &route.key;
    let policy = match key.policy {
        RoutePolicy::Destination => "dst",
        RoutePolicy::Source => "src",
    };
    let origin = match key.origin {
        RouteOrigin::Connected => "connected",
        RouteOrigin::Static => "static",
    };
    let inport = key
        .inport
        .map(|port| format!(" inport={port}"))
        .unwrap_or_default();
    let hops = route.next_hops.iter().map(
        |NextHop {
             port,
             gateway,
             source,
         }| match gateway {
            Some(gateway) => format!("via {gateway} port {port} from {source}"),
            None => format!("on port {port} from {source}"),
        },
    );
    let discards = (0..route.discards).map(|_| "discard".to_owned());
    let ways: Vec<_> = hops.chain(discards).collect();
    format!(
        "route {} {:?} {policy} {}{inport} {origin}: {}",
        route.router,
        key.table,
        key.prefix,
        ways.join(", ")
    )
}

// === The scripts ===

const S1: &[(&str, &str)] = &[("requested-tnl-key", "1")];
const S2: &[(&str, &str)] = &[("requested-tnl-key", "2"), ("vlan-passthru", "true")];

#[test]
fn two_switches_joined_by_a_router() {
    let mut script = Script::default();
    let mut a = lsp("a", 1, &["02:00:00:00:00:01 10.0.1.2 fd00:1::2"]);
    a.port_security = a.addresses.clone();
    script.switch("s1", S1, vec![a, router_lsp("s1-r", 2, "r-s1")]);
    let b = lsp("b", 1, &["02:00:00:00:00:02 10.0.2.2/24", "unknown"]);
    script.switch("s2", S2, vec![b, router_lsp("s2-r", 2, "r-s2")]);
    let mut second = lrp("r-s2", 2, "0a:00:00:00:00:02", &["10.0.2.1/24"]);
    second.options.insert("gateway_mtu".into(), "1400".into());
    let redirect_type = ["redirect-type", "bridged"].map(str::to_owned);
    second.options.extend([redirect_type.into()]);
    second.enabled = Some(false);
    let first = lrp(
        "r-s1",
        1,
        "0a:00:00:00:00:01",
        &["10.0.1.1/24", "fd00:1::1/64"],
    );
    script.router("r", vec![first, second], Vec::new());
    insta::assert_snapshot!(script.listing());
}

#[test]
fn static_routes_find_their_ports_as_in_ovn() {
    let mut script = Script::default();
    let mut source = route("10.0.1.0/24", "10.0.2.9", "");
    source.policy = Some("src-ip".into());
    let mut tabled = route("10.7.0.0/16", "10.0.1.9", "");
    tabled.route_table = "blue".into();
    let mut other = lrp("p2", 2, "0a:00:00:00:00:02", &["10.0.2.1/24"]);
    other.options.insert("route_table".into(), "blue".into());
    script.router(
        "r",
        vec![
            lrp(
                "p1",
                1,
                "0a:00:00:00:00:01",
                &["10.0.1.1/24", "fd00:1::1/64"],
            ),
            other,
        ],
        vec![
            route("0.0.0.0/0", "10.0.1.9", ""),
            route("0.0.0.0/0", "10.0.2.9", ""),
            route("10.3.0.7/16", "10.0.1.9", ""),
            route("10.4.0.1", "discard", ""),
            route("10.8.0.0/16", "discard", ""),
            route("10.8.0.0/16", "10.0.1.9", ""),
            route("10.8.0.0/16", "10.0.1.9", ""),
            route("10.8.0.0/16", "discard", ""),
            route("10.5.0.0/16", "192.0.2.1", "p2"),
            route("10.6.0.0/16", "", "p1"),
            route("::/0", "fd00:1::9", ""),
            route("fd01::/64", "fe80::9", "p2"),
            source,
            tabled,
        ],
    );
    insta::assert_snapshot!(script.listing());
}

#[test]
fn routes_that_lead_nowhere_are_warned_about() {
    let mut script = Script::default();
    script.router(
        "r",
        vec![lrp("p1", 1, "0a:00:00:00:00:01", &["10.0.1.1/24"])],
        vec![
            route("10.1.0.0/16", "192.0.2.1", ""),
            route("10.2.0.0/16", "10.0.1.1", ""),
            route("10.3.0.0/16", "fd00::1", ""),
            route("10.4.0.0/16", "nowhere", ""),
            route("10.5.0.0/16", "10.0.1.9", "p9"),
            route("10.6.0.0/16", "", ""),
            route("fd01::/64", "fe80::9", ""),
            route("10.8.0.0/33", "10.0.1.9", ""),
        ],
    );
    insta::assert_snapshot!(script.listing());
}

#[test]
fn ports_that_are_only_partly_in_force_are_warned_about() {
    let mut script = Script::default();
    let mut localnet = lsp("localnet", 1, &["unknown"]);
    localnet.r#type = "localnet".into();
    let mut localport = lsp("localport", 2, &["02:00:00:00:00:02"]);
    localport.r#type = "localport".into();
    let mut child = lsp("child", 3, &["02:00:00:00:00:03 10.0.0.3"]);
    child.parent_name = Some("parent".into());
    child.tag_request = Some(7);
    let mut orphan = lsp("orphan", 4, &[]);
    orphan.parent_name = Some("nobody".into());
    let mut elsewhere = lsp(
        "elsewhere",
        5,
        &[
            "router",
            "dynamic",
            "10.0.0.5",
            "02:00:00:00:00:05 x 10.0.0.6",
        ],
    );
    elsewhere
        .options
        .insert("requested-chassis".into(), "n1,n2".into());
    elsewhere.options.insert("qos_mean_rate".into(), "1".into());
    elsewhere.enabled = Some(false);
    let twin = lsp("twin", 5, &["02:00:00:00:00:06"]);
    let mut tagged = lsp("tagged", 9, &[]);
    tagged.tag = Some(9);
    let mut asking = lsp("asking", 10, &[]);
    asking.r#type = "localport".into();
    asking.tag_request = Some(0);
    let ports = vec![
        localnet,
        localport,
        child,
        orphan,
        elsewhere,
        lsp("parent", 6, &["02:00:00:00:00:07"]),
        tagged,
        asking,
        router_lsp("lost", 8, "missing"),
    ];
    script.switch(
        "s",
        &[("requested-tnl-key", "1"), ("mcast_snoop", "true")],
        ports,
    );
    script.switch("t", S2, vec![twin]);
    insta::assert_snapshot!(script.listing());
}

#[test]
fn routers_are_joined_by_peers_and_know_fixed_neighbors() {
    let mut script = Script::default();
    let mut left = lrp("left", 1, "0a:00:00:00:00:01", &["169.254.0.1/30"]);
    left.peer = Some("right".into());
    let mut right = lrp("right", 2, "0a:00:00:00:00:02", &["169.254.0.2/30", "x"]);
    right.peer = Some("left".into());
    let mut lone = lrp("lone", 3, "0a:00:00:00:00:03", &["10.0.0.1/24"]);
    lone.peer = Some("nobody".into());
    let broken = lrp("broken", 4, "not a mac", &["10.0.9.1/24"]);
    script.router("r", vec![left, right, lone, broken], Vec::new());
    for (port, ip, mac, overrides) in [
        ("lone", "10.0.0.9", "02:00:00:00:00:09", true),
        ("lone", "fd00::9", "02:00:00:00:00:0a", false),
        ("nobody", "10.0.0.9", "02:00:00:00:00:09", false),
        ("lone", "10.0.0.8", "01:00:5e:00:00:01", false),
    ] {
        let binding = nb::StaticMacBinding {
            id: Id::random(),
            logical_port: port.into(),
            ip: ip.into(),
            mac: mac.into(),
            override_dynamic_mac: overrides,
        };
        script.operations.push(binding.insert());
    }
    insta::assert_snapshot!(script.listing());
}

#[test]
fn one_more_port_runs_its_own_units_alone() {
    let mut world = World::new();
    let ports: Vec<_> = (0..50)
        .map(|number| harness::port(&format!("p{number}")))
        .collect();
    world.commit(&harness::switch("s", &ports));
    let (mut compiler, all) = northd::compile::Compiler::from_scratch(&world.database);
    assert!(all.units_run > 50);
    let before = world.database.clone();
    let switches = world.database.table::<nb::LogicalSwitch>();
    let mut switch = switches.iter().next().expect("there is one");
    let port = harness::port("one-more");
    switch.ports.insert(port.id);
    let ports = Datum::set(switch.ports);
    world.commit(&[
        port.insert(),
        Operation::update(switch.id, [("ports", ports)]),
    ]);
    let changes = world.database.changes_since(&before);
    let more = compiler.apply(&world.database, &changes);
    assert_eq!((more.units_run, more.objects.len()), (2, 1));
}
