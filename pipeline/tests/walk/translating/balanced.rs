//! Load balancers of routers.

use super::*;

fn balanced(net: Net) -> Net {
    net.vip("web", TCP, "172.16.0.100:80 => 10.0.2.1:8080")
        .vip("own", TCP, "172.16.0.254:90 => 10.0.2.1:8080")
        .balanced("r", &["web", "own"])
}

fn request(vip: &str) -> Flow {
    between(E_TO_R, TCP, "172.16.0.1:1000", vip)
}

#[test]
fn a_gateway_balances_what_it_is_asked_for() {
    for net in [gateway(), gateway_port()] {
        for vip in ["172.16.0.100:80", "172.16.0.254:90"] {
            let mut nodes = Nodes::one(&balanced(net.clone()));
            let there = "172.16.0.1:1000>10.0.2.1:8080 -> c";
            let arrived = nodes.check("e", &request(vip), there);
            let back = format!("{vip}>172.16.0.1:1000 -> e");
            nodes.check("c", &answer(&arrived), &back);
        }
    }
}

#[test]
fn balanced_connections_get_a_source_of_the_router_where_that_is_asked() {
    let forced = |setting: ForceSnat| {
        balanced(gateway()).edit_router("r", |router| router.lb_force_snat = setting)
    };
    let fixed = ForceSnat::Addresses(vec!["10.0.2.99".parse().unwrap()]);
    for (setting, source) in [(ForceSnat::RouterIp, "10.0.2.254"), (fixed, "10.0.2.99")] {
        let net = forced(setting);
        let mut nodes = Nodes::one(&net);
        let there = format!("{source}:1000>10.0.2.1:8080 -> c");
        let back = "172.16.0.100:80>172.16.0.1:1000 -> e";
        for _ in 0..2 {
            let arrived = nodes.check("e", &request("172.16.0.100:80"), &there);
            nodes.check("c", &answer(&arrived), back);
        }
        // A balancer may be spared that.
        let spared = net.balancer("web", |balancer| balancer.skip_snat = true);
        let mut nodes = Nodes::one(&spared);
        let there = "172.16.0.1:1000>10.0.2.1:8080 -> c";
        for _ in 0..2 {
            let arrived = nodes.check("e", &request("172.16.0.100:80"), there);
            nodes.check("c", &answer(&arrived), back);
        }
    }
}

#[test]
fn skip_snat_spares_connections_the_routers_nat_too() {
    let net = gateway()
        .vip("web", TCP, "10.96.0.1:80 => 172.16.0.1:8080")
        .balanced("r", &["web"])
        .nat("r", "snat 172.16.0.254 10.0.2.0/24");
    let to_vip = between(C_TO_R, TCP, "10.0.2.1:1000", "10.96.0.1:80");
    let mut nodes = Nodes::one(&net);
    nodes.check("c", &to_vip, "172.16.0.254:1000>172.16.0.1:8080 -> e");
    let spared = net.balancer("web", |balancer| balancer.skip_snat = true);
    let mut nodes = Nodes::one(&spared);
    nodes.check("c", &to_vip, "10.0.2.1:1000>172.16.0.1:8080 -> e");
}

#[test]
fn a_gateway_rejects_or_drops_what_nobody_serves() {
    for (when, expected) in [
        (WhenEmpty::Drop, "drop no-backend"),
        (WhenEmpty::Reject, "172.16.0.100:80>172.16.0.1:1000 -> e"),
    ] {
        let net = gateway()
            .vip("web", TCP, "172.16.0.100:80 =>")
            .balancer("web", |balancer| balancer.when_empty = when)
            .balanced("r", &["web"]);
        Nodes::one(&net).check("e", &request("172.16.0.100:80"), expected);
    }
}

#[test]
fn routers_answer_for_vips_as_their_balancer_says() {
    use NeighborResponder::*;
    for (responder, near, far) in [
        (None, false, false),
        (Reachable, true, false),
        (All, true, true),
    ] {
        let net = gateway()
            .vip("near", TCP, "172.16.0.100:80 => 10.0.2.1:8080")
            .vip("far", TCP, "192.0.2.100:80 => 10.0.2.1:8080")
            .balancer("near", |balancer| balancer.neighbor_responder = responder)
            .balancer("far", |balancer| balancer.neighbor_responder = responder)
            .balanced("r", &["near", "far"]);
        let mut nodes = Nodes::one(&net);
        for (ip, expected) in [("172.16.0.100", near), ("192.0.2.100", far)] {
            let found = nodes.send("e", &who_has(E, "172.16.0.1", ip));
            let is_answered = found.iter().any(|arrived| arrived.at == "e");
            assert_eq!(is_answered, expected, "{responder:?} {ip} {found:?}");
        }
    }
}
