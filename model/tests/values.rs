//! Input: rows. Output: the values that they mean, or what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::acl::{Acl, AclStage, AclVerdict, Severity};
use model::endpoint::Endpoint;
use model::lb::{self, EmptyPolicy, HealthCheck, LoadBalancer, NeighborResponder, TrafficPolicy};
use model::nat::{Nat, NatKind, Peers};
use model::{Id, RowFault, nb};
use proptest::prelude::*;

fn map<const N: usize, T: AsRef<str>>(pairs: [(&str, T); N]) -> BTreeMap<String, String> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(k, v)| (k.to_owned(), v.as_ref().to_owned()))
        .collect()
}

fn balancer<const N: usize, const M: usize>(
    vips: [(&str, &str); N],
    options: [(&str, &str); M],
) -> nb::LoadBalancer {
    nb::LoadBalancer {
        vips: map(vips),
        options: map(options),
        ..nb::LoadBalancer::default()
    }
}

/// A load balancer's virtual addresses as one line each: `VIP -> BACKEND*WEIGHT@ZONE!...`.
fn vips(balancer: &LoadBalancer) -> Vec<String> {
    let backend = |backend: &lb::Backend| {
        let zone = backend.zone.iter().map(|zone| format!("@{zone}"));
        let zone: String = zone.collect();
        let mark = if backend.is_terminating { "!" } else { "" };
        format!("{}*{}{zone}{mark}", backend.endpoint, backend.weight)
    };
    let line = |vip: &lb::Vip| {
        let backends: Vec<_> = vip.backends.iter().map(backend).collect();
        format!("{} -> {}", vip.endpoint, backends.join(" "))
    };
    balancer.vips.iter().map(line).collect()
}

#[test]
fn virtual_addresses_have_backends_of_their_family_and_kind() {
    let row = balancer(
        [
            ("30.0.0.1:80", "10.0.0.3:8080, 10.0.0.2:8080,10.0.0.2:8080"),
            ("30.0.0.2", "10.0.0.2,"),
            ("[fd00:0::1]:53", "[fd01::2]:5353"),
            ("30.0.0.3:80", ""),
        ],
        [],
    );
    let parsed = LoadBalancer::parse(&row).unwrap();
    assert_eq!(
        vips(&parsed),
        [
            "30.0.0.1:80 -> 10.0.0.2:8080*1 10.0.0.3:8080*1",
            "30.0.0.2 -> 10.0.0.2*1",
            "30.0.0.3:80 -> ",
            "[fd00::1]:53 -> [fd01::2]:5353*1",
        ]
    );
    for (vips, message) in [
        ([("30.0.0.1a", "")], "\"30.0.0.1a\" is not an IP address"),
        (
            [("30.0.0.1:80", "10.0.0.2")],
            "\"10.0.0.2\" needs a port, since 30.0.0.1:80 has one",
        ),
        (
            [("30.0.0.1", "10.0.0.2:80")],
            "\"10.0.0.2:80\" must not have a port",
        ),
        (
            [("30.0.0.1:80", "[fd00::2]:80")],
            "is not of the address family of 30.0.0.1:80",
        ),
        (
            [("^vip:80", "10.0.0.2:80")],
            "\"^vip:80\" is not an IP address",
        ),
    ] {
        let fault = LoadBalancer::parse(&balancer(vips, [])).unwrap_err();
        assert_eq!(fault.column, "vips");
        assert!(fault.message.contains(message), "{fault}");
    }
    let twice = balancer([("[fd00::1]:80", ""), ("[fd00:0::1]:80", "")], []);
    let fault = LoadBalancer::parse(&twice).unwrap_err();
    assert!(fault.message.contains("is there twice"), "{fault}");
}

