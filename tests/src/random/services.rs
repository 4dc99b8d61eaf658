//! Random load balancers, translations, and places where routers do both.

use super::Seeded;
use super::topology::Topology;

/// The node of gateways.
const NODE: &str = "hv1";
/// Addresses of services that no port has.
const SERVICES: [(&str, &str); 2] = [("172.30.0.1", "fd30::1"), ("172.30.0.2", "fd30::2")];
/// Addresses outside that translations give.
const OUTSIDE: [(&str, &str); 3] = [
    ("172.20.0.5", "fd20::5"),
    ("172.20.0.6", "fd20::6"),
    ("172.20.0.7", "fd20::7"),
];

impl Topology {
    /// Gateways, balancers and translations, in many networks.
    pub(super) fn add_services(&mut self, seeded: &mut Seeded) {
        if seeded.percent(40) {
            return;
        }
        let routers = self.routers();
        for router in &routers {
            match seeded.within(0..3) {
                0 => self.make_gateway(seeded, router),
                1 => self.add_gateway_port(seeded, router),
                _ => {}
            }
        }
        for number in 0..seeded.within(0..4) {
            self.add_balancer(seeded, &format!("lb{number}"), &routers);
        }
    }

    /// The routers that are on a switch.
    fn routers(&self) -> Vec<String> {
        let names = self.gateways.iter().map(|foot| foot.port[..2].to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names.dedup();
        names
    }

    fn make_gateway(&mut self, seeded: &mut Seeded, router: &str) {
        let chassis = format!("options:chassis={NODE}");
        self.command(&["set", "Logical_Router", router, &chassis]);
        if seeded.percent(20) {
            let forced = "options:lb_force_snat_ip=\"10.9.9.9 fd09:9::9\"";
            self.command(&["set", "Logical_Router", router, forced]);
        }
        self.add_translations(seeded, router);
    }

    fn add_gateway_port(&mut self, seeded: &mut Seeded, router: &str) {
        let feet = self.gateways.iter();
        let feet: Vec<String> = feet
            .filter(|foot| foot.port.starts_with(router))
            .map(|foot| foot.port.clone())
            .collect();
        let foot = seeded.pick(&feet).clone();
        self.command(&["lrp-set-gateway-chassis", &foot, NODE]);
        self.add_translations(seeded, router);
    }

    fn add_translations(&mut self, seeded: &mut Seeded, router: &str) {
        for (number, (v4, v6)) in OUTSIDE.iter().enumerate() {
            let pod = seeded.pick(&self.pods).clone();
            let is_v4 = seeded.percent(60);
            let (outside, host) = if is_v4 { (v4, &pod.v4) } else { (v6, &pod.v6) };
            let network = match (is_v4, number) {
                (true, 0) => format!("{}0/24", &host[..host.len() - 2]),
                (false, 0) => format!("{}/64", &host[..host.len() - 1]),
                _ => host.clone(),
            };
            let kind = match number {
                0 => "snat",
                1 => "dnat",
                _ => "dnat_and_snat",
            };
            if seeded.percent(60) {
                self.command(&["lr-nat-add", router, kind, outside, &network]);
                self.services.push((*outside).to_owned());
            }
        }
    }

    fn add_balancer(&mut self, seeded: &mut Seeded, name: &str, routers: &[String]) {
        let (v4, v6) = *seeded.pick(&SERVICES);
        let pod = seeded.pick(&self.pods).clone();
        let is_v4 = seeded.percent(60);
        let (vip, backend) = if is_v4 { (v4, pod.v4) } else { (v6, pod.v6) };
        let with_port = |ip: &str, port: u16| match is_v4 {
            true => format!("{ip}:{port}"),
            false => format!("[{ip}]:{port}"),
        };
        let (vip_end, backend_end, protocol) = match seeded.within(0..5) {
            0 => (vip.to_owned(), backend, None),
            1 => (with_port(vip, 2000), with_port(&backend, 2001), Some("udp")),
            2 => (with_port(vip, 80), with_port(&backend, 8080), Some("sctp")),
            _ => (with_port(vip, 80), with_port(&backend, 8080), Some("tcp")),
        };
        // Of two balancers with one front on one datapath, none comes first.
        let is_front = |command: &Vec<String>| {
            command[0] == "lb-add"
                && command[2] == vip_end
                && protocol.is_none_or(|protocol| command[4] == protocol)
        };
        if self.commands.iter().any(is_front) {
            return;
        }
        let is_empty = protocol.is_some() && seeded.percent(15);
        let backends = if is_empty { "" } else { &backend_end };
        let words = ["lb-add", name, &vip_end, backends].into_iter();
        self.command(&words.chain(protocol).collect::<Vec<_>>());
        if seeded.percent(30) {
            self.command(&["set", "Load_Balancer", name, "options:reject=true"]);
        }
        let mut switches: Vec<String> = self.pods.iter().map(|pod| pod.switch.clone()).collect();
        switches.dedup();
        for switch in switches {
            if seeded.percent(60) {
                self.command(&["ls-lb-add", &switch, name]);
            }
        }
        for router in routers {
            if seeded.percent(60) {
                self.command(&["lr-lb-add", router, name]);
            }
        }
        self.services.push(vip.to_owned());
    }
}
