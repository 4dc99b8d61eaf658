//! Ten thousand connections while backends come and go.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use ground::network::Pod;
use tests::ask::{self, Conversation, Tally};
use tests::story::tell;
use tests::world::{PATIENCE, World};

use crate::{BACKENDS, VIP_V4, VIP_V6, change, to, web};

/// Connections of each client.
const CONNECTIONS: usize = 5_000;
/// Connections that a client has open at the same time.
const THREADS: usize = 8;
/// Between two changes.
const PAUSE: Duration = Duration::from_millis(50);

/// Connects from a pod until all its connections are done.
fn client(from: &Pod, vip: &str, done: &AtomicUsize) -> Tally {
    let begun = AtomicUsize::new(0);
    let work = || {
        let mut tally = Tally::default();
        while begun.fetch_add(1, Ordering::Relaxed) < CONNECTIONS {
            tally.count(ask::once(to(vip), PATIENCE));
            done.fetch_add(1, Ordering::Relaxed);
        }
        tally
    };
    from.namespace.run(|| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
            let mut tally = Tally::default();
            for thread in threads {
                tally.add(thread.join().expect("clients do not panic"));
            }
            tally
        })
    })
}

/// Takes away and gives back one backend after the other while there are connections.
fn disturb(world: &World, done: &AtomicUsize, total: usize) -> Result<usize> {
    let mut changes = 0;
    while done.load(Ordering::Relaxed) < total {
        let gone = BACKENDS[changes / 2 % BACKENDS.len()];
        let left = BACKENDS
            .into_iter()
            .filter(|pod| changes % 2 == 1 || *pod != gone);
        change(world, "tcp", &left.collect::<Vec<_>>())?;
        changes += 1;
        std::thread::sleep(PAUSE);
    }
    Ok(changes)
}

#[test]
fn ten_thousand_connections_do_not_notice_that_backends_come_and_go() {
    tell(|| {
        let world = World::cluster(3, 2)?;
        let _servers = world.serve(BACKENDS)?;
        web(&world, "tcp", &BACKENDS)?;
        let clients = [("a1", VIP_V4), ("b1", VIP_V6)];
        let mut staying = Vec::new();
        for (pod, vip) in clients {
            let open = || (0..8).map(|_| Conversation::open(to(vip), PATIENCE));
            let opened = world.pod(pod)?.namespace.run(|| open().collect::<Vec<_>>());
            for conversation in opened {
                let mut conversation = conversation?;
                staying.push((conversation.ask()?, conversation));
            }
        }
        let done = AtomicUsize::new(0);
        let (tallies, changes) = std::thread::scope(|scope| -> Result<_> {
            let mut threads = Vec::new();
            for (pod, vip) in clients {
                let (from, done) = (world.pod(pod)?, &done);
                threads.push(scope.spawn(move || client(from, vip, done)));
            }
            let changes = disturb(&world, &done, clients.len() * CONNECTIONS)?;
            let tallies = threads.into_iter().map(|it| it.join().expect("no panic"));
            Ok((tallies.collect::<Vec<_>>(), changes))
        })?;
        for tally in &tallies {
            assert!(tally.failures.is_empty(), "{tally:?}");
            assert_eq!(tally.answers.values().sum::<usize>(), CONNECTIONS);
            assert_eq!(tally.backends(), BACKENDS, "{tally:?}");
        }
        assert!(changes >= 8, "only {changes} changes");
        for (first, conversation) in &mut staying {
            assert_eq!(conversation.ask()?, *first, "it goes on with its backend");
        }
        Ok(())
    });
}
