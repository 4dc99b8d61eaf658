//! What belongs to no datapath: who uses it, and so which nodes need it.
//!
//! A datapath uses the port groups that have members in it, its load balancers and groups of them, and the
//! sets and meters that its ACLs, NATs and QoS rules name; a port group uses those that its ACLs name, a group of load
//! balancers its members, and a load balancer that is told of when it has no backends the meter for that. A node needs what a
//! datapath of its needs uses, over any number of steps. The steps cannot lead in a circle.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use expr::{Condition, Predicate};
use pipeline::object::{
    Acl, Balancers, DatapathKey, DatapathKind, EVENT_METER, NatPeers, Object, ObjectKey,
    PolicyOwner,
};
use uuid::Uuid;

use super::Needs;

/// Something that several datapaths may use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shared {
    /// The ACLs of a port group.
    PortGroup(Arc<str>),
    /// An address set.
    AddressSet(Arc<str>),
    /// A meter.
    Meter(Arc<str>),
    /// A load balancer with its VIPs.
    Balancer(Uuid),
    /// A group of load balancers.
    BalancerGroup(Uuid),
}

impl Shared {
    /// What the object of this key is a part of, if it is shared.
    pub fn of(key: &ObjectKey) -> Option<Self> {
        Some(match key {
            ObjectKey::Acl(PolicyOwner::Group(group), _) => Self::PortGroup(group.clone()),
            ObjectKey::AddressSet(name, _) => Self::AddressSet(name.clone()),
            ObjectKey::Meter(name) => Self::Meter(name.clone()),
            ObjectKey::Balancer(uuid) => Self::Balancer(*uuid),
            ObjectKey::Vip(vip) => Self::Balancer(vip.balancer),
            ObjectKey::BalancerGroup(uuid) => Self::BalancerGroup(*uuid),
            _ => return None,
        })
    }
}

/// Who uses something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum User {
    Datapath(DatapathKey),
    Shared(Shared),
}

impl User {
    fn is_needed(&self, needs: &Needs) -> bool {
        match self {
            Self::Datapath(datapath) => needs.datapaths.contains(datapath),
            Self::Shared(shared) => needs.shared.contains(shared),
        }
    }
}

/// What an object says about who uses what.
#[derive(Debug)]
struct Claim {
    user: User,
    used: BTreeSet<Shared>,
}

/// All uses, each with the number of objects that say so.
#[derive(Debug, Default)]
pub(super) struct Uses {
    claims: HashMap<ObjectKey, Claim>,
    uses: BTreeMap<User, BTreeMap<Shared, usize>>,
    users: BTreeMap<Shared, BTreeSet<User>>,
}

impl Uses {
    /// Takes in an object as it is now, `None` for gone, and notes what has users that it had not, or lost one.
    pub(super) fn set(
        &mut self,
        key: &ObjectKey,
        object: Option<&Object>,
        touched: &mut BTreeSet<Shared>,
    ) {
        let old = self.claims.remove(key);
        let new = object.and_then(claim);
        // The key says who the user is.
        let Some(user) = new
            .as_ref()
            .or(old.as_ref())
            .map(|claim| claim.user.clone())
        else {
            return;
        };
        let old = old.map(|claim| claim.used).unwrap_or_default();
        let none = BTreeSet::new();
        let used = new.as_ref().map_or(&none, |claim| &claim.used);
        for gone in old.difference(used) {
            self.remove(&user, gone, touched);
        }
        for come in used.difference(&old) {
            self.add(&user, come, touched);
        }
        if let Some(claim) = new.filter(|claim| !claim.used.is_empty()) {
            self.claims.insert(key.clone(), claim);
        }
    }

    fn add(&mut self, user: &User, used: &Shared, touched: &mut BTreeSet<Shared>) {
        let uses = self.uses.entry(user.clone()).or_default();
        let count = uses.entry(used.clone()).or_default();
        *count += 1;
        if *count == 1 {
            let users = self.users.entry(used.clone()).or_default();
            users.insert(user.clone());
            touched.insert(used.clone());
        }
    }

    fn remove(&mut self, user: &User, used: &Shared, touched: &mut BTreeSet<Shared>) {
        let Some(uses) = self.uses.get_mut(user) else {
            return;
        };
        let Some(count) = uses.get_mut(used) else {
            return;
        };
        *count -= 1;
        if *count > 0 {
            return;
        }
        uses.remove(used);
        if uses.is_empty() {
            self.uses.remove(user);
        }
        if let Some(users) = self.users.get_mut(used) {
            users.remove(user);
            if users.is_empty() {
                self.users.remove(used);
            }
        }
        touched.insert(used.clone());
    }

