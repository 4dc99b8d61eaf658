//! How connections are spread over backends.

use anyhow::Result;
use ground::network::Pod;
use tests::ask::{self, Tally};
use tests::cluster::{address, backends};
use tests::story::tell;
use tests::world::{PATIENCE, World};

use crate::{BACKENDS, VIP_V4, VIP_V6, set, to, web};

/// Every backend has its share of the connections: none has less than half of it.
fn assert_shared(tally: &Tally, backends: &[&str]) {
    assert!(tally.failures.is_empty(), "{tally:?}");
    assert_eq!(tally.backends(), backends, "{tally:?}");
    let total: usize = tally.answers.values().sum();
    let least = tally.answers.values().min().copied().unwrap_or_default();
    assert!(least * 2 * backends.len() >= total, "{tally:?}");
}

fn assert_seen_as_itself(client: &Pod, vip: &str) -> Result<()> {
    let answer = client.namespace.run(|| ask::once(to(vip), PATIENCE))?;
    assert_eq!(
        answer.client,
        address(&client.port, answer.client.is_ipv4())
    );
    Ok(())
}

#[test]
fn all_backends_share_the_connections_and_see_their_clients() {
    tell(|| {
        let world = World::cluster(3, 2)?;
        let _servers = world.serve(BACKENDS)?;
        web(&world, "tcp", &BACKENDS)?;
        for client in ["a1", "b1"] {
            let from = world.pod(client)?;
            for vip in [VIP_V4, VIP_V6] {
                assert_shared(&ask::times(160, from, to(vip), PATIENCE), &BACKENDS);
                assert_seen_as_itself(from, vip)?;
                assert_shared(
                    &ask::times_by_curl(160, from, to(vip), PATIENCE)?,
                    &BACKENDS,
                );
            }
        }
        Ok(())
    });
}

#[test]
fn datagrams_are_shared_by_sockets() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        let _servers = world.serve(BACKENDS)?;
        web(&world, "udp", &BACKENDS)?;
        for client in ["a1", "b1"] {
            for vip in [VIP_V4, VIP_V6] {
                let from = world.pod(client)?;
                assert_shared(&ask::times_by_udp(160, from, to(vip), PATIENCE), &BACKENDS);
                // A socket that asks again asks the same backend.
                let asker = from
                    .namespace
                    .run(|| ask::Asker::open(to(vip).is_ipv4(), PATIENCE))?;
                let first = asker.ask(to(vip))?;
                for _ in 0..20 {
                    assert_eq!(asker.ask(to(vip))?, first);
                }
            }
        }
        Ok(())
    });
}

/// Asks from a backend until it is its own client; the address that it then sees itself at.
fn seen_by_itself(backend: &Pod, vip: &str) -> Result<String> {
    let answers = backend.namespace.run(|| {
        let answers = (0..40).map(|_| ask::once(to(vip), PATIENCE));
        answers.collect::<Result<Vec<_>, _>>()
    })?;
    let (own, others): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.backend == backend.port);
    let is_v4 = to(vip).is_ipv4();
    for answer in &others {
        assert_eq!(answer.client, address(&backend.port, is_v4), "{answer:?}");
    }
    assert!(!others.is_empty(), "others serve it too");
    let seen: std::collections::BTreeSet<_> = own.into_iter().map(|it| it.client).collect();
    let seen: Vec<_> = seen.iter().map(ToString::to_string).collect();
    Ok(seen.join(" "))
}

#[test]
fn a_backend_may_be_its_own_client() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        let _servers = world.serve(BACKENDS)?;
        web(&world, "tcp", &BACKENDS)?;
        let backend = world.pod("a2")?;
        assert_eq!(seen_by_itself(backend, VIP_V4)?, "10.96.0.1");
        assert_eq!(seen_by_itself(backend, VIP_V6)?, "fd96::1");
        set(&world, "hairpin_snat_ip", "169.254.0.5 fd69::5")?;
        assert_eq!(seen_by_itself(backend, VIP_V4)?, "169.254.0.5");
        assert_eq!(seen_by_itself(backend, VIP_V6)?, "fd69::5");
        Ok(())
    });
}

#[test]
fn weights_are_shares_and_affinity_keeps_a_client_with_its_backend() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        let _servers = world.serve(BACKENDS)?;
        web(&world, "tcp", &BACKENDS)?;
        let heavy = backends(["a2"], true);
        set(&world, "backend_weights", &format!("{heavy}=9"))?;
        let from = world.pod("b1")?;
        let tally = ask::times(240, from, to(VIP_V4), PATIENCE);
        assert!(tally.failures.is_empty(), "{tally:?}");
        // Nine of twelve, of which chance may take a few.
        assert!((150..=210).contains(&tally.answers["a2"]), "{tally:?}");
        assert_eq!(tally.backends(), BACKENDS, "{tally:?}");

        set(&world, "affinity_timeout", "60")?;
        for vip in [VIP_V4, VIP_V6] {
            for client in ["a1", "b1"] {
                let tally = ask::times(30, world.pod(client)?, to(vip), PATIENCE);
                assert_eq!(tally.answers.len(), 1, "{tally:?}");
                assert!(tally.failures.is_empty(), "{tally:?}");
            }
        }
        Ok(())
    });
}
