//! Everyone tries to talk to everyone under policies made by chance, directly and through services; who gets through is
//! what the model says. Conversations that were begun under other policies obey too.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use tests::ask::{self, Asker, Conversation};
use tests::cluster::{PORT, address};
use tests::serve::Server;
use tests::story::tell;
use tests::world::{PATIENCE, World};

use super::model::{Attempt, Member, PODS};
use super::{Policies, Protocol, acls, random};

/// The other port that servers listen on.
const OTHER_PORT: u16 = 9090;
/// How long is waited for what must not pass: many times what it would take.
const SILENCE: Duration = Duration::from_millis(300);
/// How many networks of policies are tried, one after the other.
const ROUNDS: u64 = 12;

/// A connection to try: what the model is asked, and where the client connects to.
struct Trial {
    attempt: Attempt,
    to: SocketAddr,
}

/// The service in front of a pod.
fn service(to: Member, is_v4: bool) -> SocketAddr {
    let number = PODS.iter().position(|member| *member == to);
    let number = number.expect("a pod of the cluster") + 1;
    let vip = match is_v4 {
        true => format!("10.96.0.{number}:80"),
        false => format!("[fd96::{number}]:80"),
    };
    vip.parse().expect("an address with a port")
}

/// Every connection that anyone may try.
fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (from, to) in PODS.into_iter().flat_map(|from| PODS.map(|to| (from, to))) {
        for is_v4 in [true, false] {
            let attempt = |protocol, port| Attempt {
                from,
                to,
                is_v4,
                protocol,
                port,
            };
            trials.push(Trial {
                attempt: attempt(Protocol::Tcp, PORT),
                to: service(to, is_v4),
            });
            if from == to {
                continue;
            }
            for (protocol, port) in [
                (Protocol::Tcp, PORT),
                (Protocol::Tcp, OTHER_PORT),
                (Protocol::Udp, PORT),
            ] {
                let to = SocketAddr::new(address(to.pod, is_v4), port);
                let attempt = attempt(protocol, port);
                trials.push(Trial { attempt, to });
            }
        }
    }
    trials
}

impl Trial {
    /// Pods always reach themselves through a service.
    fn must_pass(&self, policies: &Policies) -> bool {
        self.attempt.from == self.attempt.to || policies.allow(&self.attempt)
    }

    fn passes(&self, world: &World, limit: Duration) -> Result<bool> {
        let from = &world.pod(self.attempt.from.pod)?.namespace;
        let answer = from.run(|| match self.attempt.protocol {
            Protocol::Tcp => ask::once(self.to, limit),
            Protocol::Udp => Asker::open(self.attempt.is_v4, limit)?.ask(self.to),
        });
        Ok(answer.is_ok_and(|answer| answer.backend == self.attempt.to.pod))
    }
}

/// Looks what does not go as the model says, all at once.
fn surprises(world: &World, trials: &[Trial], policies: &Policies) -> Result<Vec<String>> {
    let look = |trial: &Trial| -> Result<Option<String>> {
        let must_pass = trial.must_pass(policies);
        let limit = if must_pass { PATIENCE } else { SILENCE };
        let passes = trial.passes(world, limit)?;
        let Attempt { from, to, .. } = trial.attempt;
        let told = || {
            let (from, to, at) = (from.pod, to.pod, trial.to);
            let protocol = trial.attempt.protocol;
            format!("{from} to {to} at {at} by {protocol:?}: passes {passes}, must {must_pass}")
        };
        Ok((passes != must_pass).then(told))
    };
    let looked = std::thread::scope(|scope| {
        let threads = trials.iter().map(|trial| scope.spawn(move || look(trial)));
        let threads: Vec<_> = threads.collect();
        let outcomes = threads.into_iter().map(|it| it.join().expect("no panic"));
        outcomes.collect::<Result<Vec<_>>>()
    })?;
    Ok(looked.into_iter().flatten().collect())
}

/// Conversations over all trials that pass, kept for the next round.
struct Staying<'t>(Vec<(&'t Trial, Conversation)>);