    /// What datapaths use themselves.
    pub(super) fn of_datapaths<'a>(
        &self,
        datapaths: impl IntoIterator<Item = &'a DatapathKey>,
    ) -> BTreeSet<Shared> {
        let uses = datapaths
            .into_iter()
            .filter_map(|datapath| self.uses.get(&User::Datapath(*datapath)));
        uses.flat_map(BTreeMap::keys).cloned().collect()
    }

    /// Brings what a node needs up to date where it may have changed, and returns what it began or ceased to
    /// need. Its datapaths are those of now.
    pub(super) fn update(&self, needs: &mut Needs, touched: BTreeSet<Shared>) -> BTreeSet<Shared> {
        let mut before = BTreeMap::new();
        let mut ahead: Vec<Shared> = touched.into_iter().collect();
        while let Some(shared) = ahead.pop() {
            let mut users = self.users.get(&shared).into_iter().flatten();
            let is_needed = users.any(|user| user.is_needed(needs));
            let differs = match is_needed {
                true => needs.shared.insert(shared.clone()),
                false => needs.shared.remove(&shared),
            };
            if differs {
                before.entry(shared.clone()).or_insert(!is_needed);
                let used = self.uses.get(&User::Shared(shared));
                ahead.extend(used.into_iter().flat_map(BTreeMap::keys).cloned());
            }
        }
        let differs = |(shared, was_needed): (Shared, bool)| {
            (needs.shared.contains(&shared) != was_needed).then_some(shared)
        };
        before.into_iter().filter_map(differs).collect()
    }
}

/// What an object says about uses.
fn claim(object: &Object) -> Option<Claim> {
    let of_datapath = |datapath, used| Claim {
        user: User::Datapath(datapath),
        used,
    };
    Some(match object {
        Object::Datapath(datapath) => {
            let balancers = match &datapath.kind {
                DatapathKind::Switch(switch) => &switch.balancers,
                DatapathKind::Router(router) => &router.balancers,
            };
            of_datapath(datapath.key, used_balancers(balancers))
        }
        Object::PortGroup(group) => {
            let group_itself = Shared::PortGroup(group.name.clone());
            of_datapath(group.datapath, BTreeSet::from([group_itself]))
        }
        Object::Nat(nat) => {
            let set = match &nat.peers {
                NatPeers::All => None,
                NatPeers::Only(set) | NatPeers::AllBut(set) => Some(set.clone()),
            };
            of_datapath(
                nat.router,
                set.map(Shared::AddressSet).into_iter().collect(),
            )
        }
        Object::Acl(acl) => Claim {
            user: match &acl.owner {
                PolicyOwner::Switch(switch) => User::Datapath(*switch),
                PolicyOwner::Group(group) => User::Shared(Shared::PortGroup(group.clone())),
            },
            used: used_by_acl(acl),
        },
        Object::Qos(qos) => of_datapath(qos.switch, used_by_match(&qos.matches)),
        Object::Balancer(balancer) => Claim {
            user: User::Shared(Shared::Balancer(balancer.uuid)),
            used: match balancer.event {
                true => BTreeSet::from([Shared::Meter(EVENT_METER.into())]),
                false => BTreeSet::new(),
            },
        },
        Object::BalancerGroup(group) => {
            let balancers = group.balancers.iter().copied();
            Claim {
                user: User::Shared(Shared::BalancerGroup(group.uuid)),
                used: balancers.map(Shared::Balancer).collect(),
            }
        }
        _ => return None,
    })
}

fn used_balancers(balancers: &Balancers) -> BTreeSet<Shared> {
    let own = balancers.own.iter().copied().map(Shared::Balancer);
    let groups = balancers.groups.iter().copied();
    own.chain(groups.map(Shared::BalancerGroup)).collect()
}

fn used_by_acl(acl: &Acl) -> BTreeSet<Shared> {
    let meter = acl.log.as_ref().and_then(|log| log.meter.clone());
    let mut used = used_by_match(&acl.matches);
    used.extend(meter.map(Shared::Meter));
    used
}

fn used_by_match(matches: &Predicate) -> BTreeSet<Shared> {
    let mut used = BTreeSet::new();
    let mut ahead = vec![matches];
    while let Some(predicate) = ahead.pop() {
        match predicate {
            Predicate::All(operands) | Predicate::Any(operands) => ahead.extend(operands),
            Predicate::Test(Condition::AddressSet { set, .. }, _) => {
                used.insert(Shared::AddressSet(set.clone()));
            }
            Predicate::Constant(_) | Predicate::Test(..) => {}
        }
    }
    used
}
