//! The datapaths as a graph: joined ports are its edges, bound ports say which nodes stand where.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pipeline::object::{
    Attachment, ChassisName, DatapathKey, Object, Port, PortKind, PortRef, SwitchPort,
};

use super::Needs;

/// What a port says about the graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Role {
    /// The datapath that the port's own is joined to.
    joins: Option<DatapathKey>,
    /// The node that has the port.
    chassis: Option<ChassisName>,
    /// The port's name, if it is a localport.
    localport: Option<String>,
}

/// The graph of all ports.
#[derive(Debug, Default)]
pub(super) struct Graph {
    roles: HashMap<PortRef, Role>,
    /// For each datapath, those it is joined to, with the number of ports that say so.
    edges: BTreeMap<DatapathKey, BTreeMap<DatapathKey, usize>>,
    /// For each datapath, the nodes that have ports on it, with how many.
    hosts: BTreeMap<DatapathKey, BTreeMap<ChassisName, usize>>,
    /// For each node, the datapaths that it has ports on, localports included, with how many.
    seeds: BTreeMap<ChassisName, BTreeMap<DatapathKey, usize>>,
    /// For each name of a localport, the datapath that has it; two only while a change is half taken in.
    localports: BTreeMap<String, BTreeMap<DatapathKey, usize>>,
    /// The localports, by name, that nodes have interfaces for.
    interests: BTreeSet<(String, ChassisName)>,
}

/// Where the graph changed.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) datapaths: BTreeSet<DatapathKey>,
    pub(super) chassis: BTreeSet<ChassisName>,
    /// The ports that came to a node or went from it, each with that node.
    pub(super) moved: Vec<(PortRef, ChassisName)>,
}

impl Graph {
    /// Puts a port as it is now, `None` for gone, and notes where the graph changed.
    pub(super) fn set_port(&mut self, at: PortRef, port: Option<&Object>, touched: &mut Touched) {
        let role = match port {
            Some(Object::Port(port)) => role(port),
            _ => Role::default(),
        };
        let old = match role == Role::default() {
            true => self.roles.remove(&at),
            false => self.roles.insert(at, role.clone()),
        };
        let old = old.unwrap_or_default();
        if old == role {
            return;
        }
        if old.chassis != role.chassis {
            let nodes = [&old.chassis, &role.chassis].into_iter().flatten();
            touched.moved.extend(nodes.map(|node| (at, node.clone())));
        }
        let here = at.datapath;
        if let Some(there) = old.joins {
            self.edge(here, there, touched, uncount);
        }
        if let Some(there) = role.joins {
            self.edge(here, there, touched, count);
        }
        if let Some(chassis) = old.chassis {
            self.host(here, chassis, touched, uncount, uncount);
        }
        if let Some(chassis) = role.chassis {
            self.host(here, chassis, touched, count, count);
        }
        if let Some(name) = old.localport {
            self.localport(here, name, touched, uncount, uncount);
        }
        if let Some(name) = role.localport {
            self.localport(here, name, touched, count, count);
        }
    }

    /// Notes whether a node has an interface for the localport of this name, which need not exist yet.
    pub(super) fn set_interest(
        &mut self,
        chassis: &ChassisName,
        name: &str,
        is_interested: bool,
        touched: &mut Touched,
    ) {
        let interest = (name.to_owned(), chassis.clone());
        let (differs, step): (_, Step<_, _>) = match is_interested {
            true => (self.interests.insert(interest), count),
            false => (self.interests.remove(&interest), uncount),
        };
        let places = self.localports.get(name).into_iter().flatten();
        for (datapath, _) in places.filter(|_| differs) {
            if step(&mut self.seeds, chassis.clone(), *datapath) {
                touched.chassis.insert(chassis.clone());
            }
        }
    }

    fn edge(
        &mut self,
        here: DatapathKey,
        there: DatapathKey,
        touched: &mut Touched,
        step: Step<DatapathKey, DatapathKey>,
    ) {
        let differs = step(&mut self.edges, here, there) | step(&mut self.edges, there, here);
        if differs {
            touched.datapaths.extend([here, there]);
        }
    }

