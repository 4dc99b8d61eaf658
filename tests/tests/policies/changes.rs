//! What changes mean to those who talk at the time: members that leave sets and groups, rules that come and go.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::ask::{self, Asker, Conversation};
use tests::cluster::{PORT, address};
use tests::story::tell;
use tests::world::{PATIENCE, World};

/// How long TCP may take until it sends again what was blocked for some seconds.
const RESENT: Duration = Duration::from_secs(20);

/// How long is waited for what must not come: many times what it would take.
const SILENCE: Duration = Duration::from_millis(250);

/// Only those in the set `friends` may speak to `b1`, over TCP and UDP.
const GUARDED: &str = r#"
vsctl pg-add guarded b1 \
    -- create Address_Set name=friends addresses='"10.244.1.1","fd00:244:1::1"' \
    -- acl-add guarded to-lport 1000 'outport == @guarded && ip' drop \
    -- acl-add guarded to-lport 1001 'outport == @guarded && (ip4.src == $friends || ip6.src == $friends)' allow-related
vsctl --wait=hv sync
"#;

/// Those who talk with `b1` over both families and protocols.
struct Talk {
    conversations: Vec<Conversation>,
    askers: Vec<(Asker, SocketAddr)>,
}

impl Talk {
    fn begin(world: &World, from: &str) -> Result<Talk> {
        let mut talk = Talk {
            conversations: Vec::new(),
            askers: Vec::new(),
        };
        for is_v4 in [true, false] {
            let to = SocketAddr::new(address("b1", is_v4), PORT);
            let from = &world.pod(from)?.namespace;
            let conversation = from.run(|| Conversation::open(to, PATIENCE));
            talk.conversations.push(conversation?);
            let asker = from.run(|| Asker::open(is_v4, PATIENCE))?;
            talk.askers.push((asker, to));
        }
        talk.goes_on(PATIENCE)?;
        Ok(talk)
    }

    fn goes_on(&mut self, limit: Duration) -> Result<()> {
        for conversation in &mut self.conversations {
            conversation.set_limit(limit)?;
            conversation.ask().context("by TCP")?;
        }
        for (asker, to) in &self.askers {
            asker.set_limit(limit)?;
            asker.ask(*to).context("by UDP")?;
        }
        Ok(())
    }

    fn is_silent(&mut self) -> Result<()> {
        for conversation in &mut self.conversations {
            conversation.set_limit(SILENCE)?;
            ensure!(conversation.ask().is_err(), "TCP goes on");
        }
        for (asker, to) in &self.askers {
            asker.set_limit(SILENCE)?;
            ensure!(asker.ask(*to).is_err(), "UDP goes on");
        }
        Ok(())
    }

    /// What was asked in vain is answered at last; what is asked then is answered too.
    fn revives(&mut self) -> Result<()> {
        for conversation in &mut self.conversations {
            conversation.set_limit(RESENT)?;
            conversation.hear().context("what TCP sends again")?;
        }
        self.goes_on(PATIENCE)
    }
}

#[test]
fn those_who_talk_are_cut_off_and_heard_again_as_the_rules_say() {
    tell(|| {
        let world = World::cluster(1, 1)?;
        let _servers = world.serve(["a1", "b1"])?;
        let mut talk = Talk::begin(&world, "a1")?;
        // Connections that were there before the first rule are known to nobody: they are judged as new ones are.
        world.network.script(GUARDED)?;
        let mut other = Talk::begin(&world, "a1")?;
        talk.goes_on(PATIENCE)?;

        let changes = [
            (
                "remove Address_Set friends addresses \"10.244.1.1\",\"fd00:244:1::1\"",
                "add Address_Set friends addresses \"10.244.1.1\",\"fd00:244:1::1\"",
            ),
            (
                "-- --tier=0 acl-add guarded to-lport 1002 outport==@guarded&&ip drop",
                "acl-del guarded to-lport 1002 outport==@guarded&&ip",
            ),
            (
                "acl-add a from-lport 5 inport==\"a1\"&&ip drop",
                "acl-del a from-lport 5 inport==\"a1\"&&ip",
            ),
        ];
        for (forbid, allow) in changes {
            world.change(forbid)?;
            talk.is_silent().context(forbid)?;
            world.change(allow)?;
            talk.revives().context(allow)?;
        }
        // Whom no rule guards any more, anyone may speak to, also with the connections there are.
        world.change("remove Address_Set friends addresses \"10.244.1.1\",\"fd00:244:1::1\"")?;
        other.is_silent()?;
        world.change("clear Port_Group guarded ports")?;
        other.revives()
    });
}

#[test]
fn rejected_clients_are_told_at_once_by_tcp_and_udp() {
    tell(|| {
        let world = World::cluster(2, 1)?;
        let _servers = world.serve(["a2", "b1", "b2"])?;
        let refused = |from: &str, to: &str| -> Result<()> {
            for is_v4 in [true, false] {
                let end = SocketAddr::new(address(to, is_v4), PORT);
                let told = world.pod(from)?.namespace.run(|| {
                    let by_tcp = ask::once(end, PATIENCE).map_err(|error| error.kind());
                    let by_udp = Asker::open(is_v4, PATIENCE).and_then(|asker| asker.ask(end));
                    [by_tcp, by_udp.map_err(|error| error.kind())]
                });
                assert_eq!(
                    told,
                    [const { Err(ErrorKind::ConnectionRefused) }; 2],
                    "{from} {to}"
                );
            }
            Ok(())
        };
        // At the receiver on another node, on the same node, and at the sender.
        for (rule, pairs) in [
            (
                "acl-add b to-lport 7 outport==\"b2\"&&ip reject",
                [("a1", "b2"), ("b1", "b2")],
            ),
            (
                "acl-add a from-lport 7 inport==\"a1\"&&ip reject",
                [("a1", "b1"), ("a1", "a2")],
            ),
        ] {
            world.change(rule)?;
            for (from, to) in pairs {
                refused(from, to)?;
            }
        }
        // A conversation that a rule rejects later ends.
        world.change("acl-del a")?;
        let to = SocketAddr::new(address("b1", true), PORT);
        let from = &world.pod("a1")?.namespace;
        let mut conversation = from.run(|| Conversation::open(to, PATIENCE))?;
        conversation.ask()?;
        world.change("acl-add b to-lport 8 outport==\"b1\"&&tcp reject")?;
        let ended = conversation.ask().map_err(|error| error.kind());
        assert_eq!(ended, Err(ErrorKind::ConnectionReset));
        Ok(())
    });
}