#[test]
fn options_say_how_backends_are_chosen() {
    let vip = ("30.0.0.1:80", "10.0.0.2:80,10.0.0.3:80");
    let row = balancer(
        [vip],
        [
            ("backend_weights", "10.0.0.2:80=3,10.0.0.3=0"),
            ("backend_zones", "10.0.0.2=a 10.0.0.9=c"),
            ("terminating_backends", "10.0.0.3:80"),
            ("traffic_policy", "prefer-zone"),
            ("source_ranges", "10.1.2.3/16,fd00::1"),
            ("hairpin_snat_ip", "169.254.169.5 fd69::5"),
            ("affinity_timeout", "10800"),
            ("reject", "True"),
            ("event", "true"),
            ("unknown", "x"),
        ],
    );
    let parsed = LoadBalancer::parse(&row).unwrap();
    assert_eq!(
        vips(&parsed),
        ["30.0.0.1:80 -> 10.0.0.2:80*3@a 10.0.0.3:80*0!"]
    );
    let options = parsed.options;
    assert_eq!(options.traffic_policy, TrafficPolicy::PreferZone);
    assert_eq!(
        (options.empty, options.empty_local),
        (EmptyPolicy::Reject, EmptyPolicy::Drop)
    );
    assert_eq!(options.neighbor_responder, NeighborResponder::Reachable);
    assert_eq!(options.affinity_timeout_s.map(u16::from), Some(10_800));
    assert_eq!(
        format!("{:?}", options.source_ranges),
        "[10.1.0.0/16, fd00::1/128]"
    );
    assert_eq!(options.hairpin_source.ipv4, Some([169, 254, 169, 5].into()));
    assert!(!options.skips_snat && !options.adds_route);

    for (key, value, message) in [
        ("reject", "maybe", "neither true nor false"),
        ("affinity_timeout", "65536", "not a number of seconds"),
        ("affinity_timeout", "-1", "not a number of seconds"),
        (
            "hairpin_snat_ip",
            "10.0.0.1 10.0.0.2",
            "second address of its family",
        ),
        ("hairpin_snat_ip", "x", "not an IP address"),
        ("neighbor_responder", "some", "none of reachable, all, none"),
        (
            "traffic_policy",
            "zone",
            "none of cluster, local, prefer-local, prefer-zone",
        ),
        ("source_ranges", "10.0.0.0/33", "not a network"),
        (
            "backend_weights",
            "10.0.0.2",
            "not of the form BACKEND=VALUE",
        ),
        (
            "backend_weights",
            "10.0.0.2=1001",
            "not a weight from 0 to 1000",
        ),
        ("backend_weights", "x=1", "is not an IP address"),
        ("backend_zones", "10.0.0.2=", "a zone has a name"),
        ("terminating_backends", "x", "is not an IP address"),
        ("empty_backends", "event", "none of drop, reject"),
    ] {
        let fault = LoadBalancer::parse(&balancer([vip], [(key, value)])).unwrap_err();
        assert_eq!(fault.column, "options");
        let text = &fault.message;
        assert!(text.starts_with(key) && text.contains(message), "{fault}");
    }
}

#[test]
fn every_option_that_is_read_is_declared() {
    let names: BTreeSet<_> = lb::OPTIONS.iter().map(|option| option.name).collect();
    assert_eq!(names.len(), lb::OPTIONS.len(), "each is declared once");
    for option in lb::OPTIONS
        .iter()
        .filter(|option| option.name != "address-family")
    {
        let row = balancer([], [(option.name, "\u{1}")]);
        assert!(
            LoadBalancer::parse(&row).is_err(),
            "{} is read",
            option.name
        );
    }
    for option in lb::HEALTH_CHECK_OPTIONS {
        let row = nb::LoadBalancerHealthCheck {
            vip: "30.0.0.1:80".into(),
            options: map([(option.name, "\u{1}")]),
            ..nb::LoadBalancerHealthCheck::default()
        };
        assert!(HealthCheck::parse(&row).is_err(), "{} is read", option.name);
    }
}

