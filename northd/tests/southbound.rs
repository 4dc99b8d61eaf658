//! Sessions and insight over gRPC, in one process with northd: what the simulations leave out.

mod common;
#[path = "harness/mod.rs"]
mod harness;

use common::{commit, connect};
use harness::{Node, port, switch};
use model::{Id, Operation, Table as _, nb};
use northbound_proto::northbound::trace_request::Detail;
use northbound_proto::northbound::{FlowListRequest, StatusRequest, TraceRequest};
use northd::Northd;
use northd::config::{Config, LogFormat};
use northd::store::MemoryStore;
use southbound_proto::southbound as wire;
use southbound_proto::southbound::southbound_client::SouthboundClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};
use wire::from_node::Message as Up;

async fn start() -> Northd {
    let any = "127.0.0.1:0".parse().expect("an address");
    let config = Config {
        northbound: any,
        southbound: any,
        http: None,
        data_dir: "/nonexistent".into(),
        log_format: LogFormat::Text,
        verbosity: 0,
    };
    let northd = Northd::start_on(config, MemoryStore::default()).await;
    northd.expect("northd starts")
}

/// A node with a real stream.
struct Connected {
    node: Node,
    sender: mpsc::Sender<wire::FromNode>,
    messages: Streaming<wire::ToNode>,
}

impl Connected {
    async fn open(northd: &Northd, name: &str) -> Self {
        let address = format!("http://{}", northd.addresses().southbound);
        let mut client = SouthboundClient::connect(address)
            .await
            .expect("northd listens");
        let (sender, messages) = mpsc::channel(64);
        let mut node = Node::new(name);
        for message in node.opening() {
            sender.send(message).await.expect("there is room");
        }
        let stream = client.session(ReceiverStream::new(messages)).await;
        Self {
            node,
            sender,
            messages: stream.expect("a stream").into_inner(),
        }
    }

    async fn say(&mut self, message: Up) {
        let message = self.node.message(message);
        self.sender.send(message).await.expect("there is room");
    }

    /// Takes messages until the node is as wanted.
    async fn until(&mut self, is_wanted: impl Fn(&Node) -> bool) {
        while !is_wanted(&self.node) {
            let message = self.messages.message().await.expect("no error");
            if let Some(answer) = self.node.take(message.expect("no end")) {
                self.sender.send(answer).await.expect("there is room");
            }
        }
    }
}

fn blue() -> Vec<Operation> {
    let mut ports = [port("a"), port("b")];
    ports[0]
        .addresses
        .insert("02:00:00:00:00:01 10.0.0.1".into());
    ports[1]
        .addresses
        .insert("02:00:00:00:00:02 10.0.0.2".into());
    switch("blue", &ports)
}

