//! What scans and floods by one pod leave alone: the connections of all others, those there are and new ones.
//!
//! How much of others' goodput they leave is measured by the program `attack` of this crate.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use tests::ask::{self, Answer, Asker, Conversation};
use tests::attack::{ATTACKS, Attack, Attacker, Bounds};
use tests::cluster::{PORT, address, backends};
use tests::story::tell;
use tests::world::{PATIENCE, World};

/// What an attack may do here: enough to fill every quota and table that is set below.
const BOUNDS: Bounds = Bounds {
    frames: 400_000,
    time: Duration::from_secs(2),
};

/// The service that the bystander uses.
const WEB: &str = "10.96.0.1:80";

/// Lets pods be spoken to, but `b1`, whom nobody reaches: what is sent to it stays unanswered.
const POLICY: &str = r#"
vsctl pg-add closed b1 -- acl-add closed to-lport 1000 'outport == @closed && ip' drop
vsctl pg-add open a2 a3 b2 b3 -- acl-add open to-lport 1001 'outport == @open && ip' allow-related
"#;

/// Somebody who has nothing to do with the attack, with conversations that go on meanwhile.
struct Bystander {
    conversations: Vec<(Answer, Conversation)>,
    askers: Vec<(Asker, SocketAddr)>,
}

impl Bystander {
    fn begin(world: &World) -> Result<Bystander> {
        let from = &world.pod("a2")?.namespace;
        let mut conversations = Vec::new();
        for _ in 0..8 {
            let mut conversation =
                from.run(|| Conversation::open(WEB.parse()?, PATIENCE).context("open"))?;
            conversations.push((conversation.ask()?, conversation));
        }
        let mut askers = Vec::new();
        for is_v4 in [true, false] {
            let asker = from.run(|| Asker::open(is_v4, PATIENCE))?;
            let to = SocketAddr::new(address("b3", is_v4), PORT);
            asker.ask(to)?;
            askers.push((asker, to));
        }
        Ok(Bystander {
            conversations,
            askers,
        })
    }

    /// Everything goes on, with whom it was.
    fn goes_on(&mut self) -> Result<()> {
        for (first, conversation) in &mut self.conversations {
            assert_eq!(conversation.ask()?, *first);
        }
        for (asker, to) in &self.askers {
            asker.ask(*to)?;
        }
        Ok(())
    }
}

/// A cluster with a service, in which nodes track so many connections.
fn cluster(options: &[&str]) -> Result<(World, Vec<tests::serve::Server>)> {
    let world = World::cluster_with(3, options)?;
    let servers = world.serve(["b2", "b3"])?;
    world.network.script(POLICY)?;
    world.service("web", "tcp", &[(WEB, &backends(["b2", "b3"], true))])?;
    Ok((world, servers))
}

/// `a1` attacks `b1`, while the bystander goes on and begins anew.
fn attack(world: &World, attack: Attack, bystander: &mut Bystander) -> Result<()> {
    let mut attacker = Attacker::prepare(world, "a1", "eth0")?;
    let victims: [IpAddr; 2] = [address("b1", true), address("b1", false)];
    std::thread::scope(|scope| {
        let attacking = scope.spawn(move || attacker.run(attack, victims, BOUNDS));
        while !attacking.is_finished() {
            bystander.goes_on()?;
            let tally = ask::times(5, world.pod("a2")?, WEB.parse()?, PATIENCE);
            assert!(tally.failures.is_empty(), "{attack:?}: {tally:?}");
        }
        let sent = attacking.join().expect("no panic")?;
        assert!(sent > 0, "nothing was sent");
        bystander.goes_on()
    })
}

#[test]
fn attacks_use_up_what_the_attacker_has_and_nothing_of_others() {
    tell(|| {
        let (world, _servers) = cluster(&["--half-open", "200"])?;
        let mut bystander = Bystander::begin(&world)?;
        for kind in ATTACKS {
            attack(&world, kind, &mut bystander).with_context(|| format!("{kind:?}"))?;
        }
        for reason in ["half-open-quota", "fragment-room", "hold-queue-full"] {
            assert!(world.drops("a", reason)? > 0, "{reason}");
        }
        assert_eq!(
            world.drops("b", "half-open-quota")?,
            0,
            "the attacker's own quota was less"
        );
        Ok(())
    });
}

#[test]
fn a_full_table_gives_up_what_was_never_answered_and_nothing_that_was() {
    tell(|| {
        let options = [
            "--connections",
            "4000",
            "--half-open",
            "20000",
            "--fruitless",
            "1000000",
        ];
        let (world, _servers) = cluster(&options)?;
        let mut bystander = Bystander::begin(&world)?;
        for kind in [Attack::Syns, Attack::Datagrams] {
            attack(&world, kind, &mut bystander)?;
        }
        let stats = world.network.node_vsctl("a", &["ct-stats"])?;
        assert!(counted(&stats, "evicted")? > 0, "{stats}");
        assert_eq!(counted(&stats, "refused_full")?, 0, "{stats}");
        Ok(())
    });
}

/// A number of `ct-stats` by its name.
fn counted(stats: &str, name: &str) -> Result<u64> {
    let found = stats.lines().find_map(|line| {
        let (first, rest) = line.trim().split_once(' ')?;
        (first == name).then(|| rest.split_whitespace().next()?.parse().ok())?
    });
    found.with_context(|| format!("no {name} in\n{stats}"))
}