#[test]
fn mappings_name_the_ports_of_backends() {
    let check = |key: &str, value: &str, expected: Option<(&str, &str)>| {
        let row = nb::LoadBalancer {
            vips: map([("30.0.0.1", "10.0.0.4"), ("fd30::1", "fd00::4")]),
            ip_port_mappings: map([(key, value)]),
            ..nb::LoadBalancer::default()
        };
        let found = LoadBalancer::parse(&row).map(|parsed| {
            let mut backends = parsed.vips.into_iter().flat_map(|vip| vip.backends);
            let mapping = backends.find_map(|backend| backend.mapping);
            let text = |source: Option<IpAddr>| source.map(|source| source.to_string());
            mapping.map(|mapping| (mapping.port, text(mapping.probe_source).unwrap_or_default()))
        });
        let expected = expected.map(|(port, source)| (port.to_owned(), source.to_owned()));
        match found {
            Ok(found) => assert_eq!(found, expected, "{key}={value}"),
            Err(fault) => assert!(expected.is_none() && fault.column == "ip_port_mappings"),
        }
    };
    check("10.0.0.4", "sw0-p1:10.0.0.2", Some(("sw0-p1", "10.0.0.2")));
    check("fd00::4", "p:q:[fd00::2]", Some(("p:q", "fd00::2")));
    check("[fd00::4]", "p:[fd00::2]", Some(("p", "fd00::2")));
    check("10.0.0.4:80", "p:10.0.0.2", None);
    check("10.0.0.4", "sw0-p1", Some(("sw0-p1", "")));
    check("10.0.0.4", "p:q", None);
    check("10.0.0.4", "p:", None);
    check("10.0.0.4", "", None);
    check("10.0.0.4", ":10.0.0.2", None);
}

#[test]
fn templates_become_addresses_with_a_nodes_variables() {
    let row = balancer(
        [
            ("^vip:^port", "^b1:8080,^none:1,^many"),
            ("^vip6:80", "^b6:80"),
            ("^none", "10.0.0.1"),
        ],
        [
            ("template", "true"),
            ("backend_weights", "^b1:8080=^weight"),
        ],
    );
    assert_eq!(lb::check(&row), Ok(()));
    let variables = map([
        ("vip", "30.0.0.1"),
        ("port", "80"),
        ("b1", "10.0.0.2"),
        ("many", "10.0.0.3:80, 10.0.0.4:80"),
        ("vip6", "fd30::1"),
        ("b6", "fd00::2"),
        ("weight", "5"),
    ]);
    let parsed = LoadBalancer::parse(&lb::expand(&row, &variables)).unwrap();
    assert_eq!(
        vips(&parsed),
        [
            "30.0.0.1:80 -> 10.0.0.2:8080*5 10.0.0.3:80*1 10.0.0.4:80*1",
            "[fd30::1]:80 -> [fd00::2]:80*1",
        ]
    );
    assert_eq!(parsed.options.neighbor_responder, NeighborResponder::None);

    let template = ("template", "true");
    for (vip, backends) in [
        ("^vip:80:80", ""),
        ("^", ""),
        ("^vip:x", ""),
        ("vip", ""),
        ("^vip", "^a:b:c"),
        ("^vip", "^"),
        ("^vip", "x"),
    ] {
        let fault = lb::check(&balancer([(vip, backends)], [template])).unwrap_err();
        assert_eq!(fault.column, "vips", "{vip} {backends}");
    }
    for (key, value) in [
        ("address-family", "ipv5"),
        ("neighbor_responder", "reachable"),
        ("affinity_timeout", "x"),
    ] {
        let fault = lb::check(&balancer([], [template, (key, value)])).unwrap_err();
        assert!(fault.message.starts_with(key), "{fault}");
    }
}

