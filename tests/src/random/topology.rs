//! Random logical networks, as a script of commands that `ovn-nbctl` and `vsctl` both take.

use super::Seeded;

/// A station that packets may come from or go to.
#[derive(Clone, Debug)]
pub struct Station {
    /// The switch whose port it is behind.
    pub switch: String,
    /// Its port; a router's port for a router.
    pub port: String,
    /// Its MAC address.
    pub mac: String,
    /// Its IPv4 address.
    pub v4: String,
    /// Its IPv6 address.
    pub v6: String,
}

/// A logical network.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    /// The commands that make it, each with its arguments.
    pub commands: Vec<Vec<String>>,
    /// The stations behind ordinary ports.
    pub pods: Vec<Station>,
    /// The routers' feet on the switches.
    pub gateways: Vec<Station>,
    /// The addresses of services and of translations.
    pub services: Vec<String>,
}

impl Topology {
    /// A random network: up to three switches, up to two routers, up to four pods a switch.
    pub fn random(seeded: &mut Seeded) -> Self {
        let mut topology = Self::default();
        let switches = seeded.within(1..4);
        let routers = seeded.within(0..3);
        (0..routers).for_each(|router| topology.command(&["lr-add", &format!("r{router}")]));
        for switch in 1..=switches {
            topology.add_switch(seeded, switch, routers);
        }
        if routers == 2 && seeded.percent(80) {
            topology.join_routers();
        }
        for router in 0..routers {
            topology.add_routes(seeded, router);
        }
        topology.add_policies(seeded);
        topology.add_services(seeded);
        topology
    }

    /// All commands as the arguments of one invocation.
    pub fn arguments(&self) -> Vec<String> {
        self.commands.join(&"--".to_owned())
    }

    /// The rows of port security of the port that a packet comes in by, in one text.
    pub fn port_security_of(&self, microflow: &str) -> String {
        let is_senders = |command: &&Vec<String>| {
            command[0] == "lsp-set-port-security"
                && microflow.contains(&format!("inport == \"{}\"", command[1]))
        };
        self.commands
            .iter()
            .filter(is_senders)
            .flat_map(|command| command[2..].to_vec())
            .collect()
    }

    pub(super) fn command(&mut self, words: &[&str]) {
        self.commands
            .push(words.iter().map(|word| (*word).to_owned()).collect());
    }

    fn add_switch(&mut self, seeded: &mut Seeded, switch: usize, routers: usize) {
        let name = format!("s{switch}");
        self.command(&["ls-add", &name]);
        for pod in 0..seeded.within(1..5) {
            self.add_pod(seeded, &name, switch, pod);
        }
        if routers > 0 && seeded.percent(85) {
            let router = seeded.within(0..routers);
            self.add_gateway(&name, switch, router);
        }
    }

    fn add_gateway(&mut self, switch_name: &str, switch: usize, router: usize) {
        let (foot, port) = (
            format!("r{router}-s{switch}"),
            format!("s{switch}-r{router}"),
        );
        let mac = format!("0a:00:00:0f:0{router}:0{switch}");
        let (v4, v6) = (format!("10.0.{switch}.1"), format!("fd00:{switch}::1"));
        self.command(&[
            "lrp-add",
            &format!("r{router}"),
            &foot,
            &mac,
            &format!("{v4}/24"),
            &format!("{v6}/64"),
        ]);
        self.command(&["lsp-add", switch_name, &port]);
        self.command(&["lsp-set-type", &port, "router"]);
        self.command(&["lsp-set-addresses", &port, "router"]);
        self.command(&["lsp-set-options", &port, &format!("router-port={foot}")]);
        let switch = switch_name.to_owned();
        self.gateways.push(Station {
            switch,
            port: foot,
            mac,
            v4,
            v6,
        });
    }

