//! Accounts, and the sums of rules.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam::utils::CachePadded;
use hashbrown::HashMap;
use pipeline::Verdict;

use super::Rule;
use super::rule::RulesOf;
use crate::counter::Counter;

/// Different sets of rules that are counted at once, at most.
pub const ACCOUNTS: usize = 1 << 16;
/// Rules whose sums are kept, at most. Beyond, half of them are forgotten: those that were hit longest ago.
pub const RULES: usize = 1 << 18;

/// A map that needs no keys from outside to be hard to guess.
pub type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// What the packets come to that a rule had a part in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Connections that they began.
    pub connections: u64,
    /// When the last one came, in milliseconds since the data path was started.
    pub last_ms: u64,
}

/// What the packets come to that the same rules had a part in.
#[derive(Debug)]
pub struct Account {
    /// Sorted, each once.
    rules: Box<[Rule]>,
    /// One a worker.
    cells: Box<[CachePadded<Cell>]>,
}

#[derive(Debug, Default)]
struct Cell {
    packets: Counter,
    bytes: Counter,
    connections: Counter,
    last_ms: Counter,
}

/// Accounts by rules, in the order in which verdicts name them.
type Accounts = Map<Box<[Rule]>, Arc<Account>>;

/// All accounts of a data path.
#[derive(Debug)]
pub struct Ledger {
    workers: usize,
    open: Mutex<Accounts>,
    /// The sums of what was in accounts that are closed.
    closed: Mutex<Map<Rule, Credit>>,
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Eq for Account {}

impl Account {
    /// Adds so many packets of so many bytes together. Only the worker itself may.
    pub fn add(&self, worker: usize, (packets, bytes): (u64, u64), now_ms: u64) {
        if let Some(cell) = self.cells.get(worker) {
            cell.packets.add(packets);
            cell.bytes.add(bytes);
            cell.last_ms.set(now_ms);
        }
    }

    /// Adds a connection, beside its first packet. Only the worker itself may.
    pub fn add_connection(&self, worker: usize) {
        if let Some(cell) = self.cells.get(worker) {
            cell.connections.add(1);
        }
    }

    fn credit(&self) -> Credit {
        let mut credit = Credit::default();
        for cell in &self.cells {
            credit.join(&Credit {
                packets: cell.packets.get(),
                bytes: cell.bytes.get(),
                connections: cell.connections.get(),
                last_ms: cell.last_ms.get(),
            });
        }
        credit
    }
}

impl Credit {
    /// Adds what another part of the packets comes to.
    pub fn join(&mut self, other: &Credit) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.connections += other.connections;
        self.last_ms = self.last_ms.max(other.last_ms);
    }
}