impl<'t> Staying<'t> {
    fn begin(world: &World, trials: &'t [Trial], policies: &Policies) -> Result<Self> {
        let is_kept =
            |trial: &&Trial| trial.attempt.protocol == Protocol::Tcp && trial.must_pass(policies);
        let open = |trial: &'t Trial| -> Result<_> {
            let from = &world.pod(trial.attempt.from.pod)?.namespace;
            let mut conversation = from.run(|| Conversation::open(trial.to, PATIENCE))?;
            conversation.ask()?;
            Ok((trial, conversation))
        };
        let conversations = trials.iter().filter(is_kept).map(open);
        Ok(Staying(conversations.collect::<Result<_>>()?))
    }

    /// Those that the new policies forbid hear nothing more, the others go on.
    fn surprises(self, policies: &Policies) -> Vec<String> {
        let look = |(trial, mut conversation): (&Trial, Conversation)| {
            let must_pass = trial.must_pass(policies);
            let limit = if must_pass { PATIENCE } else { SILENCE };
            let heard = conversation
                .set_limit(limit)
                .and_then(|()| conversation.ask());
            let is_right = heard.is_ok() == must_pass;
            (!is_right).then(|| format!("{:?} stayed: {heard:?}, must {must_pass}", trial.attempt))
        };
        std::thread::scope(|scope| {
            let threads = self.0.into_iter().map(|it| scope.spawn(move || look(it)));
            let threads: Vec<_> = threads.collect();
            let outcomes = threads.into_iter().map(|it| it.join().expect("no panic"));
            outcomes.flatten().collect()
        })
    }
}

/// Puts policies in the place of others, in one transaction.
fn replace(world: &World, groups: &mut Vec<String>, policies: &Policies) -> Result<()> {
    let (commands, new) = acls::of(policies);
    let old = std::mem::replace(groups, new);
    let removals = old
        .into_iter()
        .map(|group| vec!["pg-del".to_owned(), group]);
    run(world, removals.chain(commands))
}

fn run(world: &World, commands: impl IntoIterator<Item = Vec<String>>) -> Result<()> {
    let mut words = vec!["--timeout=20".to_owned(), "--wait=hv".to_owned()];
    for command in commands {
        words.push("--".to_owned());
        words.extend(command);
    }
    world.network.vsctl(&words)?;
    Ok(())
}

/// A cluster with servers in all pods, a service in front of each, and what policies are built on.
pub(crate) fn cluster() -> Result<(World, Vec<Server>)> {
    let world = World::cluster(3, 1)?;
    let mut servers = world.serve(PODS.map(|member| member.pod))?;
    for member in PODS {
        servers.push(Server::start(world.pod(member.pod)?, OTHER_PORT)?);
        let vips = [true, false].map(|is_v4| {
            let backend = SocketAddr::new(address(member.pod, is_v4), PORT);
            (service(member, is_v4).to_string(), backend.to_string())
        });
        let vips: Vec<_> = vips.iter().map(|(vip, to)| (&vip[..], &to[..])).collect();
        world.service(member.pod, "tcp", &vips)?;
        let sources = format!("options:hairpin_snat_ip=\"{}\"", acls::HAIRPIN.join(" "));
        world
            .network
            .vsctl(&["set", "Load_Balancer", member.pod, &sources])?;
    }
    run(&world, acls::foundation())?;
    Ok((world, servers))
}

#[test]
fn who_gets_through_is_what_the_policies_say() {
    tell(|| {
        let (world, _servers) = cluster()?;
        let trials = trials();
        let mut groups = Vec::new();
        let mut counts = BTreeSet::new();
        let mut staying = Staying::begin(&world, &trials, &Policies::default())?;
        for seed in 1..=ROUNDS {
            let policies = random::policies(seed);
            replace(&world, &mut groups, &policies)?;
            let mut surprises = staying.surprises(&policies);
            surprises.extend(self::surprises(&world, &trials, &policies)?);
            ensure!(
                surprises.is_empty(),
                "seed {seed}\n{}\n{policies:#?}",
                surprises.join("\n")
            );
            counts.insert(trials.iter().filter(|it| it.must_pass(&policies)).count());
            staying = Staying::begin(&world, &trials, &policies)?;
        }
        assert!(counts.len() > 6, "the policies differ: {counts:?}");
        Ok(())
    });
}
