//! What changes of a service mean to those who talk to it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use ground::network::Pod;
use tests::ask::{self, Answer, Asker, Conversation, Tally};
use tests::cluster::backends;
use tests::story::tell;
use tests::world::{PATIENCE, SILENCE, World};

use crate::{BACKENDS, VIP_V4, VIP_V6, change, set, to, web};

/// Conversations with all backends, two with each at least, and whom each is with.
fn with_all(from: &Pod, vip: &str) -> Result<Vec<(Answer, Conversation)>> {
    from.namespace.run(|| {
        let begin = || -> Result<_> {
            let mut conversation = Conversation::open(to(vip), PATIENCE)?;
            Ok((conversation.ask()?, conversation))
        };
        (0..40).map(|_| begin()).collect()
    })
}

fn names<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> BTreeSet<&'a str> {
    let answers = answers.into_iter();
    answers.map(|answer| answer.backend.as_str()).collect()
}

#[test]
fn conversations_stay_when_backends_come_and_go_and_only_a_dead_one_ends_its_own() {
    tell(|| {
        let mut world = World::cluster(3, 1)?;
        let mut servers = world.serve(BACKENDS)?;
        web(&world, "tcp", &BACKENDS[..3])?;
        let mut all = with_all(world.pod("a1")?, VIP_V4)?;
        all.extend(with_all(world.pod("b1")?, VIP_V6)?);
        assert_eq!(
            names(all.iter().map(|it| &it.0)),
            BTreeSet::from(["a2", "a3", "b2"])
        );
        change(&world, "tcp", &BACKENDS)?;
        change(&world, "tcp", &BACKENDS[2..])?;
        for (first, conversation) in &mut all {
            assert_eq!(conversation.ask()?, *first, "it goes on with its backend");
        }
        // New ones go to those that are there.
        let tally = ask::times(40, world.pod("a1")?, to(VIP_V4), PATIENCE);
        assert_eq!(
            (tally.backends(), tally.failures.len()),
            (vec!["b2", "b3"], 0)
        );

        servers.remove(0);
        world.network.node_vsctl("a", &["detach", "a2"])?;
        world.pods.remove("a2");
        world.network.sync()?;
        for (first, conversation) in all.iter_mut().filter(|it| it.0.backend != "a2") {
            assert_eq!(conversation.ask()?, *first, "only those of a2 are over");
        }
        Ok(())
    });
}

#[test]
fn with_ct_flush_a_conversation_ends_with_its_backend_and_all_with_their_service() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        let _servers = world.serve(BACKENDS)?;
        web(&world, "tcp", &BACKENDS)?;
        set(&world, "ct_flush", "true")?;
        let mut all = with_all(world.pod("a1")?, VIP_V4)?;
        all.extend(with_all(world.pod("b1")?, VIP_V6)?);
        change(&world, "tcp", &BACKENDS[1..])?;
        let (ended, mut others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|it| it.0.backend == "a2");
        assert!(!ended.is_empty() && !others.is_empty());
        for (first, conversation) in &mut others {
            assert_eq!(conversation.ask()?, *first, "it goes on with its backend");
        }
        for (_, mut conversation) in ended {
            assert!(conversation.ask().is_err(), "a2 serves no more");
        }
        world.change("lb-del web")?;
        for node in ["a", "b"] {
            let left = world
                .network
                .node_vsctl(node, &["ct-list", "--vip", VIP_V4])?;
            assert_eq!(left.trim(), "No connection is tracked.");
        }
        Ok(())
    });
}

#[test]
fn sockets_whose_backend_is_removed_are_sent_to_another() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        let _servers = world.serve(BACKENDS)?;
        web(&world, "udp", &BACKENDS)?;
        let mut askers = Vec::new();
        for (pod, vip) in [("a1", VIP_V4), ("b1", VIP_V6)] {
            let open = || (0..24).map(|_| Asker::open(to(vip).is_ipv4(), PATIENCE));
            for asker in world.pod(pod)?.namespace.run(|| open().collect::<Vec<_>>()) {
                let asker = asker?;
                askers.push((asker.ask(to(vip))?.backend, asker, to(vip)));
            }
        }
        change(&world, "udp", &BACKENDS[1..])?;
        let moved = askers.iter().filter(|it| it.0 == "a2").count();
        assert!(moved > 0, "some were with a2");
        for (before, asker, vip) in &askers {
            let now = asker.ask(*vip)?.backend;
            let is_right = match before.as_str() {
                "a2" => now != "a2",
                _ => now == *before,
            };
            assert!(is_right, "from {before} to {now}");
        }
        Ok(())
    });
}

#[test]
fn a_draining_backend_keeps_what_it_has_and_a_terminating_one_serves_where_no_other_does() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        let _servers = world.serve(BACKENDS)?;
        web(&world, "tcp", &BACKENDS)?;
        let from = world.pod("b1")?;
        let mut all = with_all(from, VIP_V4)?;
        let drained = backends(["a2"], true);
        set(&world, "backend_weights", &format!("{drained}=0"))?;
        let terminating = backends(["a3", "b3"], true);
        set(&world, "terminating_backends", &terminating)?;
        for (first, conversation) in &mut all {
            assert_eq!(conversation.ask()?, *first, "it goes on with its backend");
        }
        let served = |expected: &[&str]| {
            let tally = ask::times(30, from, to(VIP_V4), PATIENCE);
            assert_eq!(
                (tally.backends(), tally.failures.len()),
                (expected.to_vec(), 0)
            );
        };
        served(&["b2"]);
        change(&world, "tcp", &["a2", "a3", "b3"])?;
        served(&["a3", "b3"]);
        change(&world, "tcp", &["a2"])?;
        let refused = ask::times(1, from, to(VIP_V4), SILENCE);
        assert!(
            refused.answers.is_empty(),
            "a2 takes no new ones: {refused:?}"
        );
        for (first, conversation) in &mut all {
            assert_eq!(conversation.ask()?, *first, "it goes on with its backend");
        }
        Ok(())
    });
}

#[test]
fn a_deleted_service_is_nobody() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        let _servers = world.serve(BACKENDS)?;
        web(&world, "tcp", &BACKENDS)?;
        let from = world.pod("a1")?;
        let before = ask::times(4, from, to(VIP_V4), PATIENCE);
        assert_eq!(before.failures, Tally::default().failures);
        world.change("lb-del web").context("lb-del")?;
        let after = ask::times(2, from, to(VIP_V4), SILENCE);
        assert!(after.answers.is_empty(), "{after:?}");
        Ok(())
    });
}
