//! The last lines, for who asks for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

/// Lines that are kept.
pub const KEPT: usize = 1_000;
/// Lines that a follower may be behind; one that is further behind misses some, which it is told.
const BEHIND: usize = 1_024;

/// One logged packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it came, in milliseconds since 1970.
    pub unix_ms: u64,
    /// The ACL.
    pub acl: Uuid,
    /// Its name; empty if it has none.
    pub name: String,
    /// `allow`, `drop`, `reject` or `pass`.
    pub verdict: &'static str,
    /// `alert`, `warning`, `notice`, `info` or `debug`.
    pub severity: &'static str,
    /// `from-lport` or `to-lport`.
    pub direction: &'static str,
    /// Where the packet had come in.
    pub inport: String,
    /// The packet as the ACL met it.
    pub packet: String,
}

impl Entry {
    /// The line, in OVN's words.
    pub fn line(&self) -> String {
        let name = match self.name.as_str() {
            "" => "<unnamed>",
            name => name,
        };
        let Entry {
            verdict,
            severity,
            direction,
            packet,
            ..
        } = self;
        format!(
            "name={name:?}, verdict={verdict}, severity={severity}, direction={direction}: {packet}"
        )
    }
}

/// The last lines, and those that are to come.
#[derive(Debug)]
pub struct LogBook {
    kept: Mutex<VecDeque<Arc<Entry>>>,
    live: broadcast::Sender<Arc<Entry>>,
    written: AtomicU64,
    limited: AtomicU64,
}

/// The lines that are to come.
#[derive(Debug)]
pub struct Follower(broadcast::Receiver<Arc<Entry>>);

/// What a follower gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next line.
    Entry(Arc<Entry>),
    /// It was too slow for so many lines.
    Missed(u64),
}

impl Default for LogBook {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            live: broadcast::channel(BEHIND).0,
            written: AtomicU64::new(0),
            limited: AtomicU64::new(0),
        }
    }
}

impl LogBook {
    /// Adds a line.
    pub fn write(&self, entry: Entry) {
        let entry = Arc::new(entry);
        let mut kept = self.lock();
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(entry.clone());
        self.written.fetch_add(1, Ordering::Relaxed);
        // Nobody follows: then nobody is told.
        let _ = self.live.send(entry);
    }

    /// Counts a record that its meter does not admit for all workers together.
    pub fn limit(&self) {
        self.limited.fetch_add(1, Ordering::Relaxed);
    }

    /// The lines that are kept, the oldest first, and all that follow them without a gap.
    pub fn follow(&self) -> (Vec<Arc<Entry>>, Follower) {
        let kept = self.lock();
        (
            kept.iter().cloned().collect(),
            Follower(self.live.subscribe()),
        )
    }

    /// How many lines were written.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// How many records were not written for their meters' sake, beside those that workers left out.
    pub fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// Waits for the next line; `None` when there will be none.
    pub async fn next(&mut self) -> Option<Next> {
        match self.0.recv().await {
            Ok(entry) => Some(Next::Entry(entry)),
            Err(RecvError::Lagged(missed)) => Some(Next::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64) -> Entry {
        Entry {
            unix_ms: number,
            acl: Uuid::from_u128(1),
            name: "a \"b\"".into(),
            verdict: "drop",
            severity: "info",
            direction: "to-lport",
            inport: "web-1".into(),
            packet: "tcp".into(),
        }
    }

    #[test]
    fn a_line_is_as_ovn_writes_it() {
        let expected = r#"name="a \"b\"", verdict=drop, severity=info, direction=to-lport: tcp"#;
        assert_eq!(entry(1).line(), expected);
        let unnamed = Entry {
            name: String::new(),
            ..entry(1)
        };
        assert!(unnamed.line().starts_with("name=\"<unnamed>\", "));
    }

    #[tokio::test]
    async fn a_follower_gets_what_is_kept_and_what_comes_and_is_told_what_it_missed() {
        let book = LogBook::default();
        (0..KEPT as u64 + 5).for_each(|number| book.write(entry(number)));
        let (kept, mut follower) = book.follow();
        assert_eq!((kept.len(), kept[0].unix_ms), (KEPT, 5));
        book.write(entry(7_000));
        let next = follower.next().await;
        assert_eq!(next, Some(Next::Entry(Arc::new(entry(7_000)))));
        (0..BEHIND as u64 + 3).for_each(|number| book.write(entry(number)));
        assert_eq!(follower.next().await, Some(Next::Missed(3)));
        assert_eq!(follower.next().await, Some(Next::Entry(Arc::new(entry(3)))));
        drop(book);
    }
}