#[tokio::test]
async fn a_node_binds_a_port_and_northd_reports_it_up() {
    let northd = start().await;
    let mut client = connect(northd.addresses().northbound).await;
    let reply = commit(&mut client, &blue()).await.expect("answered");
    assert_eq!((reply.error, reply.warnings), (None, Vec::new()));

    let mut node = Connected::open(&northd, "n1").await;
    node.until(|node| node.objects.len() == 1).await;
    let port = "a".to_owned();
    let claim = wire::Claim {
        port: port.clone(),
        fresh: true,
        request: 1,
    };
    node.say(Up::Claim(claim)).await;
    node.until(|node| node.objects.len() > 4 && !node.refusals.is_empty())
        .await;
    assert_eq!(node.node.refusals, [""]);
    node.say(Up::PortsUp(wire::PortsUp { ports: vec![port] }))
        .await;
    let mut revisions = northd.northbound().subscribe();
    let is_up = |database: &std::sync::Arc<model::Database>| {
        let port = database.table::<model::nb::LogicalSwitchPort>().named("a");
        port.is_some_and(|port| port.up == Some(true))
    };
    revisions.wait_for(is_up).await.expect("northd reports it");

    let status = client
        .status(StatusRequest {})
        .await
        .expect("answered")
        .into_inner();
    let chassis = &status.chassis[0];
    assert_eq!(
        (chassis.name.as_str(), chassis.connected, chassis.ports),
        ("n1", true, 1)
    );
    northd.shutdown().await;
    let end = loop {
        match node.messages.message().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert!(
        matches!(end, Ok(None) | Err(_)),
        "the stream ends with northd"
    );
}

#[tokio::test]
async fn a_commit_is_answered_with_what_is_not_in_force() {
    let northd = start().await;
    let mut client = connect(northd.addresses().northbound).await;
    let mut broken = port("broken");
    broken.addresses.insert("10.0.0.1".into());
    let reply = commit(&mut client, &switch("blue", &[broken]))
        .await
        .expect("answered");
    assert_eq!(reply.error, None);
    assert_eq!(reply.warnings.len(), 1);
    let expected = "Logical_Switch_Port broken: addresses: \"10.0.0.1\" does not start with a MAC";
    assert!(
        reply.warnings[0].starts_with(expected),
        "{:?}",
        reply.warnings
    );
    let status = client
        .status(StatusRequest {})
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(status.warnings[0].column, "addresses");
    northd.shutdown().await;
}

#[tokio::test]
async fn a_microflow_may_name_sets() {
    let northd = start().await;
    let mut client = connect(northd.addresses().northbound).await;
    let mut ports = [port("a"), port("b")];
    ports[0]
        .addresses
        .insert("02:00:00:00:00:01 10.0.0.1 fd00::1".into());
    let mut operations = switch("blue", &ports);
    let group = nb::PortGroup {
        id: Id::random(),
        name: "group".into(),
        ports: [ports[0].id].into(),
        ..nb::PortGroup::default()
    };
    let set = nb::AddressSet {
        id: Id::random(),
        name: "set".into(),
        addresses: ["10.0.0.9".to_owned()].into(),
        ..nb::AddressSet::default()
    };
    operations.extend([group.insert(), set.insert()]);
    commit(&mut client, &operations).await.expect("answered");
    for (microflow, expected) in [
        (
            "inport == @group && ip4.src == $group_ip4 && ip4.dst == $set",
            None,
        ),
        ("inport == @group && ip6.src == $group_ip6", None),
        (
            "inport == @group && ip6.src == $group_ip5",
            Some("there is no set $group_ip5"),
        ),
        ("inport == @set && ip4", Some("there is no set @set")),
    ] {
        let request = TraceRequest {
            datapath: String::new(),
            microflow: microflow.to_owned(),
            detail: Detail::Minimal.into(),
            ct: Vec::new(),
        };
        let reply = client.trace(request).await.expect("answered").into_inner();
        let error = reply.error.map(|error| error.message);
        assert_eq!(error.as_deref(), expected, "{microflow}");
    }
    northd.shutdown().await;
}

#[tokio::test]
async fn traces_and_listings_show_the_compiled_tables() {
    let northd = start().await;
    let mut client = connect(northd.addresses().northbound).await;
    commit(&mut client, &blue()).await.expect("answered");
    let flow = "inport == \"a\" && eth.src == 02:00:00:00:00:01 && eth.dst == 02:00:00:00:00:02";
    let request = |datapath: &str, microflow: &str| TraceRequest {
        datapath: datapath.to_owned(),
        microflow: microflow.to_owned(),
        detail: Detail::Minimal.into(),
        ct: Vec::new(),
    };
    let reply = client
        .trace(request("blue", flow))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(reply.error, None);
    assert!(reply.text.contains("output(\"b\");"), "{}", reply.text);
    assert!(reply.json.starts_with('{'));

    for (datapath, microflow, expected, start) in [
        ("green", flow, "there is no datapath \"green\"", 0),
        (
            "blue",
            "inport == \"c\"",
            "no logical port is named \"c\"",
            10,
        ),
        (
            "blue",
            "inport == \"a\" && eth.what == 1",
            "there is no field",
            17,
        ),
    ] {
        let reply = client
            .trace(request(datapath, microflow))
            .await
            .expect("answered");
        let error = reply.into_inner().error.expect("something is wrong");
        assert!(error.message.starts_with(expected), "{}", error.message);
        assert_eq!(error.start, start, "{}", error.message);
    }

    let with_states = |ct: &[&str]| TraceRequest {
        ct: ct.iter().map(|text| (*text).to_owned()).collect(),
        ..request("blue", flow)
    };
    let reply = client.trace(with_states(&["trk,new rpl", "est"])).await;
    assert_eq!(reply.expect("answered").into_inner().error, None);
    let reply = client.trace(with_states(&["new", "trk,old"])).await;
    let error = reply.expect("answered").into_inner().error;
    let error = error.expect("there is no such state");
    assert_eq!((error.start, error.end), (4, 7), "{}", error.message);

    let list = |datapath: &str| FlowListRequest {
        datapath: datapath.to_owned(),
    };
    let all = client
        .flow_list(list(""))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(all.datapaths.len(), 1);
    assert_eq!(
        (&*all.datapaths[0].datapath, &*all.datapaths[0].kind),
        ("blue", "switch")
    );
    let one = client
        .flow_list(list("1"))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(one, all);
    let none = client
        .flow_list(list("green"))
        .await
        .expect_err("there is none");
    assert_eq!(none.code(), Code::NotFound);
    northd.shutdown().await;
}
