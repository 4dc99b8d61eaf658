//! What a verdict says of who decided, and of what is to be logged. Input: ACLs and a packet; output: the rules named.

use packet::Flow;
use packet::flow::Transport;
use pipeline::Rewrite;
use pipeline::object::{Acl, AclLog, Severity};

use crate::support::Net;
use crate::support::flows::*;
use crate::support::policy::World;

const A: &str = "0a:00:00:00:00:01";
const B: &str = "0a:00:00:00:00:02";
const A4: &str = "10.0.0.1";
const B4: &str = "10.0.0.2";

fn pair() -> Net {
    Net::new()
        .switch("ls")
        .vif("ls", "a", "0a:00:00:00:00:01 10.0.0.1")
        .vif("ls", "b", "0a:00:00:00:00:02 10.0.0.2")
}

fn request() -> Flow {
    udp((A, B), A4, B4)
}

fn reply() -> Flow {
    let ports = Transport::Udp {
        src: 2000,
        dst: 1000,
    };
    ip((B, A), B4, A4, ports)
}

#[test]
fn a_verdict_says_whether_it_began_a_connection_and_which_rules_had_a_part() {
    let net = pair()
        .acl("ls", "from 1 ip => allow-related")
        .acl("ls", "to 1001 udp => allow-related");
    let mut world = World::new(&net);
    let mut found = |inport, flow| {
        let verdict = world.send(inport, &flow);
        let acls = verdict.made_by.acls.iter().map(|acl| acl.as_u128());
        (verdict.begins, acls.collect::<Vec<_>>())
    };
    assert_eq!(found("a", request()), (true, vec![1, 2]));
    assert_eq!(found("b", reply()), (false, vec![]));
    assert_eq!(found("a", request()), (false, vec![1, 2]));
}

#[test]
fn what_is_logged_is_the_packet_as_its_acl_met_it() {
    let acl = |acl: &mut Acl| {
        acl.log = Some(AclLog {
            severity: Severity::Info,
            meter: None,
            related: false,
        });
    };
    let net = pair().edited_acl("ls", "to 1 ip => drop", acl);
    let verdict = World::new(&net).send("a", &request());
    let [logged] = &verdict.logs[..] else {
        panic!("{:?}", verdict.logs);
    };
    assert_eq!(logged.rewrite.of(&request()), request());
    let routed = Rewrite::between(&request(), &reply());
    assert_eq!(routed.of(&request()), reply());
}
