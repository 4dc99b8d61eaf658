//! Services as they are compiled and handed out: load balancers, translations, gateways and health.

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use harness::World;
use harness::story::Story;
use model::{Datum, Id, Operation, Table, nb, sb};
use northd::control::EVENTS_MAX;
use pipeline::object::{
    BackendState, DatapathKind, Object, ObjectKey, PortKind, Probe, ProbeKey, Vip, VipKey,
};
use southbound_proto::convert::{ProbeHealth, ProbeStatus};
use southbound_proto::southbound as wire;
use uuid::Uuid;
use wire::from_node::Message as Up;

fn id<T>(number: u128) -> Id<T> {
    Id::new(Uuid::from_u128(number))
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn balancer(number: u128, vips: &[(&str, &str)], options: &[(&str, &str)]) -> nb::LoadBalancer {
    nb::LoadBalancer {
        id: id(number),
        name: format!("lb{number}"),
        vips: map(vips),
        options: map(options),
        ..nb::LoadBalancer::default()
    }
}

fn addressed(name: &str, addresses: &str) -> nb::LogicalSwitchPort {
    nb::LogicalSwitchPort {
        addresses: [addresses.to_owned()].into(),
        ..harness::port(name)
    }
}

/// The objects of services and gateways, and all warnings, in lines.
fn listing(world: &World) -> String {
    let objects = world.control.objects().values();
    let objects = objects.filter_map(|object| match &**object {
        Object::Datapath(datapath) => match &datapath.kind {
            DatapathKind::Switch(switch) => Some(format!("{}: {switch:?}", datapath.name)),
            DatapathKind::Router(router) => Some(format!("{}: {router:?}", datapath.name)),
        },
        Object::Port(port) => match &port.kind {
            PortKind::Switch(kind) => Some(format!("{} is on {:?}", port.name, kind.chassis)),
            PortKind::Router(kind) => Some(format!("{} is through {:?}", port.name, kind.gateway)),
        },
        Object::Balancer(_) | Object::BalancerGroup(_) | Object::Vip(_) | Object::Nat(_) => {
            Some(format!("{object:?}"))
        }
        _ => None,
    });
    let warnings = world.control.warnings().into_iter();
    let warnings = warnings.map(|warning| format!("warning: {warning}"));
    let mut lines: Vec<_> = objects.chain(warnings).collect();
    lines.sort();
    lines.join("\n")
}

#[test]
fn load_balancers_with_all_that_can_be_said_of_them() {
    let mut plain = balancer(
        1,
        &[
            ("10.9.0.1:80", "10.0.0.2:8080,10.0.0.3:8080"),
            ("10.9.0.2", "10.0.0.2"),
            ("[fd09::1]:80", "[fd00::2]:80"),
            ("10.9.0.9:80", ""),
        ],
        &[
            ("reject", "true"),
            ("hairpin_snat_ip", "10.9.9.9 fd09::9"),
            ("skip_snat", "true"),
            ("affinity_timeout", "60"),
            ("neighbor_responder", "all"),
            ("backend_weights", "10.0.0.2=3,10.0.0.3:8080=0"),
            ("terminating_backends", "[fd00::2]:80"),
            ("source_ranges", "10.0.0.0/8"),
            ("empty_local_backends", "reject"),
            ("other", "x"),
        ],
    );
    plain.selection_fields = ["ip_src".to_owned(), "tp_dst".to_owned()].into();
    let mut udp = balancer(
        2,
        &[("10.9.0.3:53", "10.0.0.2:53,10.0.0.3:53,10.0.0.4:53")],
        &[
            ("traffic_policy", "prefer-zone"),
            ("backend_zones", "10.0.0.3=far"),
            ("event", "true"),
        ],
    );
    udp.protocol = Some("udp".into());
    let template = balancer(
        3,
        &[("^vip:80", "^backends"), ("10.9.0.4:80", "10.0.0.2:80")],
        &[("template", "true")],
    );
    let group = nb::LoadBalancerGroup {
        id: id(4),
        name: "group".into(),
        load_balancer: [udp.id, template.id].into(),
    };
    let variables = |number, chassis: &str, pairs: &[(&str, &str)]| nb::ChassisTemplateVar {
        id: id(number),
        chassis: chassis.into(),
        variables: map(pairs),
        ..nb::ChassisTemplateVar::default()
    };
    let near = [
        ("vip", "10.9.1.1"),
        ("backends", "10.0.0.2:80,10.0.0.3:80"),
        ("zone", "near"),
    ];
    let first = variables(5, "n1", &near);
    let second = variables(6, "n2", &[("vip", "not an address")]);
    let mut operations = harness::switch(
        "t",
        &[
            addressed("x", "02:00:00:00:00:01 10.0.0.2 fd00::2"),
            addressed("y", "02:00:00:00:00:02 10.0.0.3"),
        ],
    );
    operations.extend([plain.insert(), udp.insert(), template.insert()]);
    operations.extend([group.insert(), first.insert(), second.insert()]);
    let mut story = Story::begin(&["n1"]);
    story.world.commit(&operations);
    let switches = story.world.database.table::<nb::LogicalSwitch>();
    let switch = switches.iter().find(|switch| switch.name == "t");
    let switch = switch.expect("just made").id;
    let own = Datum::set([plain.id.uuid()]);
    let groups = Datum::set([group.id.uuid()]);
    story.world.commit(&[Operation::update(
        switch,
        [("load_balancer", own), ("load_balancer_group", groups)],
    )]);
    story.claim("n1", "x", true);
    insta::assert_snapshot!(listing(&story.world));
    story.check_node("n1");
}

#[test]
fn translations_and_gateways() {
    let lrp = |number, name: &str, network: &str| nb::LogicalRouterPort {
        id: id(number),
        name: name.into(),
        mac: format!("0a:00:00:00:00:{number:02x}"),
        networks: [network.to_owned()].into(),
        ..nb::LogicalRouterPort::default()
    };
    let nat = |number, kind: &str, external: &str, logical: &str| nb::Nat {
        id: id(number),
        r#type: kind.into(),
        external_ip: external.into(),
        logical_ip: logical.into(),
        ..nb::Nat::default()
    };
    let router =
        |number, name: &str, port: &nb::LogicalRouterPort, nats: &[&nb::Nat]| nb::LogicalRouter {
            id: id(number),
            name: name.into(),
            ports: [port.id].into(),
            nat: nats.iter().map(|nat| nat.id).collect(),
            options: map(&[("requested-tnl-key", &number.to_string())]),
            ..nb::LogicalRouter::default()
        };
    let peers = nb::AddressSet {
        id: id(1),
        name: "peers".into(),
        addresses: ["192.0.2.0/24".to_owned()].into(),
        ..nb::AddressSet::default()
    };
    let gateway = |number, chassis: &str, priority| nb::GatewayChassis {
        id: id(number),
        name: format!("outside-{chassis}"),
        chassis_name: chassis.into(),
        priority,
        ..nb::GatewayChassis::default()
    };
    let gateways = [gateway(2, "n1", 10), gateway(3, "n2", 20)];
    let mut outside = lrp(0x11, "outside", "10.1.0.1/24");
    outside.gateway_chassis = gateways.iter().map(|gateway| gateway.id).collect();
    let to_gateway = lrp(0x12, "to-gateway", "10.2.0.1/24");
    let plain_port = lrp(0x13, "plain", "10.3.0.1/24");
    let mut ranged = nat(0x21, "snat", "192.0.2.1", "10.0.0.0/16");
    ranged.external_port_range = "1024-2047".into();
    ranged.exempted_ext_ips = Some(peers.id);
    let mut floating = nat(0x22, "dnat_and_snat", "192.0.2.2", "10.0.0.2");
    floating.external_mac = Some("0a:00:00:00:00:99".into());
    floating.logical_port = Some("inside".into());
    floating.gateway_port = Some(outside.id);
    let mut lost = nat(0x23, "dnat_and_snat", "fd02::2", "fd00::2");
    lost.external_mac = Some("0a:00:00:00:00:98".into());
    lost.logical_port = Some("nobody".into());
    lost.options = map(&[("stateless", "true"), ("add_route", "true")]);
    let vain = nat(0x24, "dnat", "192.0.2.3", "10.0.0.3");
    let mut contradictory = nat(0x25, "snat", "192.0.2.4", "10.0.4.0/24");
    contradictory.allowed_ext_ips = Some(peers.id);
    contradictory.exempted_ext_ips = Some(peers.id);
    let mut central = router(0x32, "central", &to_gateway, &[&lost, &contradictory]);
    central.options.extend(map(&[
        ("chassis", "n3"),
        ("lb_force_snat_ip", "router_ip"),
        ("dnat_force_snat_ip", "10.2.0.9 fd02::9"),
    ]));
    let distributed = router(0x31, "distributed", &outside, &[&ranged, &floating]);
    let mut useless = router(0x33, "useless", &plain_port, &[&vain]);
    useless.options.extend(map(&[("lb_force_snat_ip", "x")]));
    let mut joined = harness::port("joined");
    joined.r#type = "router".into();
    joined.options = map(&[("router-port", "to-gateway")]);
    let mut inside = harness::port("inside");
    inside.options = map(&[("requested-tnl-key", "7")]);
    let mut operations = harness::switch("t", &[joined, inside]);
    operations.extend(gateways.iter().map(Table::insert));
    operations.extend([outside.insert(), to_gateway.insert(), plain_port.insert()]);
    operations.extend([ranged.insert(), floating.insert(), lost.insert()]);
    operations.extend([vain.insert(), contradictory.insert(), peers.insert()]);
    operations.extend([distributed.insert(), central.insert(), useless.insert()]);
    let mut story = Story::begin(&["n3"]);
    story.world.commit(&operations);
    story.exchange();
    insta::assert_snapshot!(listing(&story.world));
    assert!(
        story.held_by("n3") > 1,
        "a gateway's node gets its networks"
    );
    story.check_node("n3");
}

// === Health ===

fn vip(world: &World) -> Vip {
    let mut objects = world.control.objects().values();
    let vip = objects.find_map(|object| match &**object {
        Object::Vip(vip) => Some(vip.clone()),
        _ => None,
    });
    vip.expect("it is compiled")
}

fn probe(world: &World) -> Option<Probe> {
    let mut objects = world.control.objects().values();
    objects.find_map(|object| match &**object {
        Object::Probe(probe) => Some(probe.clone()),
        _ => None,
    })
}

fn health(key: &ProbeKey, status: ProbeStatus) -> Up {
    let probe = ProbeHealth {
        key: key.clone(),
        status,
    };
    Up::Health(wire::Health {
        probes: vec![(&probe).into()],
    })
}

#[test]
fn a_backend_is_probed_where_it_is_and_its_state_comes_back() {
    let check = nb::LoadBalancerHealthCheck {
        id: id(1),
        vip: "10.9.0.1:80".into(),
        options: map(&[("interval", "7"), ("http_path", "/healthy")]),
        ..nb::LoadBalancerHealthCheck::default()
    };
    let mut service = balancer(2, &[("10.9.0.1:80", "10.0.0.2:8080,10.0.0.3:8080")], &[]);
    service.health_check = [check.id].into();
    service.ip_port_mappings = map(&[("10.0.0.2", "x:10.0.0.9"), ("10.0.0.3", "x")]);
    let mut operations = harness::switch("t", &[addressed("x", "02:00:00:00:00:01 10.0.0.2")]);
    operations.extend([check.insert(), service.insert()]);
    let mut story = Story::begin(&["n1", "n2"]);
    story.world.commit(&operations);
    story.claim("n1", "x", true);
    story.claim("n2", "a", true);
    let probe_object = probe(&story.world).expect("one backend is mapped to a port");
    let warnings = story.world.control.warnings().into_iter();
    let columns: Vec<_> = warnings.map(|warning| warning.column).collect();
    assert_eq!(columns, ["ip_port_mappings"], "the other has no source");
    let options = story.world.global().options;
    assert_eq!(
        options.get("svc_monitor_mac"),
        Some(&probe_object.source_mac.to_string())
    );
    assert_eq!(probe_object.interval_s, 7);
    let key = probe_object.key;
    let is_held = |story: &Story, node: &str| {
        let objects = &story.nodes[node].objects;
        objects.contains_key(&ObjectKey::Probe(key.clone()))
    };
    assert_eq!(
        [is_held(&story, "n1"), is_held(&story, "n2")],
        [true, false]
    );
    let states = |story: &Story| -> Vec<_> {
        let vip = vip(&story.world);
        vip.backends.iter().map(|backend| backend.state).collect()
    };
    use BackendState::{Offline, Ready};
    assert_eq!(states(&story), [Ready, Ready]);
    let monitor = |story: &Story| {
        let monitors = story.world.database.table::<sb::ServiceMonitor>();
        let mut rows = monitors.iter();
        let row = rows.next().expect("a row");
        assert!(rows.next().is_none());
        row
    };
    let row = monitor(&story);
    assert_eq!(
        (row.logical_port.as_str(), row.protocol.as_str(), row.status),
        ("x", "tcp", None)
    );
    assert_eq!(row.options["interval"], "7");
    assert_eq!(row.src_mac, probe_object.source_mac.to_string());
    story.say("n2", health(&key, ProbeStatus::Offline));
    assert_eq!(states(&story), [Ready, Ready], "it is not for n2 to say");
    for (status, expected) in [
        (ProbeStatus::Offline, Offline),
        (ProbeStatus::Online, Ready),
        (ProbeStatus::Error, Offline),
    ] {
        story.say("n1", health(&key, status));
        assert_eq!(states(&story), [expected, Ready], "{status:?}");
    }
    assert_eq!(monitor(&story).status.as_deref(), Some("error"));
    story.world.restart();
    assert_eq!(states(&story), [Offline, Ready], "it is remembered");
    story.connect("n1");
    story.connect("n2");
    story.claim("n2", "x", true);
    assert_eq!(
        [is_held(&story, "n1"), is_held(&story, "n2")],
        [false, true]
    );
    let none = Datum::set(BTreeSet::<Uuid>::new());
    let unchecked = Operation::update(service.id, [("health_check", none)]);
    story.world.commit(&[unchecked]);
    story.exchange();
    assert_eq!(states(&story), [Ready, Ready]);
    let monitors = story.world.database.table::<sb::ServiceMonitor>();
    assert_eq!(
        monitors.iter().count(),
        0,
        "what is not probed is forgotten"
    );
    assert!(!is_held(&story, "n2"));
}

// === Events ===

/// What is told to whoever can start backends: node, VIP, protocol and how often.
fn events(story: &Story) -> Vec<String> {
    let events = story.world.database.table::<sb::ControllerEvent>();
    let mut lines: Vec<_> = events
        .iter()
        .map(|event| {
            let info = |key: &str| &event.event_info[key];
            let (vip, protocol) = (info("vip"), info("protocol"));
            format!("{} {vip} {protocol} {}", event.chassis, event.seq_num)
        })
        .collect();
    lines.sort();
    lines
}

fn unserved(vips: &[(u128, &str)]) -> Up {
    let vips = vips.iter().map(|(balancer, ip)| VipKey {
        balancer: Uuid::from_u128(*balancer),
        ip: ip.parse().expect("an address"),
        protocol: 17,
        port: 53,
        chassis: None,
    });
    Up::Unserved(wire::Unserved {
        vips: vips.map(|vip| (&vip).into()).collect(),
    })
}

/// Input: what nodes say of VIPs without backends. Output: the rows that clients of northd see, for as long as they
/// make sense.
#[test]
fn clients_without_a_backend_are_told_of_until_there_is_one() {
    let service = |number, ip: &str, event: &str| nb::LoadBalancer {
        protocol: Some("udp".into()),
        ..balancer(number, &[(&format!("{ip}:53"), "")], &[("event", event)])
    };
    let told = service(1, "10.9.0.1", "true");
    let mut story = Story::begin(&["n1", "n2"]);
    story.world.commit(&[
        told.insert(),
        service(2, "10.9.0.2", "false").insert(),
        service(3, "10.9.0.3", "true").insert(),
    ]);
    story.say("n1", unserved(&[(1, "10.9.0.1"), (1, "10.9.0.1")]));
    story.say(
        "n1",
        unserved(&[(2, "10.9.0.2"), (7, "10.9.0.7"), (1, "10.9.0.9")]),
    );
    story.say("n1", unserved(&[(1, "10.9.0.1")]));
    story.say("n2", unserved(&[(1, "10.9.0.1"), (3, "10.9.0.3")]));
    let first = "n1 10.9.0.1:53 udp 2";
    let third = "n2 10.9.0.3:53 udp 1";
    assert_eq!(events(&story), [first, "n2 10.9.0.1:53 udp 1", third]);
    story.world.restart();
    assert_eq!(events(&story).len(), 3, "they are remembered");
    let served = Datum::map([("10.9.0.1:53", "10.0.0.2:53")]);
    story
        .world
        .commit(&[Operation::update(told.id, [("vips", served)])]);
    assert_eq!(events(&story), [third]);
    story
        .world
        .commit(&[Operation::delete(id::<nb::LoadBalancer>(3))]);
    assert!(events(&story).is_empty());
}

/// Input: the meter of events, and a load balancer that is told of for a while. Output: its nodes have the meter as long.
#[test]
fn nodes_that_tell_of_clients_without_a_backend_have_the_meter_for_it() {
    let mut story = Story::begin(&["n1", "n2"]);
    let service = balancer(1, &[("10.9.0.1:53", "")], &[("event", "true")]);
    let near = harness::port("near");
    let mut operations = harness::switch("served", std::slice::from_ref(&near));
    operations.push(service.insert());
    let band = nb::MeterBand {
        id: id(2),
        action: "drop".into(),
        rate: 1,
        ..nb::MeterBand::default()
    };
    let meter = nb::Meter {
        id: id(3),
        name: "event-elb".into(),
        unit: "pktps".into(),
        bands: [band.id].into(),
        ..nb::Meter::default()
    };
    operations.extend([band.insert(), meter.insert()]);
    story.world.commit(&operations);
    let switches = story.world.control.database().table::<nb::LogicalSwitch>();
    let switch = switches.iter().find(|switch| switch.name == "served");
    let switch = switch.expect("a switch").id;
    let used = Datum::set([service.id]);
    let change = Operation::update(switch, [("load_balancer", used)]);
    story.world.commit(&[change]);
    story.claim("n1", "near", true);
    story.exchange();
    let meter = ObjectKey::Meter("event-elb".into());
    let having =
        |story: &Story| ["n1", "n2"].map(|name| story.nodes[name].objects.contains_key(&meter));
    assert_eq!(having(&story), [true, false]);
    let options = [("options", Datum::map([("event", "false")]))];
    let change = Operation::update(service.id, options);
    story.world.commit(&[change]);
    story.exchange();
    assert_eq!(having(&story), [false, false]);
}

/// Input: more VIPs without backends than may be told of. Output: the bound.
#[test]
fn no_more_events_are_kept_than_the_bound() {
    let count = u128::try_from(EVENTS_MAX).expect("a number") + 10;
    let ip = |number: u128| format!("10.9.{}.{}", number / 250, number % 250);
    let services = (0..count).map(|number| {
        let vip = format!("{}:53", ip(number));
        balancer(number + 1, &[(&vip, "")], &[("event", "true")]).insert()
    });
    let mut story = Story::begin(&["n1"]);
    story.world.commit(&services.collect::<Vec<_>>());
    let vips = (0..count).map(|number| VipKey {
        balancer: Uuid::from_u128(number + 1),
        ip: ip(number).parse().expect("an address"),
        protocol: 6,
        port: 53,
        chassis: None,
    });
    for vip in vips {
        let vips = vec![(&vip).into()];
        story.say("n1", Up::Unserved(wire::Unserved { vips }));
    }
    assert_eq!(events(&story).len(), EVENTS_MAX);
}

// === Routes ===

/// Input: a router with a gateway port beside another router, and a load balancer that gets `add_route` and loses it.
/// Output: the other router's route and neighbour come and go.
#[test]
fn neighbours_of_a_gateway_port_have_routes_while_add_route_is_set() {
    let port = |number, name: &str, network: &str| nb::LogicalRouterPort {
        id: id(number),
        name: name.into(),
        mac: format!("0a:00:00:00:00:{number:02x}"),
        networks: [network.to_owned()].into(),
        ..nb::LogicalRouterPort::default()
    };
    let gateway = nb::GatewayChassis {
        id: id(1),
        name: "g-n1".into(),
        chassis_name: "n1".into(),
        ..nb::GatewayChassis::default()
    };
    let mut beside = port(2, "g", "10.5.0.2/24");
    beside.gateway_chassis = [gateway.id].into();
    let asking = port(3, "r", "10.5.0.1/24");
    let router = |number, port: &nb::LogicalRouterPort| nb::LogicalRouter {
        id: id(number),
        name: format!("of-{}", port.name),
        ports: [port.id].into(),
        ..nb::LogicalRouter::default()
    };
    let joined = ["g", "r"].map(|name| nb::LogicalSwitchPort {
        r#type: "router".into(),
        options: map(&[("router-port", name)]),
        ..harness::port(&format!("to-{name}"))
    });
    let service = balancer(4, &[("172.30.0.1:80", "10.9.0.1:80")], &[]);
    let mut owner = router(5, &beside);
    owner.load_balancer = [service.id].into();
    let mut operations = harness::switch("mid", &joined);
    operations.extend([gateway.insert(), beside.insert(), asking.insert()]);
    operations.extend([
        service.insert(),
        owner.insert(),
        router(6, &asking).insert(),
    ]);
    let mut world = World::new();
    world.commit(&operations);
    let ways = |world: &World| -> Vec<String> {
        let objects = world.control.objects().values();
        let ways = objects.filter_map(|object| match &**object {
            Object::Route(route) if route.key.prefix.addr().to_string() == "172.30.0.1" => Some(
                format!("{} by {}", route.key.prefix, route.next_hops[0].source),
            ),
            Object::Neighbor(neighbor) => {
                let mac = neighbor.fixed.map(|fixed| fixed.mac.to_string());
                Some(format!("{} at {}", neighbor.ip, mac.unwrap_or_default()))
            }
            _ => None,
        });
        ways.collect()
    };
    let set = |world: &mut World, value: &str| {
        let options = Datum::map([("add_route", value)]);
        world.commit(&[Operation::update(service.id, [("options", options)])]);
        let (compiler, _) = northd::compile::Compiler::from_scratch(&world.database);
        assert_eq!(compiler.objects(), world.control.objects());
    };
    assert!(ways(&world).is_empty());
    set(&mut world, "true");
    let expected = [
        "172.30.0.1/32 by 10.5.0.1",
        "172.30.0.1 at 0a:00:00:00:00:02",
    ];
    assert_eq!(ways(&world), expected);
    set(&mut world, "false");
    assert!(ways(&world).is_empty());
}

// === Scale ===

/// Input: 500 switches with a group of 5,000 services. Output: an object a service, and one reference a switch;
/// one service more is one object and the group.
#[test]
fn services_are_objects_once_however_many_switches_have_them() {
    let services: Vec<_> = (0..5_000u128)
        .map(|number| {
            let vip = format!("10.{}.{}.1:80", number / 250, number % 250);
            balancer(number + 1, &[(&vip, "10.0.0.2:80")], &[])
        })
        .collect();
    let mut group = nb::LoadBalancerGroup {
        id: id(10_000),
        name: "all".into(),
        load_balancer: services.iter().map(|service| service.id).collect(),
    };
    let switches = (0..500u128).map(|number| nb::LogicalSwitch {
        id: id(20_000 + number),
        name: format!("s{number}"),
        load_balancer_group: [group.id].into(),
        ..nb::LogicalSwitch::default()
    });
    let mut operations: Vec<_> = services.iter().map(Table::insert).collect();
    operations.push(group.insert());
    operations.extend(switches.map(|switch| switch.insert()));
    let mut world = World::new();
    world.commit(&operations);
    let count = |world: &World, wanted: fn(&ObjectKey) -> bool| {
        let keys = world.control.objects().keys();
        keys.filter(|key| wanted(key)).count()
    };
    assert_eq!(count(&world, |key| matches!(key, ObjectKey::Vip(_))), 5_000);
    assert_eq!(
        count(&world, |key| matches!(key, ObjectKey::Datapath(_))),
        500
    );
    let (mut compiler, _) = northd::compile::Compiler::from_scratch(&world.database);
    let before = world.database.clone();
    let more = balancer(9_000, &[("10.200.0.1:80", "10.0.0.2:80")], &[]);
    group.load_balancer.insert(more.id);
    let members = group.load_balancer.iter().map(|member| member.uuid());
    world.commit(&[
        more.insert(),
        Operation::update(group.id, [("load_balancer", Datum::set(members))]),
    ]);
    let changes = world.database.changes_since(&before);
    let compiled = compiler.apply(&world.database, &changes);
    assert_eq!((compiled.units_run, compiled.objects.len()), (2, 3));
}