    fn host(
        &mut self,
        here: DatapathKey,
        chassis: ChassisName,
        touched: &mut Touched,
        hosts: Step<DatapathKey, ChassisName>,
        seeds: Step<ChassisName, DatapathKey>,
    ) {
        if hosts(&mut self.hosts, here, chassis.clone()) {
            touched.datapaths.insert(here);
        }
        if seeds(&mut self.seeds, chassis.clone(), here) {
            touched.chassis.insert(chassis);
        }
    }

    /// A localport hosts its datapath for nobody else: its traffic does not leave its node.
    fn localport(
        &mut self,
        here: DatapathKey,
        name: String,
        touched: &mut Touched,
        places: Step<String, DatapathKey>,
        seeds: Step<ChassisName, DatapathKey>,
    ) {
        if !places(&mut self.localports, name.clone(), here) {
            return;
        }
        let from = (name.clone(), ChassisName::from(""));
        let interested = self.interests.range(from..);
        for (_, chassis) in interested.take_while(|(of, _)| *of == name) {
            if seeds(&mut self.seeds, chassis.clone(), here) {
                touched.chassis.insert(chassis.clone());
            }
        }
    }

    /// The node that has a port.
    pub(super) fn chassis(&self, at: PortRef) -> Option<&ChassisName> {
        self.roles.get(&at)?.chassis.as_ref()
    }

    /// What a node needs: a search from the datapaths that it has ports on.
    pub(super) fn needs(&self, chassis: &ChassisName) -> Needs {
        let seeds = self.seeds.get(chassis).into_iter().flatten();
        let mut ahead: Vec<DatapathKey> = seeds.map(|(datapath, _)| *datapath).collect();
        let mut needs = Needs::default();
        while let Some(datapath) = ahead.pop() {
            if needs.datapaths.insert(datapath) {
                let hosts = self.hosts.get(&datapath).into_iter().flatten();
                needs
                    .chassis
                    .extend(hosts.map(|(chassis, _)| chassis.clone()));
                let joined = self.edges.get(&datapath).into_iter().flatten();
                ahead.extend(joined.map(|(datapath, _)| *datapath));
            }
        }
        needs
    }
}

fn role(port: &Port) -> Role {
    match &port.kind {
        PortKind::Switch(SwitchPort {
            attachment: Attachment::Router(peer),
            chassis,
            ..
        }) => Role {
            joins: peer.map(|peer| peer.datapath),
            chassis: chassis.clone(),
            ..Role::default()
        },
        PortKind::Switch(SwitchPort {
            attachment: Attachment::Localport,
            ..
        }) => Role {
            localport: Some(port.name.clone()),
            ..Role::default()
        },
        PortKind::Switch(port) => Role {
            chassis: port.chassis.clone(),
            ..Role::default()
        },
        PortKind::Router(port) => Role {
            joins: port.peer.map(|peer| peer.datapath),
            chassis: port.gateway.clone(),
            ..Role::default()
        },
    }
}

/// Counts something up or down, and says whether it came or went with that.
type Step<K, V> = fn(&mut BTreeMap<K, BTreeMap<V, usize>>, K, V) -> bool;

fn count<K: Ord, V: Ord>(counts: &mut BTreeMap<K, BTreeMap<V, usize>>, key: K, value: V) -> bool {
    let count = counts.entry(key).or_default().entry(value).or_default();
    *count += 1;
    *count == 1
}

fn uncount<K: Ord, V: Ord>(counts: &mut BTreeMap<K, BTreeMap<V, usize>>, key: K, value: V) -> bool {
    let Some(values) = counts.get_mut(&key) else {
        return false;
    };
    let Some(left) = values.get_mut(&value) else {
        return false;
    };
    *left -= 1;
    if *left > 0 {
        return false;
    }
    values.remove(&value);
    if values.is_empty() {
        counts.remove(&key);
    }
    true
}
