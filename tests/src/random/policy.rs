//! Random access control: port groups, address sets, and rules of switches and groups.

use super::Seeded;
use super::topology::Topology;

/// The names of the port groups and address sets.
const GROUPS: [&str; 2] = ["red", "blue"];
const SETS: [&str; 2] = ["near", "far"];

impl Topology {
    /// Groups, sets and rules, in most networks.
    pub(super) fn add_policies(&mut self, seeded: &mut Seeded) {
        if seeded.percent(25) {
            return;
        }
        for group in GROUPS {
            let members = self.pods.iter().filter(|_| seeded.percent(50));
            let members: Vec<String> = members.map(|pod| pod.port.clone()).collect();
            let members = members.iter().map(String::as_str);
            let words: Vec<&str> = ["pg-add", group].into_iter().chain(members).collect();
            self.command(&words);
        }
        for set in SETS {
            let members = self.pods.iter().filter(|_| seeded.percent(40));
            let members: Vec<String> = members.map(|pod| pod.v4.clone()).collect();
            let addresses = format!("addresses={}", members.join(","));
            let name = format!("name={set}");
            let columns = [name.as_str(), addresses.as_str()];
            let given = if members.is_empty() { 1 } else { 2 };
            self.command(&[&["create", "Address_Set"], &columns[..given]].concat());
        }
        // In half of the networks no rule is about connections.
        let is_stateful = seeded.percent(50);
        for _ in 0..seeded.within(1..9) {
            self.add_rule(seeded, is_stateful);
        }
        if seeded.percent(10) {
            self.command(&["set", "NB_Global", ".", "options:default_acl_drop=true"]);
        }
    }

    fn add_rule(&mut self, seeded: &mut Seeded, is_stateful: bool) {
        let is_of_group = seeded.percent(50);
        let owner = match is_of_group {
            true => (*seeded.pick(&GROUPS)).to_owned(),
            false => seeded.pick(&self.pods).switch.clone(),
        };
        let (direction, port) = *seeded.pick(&[("from-lport", "inport"), ("to-lport", "outport")]);
        let place = match is_of_group {
            true => format!("{port} == @{owner} && "),
            false if seeded.percent(50) => {
                format!("{port} == \"{}\" && ", seeded.pick(&self.pods).port)
            }
            false => String::new(),
        };
        let rule = format!("{place}{}", self.condition(seeded));
        let actions: &[&str] = match is_stateful {
            true => &[
                "drop",
                "allow",
                "allow-related",
                "allow-related",
                "reject",
                "allow-stateless",
            ],
            false => &["drop", "allow", "reject"],
        };
        let action = *seeded.pick(actions);
        // Rules of one priority have no order between them.
        let priority = (1000 + self.commands.len()).to_string();
        let mut words = vec!["acl-add", &owner, direction, &priority, &rule, action];
        if is_of_group {
            words.insert(0, "--type=port-group");
        }
        if direction == "from-lport" && action != "allow-stateless" && seeded.percent(30) {
            words.insert(0, "--apply-after-lb");
        }
        self.command(&words);
    }

    /// What a rule asks of a packet besides its port.
    fn condition(&self, seeded: &mut Seeded) -> String {
        let pod = seeded.pick(&self.pods).clone();
        let set = *seeded.pick(&SETS);
        match seeded.within(0..14) {
            0 => "ip".to_owned(),
            1 => "ip4".to_owned(),
            2 => "ip6".to_owned(),
            3 => format!("ip4.src == {}", pod.v4),
            4 => format!("ip6.dst == {}/112", pod.v6),
            5 => format!("ip4.src == ${set}"),
            6 => format!("ip4.dst == ${set} && (tcp || udp.dst < 3000)"),
            7 => format!("ip4.src == ${}_ip4", seeded.pick(&GROUPS)),
            8 => format!("ip6.src != ${}_ip6 && ip6", seeded.pick(&GROUPS)),
            9 => "(tcp.dst == {80, 443} || udp)".to_owned(),
            10 => "(icmp4 || icmp6.type == 128)".to_owned(),
            11 => "tcp && !(tcp.dst == 80 || tcp.src == 1)".to_owned(),
            12 => "(arp || nd)".to_owned(),
            _ => format!("eth.src == {} && ip.ttl == 64", pod.mac),
        }
    }
}