#[test]
fn health_checks_have_ovns_defaults() {
    let row = |vip: &str, options: BTreeMap<String, String>| nb::LoadBalancerHealthCheck {
        vip: vip.to_owned(),
        options,
        ..nb::LoadBalancerHealthCheck::default()
    };
    let check = HealthCheck::parse(&row("30.0.0.1:80", BTreeMap::new())).unwrap();
    let numbers = [
        check.interval_s,
        check.timeout_s,
        check.success_count,
        check.failure_count,
    ];
    assert_eq!((numbers, check.http), ([5, 3, 1, 1], None));
    let options = map([
        ("http_path", "/healthz"),
        ("http_statuses", "204"),
        ("interval", "1"),
    ]);
    let check = HealthCheck::parse(&row("30.0.0.1:80", options)).unwrap();
    let http = check.http.expect("HTTP is asked for");
    assert_eq!(
        (http.path.as_str(), http.host, http.statuses),
        ("/healthz", None, 204..=204)
    );
    assert_eq!(
        HealthCheck::parse(&row("^vip:80", BTreeMap::new()))
            .unwrap()
            .vip,
        None
    );
    for (vip, key, value) in [
        ("x", "interval", "5"),
        ("30.0.0.1:80", "interval", "0"),
        ("30.0.0.1:80", "failure_count", "1001"),
        ("30.0.0.1:80", "http_path", "healthz"),
        ("30.0.0.1:80", "http_path", "/a b"),
        ("30.0.0.1:80", "http_host", "a\r\nb"),
        ("30.0.0.1:80", "http_statuses", "300-200"),
        ("30.0.0.1:80", "http_statuses", "99"),
    ] {
        let row = row(vip, map([(key, value)]));
        assert!(HealthCheck::parse(&row).is_err(), "{vip} {key}={value}");
    }
}

fn nat(kind: &str, external: &str, logical: &str) -> nb::Nat {
    nb::Nat {
        r#type: kind.into(),
        external_ip: external.into(),
        logical_ip: logical.into(),
        ..nb::Nat::default()
    }
}

#[test]
fn translations_are_read() {
    let parse = |kind, external, logical| Nat::parse(&nat(kind, external, logical));
    let snat = parse("snat", "172.16.0.1", "10.0.0.7/24").unwrap();
    assert_eq!(
        (snat.kind, snat.logical_ip.to_string()),
        (NatKind::Snat, "10.0.0.0/24".into())
    );
    let full = nb::Nat {
        external_mac: Some("00:00:00:00:00:01".into()),
        logical_port: Some("p".into()),
        external_port_range: "1024-2048".into(),
        allowed_ext_ips: Some(Id::random()),
        options: map([("stateless", "true"), ("add_route", "true")]),
        ..nat("dnat_and_snat", "fd17::1", "fd00::2")
    };
    let parsed = Nat::parse(&full).unwrap();
    assert!(parsed.is_stateless && parsed.adds_route);
    assert_eq!(
        parsed.distributed.map(|distributed| distributed.port),
        Some("p".into())
    );
    let ports = parsed
        .external_ports
        .map(|ports| (ports.start().get(), ports.end().get()));
    assert_eq!(ports, Some((1024, 2048)));
    assert_eq!(Some(parsed.peers), full.allowed_ext_ips.map(Peers::Only));
    let contradictory = nb::Nat {
        exempted_ext_ips: Some(Id::random()),
        ..full.clone()
    };
    assert_eq!(Nat::parse(&contradictory).unwrap().peers, Peers::Nobody);

    let column = |result: Result<Nat, RowFault>| result.err().map(|fault| fault.column);
    for (row, expected) in [
        (nat("snat", "172.16.0.300", "10.0.0.1"), "external_ip"),
        (nat("snat", "172.16.0.0/24", "10.0.0.1"), "external_ip"),
        (nat("snat", "172.16.0.1", "10.0.0.0/33"), "logical_ip"),
        (nat("dnat", "172.16.0.1", "10.0.0.0/24"), "logical_ip"),
        (nat("snat", "172.16.0.1", "fd00::/64"), "logical_ip"),
        (nat("both", "172.16.0.1", "10.0.0.1"), "type"),
        (
            nb::Nat {
                external_port_range: "5-4".into(),
                ..nat("snat", "172.16.0.1", "10.0.0.1")
            },
            "external_port_range",
        ),
        (
            nb::Nat {
                external_port_range: "0-4".into(),
                ..nat("snat", "172.16.0.1", "10.0.0.1")
            },
            "external_port_range",
        ),
        (
            nb::Nat {
                external_mac: Some("x".into()),
                ..full.clone()
            },
            "external_mac",
        ),
    ] {
        assert_eq!(column(Nat::parse(&row)), Some(expected), "{row:?}");
    }
}