impl Ledger {
    /// No accounts, for this many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            open: Mutex::default(),
            closed: Mutex::default(),
        }
    }

    /// Where to count what comes of a verdict; `None` if no rule had a part in it, or if there are too many accounts.
    pub fn account(&self, verdict: &Verdict) -> Option<Arc<Account>> {
        let rules = RulesOf::new(verdict);
        if rules.is_empty() {
            return None;
        }
        let mut open = lock(&self.open);
        if let Some(account) = open.get(&rules) {
            return Some(account.clone());
        }
        self.open_account(&mut open, rules.to_rules())
    }

    /// Where to count what comes under a rule; `None` if there are too many accounts.
    pub fn account_of(&self, rule: Rule) -> Option<Arc<Account>> {
        let rules = Box::from([rule]);
        let mut open = lock(&self.open);
        if let Some(account) = open.get(&rules) {
            return Some(account.clone());
        }
        self.open_account(&mut open, rules)
    }

    fn open_account(&self, open: &mut Accounts, rules: Box<[Rule]>) -> Option<Arc<Account>> {
        if open.len() >= ACCOUNTS {
            return None;
        }
        let mut each = rules.to_vec();
        each.sort_unstable();
        each.dedup();
        let cells = (0..self.workers).map(|_| CachePadded::default());
        let account = Arc::new(Account {
            rules: each.into(),
            cells: cells.collect(),
        });
        open.insert(rules, account.clone());
        Some(account)
    }

    /// What each rule has come to. The numbers are read one by one while workers count on. Closes the accounts that
    /// nobody uses any more.
    pub fn sums(&self) -> Map<Rule, Credit> {
        let mut closed = lock(&self.closed);
        let (used, unused) = self.sort_out();
        for account in &unused {
            account.add_to(&mut closed);
        }
        if closed.len() > RULES {
            forget_oldest(&mut closed);
        }
        let mut sums = closed.clone();
        for account in &used {
            account.add_to(&mut sums);
        }
        sums
    }

    /// The accounts that somebody uses, and those that nobody does, which are taken out.
    fn sort_out(&self) -> (Vec<Arc<Account>>, Vec<Arc<Account>>) {
        let mut open = lock(&self.open);
        // Nobody can begin to use an account meanwhile: that takes the lock.
        let unused = open.extract_if(|_, account| Arc::get_mut(account).is_some());
        let unused = unused.map(|(_, account)| account).collect();
        (open.values().cloned().collect(), unused)
    }
}

impl Account {
    fn add_to(&self, sums: &mut Map<Rule, Credit>) {
        let credit = self.credit();
        for rule in &self.rules {
            sums.entry(rule.clone()).or_default().join(&credit);
        }
    }
}

fn forget_oldest(sums: &mut Map<Rule, Credit>) {
    let mut times: Vec<u64> = sums.values().map(|credit| credit.last_ms).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    sums.retain(|_, credit| credit.last_ms > median);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use pipeline::conntrack::{MadeBy, Untracked};
    use pipeline::object::{DatapathKey, PortKey, PortRef, VipKey};
    use pipeline::{Ingress, Silent, Tables, process};
    use uuid::Uuid;

    use super::*;

    fn verdict(made_by: MadeBy) -> Verdict {
        let mut frame = [0; 60];
        frame[12..14].copy_from_slice(&[0x88, 0xb5]);
        let (flow, _) = packet::parse(&frame).expect("a frame");
        let at = PortRef {
            datapath: DatapathKey::new(1).expect("a key"),
            port: PortKey::new(1).expect("a key"),
        };
        let packet = (&flow, &packet::Segment::Unknown);
        let ingress = Ingress::Interface(at);
        let nothing = Tables::new(None);
        let verdict = process(&nothing, &mut Untracked, ingress, packet, &mut Silent);
        let qos = vec![Uuid::from_u128(9)];
        Verdict {
            made_by,
            qos,
            ..verdict
        }
    }

    #[test]
    fn verdicts_of_the_same_rules_share_an_account() {
        let ledger = Ledger::new(1);
        let vip = VipKey {
            balancer: Uuid::from_u128(7),
            ip: [10, 0, 0, 1].into(),
            protocol: 6,
            port: 80,
            chassis: None,
        };
        let full = |acls: &[u128]| MadeBy {
            acls: acls.iter().copied().map(Uuid::from_u128).collect(),
            service: Some((vip.clone(), ([10, 0, 0, 2].into(), 8080))),
            nats: vec![Uuid::from_u128(3)],
            route: None,
        };
        let account = |acls| ledger.account(&verdict(full(acls))).expect("room");
        let first = account(&[1, 2]);
        assert!(Arc::ptr_eq(&first, &account(&[1, 2])));
        assert!(!Arc::ptr_eq(&first, &account(&[1])));
        // In another order they are the same rules, but verdicts need not find that out.
        assert_eq!(first, account(&[2, 1]));
        let rules = [Rule::Allowed, Rule::Acl(Uuid::from_u128(1))];
        assert_eq!(first.rules[..2], rules);
        assert_eq!(first.rules.len(), 7);
    }
}