    fn add_pod(&mut self, seeded: &mut Seeded, switch_name: &str, switch: usize, pod: usize) {
        let host = 10 + pod;
        let port = format!("{switch_name}-p{pod}");
        let mac = format!("0a:00:00:00:0{switch}:{host:02x}");
        let (v4, v6) = (
            format!("10.0.{switch}.{host}"),
            format!("fd00:{switch}::{host:x}"),
        );
        self.command(&["lsp-add", switch_name, &port]);
        let full = format!("{mac} {v4} {v6}");
        let addresses: &[&str] = match seeded.within(0..10) {
            0 => &["unknown"],
            1 => &[&full, "unknown"],
            2 => &[&mac],
            3 => &[&format!("{mac} {v4}")],
            4 => &[
                &full,
                &format!("0a:00:00:00:0{switch}:e{pod} 10.0.{switch}.20{pod}"),
            ],
            5 => &[],
            _ => &[&full],
        };
        if !addresses.is_empty() {
            self.command(&[&["lsp-set-addresses", &port], addresses].concat());
        }
        self.add_port_security(seeded, &port, &mac, &v4, &v6);
        if seeded.percent(5) {
            self.command(&["lsp-set-enabled", &port, "disabled"]);
        }
        let switch = switch_name.to_owned();
        self.pods.push(Station {
            switch,
            port,
            mac,
            v4,
            v6,
        });
    }

    fn add_port_security(
        &mut self,
        seeded: &mut Seeded,
        port: &str,
        mac: &str,
        v4: &str,
        v6: &str,
    ) {
        // No networks: ovn-trace takes them for hosts, unlike OVN's nodes.
        let rows: &[&str] = match seeded.within(0..8) {
            0 => &[mac],
            1 => &[&format!("{mac} {v4} {v6}")],
            2 => &[&format!("{mac} {v4}")],
            3 => &[&format!("{mac} {v6}")],
            4 => &[&format!("{mac} {v4}/24")],
            _ => return,
        };
        self.command(&[&["lsp-set-port-security", port], rows].concat());
    }

    fn join_routers(&mut self) {
        for (own, other) in [(0, 1), (1, 0)] {
            let (name, peer) = (format!("r{own}-r{other}"), format!("peer=r{other}-r{own}"));
            let mac = format!("0a:00:00:ff:00:0{own}");
            let (v4, v6) = (
                format!("172.16.0.{}/30", own + 1),
                format!("fd01::{}/64", own + 1),
            );
            self.command(&["lrp-add", &format!("r{own}"), &name, &mac, &v4, &v6, &peer]);
            let (next_v4, next_v6) = (
                format!("172.16.0.{}", other + 1),
                format!("fd01::{}", other + 1),
            );
            self.command(&["lr-route-add", &format!("r{own}"), "10.0.0.0/16", &next_v4]);
            self.command(&["lr-route-add", &format!("r{own}"), "fd00::/16", &next_v6]);
        }
    }

    fn add_routes(&mut self, seeded: &mut Seeded, router: usize) {
        let name = format!("r{router}");
        let own: Vec<_> = self
            .gateways
            .iter()
            .filter(|foot| foot.port.starts_with(&name))
            .cloned()
            .collect();
        if own.is_empty() {
            return;
        }
        let foot = seeded.pick(&own).clone();
        let neighbors: Vec<_> = self
            .pods
            .iter()
            .filter(|pod| pod.switch == foot.switch)
            .cloned()
            .collect();
        let next = seeded.pick(&neighbors).clone();
        if seeded.percent(30) {
            self.command(&["lr-route-add", &name, "0.0.0.0/0", &next.v4]);
            self.command(&["lr-route-add", &name, "::/0", &next.v6]);
        }
        if seeded.percent(30) {
            self.command(&[
                "lr-route-add",
                &name,
                "192.168.0.0/16",
                &next.v4,
                &foot.port,
            ]);
        }
        if seeded.percent(20) {
            self.command(&["lr-route-add", &name, "192.168.7.0/24", "discard"]);
        }
        if seeded.percent(20) {
            self.command(&[
                "--policy=src-ip",
                "lr-route-add",
                &name,
                &format!("{}/32", next.v4),
                &next.v4,
            ]);
        }
    }
}