#[test]
fn rules_are_read() {
    let row = nb::Acl {
        action: "pass".into(),
        direction: "from-lport".into(),
        r#match: "ip4".into(),
        priority: 32_767,
        tier: 3,
        log: true,
        label: 7,
        options: map([("apply-after-lb", "true"), ("log-related", "true")]),
        ..nb::Acl::default()
    };
    let acl = Acl::parse(&row).unwrap();
    assert_eq!(
        (acl.stage, acl.tier, acl.priority, acl.verdict),
        (AclStage::FromLportAfterLb, 3, 32_767, AclVerdict::Pass)
    );
    let log = acl.log.expect("it is logged");
    assert_eq!(
        (log.severity, log.related.map(u32::from)),
        (Severity::Info, Some(7))
    );
    let other = nb::Acl {
        direction: "to-lport".into(),
        log: false,
        ..row
    };
    let acl = Acl::parse(&other).unwrap();
    assert_eq!((acl.stage, acl.log), (AclStage::ToLport, None));
}

/// Texts that have much of what the parsers look for.
fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        prop::sample::select(vec![
            "10.0.0.1",
            "fd00::1",
            "[",
            "]",
            ":",
            ",",
            " ",
            "=",
            "^",
            "^v",
            "80",
            "0",
            "65536",
            "-",
            "/",
            "24",
            ".",
            "true",
            "/x",
            "ä",
            "00:00:00:00:00:01",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn an_endpoint_that_is_printed_is_read_again(text in any_text()) {
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
    }

    #[test]
    fn any_row_is_read_or_refused(texts in prop::collection::vec(any_text(), 6), is_template: bool) {
        let [a, b, c, d, e, f] = <[String; 6]>::try_from(texts).expect("six texts");
        let value = if is_template { "true" } else { "false" };
        let mut options = map([("template", value)]);
        let names = lb::OPTIONS.iter().filter(|option| option.name != "template");
        options.extend(names.map(|option| (option.name.to_owned(), c.clone())));
        let row = nb::LoadBalancer {
            vips: map([(&a, &b)]),
            ip_port_mappings: map([(&d, &e)]),
            options: if f.is_empty() { options } else { map([("template", value)]) },
            ..nb::LoadBalancer::default()
        };
        let variables = map([("v", &f)]);
        let expanded = lb::expand(&row, &variables);
        if !is_template {
            prop_assert_eq!(&expanded, &row);
            prop_assert_eq!(lb::check(&row).is_ok(), LoadBalancer::parse(&row).is_ok());
        } else if LoadBalancer::parse(&row).is_ok() {
            prop_assert_eq!(lb::check(&row).map_err(|fault| fault.column == "vips"), Ok(()));
        }
        let check = nb::LoadBalancerHealthCheck {
            vip: a.clone(),
            options: lb::HEALTH_CHECK_OPTIONS.iter().map(|option| (option.name.to_owned(), b.clone())).collect(),
            ..nb::LoadBalancerHealthCheck::default()
        };
        let _ = HealthCheck::parse(&check);
        let nat = nb::Nat { external_port_range: d, external_mac: Some(e), logical_port: Some(f), ..nat("snat", &a, &b) };
        if let Ok(nat) = Nat::parse(&nat) {
            prop_assert_eq!(nat.external_ip.is_ipv4(), nat.logical_ip.addr().is_ipv4());
        }
    }
}
